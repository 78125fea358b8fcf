//! Whether a config can be computed with, before any data is looked at.

mod idle;

use super::{
    config::{Config, Diagnostic, InitName, LossName, Quantity},
    source::Source,
};
use crate::run::{ConfigError, Rule, require};

/// Far above anything this laboratory is for, far below what would exhaust memory unnoticed.
const MAX_WIDTH: usize = 1 << 14;
/// The same of drawn inputs.
const MAX_INPUTS: usize = 1 << 20;
/// The same of rows.
const MAX_ROWS: usize = 1 << 26;

/// Refuses values that cannot be computed with, and values that would silently do nothing.
pub(super) fn check(config: &Config) -> Result<(), ConfigError> {
    let source: Source = Source::parse(&config.data.source)?;
    let rules = integers(config)
        .into_iter()
        .chain(data(config, &source))
        .chain(model(config))
        .chain(optim(config))
        .chain(probe(config));
    require(rules)?;
    idle::check(config, &source)
}

/// TOML's integers end at 2^63 − 1, and a config must be able to stand in its file.
fn integers(config: &Config) -> Vec<Rule> {
    let all = [
        ("seed", config.seed),
        ("split_seed", config.split_seed),
        ("data.pixel_seed", config.data.pixel_seed),
        ("train.max_epochs", config.train.max_epochs),
        ("train.patience", config.train.patience),
        ("target.every", config.target.every),
        ("probe.every", config.probe.every),
        ("probe.dense_until", config.probe.dense_until),
    ];
    let rule = "the number is below 2^63 = 9223372036854775808";
    all.into_iter().map(|(key, value)| (i64::try_from(value).is_ok(), key, value.to_string(), rule)).collect()
}

fn float(value: f64) -> String {
    format!("{value:?}")
}

/// As a config writes it.
fn word(value: impl serde::Serialize) -> String {
    toml::Value::try_from(value).map(|value| value.to_string()).unwrap_or_default()
}

fn not_negative(value: f64) -> bool {
    value.is_finite() && value >= 0.0
}

/// Also as an f32.
fn positive(value: f64) -> bool {
    (1e-30..=1e30).contains(&value)
}

fn data(config: &Config, source: &Source) -> Vec<Rule> {
    let data = &config.data;
    let rows = |rows: usize| (1..=MAX_ROWS).contains(&rows);
    let drawn = source.is_drawn();
    vec![
        (rows(data.train_rows), "data.train_rows", data.train_rows.to_string(), "1 ≤ train_rows ≤ 2^26"),
        (data.val_rows <= MAX_ROWS, "data.val_rows", data.val_rows.to_string(), "0 ≤ val_rows ≤ 2^26"),
        (
            !drawn || data.val_rows > 0,
            "data.val_rows",
            data.val_rows.to_string(),
            "val_rows ≥ 1 where rows are drawn without end",
        ),
        (
            data.batch_size <= MAX_ROWS,
            "data.batch_size",
            data.batch_size.to_string(),
            "0 ≤ batch_size ≤ 2^26; 0 is all rows",
        ),
        (
            (0.0..=1.0).contains(&data.label_noise),
            "data.label_noise",
            float(data.label_noise),
            "0 ≤ label_noise ≤ 1",
        ),
        (
            not_negative(data.pixel_noise) && data.pixel_noise <= 1e30,
            "data.pixel_noise",
            float(data.pixel_noise),
            "0 ≤ pixel_noise ≤ 1e30",
        ),
        ((4..=MAX_INPUTS).contains(&data.width), "data.width", data.width.to_string(), "4 ≤ width ≤ 1048576"),
        (data.feature.abs() <= 1e30, "data.feature", float(data.feature), "−1e30 ≤ feature ≤ 1e30"),
        (
            not_negative(data.deviation) && data.deviation <= 1e30,
            "data.deviation",
            float(data.deviation),
            "0 ≤ deviation ≤ 1e30",
        ),
        ((0.0..=1.0).contains(&data.lean), "data.lean", float(data.lean), "0 ≤ lean ≤ 1"),
        (data.epsilon.abs() <= 1e30, "data.epsilon", float(data.epsilon), "−1e30 ≤ epsilon ≤ 1e30"),
    ]
}

