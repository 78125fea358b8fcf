//! `--set key=value` and the keys of experiment files, merged into a config and checked.

use super::RunConfig;
use crate::{
    kinds::operations::task::{clipped, quote},
    probe::registry,
};
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
    /// A value of the wrong type or an unknown choice.
    #[error("{key} = {value}: {reason}")]
    #[diagnostic(help(
        "see the table of config keys in the README; `config.toml` of any run shows them all"
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

    /// The dotted keys it is about, the likeliest first.
    pub(super) fn keys(&self) -> Vec<&str> {
        match self {
            Self::NotAPair(_) => Vec::new(),
            Self::UnknownKey { key, .. } | Self::BadValue { key, .. } => vec![key],
            Self::EmptySide { .. } => vec!["train_fraction"],
            Self::OutOfRange { key: "model.d_model", .. } => vec!["model.d_model", "model.n_heads"],
            Self::OutOfRange { key, .. } => vec![key],
        }
    }
}

/// What a run learns is said by the command or the experiment's `tasks`, not by a key.
const NOT_A_KEY: &str = "task";

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

/// `config` with the dotted keys set, checked. Setting `seed` alone moves `split_seed` with it.
pub fn apply_overrides(config: &RunConfig, overrides: &[(String, Value)]) -> Result<RunConfig, ConfigError> {
    let config = merge(config, overrides)?;
    config.check()?;
    Ok(config)
}

/// [`apply_overrides`] without the checks that concern the whole.
pub(super) fn merge(config: &RunConfig, overrides: &[(String, Value)]) -> Result<RunConfig, ConfigError> {
    config.check_integers()?;
    let split_is_set = overrides.iter().any(|(k, _)| k == "split_seed");
    let mut config = config.clone();
    for (key, value) in overrides {
        let mut table = as_table(&config);
        let slot =
            lookup(&mut table, key).filter(|_| key != NOT_A_KEY).ok_or_else(|| ConfigError::UnknownKey {
                key: key.clone(),
                help: format!("known keys: {}", known_keys(&as_table(&config)).join(", ")),
            })?;
        // 1 is a fine way to write 1.0
        *slot = match (&*slot, value) {
            (Value::Float(_), Value::Integer(i)) => Value::Float(*i as f64),
            _ => value.clone(),
        };
        let seed_before = config.seed;
        config = Value::Table(table).try_into().map_err(|e: toml::de::Error| ConfigError::BadValue {
            key: key.clone(),
            value: clipped(&value.to_string(), 60),
            reason: clipped(e.message(), 200),
        })?;
        if key == "seed" && !split_is_set && config.split_seed == seed_before {
            config.split_seed = config.seed;
        }
    }
    Ok(config)
}

/// Rows for training out of `rows`: floor(rows · fraction), 0 … rows.
pub fn train_rows(rows: usize, fraction: f64) -> usize {
    // 0.29 · 100 is 28.999999999999996 in f64: a product this close to an integer means that integer
    (rows as f64 * fraction + 1e-9).floor().clamp(0.0, rows as f64) as usize
}

/// Whether a split of `rows` equations leaves some on both sides.
pub fn check_split(rows: usize, fraction: f64) -> Result<(), ConfigError> {
    check_fraction(fraction)?;
    let train = train_rows(rows, fraction);
    let val = rows - train;
    if train == 0 || val == 0 {
        return Err(ConfigError::EmptySide { fraction, rows, train, val });
    }
    Ok(())
}

fn check_fraction(fraction: f64) -> Result<(), ConfigError> {
    let (key, rule) = ("train_fraction", "0 < train_fraction < 1");
    let holds = fraction > 0.0 && fraction < 1.0;
    let error = || ConfigError::OutOfRange { key, value: format!("{fraction:?}"), rule };
    if holds { Ok(()) } else { Err(error()) }
}

fn as_table(config: &RunConfig) -> Table {
    let mut table = Table::try_from(config).unwrap_or_default();
    // left out of files at their defaults, yet keys
    table.entry("precision").or_insert_with(|| config.precision.name().into());
    if let Some(Value::Table(probe)) = table.get_mut("probe") {
        probe.entry("diagnostics").or_insert_with(|| config.probe.diagnostics.clone().into());
    }
    table
}

