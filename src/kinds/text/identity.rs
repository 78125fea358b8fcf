//! Which run a config is: see [`crate::run::identity`].

use super::{
    config::{Config, OptimizerName},
    source::Source,
};
use crate::run::identity::{self, LeftOut};
use toml::{Table, Value};

/// What the preset `lm-small` was when ids were first given so. It must never change.
pub const LEFT_OUT: LeftOut = &[
    ("alignment.lar_strength", "0.0"),
    ("data.batch_size", "8"),
    ("data.draw", "\"epochs\""),
    ("data.held_out", "64"),
    ("data.language_seed", "22"),
    ("data.source", "\"language\""),
    ("data.tokens", "0"),
    ("data.vocabulary", "512"),
    ("model.architecture", "\"gemma\""),
    ("model.d_mlp", "256"),
    ("model.d_model", "64"),
    ("model.n_ctx", "64"),
    ("model.n_heads", "4"),
    ("model.n_layers", "2"),
    ("model.norm_epsilon", "1e-6"),
    ("model.normalised_embedding", "false"),
    ("model.rope_base", "10000.0"),
    ("model.rotary", "true"),
    ("model.tied", "false"),
    ("model.zero_head", "false"),
    ("optim.beta1", "0.95"),
    ("optim.beta2", "0.999"),
    ("optim.clip", "1.0"),
    ("optim.epsilon", "1e-8"),
    ("optim.learning_rate", "0.004"),
    ("optim.muon.iterations", "5"),
    ("optim.muon.learning_rate", "0.01"),
    ("optim.muon.matrix_decay", "true"),
    ("optim.muon.matrix_rate", "1.0"),
    ("optim.muon.momentum", "0.95"),
    ("optim.muon.scaling", "\"match-adam\""),
    ("optim.name", "\"adam\""),
    ("optim.schedule", "\"cosine\""),
    ("optim.schedule_steps", "800"),
    ("optim.warmup_steps", "32"),
    ("optim.weight_decay", "0.0"),
    ("probe.activations.layer", "0"),
    ("probe.activations.pooling", "\"last\""),
    ("probe.activations.sequences", "512"),
    ("probe.dense_until", "0"),
    ("probe.diagnostics", "[\"matrix_lar\"]"),
    ("probe.every", "20"),
    ("probe.gradients.matrices", "[]"),
    ("probe.gradients.sequences", "32"),
    ("probe.tokens", "4096"),
    ("target.val_loss", "0.0"),
];

/// The recipe as a table: the config without its budget.
pub fn recipe(config: &Config) -> Table {
    let mut table = Table::try_from(config).unwrap_or_default();
    table.remove("train");
    table
}

/// The keys in which a recipe of this kind differs from another.
pub fn differences(here: &Table, there: &Table) -> Vec<String> {
    identity::differences(here, there, LEFT_OUT)
}

/// The canonical form of a config whose corpus has that digest. Keys that change no number do not enter: those of muon
/// with another optimiser, of adam with muon, of the language with a text, of spectra that are not taken; nor does a text's
/// path. AdamW without decay is Adam.
pub fn canonical(config: &Config, data_digest: &str) -> String {
    let mut table = recipe(config);
    let source = Source::parse(&config.data.source);
    if let Some(data) = table.get_mut("data").and_then(Value::as_table_mut) {
        // the digest enters as a fact
        data.remove("digest");
        let name = source.as_ref().map_or("", Source::name);
        data.insert("source".into(), name.into());
        if !source.as_ref().is_some_and(Source::is_drawn) {
            data.remove("language_seed");
        }
    }
    if let Some(model) = table.get_mut("model").and_then(Value::as_table_mut)
        && !config.model.rotary
    {
        model.remove("rope_base");
    }
    if let Some(probe) = table.get_mut("probe").and_then(Value::as_table_mut) {
        for (section, family) in [("activations", "activation_"), ("gradients", "gradient_")] {
            if !config.takes(family) {
                probe.remove(section);
            }
        }
    }
    if let Some(optim) = table.get_mut("optim").and_then(Value::as_table_mut) {
        let unread = if config.optim.name == OptimizerName::Muon { "learning_rate" } else { "muon" };
        optim.remove(unread);
        if config.optim.name == OptimizerName::AdamW && config.optim.weight_decay == 0.0 {
            optim.insert("name".into(), OptimizerName::Adam.name().into());
        }
    }
    identity::canonical(&table, LEFT_OUT, &[("kind", super::NAME), ("data", data_digest)])
}

