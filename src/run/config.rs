//! `--set key=value` and the keys of experiment files, put into a config of any kind.

use super::Kind;
use crate::excerpt::{clipped, quote};
use toml::{Table, Value};

/// A config that cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ConfigError {
    /// `--set` without `=`.
    #[error("{0} is not of the form key=value")]
    #[diagnostic(help("for example --set optim.learning_rate=3e-4 or --set model.norm=post"))]
    NotAPair(String),
    /// No such key.
    #[error("unknown config key {}", quote(.key))]
    #[diagnostic(help("{help}"))]
    UnknownKey {
        /// As typed.
        key: String,
        /// The known keys.
        help: String,
    },
    /// One key with two values.
    #[error("{} is set twice", quote(.0))]
    #[diagnostic(help("leave one of the two out: it could not be seen which of them holds"))]
    Twice(String),
    /// A value of the wrong type or an unknown choice.
    #[error("{key} = {value}: {reason}")]
    #[diagnostic(help(
        "`groklab config keys` says what each key may be; `config.toml` of any run shows them all"
    ))]
    BadValue {
        /// Dotted key.
        key: String,
        /// As typed.
        value: String,
        /// What is wrong.
        reason: String,
    },
    /// A split with nothing on one side.
    #[error(
        "train_fraction = {fraction:?} leaves {train} of {rows} equations for training and {val} for validation"
    )]
    #[diagnostic(help("choose a fraction that leaves both sides at least one"))]
    EmptySide {
        /// The fraction.
        fraction: f64,
        /// Rows of the task's table.
        rows: usize,
        /// Rows for training.
        train: usize,
        /// Rows for validation.
        val: usize,
    },
    /// A table that says which rows are for training, and another share of them.
    #[error(
        "train_fraction = {fraction:?} takes {train} of {rows} rows for training, and the task's table marks {marked}"
    )]
    #[diagnostic(help("write train_fraction = {:?}, or take the column split out of the table", marked_share(*marked, *rows)))]
    MarkedSplit {
        /// The fraction.
        fraction: f64,
        /// Rows of the task's table.
        rows: usize,
        /// Rows for training by the fraction.
        train: usize,
        /// Rows for training by the table.
        marked: usize,
    },
    /// A value outside its range.
    #[error("{key} = {value} is out of range: {rule}")]
    #[diagnostic(help("choose a value for which {rule}"))]
    OutOfRange {
        /// Dotted key.
        key: &'static str,
        /// The value.
        value: String,
        /// What must hold.
        rule: &'static str,
    },
}

impl ConfigError {
    /// A name in `probe.diagnostics` that means nothing, or stands there twice.
    pub(crate) fn unknown_diagnostic(name: &str) -> Self {
        Self::OutOfRange {
            key: "probe.diagnostics",
            value: quote(name),
            rule: "each name is one that `groklab diagnostics` lists, and stands there once",
        }
    }

    /// A file whose values are not those of the kind.
    pub fn unusable(kind: &str, reason: &str) -> Self {
        Self::BadValue { key: "kind".into(), value: kind.into(), reason: clipped(reason, 200) }
    }

    /// The dotted keys it is about, the likeliest first.
    pub(crate) fn keys(&self) -> Vec<&str> {
        match self {
            Self::NotAPair(_) => Vec::new(),
            Self::Twice(key) => vec![key],
            Self::UnknownKey { key, .. } | Self::BadValue { key, .. } => vec![key],
            Self::EmptySide { .. } | Self::MarkedSplit { .. } => vec!["train_fraction"],
            Self::OutOfRange { key: "model.d_model", .. } => vec!["model.d_model", "model.n_heads"],
            Self::OutOfRange { key, .. } => vec![key],
        }
    }
}

/// A fraction of so few digits that its rows are those marked.
fn marked_share(marked: usize, rows: usize) -> f64 {
    let middle = (marked as f64 + 0.5) / rows as f64;
    let digits = (1..17).map(|digits| 10_f64.powi(digits)).map(|scale| (middle * scale).round() / scale);
    // the number of rows is rounded down; 1e-9 keeps 0.29 · 100 at 29, as for drawn splits
    let is_it = |share: &f64| (share * rows as f64 + 1e-9).floor() as usize == marked;
    digits.into_iter().find(is_it).unwrap_or(middle)
}

/// What must hold of one key: whether it does, the key, its value, the words of the rule.
pub type Rule = (bool, &'static str, String, &'static str);

/// Refuses the first value whose rule does not hold.
pub fn require(rules: impl IntoIterator<Item = Rule>) -> Result<(), ConfigError> {
    match rules.into_iter().find(|(holds, ..)| !holds) {
        Some((_, key, value, rule)) => Err(ConfigError::OutOfRange { key, value, rule }),
        None => Ok(()),
    }
}

/// Dotted keys and their values, in the order in which they are set.
pub type Settings = [(String, Value)];

/// Splits `key=value`; the value is TOML, or text where it is not.
pub fn parse_override(text: &str) -> Result<(String, Value), ConfigError> {
    let (key, value) = text.split_once('=').ok_or_else(|| ConfigError::NotAPair(quote(text)))?;
    let value = value.trim();
    let parsed = toml::from_str::<Table>(&format!("value = {value}"))
        .ok()
        .filter(|table| table.len() == 1)
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(value.to_owned()));
    Ok((key.trim().to_owned(), parsed))
}

