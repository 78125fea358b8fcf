//! What a run is: every choice that can change its numbers, with presets, overrides and identity.
//!
//! A [`RunConfig`] is complete: two equal configs give the same run. How it is carried out
//! (engine, device, number of jobs) is not part of it and goes to the manifest instead. All of it but `train` is the
//! *recipe*, which determines the trajectory and names the run; `train` is the *budget*, which only says where the
//! trajectory is left, and can be raised at any time.

mod alignment;
mod check;
mod identity;
mod plan;
mod preset;

pub use crate::run::{Budget, ConfigError, parse_override};
pub use alignment::{AlignmentConfig, Pull};
pub use check::{apply_overrides, check_split, train_rows};
pub use plan::PlannedRun;
pub use preset::Preset;

use crate::{probe::registry::Cost, run::Cadence};
use groklab_vectors::mlp::Penalty;
use serde::{Deserialize, Serialize};

/// Everything that determines the numbers of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Task name (`tasks/NAME.toml`, or a built-in one) or the path of a task file.
    pub task: String,
    /// Share of the equations used for training; the number of rows is `floor(rows · train_fraction)`.
    pub train_fraction: f64,
    /// Seed of the initial parameters and of the batch order.
    pub seed: u64,
    /// Seed of the train/validation split; equal to `seed` unless set.
    pub split_seed: u64,
    /// How matrices are multiplied.
    // the key came after the first studies: at its default it is left out of files
    #[serde(default, skip_serializing_if = "is_default")]
    pub precision: Precision,
    /// The transformer.
    pub model: ModelConfig,
    /// The optimiser and its schedule.
    pub optim: OptimConfig,
    /// The Jacobian term. The table came after the first studies: at its default it is left out of files.
    #[serde(default, skip_serializing_if = "is_default")]
    pub jacobian: JacobianConfig,
    /// Terms that pull at LAR. The table came after the first studies: at its default it is left out of files.
    #[serde(default, skip_serializing_if = "is_default")]
    pub alignment: AlignmentConfig,
    /// Batches.
    pub data: DataConfig,
    /// Budget and stopping: not part of the recipe.
    pub train: Budget,
    /// When to evaluate and probe, and what to record.
    pub probe: ProbeConfig,
}

/// How f32 matrices are multiplied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// In f32.
    #[default]
    F32,
    /// With factors rounded to TF32 (10 bits of fraction), sums in f32: other numbers; on a CUDA device faster, on the
    /// CPU slower, to see what it does.
    Tf32,
}

impl Precision {
    /// For manifests and tables: `f32` or `tf32`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Tf32 => "tf32",
        }
    }
}

/// Shape and choices of the transformer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Number of blocks, at least 1.
    pub n_layers: usize,
    /// Width of the residual stream, at least 2 and a multiple of `n_heads`.
    pub d_model: usize,
    /// Number of attention heads.
    pub n_heads: usize,
    /// Width of the hidden layer of the MLP.
    pub d_mlp: usize,
    /// Where LayerNorm stands in a block.
    pub norm: Norm,
    /// LayerNorm between the last block and the unembedding.
    pub final_norm: bool,
    /// Non-linearity of the MLP.
    pub activation: Activation,
    /// Position embedding.
    pub positions: Positions,
    /// Biases in the linear layers of the blocks. The unembedding never has one: LAR is defined for z = W x.
    pub bias: bool,
    /// Use the token embedding of the operands as unembedding.
    pub tied: bool,
    /// Standard deviation of token and learned position embeddings at initialisation.
    pub embedding_std: f64,
    /// Distribution of the weights of linear layers at initialisation.
    pub linear_init: LinearInit,
    /// Factor on the initial weights of linear layers (the initialisation scale of Omnigrok, arXiv 2210.01117).
    pub init_scale: f64,
    /// c: the logits are c·W x (arXiv 2602.00827). LAR is that of W x. The key came after the first studies: at 1 it is
    /// left out of files.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub output_scale: f64,
    /// Factor on the initial learned positions, beside `embedding_std`. The key came after the first studies: at 1 it is left
    /// out of files.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub position_scale: f64,
    /// The tokens of an equation. The key came after the first studies: with the operator it is left out of files.
    #[serde(default, skip_serializing_if = "is_default")]
    pub sequence: Sequence,
}

/// The tokens of an equation in their order; the answer is read at `=`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sequence {
    /// x op y =, as in Power et al. 2022.
    #[default]
    WithOperator,
    /// x y =; the operator is the same in every equation.
    WithoutOperator,
}

impl Sequence {
    /// Operators in it: 1 or 0.
    pub fn operators(self) -> usize {
        usize::from(self == Self::WithOperator)
    }

    /// Tokens of an equation.
    pub fn positions(self) -> usize {
        3 + self.operators()
    }

    /// Tokens there are: `n_symbols` operands, the operator if there is one, and `=`.
    pub fn vocabulary(self, n_symbols: usize) -> usize {
        n_symbols + self.operators() + 1
    }
}

