//! The settings of runs by dotted key: which of them tell runs of an experiment apart.

use std::collections::{BTreeMap, BTreeSet};
use toml::{Table, Value};

/// The settings of a run by dotted key.
pub type Settings = BTreeMap<String, Value>;

/// Every value of a table by dotted key.
pub fn flatten(prefix: &str, table: &Table, flat: &mut Settings) {
    for (key, value) in table {
        match value {
            Value::Table(inner) => flatten(&format!("{prefix}{key}."), inner, flat),
            _ => {
                flat.insert(format!("{prefix}{key}"), value.clone());
            }
        }
    }
}

/// Keys with more than one value, not counting runs that lack the key.
pub fn varying_keys(settings: &[Settings]) -> Vec<&String> {
    let mut first: BTreeMap<&String, &Value> = BTreeMap::new();
    let mut varying = BTreeSet::new();
    for (key, value) in settings.iter().flatten() {
        if *first.entry(key).or_insert(value) != value {
            varying.insert(key);
        }
    }
    varying.into_iter().collect()
}

/// Text without its quotes.
pub fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Numbers by size, everything else by its text.
pub fn compare(a: &[&Value], b: &[&Value]) -> std::cmp::Ordering {
    let number = |v: &Value| v.as_float().or_else(|| v.as_integer().map(|i| i as f64));
    a.iter()
        .zip(b)
        .map(|(a, b)| match (number(a), number(b)) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            _ => plain(a).cmp(&plain(b)),
        })
        .find(|order| order.is_ne())
        .unwrap_or_else(|| a.len().cmp(&b.len()))
}

/// The values of the varying keys, for sorting, and their label: `key=value key=value`.
pub fn variant<'a>(settings: &'a Settings, varying: &[&String]) -> (Vec<&'a Value>, String) {
    let found = || varying.iter().filter_map(|key| Some((key, settings.get(*key)?)));
    let label = found().map(|(key, value)| format!("{key}={}", plain(value))).collect::<Vec<_>>().join(" ");
    (found().map(|(_, value)| value).collect(), label)
}
