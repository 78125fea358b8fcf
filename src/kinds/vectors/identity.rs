//! Which run a config is.

use super::config::Config;
use crate::run::identity::{LeftOut, canonical, id};
use toml::Table;

/// The values of the preset `grokalign-digits` of groklab 0.1. They must never change, whatever becomes of the presets.
pub(super) const LEFT_OUT: LeftOut = &[
    ("data.batch_size", "0"),
    ("data.deviation", "0.5"),
    ("data.epsilon", "0.158"),
    ("data.feature", "1.0"),
    ("data.label_noise", "0.0"),
    ("data.lean", "0.356"),
    ("data.pixel_noise", "0.0"),
    ("data.pixel_seed", "0"),
    ("data.shuffle", "true"),
    ("data.source", "\"digits\""),
    ("data.standardise", "true"),
    ("data.train_rows", "200"),
    ("data.val_rows", "0"),
    ("data.width", "40"),
    ("jacobian.level", "0.0"),
    ("jacobian.strength", "0.001"),
    ("model.biases", "false"),
    ("model.depth", "4"),
    ("model.init", "\"uniform\""),
    ("model.init_scale", "8.0"),
    ("model.loss", "\"cross-entropy\""),
    ("model.output_scale", "1.0"),
    ("model.single_output", "false"),
    ("model.width", "64"),
    ("optim.beta1", "0.9"),
    ("optim.beta2", "0.999"),
    ("optim.epsilon", "1e-8"),
    ("optim.learning_rate", "0.001"),
    ("optim.momentum", "0.0"),
    ("optim.name", "\"adamw\""),
    ("optim.rate_over_scale", "false"),
    ("optim.weight_decay", "0.01"),
    ("probe.dense_until", "0"),
    ("probe.diagnostics", "[\"jacobian\",\"alignment\",\"noise\",\"pgd\",\"layers\"]"),
    ("probe.every", "500"),
    ("probe.jacobian_rows", "64"),
    ("probe.noise", "[0.5,1.0]"),
    ("probe.pgd", "[0.1,0.25]"),
    ("probe.rows", "500"),
    ("target.at", "0.85"),
    ("target.every", "0"),
    ("target.quantity", "\"val-accuracy\""),
];

/// All choices that determine the numbers, as in `config.toml`.
pub(super) fn recipe(config: &Config) -> Table {
    // a config is a tree of plain values: it always has a TOML form
    let mut table = Table::try_from(config).unwrap_or_default();
    table.remove("train");
    table
}

/// The recipe without the place of the user's files, and without their digest, which is a fact of its own.
pub(super) fn placeless(mut recipe: Table, source: &str) -> Table {
    if let Some(data) = recipe.get_mut("data").and_then(|data| data.as_table_mut()) {
        data.insert("source".to_owned(), source.into());
        data.remove("digest");
    }
    recipe
}

/// The keys in which two recipes differ.
pub(super) fn differences(here: &Table, there: &Table) -> Vec<String> {
    crate::run::identity::differences(here, there, LEFT_OUT)
}

/// The canonical form; `source` is the source's word, without a path, and `digest` that of the data.
pub(super) fn canonical_form(config: &Config, source: &str, digest: &str) -> String {
    canonical(&placeless(recipe(config), source), LEFT_OUT, &[("kind", super::NAME), ("data", digest)])
}

/// Name of the run and of its directory.
pub(super) fn run_id(config: &Config, source: &str, digest: &str) -> String {
    let prefix = format!("{source}-n{}-s{}", config.data.train_rows, config.seed);
    id(&prefix, &canonical_form(config, source, digest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{kinds::vectors::tests::config, run::identity::leaves};

    #[test]
    fn the_canonical_form_is_sorted_short_and_complete() {
        let other = config(
            "grokalign-digits",
            &[
                "seed=3",
                "optim.weight_decay=0.1",
                "data.source=npy:x.npy,y.npy",
                "probe.diagnostics=[\"pgd\"]",
            ],
        );
        assert_eq!(
            canonical_form(&other, "npy", "abc"),
            r#"{"data":"abc","data.source":"npy","kind":"vectors","optim.weight_decay":0.1,"probe.diagnostics":["pgd"],"seed":3,"split_seed":3}"#
        );
        // printf '%s' '{"data":"abc","kind":"vectors","seed":3,"split_seed":3}' | sha256sum
        let base = config("grokalign-digits", &["seed=3"]);
        assert_eq!(run_id(&base, "digits", "abc"), "digits-n200-s3-beefedbdee71");
    }

    #[test]
    fn every_key_has_a_value_that_is_left_out_or_always_enters() {
        let mut keys: Vec<String> = leaves(&recipe(&config("strength-mixture", &[]))).into_keys().collect();
        keys.retain(|key| key != "data.digest");
        let mut known: Vec<_> = LEFT_OUT.iter().map(|(key, _)| *key).collect();
        known.extend(["seed", "split_seed"]);
        known.sort_unstable();
        assert_eq!(keys, known, "give a new key the value that does what was done before it");
    }

    #[test]
    fn neither_the_budget_nor_where_files_lie_makes_another_run() {
        let base = config("grokalign-digits", &["data.source=npy:x.npy,y.npy"]);
        for key in
            ["train.max_epochs=4", "train.patience=1", "data.source=npy:./x.npy,y.npy", "data.digest=abc"]
        {
            let other = config("grokalign-digits", &["data.source=npy:x.npy,y.npy", key]);
            assert_eq!(canonical_form(&other, "npy", "abc"), canonical_form(&base, "npy", "abc"), "{key}");
        }
        for key in [
            "seed=4",
            "split_seed=9",
            "model.biases=true",
            "target.at=0.9",
            "probe.rows=20",
            "probe.noise=[1]",
        ] {
            let other = config("grokalign-digits", &["data.source=npy:x.npy,y.npy", key]);
            assert_ne!(canonical_form(&other, "npy", "abc"), canonical_form(&base, "npy", "abc"), "{key}");
        }
        assert_ne!(canonical_form(&base, "npy", "abd"), canonical_form(&base, "npy", "abc"));
    }
}
