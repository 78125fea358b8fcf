//! What a run of this kind is: every choice that can change its numbers, as in `config.toml`.

use crate::run::Cadence;
use groklab_text::{
    model::TextConfig,
    optim::{AdamConfig, Decay, MuonConfig, Schedule, Shape},
};
use serde::{Deserialize, Serialize};

pub use groklab_text::optim::Scaling;

/// Everything that determines the numbers of one run, and its budget.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Seed of the initial parameters, of the documents of the language, and of the order of batches.
    pub seed: u64,
    /// What is read.
    pub data: DataConfig,
    /// The transformer.
    pub model: ModelConfig,
    /// The optimiser and its schedule.
    pub optim: OptimConfig,
    /// Budget: not part of the recipe.
    pub train: TrainConfig,
    /// When it is evaluated, and what is recorded besides.
    pub probe: ProbeConfig,
}

/// What is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// `language`: the synthetic language; `text:PATH`: a file or folder of UTF-8 as byte pairs; `bytes:PATH`: its bytes.
    pub source: String,
    /// SHA-256 that the text at that path must have; empty: whatever it has, which the run's config then records.
    pub digest: String,
    /// Targets of the training set, which is gone through again and again: the first so many, so that sets are nested.
    /// 0: of the language new documents in each step, of a text all of it.
    pub tokens: usize,
    /// Number of ids; 256 of bytes.
    pub vocabulary: usize,
    /// Seed of the language's tables. How uneven its words are decides how far LAR rises at first: of seeds 0 … 23 at 512
    /// words, 22 has a unigram entropy (5.17 nats) and a floor (3.63) like the prototype's that set the studies' sizes.
    pub language_seed: u64,
    /// Sequences held out for validation: documents of the language, of a text the first of its last tenth.
    pub held_out: usize,
    /// Sequences of a batch.
    pub batch_size: usize,
}

/// Sizes of the Gemma-2 transformer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Blocks.
    pub n_layers: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Attention heads, each of an even number of channels.
    pub n_heads: usize,
    /// Width of the gated MLP.
    pub d_mlp: usize,
    /// Inputs of a sequence.
    pub n_ctx: usize,
    /// Whether the unembedding is the embedding.
    pub tied: bool,
    /// Base of the rotary frequencies.
    pub rope_base: f64,
    /// Added to the mean square in RMSNorm.
    pub norm_epsilon: f64,
}

/// The optimiser and its schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimConfig {
    /// Which.
    pub name: OptimizerName,
    /// Full rate of adam and adamw.
    pub learning_rate: f64,
    /// Decay of Adam's first moment.
    pub beta1: f64,
    /// Decay of Adam's second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled decay of all parameters of two dimensions, times the learning rate; 0 of adam.
    pub weight_decay: f64,
    /// Step t, from 0, of so many has t/warmup_steps of the full rate.
    pub warmup_steps: u64,
    /// What follows the warm-up.
    pub schedule: ScheduleName,
    /// Steps in which a cosine comes to zero, the warm-up among them. Not the budget, so that the budget changes no number.
    pub schedule_steps: u64,
    /// Gradients of a larger norm, over all parameters, are scaled down to it.
    pub clip: f64,
    /// What only muon looks at.
    pub muon: MuonSection,
}

/// What only muon looks at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MuonSection {
    /// Full rate under muon, for the Adam of embedding, unembedding and gains too.
    pub learning_rate: f64,
    /// Rate of the matrices over that: 1 with `match-adam`, about 50 with `original`.
    pub matrix_rate: f64,
    /// Factor of an update.
    pub scaling: ScalingName,
    /// Nesterov's momentum.
    pub momentum: f64,
    /// Iterations of Newton–Schulz.
    pub iterations: usize,
}

/// An optimiser by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)] // the names are the documentation
pub enum OptimizerName {
    Adam,
    AdamW,
    Muon,
}

/// What follows the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleName {
    /// Half a cosine to zero.
    Cosine,
    /// The full rate.
    Constant,
}

/// A scaling of Muon by name; see [`Scaling`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScalingName {
    /// 0.2·√max(rows, columns).
    MatchAdam,
    /// √max(1, outputs/inputs).
    Original,
}

/// Budget, in rounds: steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Steps at most.
    pub max_epochs: u64,
    /// Nothing here ends a run but its budget and a divergence, so there is nothing to be patient after: 0.
    pub patience: u64,
}

/// When it is evaluated, and what is recorded besides. Steps 0 and 1 and the last one always count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeConfig {
    /// Every so many steps.
    pub every: u64,
    /// Every step up to this one.
    pub dense_until: u64,
    /// Training tokens over which LAR is pooled at least, in whole batches.
    pub tokens: usize,
    /// What `diagnostics.csv` holds; no such file if empty.
    pub diagnostics: Vec<String>,
}

impl OptimizerName {
    /// As in a config.
    pub fn name(self) -> &'static str {
        match self {
            Self::Adam => "adam",
            Self::AdamW => "adamw",
            Self::Muon => "muon",
        }
    }
}

impl Config {
    /// Sizes as the model takes them.
    pub fn sizes(&self) -> TextConfig {
        let ModelConfig { n_layers, d_model, n_heads, d_mlp, n_ctx, tied, rope_base, norm_epsilon } =
            self.model;
        TextConfig {
            vocabulary: self.data.vocabulary,
            sequence: n_ctx,
            d_model,
            layers: n_layers,
            heads: n_heads,
            d_ff: d_mlp,
            tied,
            rope_base,
            epsilon: norm_epsilon,
        }
    }

    /// Targets of a step.
    pub fn tokens_per_step(&self) -> usize {
        self.data.batch_size * self.model.n_ctx
    }

    /// When it is evaluated.
    pub fn cadence(&self) -> Cadence {
        Cadence { every: self.probe.every, dense_until: self.probe.dense_until }
    }
}

impl OptimConfig {
    /// The learning rate by step.
    pub fn schedule(&self) -> Schedule {
        let rate =
            if self.name == OptimizerName::Muon { self.muon.learning_rate } else { self.learning_rate };
        let shape = match self.schedule {
            ScheduleName::Cosine => Shape::Cosine,
            ScheduleName::Constant => Shape::Constant,
        };
        Schedule { rate, warmup: self.warmup_steps, steps: self.schedule_steps, shape }
    }

    /// Adam's settings.
    pub fn adam(&self) -> AdamConfig {
        AdamConfig {
            beta1: self.beta1,
            beta2: self.beta2,
            epsilon: self.epsilon,
            weight_decay: self.weight_decay,
            decay: Decay::Matrices,
        }
    }

    /// Muon's settings.
    pub fn muon(&self) -> MuonConfig {
        let MuonSection { matrix_rate, scaling, momentum, iterations, .. } = self.muon;
        let scaling = match scaling {
            ScalingName::MatchAdam => Scaling::MatchAdam,
            ScalingName::Original => Scaling::Original,
        };
        let (weight_decay, adam) = (self.weight_decay, self.adam());
        MuonConfig { momentum, iterations, scaling, matrix_rate, weight_decay, adam }
    }
}
