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

/// What is said of a table whose settings are those of [`within_groups`].
pub const SHARED: &str =
    "Settings that all runs of a task or of a data set share are left out here; runs.csv has them.";

/// Of each label of [`variant`] what differs within its group: what all of a group share tells none of them apart. What names the
/// group (`data=…`) stays.
pub fn within_groups<G: PartialEq>(labels: &[(G, &str)]) -> Vec<String> {
    let parts: Vec<BTreeMap<&str, String>> = labels.iter().map(|(_, label)| parts(label)).collect();
    let own = |i: usize| {
        let peers = || (0..labels.len()).filter(|&j| labels[j].0 == labels[i].0);
        let differs = |key: &str| peers().any(|j| parts[j].get(key) != parts[i].get(key));
        let kept = parts[i].iter().filter(|(key, _)| **key == "data" || differs(key));
        kept.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
    };
    (0..labels.len()).map(own).collect()
}

/// The keys and values of a label; a value may have spaces in it.
fn parts(label: &str) -> BTreeMap<&str, String> {
    let mut parts: Vec<(&str, String)> = Vec::new();
    for word in label.split(' ').filter(|word| !word.is_empty()) {
        match (word.split_once('='), parts.last_mut()) {
            (Some((key, value)), _) => parts.push((key, value.to_owned())),
            (None, Some((_, value))) => value.push_str(&format!(" {word}")),
            (None, None) => {}
        }
    }
    parts.into_iter().collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_group_shares_tells_none_of_it_apart() {
        let labels = [
            ("add", "model.d_model=16 optim.beta2=0.9"),
            ("add", "model.d_model=16 optim.beta2=0.99"),
            ("sub", "model.d_model=32 optim.beta2=0.9"),
        ];
        assert_eq!(within_groups(&labels), ["optim.beta2=0.9", "optim.beta2=0.99", ""]);
        // a key that only one of them has; a value with a space; what names the group
        let labels = [(1, "a=x y b=1"), (1, "a=x y"), (2, "data=xor a=2")];
        assert_eq!(within_groups(&labels), ["b=1", "", "data=xor"]);
    }
}