fn model(config: &Config) -> Vec<Rule> {
    let model = &config.model;
    let loss = || format!("{} with single_output = {}", word(model.loss), model.single_output);
    let is_balanced = matches!(model.init, InitName::Balanced);
    vec![
        ((1..=64).contains(&model.depth), "model.depth", model.depth.to_string(), "1 ≤ depth ≤ 64"),
        ((2..=MAX_WIDTH).contains(&model.width), "model.width", model.width.to_string(), "2 ≤ width ≤ 16384"),
        (
            not_negative(model.init_scale) && model.init_scale <= 1e30,
            "model.init_scale",
            float(model.init_scale),
            "0 ≤ init_scale ≤ 1e30",
        ),
        (
            positive(model.output_scale),
            "model.output_scale",
            float(model.output_scale),
            "1e-30 ≤ output_scale ≤ 1e30",
        ),
        (
            model.loss != LossName::CrossEntropy || !model.single_output,
            "model.loss",
            loss(),
            "cross-entropy has an output a class",
        ),
        (
            model.loss != LossName::Logistic || model.single_output,
            "model.loss",
            loss(),
            "the logistic loss has a single output",
        ),
        (
            !is_balanced || (model.depth == 2 && model.single_output),
            "model.init",
            format!("balanced with depth = {} and single_output = {}", model.depth, model.single_output),
            "a balanced start has depth 2 and a single output",
        ),
    ]
}

fn optim(config: &Config) -> Vec<Rule> {
    let optim = &config.optim;
    let rate = |rate: f64| (0.0..1.0).contains(&rate);
    vec![
        (
            positive(optim.learning_rate),
            "optim.learning_rate",
            float(optim.learning_rate),
            "1e-30 ≤ learning_rate ≤ 1e30",
        ),
        (
            not_negative(optim.weight_decay) && optim.weight_decay <= 1e30,
            "optim.weight_decay",
            float(optim.weight_decay),
            "0 ≤ weight_decay ≤ 1e30",
        ),
        (rate(optim.momentum), "optim.momentum", float(optim.momentum), "0 ≤ momentum < 1"),
        (rate(optim.beta1), "optim.beta1", float(optim.beta1), "0 ≤ beta1 < 1"),
        (rate(optim.beta2), "optim.beta2", float(optim.beta2), "0 ≤ beta2 < 1"),
        (positive(optim.epsilon), "optim.epsilon", float(optim.epsilon), "1e-30 ≤ epsilon ≤ 1e30"),
        (
            not_negative(config.jacobian.strength),
            "jacobian.strength",
            float(config.jacobian.strength),
            "strength ≥ 0",
        ),
        (not_negative(config.jacobian.level), "jacobian.level", float(config.jacobian.level), "level ≥ 0"),
    ]
}

fn probe(config: &Config) -> Vec<Rule> {
    let Config { probe, target, train, .. } = config;
    let of_accuracy = matches!(target.quantity, Quantity::TrainAccuracy | Quantity::ValAccuracy);
    let once = (1..probe.diagnostics.len()).all(|i| !probe.diagnostics[..i].contains(&probe.diagnostics[i]));
    let list = |values: &[f64]| {
        values.windows(2).all(|pair| pair[0] < pair[1]) && values.iter().all(|&v| v > 0.0 && v <= 1e30)
    };
    let rule = "the numbers are above 0 and ascend";
    vec![
        (
            (1..=1_000_000_000).contains(&train.max_epochs),
            "train.max_epochs",
            train.max_epochs.to_string(),
            "1 ≤ max_epochs ≤ 1000000000",
        ),
        (not_negative(target.at), "target.at", float(target.at), "at ≥ 0"),
        (!of_accuracy || target.at <= 1.0, "target.at", float(target.at), "at ≤ 1: an accuracy is a share"),
        (probe.every >= 1, "probe.every", probe.every.to_string(), "every ≥ 1"),
        (once, "probe.diagnostics", word(&probe.diagnostics), "each name stands there once"),
        (
            !config.asks(Diagnostic::Neurons) || config.model.depth == 2,
            "probe.diagnostics",
            "neurons".to_owned(),
            "neurons have classes where model.depth is 2",
        ),
        (probe.rows >= 1, "probe.rows", probe.rows.to_string(), "rows ≥ 1"),
        (
            probe.jacobian_rows >= 1,
            "probe.jacobian_rows",
            probe.jacobian_rows.to_string(),
            "jacobian_rows ≥ 1",
        ),
        (list(&probe.noise), "probe.noise", format!("{:?}", probe.noise), rule),
        (list(&probe.pgd), "probe.pgd", format!("{:?}", probe.pgd), rule),
    ]
}
