//! Which configs can be computed with.

use super::{AlignmentConfig, Budget, ConfigError, Frozen, Precision, RunConfig};
use crate::{
    kinds::operations::Operations,
    probe::registry,
    run::{self, Settings},
};
use toml::{Table, Value};

/// `config` with the dotted keys set, checked. Setting `seed` alone moves `split_seed` with it.
pub fn apply_overrides(config: &RunConfig, settings: &Settings) -> Result<RunConfig, ConfigError> {
    config.check_integers()?;
    let table = run::set(&Operations, &config.table(), settings)?;
    let config = RunConfig::of(&table).map_err(|e| ConfigError::unusable("operations", e.message()))?;
    config.check()?;
    Ok(config)
}

impl RunConfig {
    /// Of a complete table.
    pub fn of(table: &Table) -> Result<Self, toml::de::Error> {
        table.clone().try_into()
    }

    /// Of a recipe, as it lies in a run's directory, and a budget.
    pub fn of_recipe(recipe: &Table, budget: Budget) -> Result<Self, toml::de::Error> {
        let mut table = recipe.clone();
        if let Ok(budget) = Value::try_from(budget) {
            table.insert("train".to_owned(), budget);
        }
        table.try_into()
    }

    /// As a complete table: keys that are left out of files at their defaults too.
    pub fn table(&self) -> Table {
        let mut table = Table::try_from(self).unwrap_or_default();
        table.entry("precision").or_insert_with(|| self.precision.name().into());
        if let Some(Value::Table(data)) = table.get_mut("data") {
            data.entry("label_noise").or_insert_with(|| self.data.label_noise.into());
        }
        if let Some(Value::Table(model)) = table.get_mut("model") {
            model.entry("output_scale").or_insert_with(|| self.model.output_scale.into());
            model.entry("position_scale").or_insert_with(|| self.model.position_scale.into());
            if let Ok(sequence) = Value::try_from(self.model.sequence) {
                model.entry("sequence").or_insert(sequence);
            }
        }
        if let Some(Value::Table(optim)) = table.get_mut("optim") {
            optim.entry("frozen").or_insert_with(|| "none".into());
        }
        let alignment = Table::try_from(&self.alignment).unwrap_or_default();
        table.entry("alignment").or_insert(alignment.into());
        let jacobian = Table::try_from(&self.jacobian).unwrap_or_default();
        table.entry("jacobian").or_insert(jacobian.into());
        if let Some(Value::Table(probe)) = table.get_mut("probe") {
            probe.entry("diagnostics").or_insert_with(|| self.probe.diagnostics.clone().into());
        }
        table
    }
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
            ("alignment.from_epoch", self.alignment.from_epoch),
            ("alignment.to_epoch", self.alignment.to_epoch),
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
        let Self { model, optim, jacobian, alignment, data, train, probe, .. } = self;
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
            (
                not_negative(model.position_scale),
                "model.position_scale",
                float(model.position_scale),
                "position_scale ≥ 0",
            ),
            (not_negative(model.init_scale), "model.init_scale", float(model.init_scale), "init_scale ≥ 0"),
            (
                (1e-30..=1e30).contains(&model.output_scale),
                "model.output_scale",
                float(model.output_scale),
                "1e-30 ≤ output_scale ≤ 1e30",
            ),
            (
                optim.frozen == Frozen::None || !model.tied,
                "optim.frozen",
                "\"embedding\" with model.tied = true".to_owned(),
                "an embedding that is the unembedding too is trained",
            ),
            (not_negative(jacobian.strength), "jacobian.strength", float(jacobian.strength), "strength ≥ 0"),
            (
                not_negative(jacobian.level) && (jacobian.level == 0.0 || jacobian.strength > 0.0),
                "jacobian.level",
                format!("{:?} with strength = {:?}", jacobian.level, jacobian.strength),
                "level ≥ 0, and 0 without a strength",
            ),
            (
                jacobian.strength == 0.0 || self.precision == Precision::F32,
                "precision",
                "\"tf32\" with jacobian.strength > 0".to_owned(),
                "the Jacobian term is computed in f32",
            ),
            (
                alignment.strengths().iter().all(|s| (-1e6..=1e6).contains(s)),
                "alignment",
                format!("{:?}", alignment.strengths()),
                "-1e6 ≤ lar_strength, sigma_p_strength, norm_strength ≤ 1e6",
            ),
            (
                alignment.is_on() || *alignment == AlignmentConfig::default(),
                "alignment",
                "epochs without a strength".to_owned(),
                "from_epoch and to_epoch are for lar_strength, sigma_p_strength or norm_strength",
            ),
            (
                alignment.from_epoch >= 1
                    && (alignment.to_epoch == 0 || alignment.to_epoch >= alignment.from_epoch),
                "alignment.to_epoch",
                format!("{} with from_epoch = {}", alignment.to_epoch, alignment.from_epoch),
                "1 ≤ from_epoch ≤ to_epoch, or to_epoch = 0",
            ),
            (
                jacobian.strength == 0.0 || !alignment.is_on(),
                "alignment",
                "with jacobian.strength > 0".to_owned(),
                "a run has one of the two terms",
            ),
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
            (
                (0.0..=1.0).contains(&data.label_noise),
                "data.label_noise",
                float(data.label_noise),
                "0 ≤ label_noise ≤ 1",
            ),
            (probe.every >= 1, "probe.every", probe.every.to_string(), "every ≥ 1"),
        ];
        run::require(rules)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::operations::config::{Norm, Preset, parse_override};

    fn set(pairs: &[&str]) -> Result<RunConfig, ConfigError> {
        let pairs: Vec<_> = pairs.iter().map(|p| parse_override(p)).collect::<Result<_, _>>()?;
        apply_overrides(&Preset::Paper.config("add", 0.5, 3), &pairs)
    }

    /// What a run's directory does not say is read in two ways: by the defaults of the structs, and off the first preset.
    #[test]
    fn a_key_that_files_leave_out_means_the_same_whoever_reads_it() {
        let mut config = Preset::Paper.config("add", 0.5, 3);
        let mut written = Table::try_from(&config).unwrap();
        config = RunConfig::of_recipe(&written, config.train).unwrap();
        written.remove("train");
        let completed = crate::kinds::complete(&Operations, &written, config.train).unwrap();
        assert_eq!(completed, config.table());
        // the keys themselves are left out, or this would be no test
        assert!(written["model"].get("sequence").is_none() && written.get("alignment").is_none());
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
