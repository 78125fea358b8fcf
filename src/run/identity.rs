//! Which run a recipe is: the canonical form of what determines a trajectory, and the id made of it.
//!
//! Promises: equal trajectories have equal ids, however the config was written; different recipes differ in 48 bits of a
//! SHA-256. A key that came later renames no run: at the value that does what was done before it, it does not enter.
//! Nothing here depends on the text of a TOML library.

use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use toml::Table;

/// Values that do not enter, by dotted key, as JSON text. They are what a kind's default was when ids were first given so,
/// and must never change: a value left out here means that value in every results directory there is.
pub type LeftOut = &'static [(&'static str, &'static str)];

/// The recipe as one line of JSON: an object of dotted keys in ascending order, numbers in their shortest form that
/// reads back as the same f64. It holds the keys of `recipe` that are not at a value of `left_out`, and those of `facts`:
/// the kind, and the digest of what is learned (never its name).
pub fn canonical(recipe: &Table, left_out: LeftOut, facts: &[(&str, &str)]) -> String {
    let mut keys = leaves(recipe);
    keys.retain(|key, value| !left_out.contains(&(key.as_str(), value.as_str())));
    keys.extend(facts.iter().map(|(key, value)| ((*key).to_owned(), text(value))));
    let pairs: Vec<String> = keys.iter().map(|(key, value)| format!("{}:{value}", text(key))).collect();
    format!("{{{}}}", pairs.join(","))
}

/// `prefix`, which is for people, and the first 12 hex digits of the SHA-256 of the canonical form.
pub fn id(prefix: &str, canonical: &str) -> String {
    let digest = Sha256::digest(canonical);
    let hash: String = digest[..6].iter().map(|b| format!("{b:02x}")).collect();
    format!("{prefix}-{hash}")
}

/// The keys in which a recipe differs from another, with both values, as `model.tied: true, not false`. A key that one of
/// them lacks has its value of `left_out` there.
pub fn differences(here: &Table, there: &Table, left_out: LeftOut) -> Vec<String> {
    let (here, there) = (leaves(here), leaves(there));
    let keys: BTreeSet<&String> = here.keys().chain(there.keys()).collect();
    let shown = |keys: &BTreeMap<String, String>, key: &str| {
        let default = left_out.iter().find(|(name, _)| *name == key).map(|(_, value)| (*value).to_owned());
        keys.get(key).cloned().or(default).unwrap_or_default()
    };
    let pairs = keys.into_iter().map(|key| (key, shown(&here, key), shown(&there, key)));
    pairs.filter(|(_, a, b)| a != b).map(|(key, a, b)| format!("{key}: {a}, not {b}")).collect()
}

/// Every value of the recipe by dotted key, as JSON text.
pub fn leaves(recipe: &Table) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    // a TOML table without dates is a tree of plain values: it always has a JSON form
    collect("", &serde_json::to_value(recipe).unwrap_or_default(), &mut found);
    found
}

fn collect(prefix: &str, value: &Value, found: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => {
            // the order of a JSON object depends on a feature of its library; a BTreeMap's does not
            for (key, value) in fields {
                let dotted = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                collect(&dotted, value, found);
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
