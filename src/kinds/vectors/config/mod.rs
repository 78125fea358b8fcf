//! What a run of this kind is: every choice that can change its numbers, or what is observed of it.

mod data;
mod model;
mod optim;

pub use data::DataConfig;
pub use model::{InitName, LossName, ModelConfig};
pub use optim::{OptimConfig, OptimizerName};

use crate::run::Budget;
use serde::{Deserialize, Serialize};

/// Everything that determines the numbers of one run, and its budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Seed of the initial parameters, the order of the rows, and the directions of the Jacobian term.
    pub seed: u64,
    /// Seed of the split and of wrong labels; of drawn sources that of the rows themselves. Equal to `seed` unless set.
    pub split_seed: u64,
    /// What is learned.
    pub data: DataConfig,
    /// The network.
    pub model: ModelConfig,
    /// The optimiser.
    pub optim: OptimConfig,
    /// The Jacobian term.
    pub jacobian: JacobianConfig,
    /// What the milestone `target` is.
    pub target: TargetConfig,
    /// Budget and stopping: not part of the recipe.
    pub train: Budget,
    /// When to evaluate, and what to record.
    pub probe: ProbeConfig,
}

/// λ·R, or λ·|R − level|, R = mean_i √max(C‖v_iᵀJ(x_i)‖², 1e-8) (GrokAlign, arXiv 2506.12284).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JacobianConfig {
    /// λ, what the term counts; 0 leaves it out.
    pub strength: f64,
    /// Where R is drawn to; 0 makes it small.
    pub level: f64,
}

/// When the milestone `target` counts as seen: then the run ends `train.patience` epochs later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetConfig {
    /// What is looked at.
    pub quantity: Quantity,
    /// An accuracy reaches it from below, a loss from above.
    pub at: f64,
    /// Looked at every so many epochs, with an evaluation where it is reached; 0 looks at evaluations alone.
    pub every: u64,
}

/// What a target is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // the names are the documentation
pub enum Quantity {
    None,
    TrainAccuracy,
    ValAccuracy,
    TrainLoss,
}

impl Quantity {
    /// Whether it is of the training rows.
    pub fn is_of_train(self) -> bool {
        matches!(self, Self::TrainAccuracy | Self::TrainLoss)
    }
}

/// When to evaluate, and what to record. Epochs 0 and 1 and the last one always count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeConfig {
    /// Every so many epochs.
    pub every: u64,
    /// Every epoch up to this one.
    pub dense_until: u64,
    /// The dearer probes.
    pub diagnostics: Vec<Diagnostic>,
    /// Rows of each side, from the first on, that `alignment`, `noise` and `pgd` look at.
    pub rows: usize,
    /// Training rows, from the first on, whose Jacobian `jacobian` looks at.
    pub jacobian_rows: usize,
    /// Deviations of `noise`.
    pub noise: Vec<f64>,
    /// Radii of `pgd`.
    pub pgd: Vec<f64>,
}

/// A probe that is computed when asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Diagnostic {
    /// `penalty`, `jacobian_norm`, `jacobian_pc1`, `jacobian_align`: C + 1 backward passes.
    Jacobian,
    /// `centroid_…`, `class_align…`, `logit_sum`: two backward passes a side.
    Alignment,
    /// `neuron_cosine`, `neuron_angle` of a network of two layers.
    Neurons,
    /// `noise.DEVIATION`: a forward pass each.
    Noise,
    /// `pgd.RADIUS`: ten backward passes each.
    Pgd,
    /// LAR and the rest of every layer.
    Layers,
}

impl Config {
    /// Whether a probe is asked for.
    pub fn asks(&self, diagnostic: Diagnostic) -> bool {
        self.probe.diagnostics.contains(&diagnostic)
    }
}
