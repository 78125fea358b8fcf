//! The optimiser.

use serde::{Deserialize, Serialize};

/// The optimiser, at a constant learning rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimConfig {
    /// Which optimiser.
    pub name: OptimizerName,
    /// η, the learning rate.
    pub learning_rate: f64,
    /// Steps with η/c: then c changes how far features move, and not how fast the outputs do.
    pub rate_over_scale: bool,
    /// AdamW: decoupled, θ(1 − ηλ); SGD: coupled, g + λθ. On every parameter.
    pub weight_decay: f64,
    /// Momentum of SGD.
    pub momentum: f64,
    /// First-moment rate of AdamW.
    pub beta1: f64,
    /// Second-moment rate of AdamW.
    pub beta2: f64,
    /// Added to the root of AdamW's second moment.
    pub epsilon: f64,
}

/// An optimiser by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // the names are the documentation
pub enum OptimizerName {
    AdamW,
    Sgd,
}

impl OptimConfig {
    /// The rate of a step with output scale c.
    pub fn rate(&self, output_scale: f64) -> f64 {
        if self.rate_over_scale { self.learning_rate / output_scale } else { self.learning_rate }
    }
}
