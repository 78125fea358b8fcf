//! What a run of this kind is: every choice that can change its numbers, or what is observed of it.

use crate::run::Budget;
use groklab_vectors::mlp::{Init, Loss};
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

/// What is learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// `digits`, `idx:DIRECTORY`, `npy:INPUTS.npy,LABELS.npy`, `isotropic`, `spike`, `sub`, `xor` or `xor-clusters`.
    pub source: String,
    /// SHA-256 of the contents of the user's own files: empty, or what they must have. A run's own config has it.
    pub digest: String,
    /// Training rows.
    pub train_rows: usize,
    /// Validation rows; 0 takes all others of a source that has an end.
    pub val_rows: usize,
    /// Rows of a batch; 0 is all, in one order.
    pub batch_size: usize,
    /// Draws the order of the rows anew each epoch.
    pub shuffle: bool,
    /// Shifts and scales the inputs of the user's own files by one mean and one deviation; digits always are.
    pub standardise: bool,
    /// Share of the training rows that get a wrong label.
    pub label_noise: f64,
    /// Deviation of the noise added to every input of both sides, once.
    pub pixel_noise: f64,
    /// Its seed.
    pub pixel_seed: u64,
    /// Inputs of a drawn row.
    pub width: usize,
    /// κ: how far the classes of a mixture lie from the origin.
    pub feature: f64,
    /// σ: deviation of the noise in a mixture; of XOR clusters, in all inputs but the first two.
    pub deviation: f64,
    /// ℓ: how far the noisy directions of `spike` lean on the feature.
    pub lean: f64,
    /// ε of XOR clusters: size of the inputs that say nothing.
    pub epsilon: f64,
}

/// The network: f(x) = c·(W_L relu(… relu(W₁x + b₁) …) + b_L).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// L, weight matrices.
    pub depth: usize,
    /// Width of the hidden layers.
    pub width: usize,
    /// Biases in every layer.
    pub biases: bool,
    /// One output, whose sign tells two classes apart, rather than one a class.
    pub single_output: bool,
    /// How the parameters begin.
    pub init: InitName,
    /// Factor on the initial parameters.
    pub init_scale: f64,
    /// c.
    pub output_scale: f64,
    /// What is made small.
    pub loss: LossName,
}

/// Initial parameters; see [`Init`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitName {
    /// U(±1/√fan_in).
    Uniform,
    /// N(0, 2/fan_in), in the last layer N(0, 1/fan_in).
    He,
    /// Two layers in balance, one output.
    Balanced,
}

/// The loss; see [`Loss`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // the names are the documentation
pub enum LossName {
    CrossEntropy,
    Mse,
    Logistic,
}

/// The optimiser, at a constant learning rate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimConfig {
    /// Which one.
    pub name: OptimizerName,
    /// η.
    pub learning_rate: f64,
    /// Steps with η/c: then c changes how far features move, and not how fast the outputs do.
    pub rate_over_scale: bool,
    /// AdamW: decoupled, θ(1 − ηλ); SGD: coupled, g + λθ. On every parameter.
    pub weight_decay: f64,
    /// Of SGD.
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

/// λ·R, or λ·|R − level|, R = mean_i √max(C‖v_iᵀJ(x_i)‖², 1e-8) (GrokAlign, arXiv 2506.12284).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JacobianConfig {
    /// λ.
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

impl ModelConfig {
    /// Distribution of the initial parameters.
    pub fn init(&self) -> Init {
        let scale = self.init_scale as f32;
        match self.init {
            InitName::Uniform => Init::Uniform { scale },
            InitName::He => Init::He { scale },
            InitName::Balanced => Init::Balanced { scale },
        }
    }

    /// The loss.
    pub fn loss(&self) -> Loss {
        match self.loss {
            LossName::CrossEntropy => Loss::CrossEntropy,
            LossName::Mse => Loss::Mse,
            LossName::Logistic => Loss::Logistic,
        }
    }

    /// Widths from inputs to outputs.
    pub fn widths(&self, inputs: usize, classes: usize) -> Vec<usize> {
        let outputs = if self.single_output { 1 } else { classes };
        let hidden = std::iter::repeat_n(self.width, self.depth.saturating_sub(1));
        [inputs].into_iter().chain(hidden).chain([outputs]).collect()
    }
}

impl OptimConfig {
    /// The rate of a step with output scale c.
    pub fn rate(&self, output_scale: f64) -> f64 {
        if self.rate_over_scale { self.learning_rate / output_scale } else { self.learning_rate }
    }
}