/// A complete config of `kind` with the keys set, each checked for its type alone. Setting `seed` moves a `split_seed` that
/// was equal to it with it, unless that is set too.
pub fn set(kind: &dyn Kind, config: &Table, settings: &Settings) -> Result<Table, ConfigError> {
    let split_is_set = settings.iter().any(|(key, _)| key == "split_seed");
    let mut config = config.clone();
    for (key, value) in settings {
        let seed_before = config.get("seed").cloned();
        let listed = kind.lists().iter().any(|(_, item)| item == key && *item == "task");
        let known = || {
            let keys = known_keys(kind, &config);
            match nearest(key, &keys) {
                Some(near) => {
                    format!(
                        "did you mean `{near}`? `groklab config keys --kind {}` explains all",
                        kind.name()
                    )
                }
                None => format!("known keys: {}", keys.join(", ")),
            }
        };
        if listed || leaf(&config, key).is_none() {
            return Err(ConfigError::UnknownKey { key: key.clone(), help: known() });
        }
        if let Some(slot) = leaf_mut(&mut config, key) {
            // 1 is a fine way to write 1.0
            *slot = match (&*slot, value) {
                (Value::Float(_), Value::Integer(i)) => Value::Float(*i as f64),
                _ => value.clone(),
            };
        }
        if key == "seed" && !split_is_set && config.get("split_seed") == seed_before.as_ref() {
            config.insert("split_seed".to_owned(), value.clone());
        }
        kind.types(&config).map_err(|reason| ConfigError::BadValue {
            key: key.clone(),
            value: clipped(&value.to_string(), 60),
            reason: clipped(&reason, 200),
        })?;
    }
    Ok(config)
}

/// The value of a dotted key; none of a section.
pub fn leaf<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    match key.split_once('.') {
        Some((section, rest)) => leaf(table.get(section)?.as_table()?, rest),
        None => table.get(key).filter(|value| !value.is_table()),
    }
}

fn leaf_mut<'a>(table: &'a mut Table, key: &str) -> Option<&'a mut Value> {
    match key.split_once('.') {
        Some((section, rest)) => leaf_mut(table.get_mut(section)?.as_table_mut()?, rest),
        None => table.get_mut(key).filter(|value| !value.is_table()),
    }
}

/// Bytes of a key that may be one at all.
const LONGEST: usize = 64;

/// The key of `keys` that was probably meant: by the spelling of its last word, or by initials (`lr`).
pub fn nearest<'k>(key: &str, keys: &'k [String]) -> Option<&'k str> {
    if key.len() > LONGEST {
        return None;
    }
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().replace('-', "_");
    let initials =
        |key: &str| last(key).split('_').filter_map(|word| word.chars().next()).collect::<String>();
    let score = |known: &String| {
        let (own, other) = (last(key), last(known));
        let by_initials = if own.len() > 1 && own == initials(known) { 0.95 } else { 0.0 };
        strsim::jaro_winkler(&own, &other).max(by_initials)
    };
    let scored = keys.iter().map(|known| (score(known), known));
    let (best, near) = scored.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (best > 0.88).then_some(near.as_str())
}

fn known_keys(kind: &dyn Kind, config: &Table) -> Vec<String> {
    let mut keys = Vec::new();
    collect("", config, &mut keys);
    // what operations learn is said by the command or the experiment's list
    keys.retain(|key| key != "task" || !kind.lists().iter().any(|(_, item)| item == key));
    keys
}

fn collect(prefix: &str, table: &Table, keys: &mut Vec<String>) {
    for (key, value) in table {
        match value {
            Value::Table(inner) => collect(&format!("{prefix}{key}."), inner, keys),
            _ => keys.push(format!("{prefix}{key}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The share that is proposed takes the rows that are marked, by the rule of splits: floor(rows · share).
    #[test]
    fn a_marked_share_takes_the_marked_rows() {
        for rows in [2, 3, 49, 97, 9409, 14_400, 1 << 20] {
            for marked in [1, rows / 3, rows / 2, rows - 1].into_iter().filter(|&marked| marked > 0) {
                let share = marked_share(marked, rows);
                assert_eq!(
                    (share * rows as f64 + 1e-9).floor() as usize,
                    marked,
                    "{marked} of {rows}: {share}"
                );
                assert!(0.0 < share && share < 1.0);
            }
        }
        assert_eq!(marked_share(2822, 9409), 0.3);
    }

    #[test]
    fn what_was_meant_is_found_by_the_spelling_of_the_last_word_or_by_initials() {
        let keys = ["optim.learning_rate", "optim.weight_decay", "train.max_epochs", "model.d_model", "seed"];
        let keys = keys.map(str::to_owned);
        for (typed, meant) in [
            ("optim.lr", Some("optim.learning_rate")),
            ("optim.learning-rate", Some("optim.learning_rate")),
            ("weight_decay", Some("optim.weight_decay")),
            ("max_epoch", Some("train.max_epochs")),
            ("model.dmodel", Some("model.d_model")),
            ("colour", None),
            ("model.depth", None),
        ] {
            assert_eq!(nearest(typed, &keys), meant, "{typed}");
        }
    }
}