fn lookup<'a>(table: &'a mut Table, key: &str) -> Option<&'a mut Value> {
    let (section, rest) = match key.split_once('.') {
        Some((section, rest)) => (section, Some(rest)),
        None => (key, None),
    };
    match (table.get_mut(section)?, rest) {
        (Value::Table(inner), Some(rest)) => lookup(inner, rest),
        (Value::Table(_), None) | (_, Some(_)) => None,
        (leaf, None) => Some(leaf),
    }
}

fn known_keys(table: &Table) -> Vec<String> {
    table
        .iter()
        .flat_map(|(key, value)| match value {
            Value::Table(inner) => {
                known_keys(inner).into_iter().map(|k| format!("{key}.{k}")).collect::<Vec<_>>()
            }
            _ if key == NOT_A_KEY => Vec::new(),
            _ => vec![key.clone()],
        })
        .collect()
}

/// Far above anything this laboratory is for, far below what would exhaust memory unnoticed.
const MAX_WIDTH: usize = 1 << 14;

impl RunConfig {
    /// TOML's integers end at 2^63 − 1, and a config must be able to stand in its file.
    fn check_integers(&self) -> Result<(), ConfigError> {
        let integers = [
            ("seed", self.seed),
            ("split_seed", self.split_seed),
            ("optim.warmup_steps", self.optim.warmup_steps),
            ("train.max_epochs", self.train.max_epochs),
            ("train.patience", self.train.patience),
            ("probe.every", self.probe.every),
            ("probe.dense_until", self.probe.dense_until),
        ];
        match integers.into_iter().find(|(_, value)| i64::try_from(*value).is_err()) {
            Some((key, value)) => {
                let rule = "the number is below 2^63 = 9223372036854775808";
                Err(ConfigError::OutOfRange { key, value: value.to_string(), rule })
            }
            None => Ok(()),
        }
    }