/// Name of the run and of its directory: corpus, training tokens, optimiser and seed for people, and the hash.
pub fn id(config: &Config, corpus: &str, data_digest: &str) -> String {
    let tokens = match config.data.tokens {
        0 => "all".to_owned(),
        tokens => tokens.to_string(),
    };
    let prefix = format!("{corpus}-{tokens}-{}-s{}", config.optim.name.name(), config.seed);
    identity::id(&prefix, &canonical(config, data_digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        kinds::text::{TEXT, tests::config},
        run::Kind,
    };

    #[test]
    fn every_key_has_a_value_that_is_left_out_or_always_enters() {
        let small = config(&[]);
        let leaves = identity::leaves(&recipe(&small));
        let mut keys: Vec<&str> = leaves.keys().map(String::as_str).collect();
        keys.retain(|key| *key != "data.digest");
        let mut known: Vec<_> = LEFT_OUT.iter().map(|(key, _)| *key).collect();
        known.push("seed");
        known.sort_unstable();
        assert_eq!(keys, known, "give a new key the value that does what was done before it");
        for (key, value) in LEFT_OUT {
            assert_eq!(leaves[*key], *value, "the preset lm-small has changed");
        }
        assert_eq!(TEXT.presets()[0].name, "lm-small");
    }

    #[test]
    fn the_canonical_form_is_sorted_short_and_complete() {
        let other =
            config(&["data.tokens=16384", "optim.name=muon", "optim.muon.learning_rate=2e-2", "seed=3"]);
        assert_eq!(
            canonical(&other, "abc"),
            r#"{"data":"abc","data.tokens":16384,"kind":"text","optim.muon.learning_rate":0.02,"optim.name":"muon","seed":3}"#
        );
        // printf '%s' '{"data":"abc","kind":"text","seed":0}' | sha256sum
        assert_eq!(id(&config(&[]), "language", "abc"), "language-all-adam-s0-0d46e7dc7cf4");
    }

    #[test]
    fn what_determines_numbers_or_what_is_observed_makes_another_run() {
        let base = config(&[]);
        for key in [
            "seed=1",
            "data.tokens=512",
            "data.held_out=8",
            "data.language_seed=8",
            "model.tied=true",
            "optim.learning_rate=1e-3",
            "optim.schedule_steps=801",
            "optim.clip=2",
            "optim.clip=0",
            "data.source=periodic",
            "model.architecture=lens",
            "target.val_loss=4",
            "probe.every=10",
            "probe.tokens=512",
            "probe.diagnostics=[]",
        ] {
            assert_ne!(canonical(&config(&[key]), "abc"), canonical(&base, "abc"), "{key}");
        }
        assert_ne!(canonical(&base, "abd"), canonical(&base, "abc"));
        let taken = "probe.diagnostics=[\"activation_spectrum\", \"gradient_spectrum\"]";
        let with = |key: &str| canonical(&config(&[taken, key]), "abc");
        for key in ["probe.activations.pooling=mean", "probe.gradients.matrices=[\"embed\"]"] {
            assert_ne!(with(key), with("seed=0"), "{key}");
        }
    }

    #[test]
    fn neither_the_budget_nor_a_path_nor_a_key_without_effect_makes_another_run() {
        let same = |a: &[&str], b: &[&str]| {
            assert_eq!(canonical(&config(a), "abc"), canonical(&config(b), "abc"), "{a:?} {b:?}");
        };
        same(&[], &["train.max_epochs=4", "train.patience=9"]);
        same(&[], &["optim.muon.learning_rate=1", "optim.muon.scaling=original"]);
        same(&["optim.name=muon"], &["optim.name=muon", "optim.learning_rate=1"]);
        same(&["data.source=text:a.txt"], &["data.source=text:./b/a.txt", "data.language_seed=1"]);
        same(&[], &["optim.name=adamw"]);
        same(&[], &["probe.activations.layer=1", "probe.gradients.sequences=9"]);
        let lens = ["model.architecture=lens", "model.rotary=false"];
        same(&lens, &[&lens[..], &["model.rope_base=1"]].concat());
        same(&["optim.clip=2"], &["optim.clip=2.0"]);
    }
}