/// Where LayerNorm stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Norm {
    /// x + f(norm(x))
    Pre,
    /// norm(x + f(x))
    Post,
    /// x + f(x)
    None,
}

/// Non-linearity of the MLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// max(0, x)
    Relu,
    /// x·Φ(x), with the exact error function.
    Gelu,
}

/// Position embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Positions {
    /// One learned vector a position.
    Learned,
    /// Fixed sines and cosines (Vaswani et al. 2017, §3.5).
    Sinusoidal,
}

/// Initial distribution of the weights of linear layers; biases of linear layers follow PyTorch, U(±1/√fan_in).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LinearInit {
    /// U(±1/√fan_in), PyTorch's default for `nn.Linear`.
    UniformFanIn,
    /// U(±√(6/(fan_in + fan_out))) (Glorot & Bengio 2010).
    XavierUniform,
    /// N(0, 1/fan_in).
    NormalFanIn,
}

/// The optimiser and its schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimConfig {
    /// `adamw` (our own) or one of candle-optimisers.
    pub name: OptimizerName,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Decoupled weight decay: a step multiplies the decayed parameters by 1 − learning_rate·weight_decay.
    pub weight_decay: f64,
    /// Which parameters are decayed.
    pub decay: Decay,
    /// First-moment rate of Adam and its kin; momentum of SGD.
    pub beta1: f64,
    /// Second-moment rate of Adam and its kin.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// lr(step) = min(1, step/warmup_steps)·learning_rate, steps counted from 0: the first step of a warm-up moves nothing.
    pub warmup_steps: u64,
    /// Which parameters stay as they began. The key came after the first studies: at its default it is left out of files.
    #[serde(default, skip_serializing_if = "is_default")]
    pub frozen: Frozen,
}

/// Which parameters stay as they began: no step and no decay reaches them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Frozen {
    /// No one.
    #[default]
    None,
    /// The token embedding.
    Embedding,
}

/// λ·R, or λ·|R − level|, R = mean_i √max(C‖v_iᵀJ(x_i)‖², 1e-8), J the Jacobian of the logits by the embedded tokens
/// (GrokAlign, arXiv 2506.12284).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JacobianConfig {
    /// λ, the strength of the term; 0 leaves it out.
    pub strength: f64,
    /// Where R is drawn to; 0 makes it small.
    pub level: f64,
}

impl JacobianConfig {
    /// What is added to the loss, if anything is.
    pub fn penalty(&self) -> Option<Penalty> {
        let level = (self.level > 0.0).then_some(self.level);
        (self.strength > 0.0).then_some(Penalty { strength: self.strength, level })
    }
}

/// An optimiser by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // the names are the documentation
pub enum OptimizerName {
    AdamW,
    Adam,
    Adadelta,
    Adagrad,
    Adamax,
    NAdam,
    RAdam,
    RMSprop,
    Sgd,
}

impl OptimizerName {
    /// As in a config: `adamw`.
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

/// Which parameters weight decay acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decay {
    /// Every parameter.
    All,
    /// The weights of linear layers and the unembedding; not embeddings, gains and biases.
    Matrices,
}

/// Batches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Rows of a batch.
    pub batch_size: usize,
    /// What happens to the rows left over at the end of an epoch.
    pub last_batch: LastBatch,
    /// Share of the training rows that get a wrong answer.
    // the key came after the first studies: at 0 it is left out of files, so that runs keep their ids
    #[serde(default, skip_serializing_if = "is_default")]
    pub label_noise: f64,
}

/// What happens to the rows left over at the end of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LastBatch {
    /// A smaller batch.
    Keep,
    /// Left out (unless it is the only batch).
    Drop,
}

/// When to evaluate and probe, and what to record. Epochs 0 and 1 and the last one always count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeConfig {
    /// Every so many epochs.
    pub every: u64,
    /// Every epoch up to this one.
    pub dense_until: u64,
    /// What is recorded in `diagnostics.csv`: names and groups that `groklab diagnostics` lists; nothing, and no such file,
    /// if empty.
    // the key came after the first studies: at its default it is left out of files, so that runs keep their ids
    #[serde(default = "default_diagnostics", skip_serializing_if = "is_default_diagnostics")]
    pub diagnostics: Vec<String>,
}

/// The diagnostics that cost next to nothing.
fn default_diagnostics() -> Vec<String> {
    vec![Cost::Cheap.name().to_owned()]
}

fn is_default_diagnostics(names: &[String]) -> bool {
    names == default_diagnostics()
}

fn one() -> f64 {
    1.0
}

fn is_one(value: &f64) -> bool {
    *value == one()
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl ProbeConfig {
    /// Which epochs are evaluated and probed.
    pub fn cadence(&self) -> Cadence {
        Cadence { every: self.every, dense_until: self.dense_until }
    }
}

impl ModelConfig {
    /// Width of one attention head.
    pub fn d_head(&self) -> usize {
        self.d_model / self.n_heads
    }
}
