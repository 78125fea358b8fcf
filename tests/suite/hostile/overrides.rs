//! `train --set` and the other options of a run.

use super::Case;

fn set(pair: &str, says: &str) -> Case {
    let name: String = pair.chars().take(60).collect();
    Case::new(format!("--set {name}"), &["train", "add", "--set", pair], &[says])
}

fn option(option: &str, says: &str) -> Case {
    Case::new(option, &["train", "add", option], &[says])
}

pub fn cases() -> Vec<Case> {
    let long = "k".repeat(100_000);
    let wide = ["--set", "model.d_model=16384", "--set", "model.d_mlp=16384", "--set", "model.n_layers=64"];
    vec![
        set("novalue", "`novalue` is not of the form key=value"),
        set("", "is not of the form key=value"),
        set("=", "unknown config key ``"),
        set(&long, "is not of the form key=value"),
        set(&format!("{long}=1"), "unknown config key `kkk"),
        set(&format!("model.norm={long}"), "model.norm = "),
        set(&format!("model.norm={}", "[".repeat(100_000)), "model.norm = "),
        set("model\u{1b}[31m=1", "unknown config key"),
        set("model.norm=\u{1b}]0;owned\u{7}", "model.norm = "),
        set("model.norm=pre\n[x]", "model.norm = "),
        set("model={d_model=1}", "unknown config key `model`"),
        set("model.d_model.x=1", "unknown config key `model.d_model.x`"),
        set("task=sub", "unknown config key `task`"),
        set("model.d_model=4611686018427387904", "model.d_model = 4611686018427387904 is out of range"),
        set("model.d_model=18446744073709551616", "model.d_model"),
        set("model.d_model=-128", "model.d_model = -128"),
        set("model.d_model=0", "model.d_model = 0 is out of range"),
        set("model.d_model=1", "model.d_model = 1 is out of range"),
        set("model.d_model=130", "model.d_model = 130 with n_heads = 4 is out of range"),
        set("model.n_heads=0", "n_heads"),
        set("model.n_layers=9223372036854775807", "model.n_layers = 9223372036854775807 is out of range"),
        set("model.embedding_std=nan", "model.embedding_std = NaN is out of range"),
        set("optim.learning_rate=-inf", "optim.learning_rate = -inf is out of range"),
        set("optim.learning_rate=0", "optim.learning_rate = 0.0 is out of range"),
        set("optim.beta2=1", "optim.beta2 = 1.0 is out of range"),
        set("optim.warmup_steps=-1", "optim.warmup_steps = -1"),
        set("optim.warmup_steps=18446744073709551615", "optim.warmup_steps"),
        set("data.batch_size=9223372036854775807", "data.batch_size = 9223372036854775807 is out of range"),
        set("data.batch_size=512.5", "data.batch_size = 512.5"),
        set("train.max_epochs=9223372036854775807", "train.max_epochs = 9223372036854775807 is out of range"),
        set("train.max_epochs=0", "train.max_epochs = 0 is out of range"),
        set("probe.diagnostics=[\"lar\"]", "probe.diagnostics = `lar` is out of range"),
        set("probe.diagnostics=[\"cheap\", \"cheap\"]", "stands there once"),
        set(&format!("probe.diagnostics=[\"{long}\"]"), "probe.diagnostics = "),
        set("probe.diagnostics=cheap", "probe.diagnostics = "),
        set("probe.every=0", "probe.every = 0 is out of range"),
        set("train_fraction=nan", "train_fraction = NaN is out of range"),
        set("train_fraction=1e-300", "train_fraction = 1e-300 leaves 0 of 9409"),
        set("seed=-1", "seed = -1"),
        set("seed=9223372036854775808", "seed"),
        option("--seed=9223372036854775808", "seed = 9223372036854775808 is out of range"),
        option("--seed=18446744073709551615", "seed = 18446744073709551615 is out of range"),
        option("--seed=18446744073709551616", "--seed").code(2),
        option("--seed=-1", "--seed").code(2),
        option("--fraction=nan", "train_fraction = NaN is out of range"),
        option("--fraction=-0", "train_fraction = -0.0 is out of range"),
        option("--fraction=1", "train_fraction = 1.0 is out of range"),
        option("--fraction=1e-300", "train_fraction = 1e-300 leaves 0 of 9409"),
        option("--fraction=1e999", "train_fraction = inf is out of range"),
        option("--fraction=half", "--fraction").code(2),
        Case::new("a model beyond any memory", &[&["train", "add"], &wide[..]].concat(), &["GiB of memory"]),
        Case::new(
            "an option with a seed beyond TOML",
            &["train", "add", "--seed=18446744073709551615", "--set", "model.n_layers=1"],
            &["seed = 18446744073709551615 is out of range"],
        ),
    ]
}