    /// Whether the values can be computed with; [`apply_overrides`] calls it.
    pub fn check(&self) -> Result<(), ConfigError> {
        let Self { model, optim, data, train, probe, .. } = self;
        let rate = |b: f64| (0.0..1.0).contains(&b);
        let positive = |v: f64| v.is_finite() && v > 0.0;
        let not_negative = |v: f64| v.is_finite() && v >= 0.0;
        let width = |n: usize| (1..=MAX_WIDTH).contains(&n);
        self.check_integers()?;
        check_fraction(self.train_fraction)?;
        let float = |v: f64| format!("{v:?}");
        registry::choose(&probe.diagnostics).map_err(ConfigError::unknown_diagnostic)?;
        let rules = [
            (
                (1..=64).contains(&model.n_layers),
                "model.n_layers",
                model.n_layers.to_string(),
                "1 ≤ n_layers ≤ 64",
            ),
            (
                model.d_model >= 2 && width(model.d_model),
                "model.d_model",
                model.d_model.to_string(),
                "2 ≤ d_model ≤ 16384",
            ),
            (
                model.n_heads >= 1 && model.d_model.is_multiple_of(model.n_heads),
                "model.d_model",
                format!("{} with n_heads = {}", model.d_model, model.n_heads),
                "d_model is a multiple of n_heads, which is at least 1",
            ),
            (width(model.d_mlp), "model.d_mlp", model.d_mlp.to_string(), "1 ≤ d_mlp ≤ 16384"),
            (
                not_negative(model.embedding_std),
                "model.embedding_std",
                float(model.embedding_std),
                "embedding_std ≥ 0",
            ),
            (not_negative(model.init_scale), "model.init_scale", float(model.init_scale), "init_scale ≥ 0"),
            (
                positive(optim.learning_rate),
                "optim.learning_rate",
                float(optim.learning_rate),
                "learning_rate > 0",
            ),
            (
                not_negative(optim.weight_decay),
                "optim.weight_decay",
                float(optim.weight_decay),
                "weight_decay ≥ 0",
            ),
            (rate(optim.beta1), "optim.beta1", float(optim.beta1), "0 ≤ beta1 < 1"),
            (rate(optim.beta2), "optim.beta2", float(optim.beta2), "0 ≤ beta2 < 1"),
            (positive(optim.epsilon), "optim.epsilon", float(optim.epsilon), "epsilon > 0"),
            (
                (1..=1 << 20).contains(&data.batch_size),
                "data.batch_size",
                data.batch_size.to_string(),
                "1 ≤ batch_size ≤ 1048576",
            ),
            (
                (1..=1_000_000_000).contains(&train.max_epochs),
                "train.max_epochs",
                train.max_epochs.to_string(),
                "1 ≤ max_epochs ≤ 1000000000",
            ),
            (probe.every >= 1, "probe.every", probe.every.to_string(), "every ≥ 1"),
        ];
        match rules.into_iter().find(|(holds, ..)| !holds) {
            Some((_, key, value, rule)) => Err(ConfigError::OutOfRange { key, value, rule }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::operations::config::{Norm, Preset};

    fn set(pairs: &[&str]) -> Result<RunConfig, ConfigError> {
        let pairs: Vec<_> = pairs.iter().map(|p| parse_override(p)).collect::<Result<_, _>>()?;
        apply_overrides(&Preset::Paper.config("add", 0.5, 3), &pairs)
    }

    #[test]
    fn keys_of_every_type_can_be_set() {
        let c = set(&["model.norm=post", "optim.learning_rate=1", "data.batch_size=64", "model.bias=true"])
            .unwrap();
        assert_eq!(c.model.norm, Norm::Post);
        assert_eq!((c.optim.learning_rate, c.data.batch_size, c.model.bias), (1.0, 64, true));
    }

    #[test]
    fn the_split_follows_the_seed_unless_it_is_set() {
        let c = set(&["seed=9"]).unwrap();
        assert_eq!((c.seed, c.split_seed), (9, 9));
        for order in [["seed=9", "split_seed=3"], ["split_seed=3", "seed=9"]] {
            let c = set(&order).unwrap();
            assert_eq!((c.seed, c.split_seed), (9, 3));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let message = |pair: &str| set(&[pair]).unwrap_err().to_string();
        assert!(message("model.norms=post").contains("unknown config key `model.norms`"));
        assert!(message("model=1").contains("unknown config key"));
        assert!(message("task=sub").contains("unknown config key"));
        assert!(message("model.norm=sideways").contains("sideways"));
        assert!(message("novalue").contains("key=value"));
        assert!(message("train_fraction=nan").contains("0 < train_fraction < 1"));
        assert!(message("model.n_heads=3").contains("multiple of n_heads"));
        assert!(message("model.n_heads=0").contains("multiple of n_heads"));
        assert!(message("data.batch_size=-1").contains("data.batch_size"));
        assert!(message("seed=18446744073709551616").contains("seed"));
        assert!(message("optim.learning_rate=inf").contains("learning_rate"));
        assert!(message("probe.every=0").contains("every ≥ 1"));
    }

    #[test]
    fn diagnostics_are_chosen_by_name_and_left_unsaid_at_their_default() {
        let chosen = set(&["probe.diagnostics=[\"matrix_lar\", \"cheap\"]"]).unwrap();
        assert_eq!(chosen.probe.diagnostics, ["matrix_lar", "cheap"]);
        assert!(set(&["probe.diagnostics=[]"]).unwrap().probe.diagnostics.is_empty());
        for wrong in ["probe.diagnostics=[\"lars\"]", "probe.diagnostics=cheap", "probe.diagnostics=[1]"] {
            assert!(set(&[wrong]).unwrap_err().to_string().contains("probe.diagnostics = "), "{wrong}");
        }

        let default = set(&[]).unwrap();
        assert_eq!(default.probe.diagnostics, ["cheap"]);
        let text = toml::to_string(&default).unwrap();
        assert!(!text.contains("diagnostics"));
        assert_eq!(toml::from_str::<RunConfig>(&text).unwrap(), default);
        assert_eq!(toml::from_str::<RunConfig>(&toml::to_string(&chosen).unwrap()).unwrap(), chosen);
    }

    #[test]
    fn a_config_survives_its_own_file() {
        for preset in [Preset::Paper, Preset::Power] {
            let config = preset.config("x2_xy_y2", 0.3, 11);
            assert_eq!(toml::from_str::<RunConfig>(&toml::to_string(&config).unwrap()).unwrap(), config);
        }
    }
}
