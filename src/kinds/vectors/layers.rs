//! The numbers whose columns depend on the config: of every layer, at each deviation and each radius.

use super::{
    config::{Config, Diagnostic},
    evaluation::{Pooled, Seen, first, is_probed, layer},
    train::Trainer,
};
use crate::{probe::Probe, run::Failure};
use groklab_vectors::{
    mlp::Mlp,
    probe::{noisy_accuracy, pgd_accuracy},
};

/// Steps of projected gradient ascent, each of a quarter of its radius.
const PGD_STEPS: u32 = 10;

/// How a number comes from the probe of a layer.
type Value = fn(&Probe) -> f64;

/// What is recorded of every layer that is probed, as of the last one in `metrics.csv`.
const OF_A_LAYER: [(&str, Value); 4] = [
    ("lar", |probe| probe.lar),
    ("k95", |probe| probe.k95.map_or(f64::NAN, f64::from)),
    ("stable_rank", |probe| probe.stable_rank),
    ("effective_rank", |probe| probe.effective_rank),
];

/// Names, in order: `lar.layer.0`, the layer that reads the inputs, and so on; `noise_0.5`, the accuracy over the first
/// probe.rows validation rows with N(0, 0.5²) added to every input, the same each time; `pgd_0.1`, that after ten steps of
/// gradient ascent in the ℓ∞ ball of that radius (Madry et al. 2018).
pub(super) fn columns(config: &Config, mlp: &Mlp) -> Vec<String> {
    let mut names = Vec::new();
    if config.asks(Diagnostic::Layers) {
        for l in (0..mlp.layers()).filter(|&l| is_probed(mlp, l)) {
            names.extend(OF_A_LAYER.iter().map(|(name, _)| format!("{name}.layer.{l}")));
        }
    }
    if config.asks(Diagnostic::Noise) {
        names.extend(config.probe.noise.iter().map(|deviation| format!("noise_{deviation}")));
    }
    if config.asks(Diagnostic::Pgd) {
        names.extend(config.probe.pgd.iter().map(|radius| format!("pgd_{radius}")));
    }
    names
}

impl Trainer<'_> {
    /// A value for each column, beside what was seen.
    pub(super) fn diagnose(&mut self, seen: &Seen, pooled: &Pooled) -> Result<Vec<f64>, Failure> {
        let config = &self.run.config;
        let mut values = Vec::with_capacity(self.diagnostics.len());
        if config.asks(Diagnostic::Layers) {
            for l in (0..self.mlp.layers()).filter(|&l| is_probed(&self.mlp, l)) {
                let probe = if l + 1 == self.mlp.layers() {
                    seen.last
                } else {
                    let probed = layer(&self.mlp, &self.params, l, pooled[l].as_ref())?;
                    probed.map_or(Probe::UNDEFINED, |(probe, _)| probe)
                };
                values.extend(OF_A_LAYER.iter().map(|(_, value)| value(&probe)));
            }
        }
        let (inputs, labels) = first(&self.val, config.probe.rows);
        if config.asks(Diagnostic::Noise) {
            for &deviation in &config.probe.noise {
                let (engine, params) = (&mut self.engine, &self.params);
                values.push(noisy_accuracy(engine, params, inputs, labels, deviation as f32, config.seed)?);
            }
        }
        if config.asks(Diagnostic::Pgd) {
            let loss = config.model.loss();
            for &radius in &config.probe.pgd {
                let (engine, params) = (&mut self.engine, &self.params);
                values.push(pgd_accuracy(engine, params, (inputs, labels), loss, radius as f32, PGD_STEPS)?);
            }
        }
        Ok(values)
    }
}
