//! Keys that mean nothing beside the words chosen elsewhere.

use super::super::{
    config::{Config, Diagnostic, OptimizerName, Quantity},
    identity::{LEFT_OUT, recipe},
    source::Source,
};
use crate::run::{ConfigError, identity::leaves};

/// Refuses a value other than the default of a key that means nothing beside the words chosen elsewhere: it would do
/// nothing, and give the same run a second name.
pub(super) fn check(config: &Config, source: &Source) -> Result<(), ConfigError> {
    let sgd = config.optim.name == OptimizerName::Sgd;
    let rows = [Diagnostic::Alignment, Diagnostic::Noise, Diagnostic::Pgd].iter().any(|&d| config.asks(d));
    let keys = [
        ("data.width", source.is_drawn(), "width is 40 unless data.source draws rows"),
        ("data.feature", source.is_mixture(), "feature is 1.0 unless data.source is a mixture"),
        (
            "data.deviation",
            source.is_drawn(),
            "deviation is 0.5 unless data.source draws rows; data.pixel_noise disturbs any source",
        ),
        ("data.lean", *source == Source::Spike, "lean is 0.356 unless data.source is spike"),
        (
            "data.epsilon",
            *source == Source::XorClusters,
            "epsilon is 0.158 unless data.source is xor-clusters",
        ),
        ("data.standardise", source.is_file(), "standardise is true unless data.source is a file"),
        ("optim.momentum", sgd, "momentum is 0.0 unless optim.name is sgd"),
        ("optim.beta1", !sgd, "beta1 is 0.9 unless optim.name is adamw; sgd has momentum"),
        ("optim.beta2", !sgd, "beta2 is 0.999 unless optim.name is adamw"),
        ("optim.epsilon", !sgd, "epsilon is 1e-8 unless optim.name is adamw"),
        (
            "target.every",
            config.target.quantity != Quantity::None,
            "every is 0 unless target.quantity names one",
        ),
        ("probe.rows", rows, "rows is 500 unless probe.diagnostics has alignment, noise or pgd"),
        (
            "probe.jacobian_rows",
            config.asks(Diagnostic::Jacobian),
            "jacobian_rows is 64 unless probe.diagnostics has jacobian",
        ),
        (
            "probe.noise",
            config.asks(Diagnostic::Noise),
            "noise is [0.5, 1.0] unless probe.diagnostics has noise",
        ),
        ("probe.pgd", config.asks(Diagnostic::Pgd), "pgd is [0.1, 0.25] unless probe.diagnostics has pgd"),
    ];
    let values = leaves(&recipe(config));
    for (key, is_used, rule) in keys {
        let Some(value) = values.get(key) else { continue };
        if !is_used && !LEFT_OUT.contains(&(key, value.as_str())) {
            return Err(ConfigError::OutOfRange { key, value: value.clone(), rule });
        }
    }
    if !source.is_file() && !config.data.digest.is_empty() {
        let rule = "digest is empty unless data.source is a file";
        return Err(ConfigError::OutOfRange { key: "data.digest", value: config.data.digest.clone(), rule });
    }
    Ok(())
}
