//! Which run a recipe is: the canonical form of what determines a trajectory, and the id made of it.
//!
//! Promises: equal trajectories have equal ids, however the config was written; different recipes differ in 48 bits of a
//! SHA-256. A key that came later renames no run: at the value that does what was done before it, it does not enter.
//! Nothing here depends on the text of a TOML library.

use super::RunConfig;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Keys that name a run but do not enter by their text, or only say how far it is followed.
const NOT_IDENTITY: [&str; 3] = ["task", "train.max_epochs", "train.patience"];
/// Values that do not enter. They are what the preset `paper` was when ids were first given so, and must never change,
/// whatever becomes of the presets: a value left out here means that value in every results directory there is.
const LEFT_OUT: [(&str, &str); 27] = [
    ("data.batch_size", "512"),
    ("data.last_batch", "\"keep\""),
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
    ("model.positions", "\"learned\""),
    ("model.tied", "false"),
    ("optim.beta1", "0.9"),
    ("optim.beta2", "0.98"),
    ("optim.decay", "\"all\""),
    ("optim.epsilon", "1e-8"),
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
    /// The recipe as one line of JSON: an object of dotted keys in ascending order, numbers in their shortest form that
    /// reads back as the same f64. It holds the kind of run, the digest of the task's table (never its name), fraction,
    /// seeds, and every other key that is not at the value of the preset `paper` of groklab 0.1; not the budget
    /// (`train.…`).
    pub fn canonical(&self, table_digest: &str) -> String {
        let mut keys = leaves(self);
        keys.retain(|key, value| !LEFT_OUT.contains(&(key.as_str(), value.as_str())));
        NOT_IDENTITY.iter().for_each(|key| drop(keys.remove(*key)));
        keys.insert("kind".to_owned(), text("operations"));
        keys.insert("table".to_owned(), text(table_digest));
        let pairs: Vec<String> = keys.iter().map(|(key, value)| format!("{}:{value}", text(key))).collect();
        format!("{{{}}}", pairs.join(","))
    }

    /// Name of the run and of its directory: task, fraction and seed for people, and the first 12 hex digits of the
    /// SHA-256 of the [canonical form](Self::canonical).
    pub fn run_id(&self, task_name: &str, table_digest: &str) -> String {
        let digest = Sha256::digest(self.canonical(table_digest));
        let hash: String = digest[..6].iter().map(|b| format!("{b:02x}")).collect();
        format!("{task_name}-f{}-s{}-{hash}", self.train_fraction, self.seed)
    }
}

impl RunConfig {
    /// The keys in which this recipe differs from another, with both values, as `model.tied: true, not false`.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let (mut here, mut there) = (leaves(self), leaves(other));
        for keys in [&mut here, &mut there] {
            NOT_IDENTITY.iter().for_each(|key| drop(keys.remove(*key)));
        }
        let keys: BTreeSet<&String> = here.keys().chain(there.keys()).collect();
        let shown = |keys: &BTreeMap<String, String>, key: &str| {
            let left_out =
                LEFT_OUT.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned());
            keys.get(key).cloned().or(left_out).unwrap_or_default()
        };
        let pairs = keys.into_iter().map(|key| (key, shown(&here, key), shown(&there, key)));
        pairs.filter(|(_, a, b)| a != b).map(|(key, a, b)| format!("{key}: {a}, not {b}")).collect()
    }
}

/// Every value of the config by dotted key, as JSON text.
fn leaves(config: &RunConfig) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    // a config is a tree of plain values: it always has a JSON form
    collect("", &serde_json::to_value(config).unwrap_or_default(), &mut found);
    found
}

fn collect(prefix: &str, value: &Value, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            // the order of a JSON object depends on a feature of its library; a BTreeMap's does not
            for (key, value) in fields {
                collect(
                    &if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") },
                    value,
                    found,
                );
            }
        }
        leaf => drop(found.insert(prefix.to_owned(), scalar(leaf))),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_f64() => {
            format!("{:?}", number.as_f64().unwrap_or(f64::NAN) + 0.0)
        }
        Value::String(string) => text(string),
        Value::Array(items) => format!("[{}]", items.iter().map(scalar).collect::<Vec<_>>().join(",")),
        plain => plain.to_string(),
    }
}

fn text(string: &str) -> String {
    Value::from(string).to_string()
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

    #[test]
    fn every_key_has_a_value_that_is_left_out_or_always_enters() {
        let mut keys: Vec<String> =
            leaves(&set(&["precision=tf32", "probe.diagnostics=[]"])).into_keys().collect();
        keys.retain(|key| !NOT_IDENTITY.contains(&key.as_str()));
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
