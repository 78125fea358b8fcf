//! Which run a recipe of this kind is: the values that do not enter, and the id.

use super::RunConfig;
use crate::run::identity::{self, LeftOut};
use toml::Table;

/// Keys that name a run but do not enter by their text, or only say how far it is followed.
const NOT_IDENTITY: [&str; 2] = ["task", "train"];
/// Values that do not enter. They are what the preset `paper` was when ids were first given so, and must never change,
/// whatever becomes of the presets: a value left out here means that value in every results directory there is.
const LEFT_OUT: LeftOut = &[
    ("alignment.from_epoch", "1"),
    ("alignment.lar_strength", "0.0"),
    ("alignment.norm_strength", "0.0"),
    ("alignment.sigma_p_strength", "0.0"),
    ("alignment.to_epoch", "0"),
    ("data.batch_size", "512"),
    ("data.label_noise", "0.0"),
    ("data.last_batch", "\"keep\""),
    ("jacobian.level", "0.0"),
    ("jacobian.strength", "0.0"),
    ("model.activation", "\"gelu\""),
    ("model.bias", "false"),
    ("model.d_mlp", "512"),
    ("model.d_model", "128"),
    ("model.embedding_std", "1.0"),
    ("model.final_norm", "true"),
    ("model.init_scale", "1.0"),
    ("model.linear_init", "\"uniform-fan-in\""),
    ("model.n_heads", "4"),
    ("model.n_layers", "2"),
    ("model.norm", "\"pre\""),
    ("model.output_scale", "1.0"),
    ("model.position_scale", "1.0"),
    ("model.positions", "\"learned\""),
    ("model.sequence", "\"with-operator\""),
    ("model.tied", "false"),
    ("optim.beta1", "0.9"),
    ("optim.beta2", "0.98"),
    ("optim.decay", "\"all\""),
    ("optim.epsilon", "1e-8"),
    ("optim.frozen", "\"none\""),
    ("optim.learning_rate", "0.001"),
    ("optim.name", "\"adamw\""),
    ("optim.warmup_steps", "10"),
    ("optim.weight_decay", "1.0"),
    ("precision", "\"f32\""),
    ("probe.dense_until", "0"),
    ("probe.diagnostics", "[\"cheap\"]"),
    ("probe.every", "20"),
];

impl RunConfig {
    /// The [canonical form](identity::canonical) of the recipe: fraction, seeds, and every other key that is not at the value
    /// of the preset `paper` of groklab 0.1, with the digest of the task's table; neither its name nor the budget
    /// (`train.…`).
    pub fn canonical(&self, table_digest: &str) -> String {
        identity::canonical(&self.recipe(), LEFT_OUT, &[("kind", "operations"), ("table", table_digest)])
    }

    /// Name of the run and of its directory: task, fraction and seed for people, and the digits of the canonical form.
    pub fn run_id(&self, task_name: &str, table_digest: &str) -> String {
        let prefix = format!("{task_name}-f{}-s{}", self.train_fraction, self.seed);
        identity::id(&prefix, &self.canonical(table_digest))
    }

    /// The keys in which this recipe differs from another, with both values, as `model.tied: true, not false`.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        identity::differences(&self.recipe(), &other.recipe(), LEFT_OUT)
    }

    /// What determines the trajectory.
    fn recipe(&self) -> Table {
        let mut table = Table::try_from(self).unwrap_or_default();
        NOT_IDENTITY.iter().for_each(|key| drop(table.remove(*key)));
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::operations::config::{Precision, Preset, apply_overrides, parse_override};

    fn base() -> RunConfig {
        Preset::Paper.config("add", 0.5, 3)
    }

    fn set(overrides: &[&str]) -> RunConfig {
        let pairs: Vec<_> = overrides.iter().map(|text| parse_override(text).unwrap()).collect();
        apply_overrides(&base(), &pairs).unwrap()
    }

    #[test]
    fn the_canonical_form_is_sorted_short_and_complete() {
        let config =
            set(&["optim.weight_decay=0.1", "optim.epsilon=1e-7", "model.norm=post", "data.batch_size=64"]);
        assert_eq!(
            config.canonical("abc"),
            r#"{"data.batch_size":64,"kind":"operations","model.norm":"post","optim.epsilon":1e-7,"optim.weight_decay":0.1,"seed":3,"split_seed":3,"table":"abc","train_fraction":0.5}"#
        );
        // printf '%s' '{"kind":"operations","seed":3,"split_seed":3,"table":"abc","train_fraction":0.5}' | sha256sum
        assert_eq!(base().run_id("add", "abc"), "add-f0.5-s3-8ebd3e1f6992");
    }

    /// Keys that are left out of files at their defaults.
    const LATER: [&str; 7] = [
        "probe.diagnostics=[]",
        "data.label_noise=0.5",
        "model.output_scale=0.5",
        "model.position_scale=0.5",
        "model.sequence=without-operator",
        "optim.frozen=embedding",
        "jacobian.strength=0.1",
    ];

    #[test]
    fn every_key_has_a_value_that_is_left_out_or_always_enters() {
        // no run has both terms
        let alignment = set(&["alignment.lar_strength=0.1"]).alignment;
        let mut keys: Vec<String> =
            identity::leaves(&RunConfig { precision: Precision::Tf32, alignment, ..set(&LATER) }.recipe())
                .into_keys()
                .collect();
        keys.sort_unstable();
        let mut known: Vec<_> = LEFT_OUT.iter().map(|(key, _)| *key).collect();
        known.extend(["seed", "split_seed", "train_fraction"]);
        known.sort_unstable();
        assert_eq!(keys, known, "give a new key the value that does what was done before it");
    }

    #[test]
    fn what_determines_numbers_or_what_is_observed_makes_another_run() {
        let others = [
            "seed=4",
            "split_seed=9",
            "precision=tf32",
            "model.tied=true",
            "optim.learning_rate=2e-3",
            "data.last_batch=drop",
            "data.label_noise=0.1",
            "model.output_scale=0.5",
            "model.position_scale=0.5",
            "model.sequence=without-operator",
            "optim.frozen=embedding",
            "jacobian.strength=1e-3",
            "alignment.lar_strength=0.3",
            "alignment.sigma_p_strength=-0.3",
            "alignment.norm_strength=0.3",
            "probe.every=10",
            "probe.dense_until=5",
            "probe.diagnostics=[]",
        ];
        for key in others {
            assert_ne!(set(&[key]).canonical("abc"), base().canonical("abc"), "{key}");
        }
        assert_ne!(base().canonical("abd"), base().canonical("abc"));
        assert_ne!(RunConfig { train_fraction: 0.4, ..base() }.canonical("abc"), base().canonical("abc"));
    }

    #[test]
    fn neither_the_budget_nor_the_spelling_of_the_task_makes_another_run() {
        for key in ["train.max_epochs=4", "train.patience=1"] {
            assert_eq!(set(&[key]).run_id("add", "abc"), base().run_id("add", "abc"), "{key}");
        }
        let spelt = RunConfig { task: "./tasks/add.toml".into(), ..base() };
        assert_eq!(spelt.run_id("add", "abc"), base().run_id("add", "abc"));
        assert_eq!(set(&["optim.weight_decay=1"]), set(&["optim.weight_decay=1.0"]));
        assert_eq!(RunConfig { precision: Precision::F32, ..base() }.canonical("a"), base().canonical("a"));
    }
}
