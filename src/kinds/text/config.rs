//! What a run of this kind is: every choice that can change its numbers, as in `config.toml`.

use crate::run::Cadence;
use groklab_probe::Pooling;
use groklab_text::{
    model::{AnyConfig, Architecture, LensConfig, TextConfig},
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
    /// A term that pulls at LAR.
    #[serde(default)]
    pub alignment: AlignmentConfig,
    /// What the milestone `target` is.
    pub target: TargetConfig,
    /// Budget: not part of the recipe.
    pub train: TrainConfig,
    /// When it is evaluated, and what is recorded besides.
    pub probe: ProbeConfig,
}

/// What is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// `language`: the synthetic language; `periodic`: walks round cycles (Spectral Lens); `text:PATH`: a file or folder of
    /// UTF-8 as byte pairs; `bytes:PATH`: its bytes.
    pub source: String,
    /// SHA-256 that the text at that path must have; empty: whatever it has, which the run's config then records.
    pub digest: String,
    /// Targets of the training set, which is gone through again and again: the first so many, so that sets are nested.
    /// 0: of the language and of periodic sequences new ones in each step, of a text all of it.
    pub tokens: usize,
    /// How batches are drawn from it.
    pub draw: DrawName,
    /// Number of ids; 256 of bytes.
    pub vocabulary: usize,
    /// Seed of the language's tables, or of the periodic sequences, which are the same whatever the seed of the run. How uneven its words are decides how far LAR rises at first: of seeds 0 … 23 at 512
    /// words, 22 has a unigram entropy (5.17 nats) and a floor (3.63) like the prototype's that set the studies' sizes.
    pub language_seed: u64,
    /// Sequences held out for validation: of their own of the language and of periodic sequences, of a text the first of its
    /// last tenth.
    pub held_out: usize,
    /// Sequences of a batch.
    pub batch_size: usize,
}

/// How batches are drawn from a training set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DrawName {
    /// All of it in each epoch, in an order of its own.
    Epochs,
    /// Each sequence of each batch at random, from all.
    Replacement,
}

/// The transformer: its blocks and their sizes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Which blocks.
    pub architecture: ArchitectureName,
    /// Blocks.
    pub n_layers: usize,
    /// Width of the residual stream.
    pub d_model: usize,
    /// Attention heads, each of an even number of channels.
    pub n_heads: usize,
    /// Width of the MLP, which of gemma is gated.
    pub d_mlp: usize,
    /// Inputs of a sequence.
    pub n_ctx: usize,
    /// Whether the unembedding is the embedding.
    pub tied: bool,
    /// Of lens: rotary positions with RMSNorm of queries and keys; else learned positions and one map to all three.
    pub rotary: bool,
    /// Of lens: whether an unembedding of its own begins at zero.
    pub zero_head: bool,
    /// Of lens: RMSNorm right after the embedding.
    pub normalised_embedding: bool,
    /// Base of the rotary frequencies.
    pub rope_base: f64,
    /// Added to the mean square in RMSNorm.
    pub norm_epsilon: f64,
}

/// Blocks by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ArchitectureName {
    /// Gemma-2: gated MLP, norms with gains before and after each part (arXiv 2605.28975).
    Gemma,
    /// The toy of Spectral Lens (arXiv 2605.05683): squared ReLU, norms without gain, output projections that begin at zero.
    Lens,
}

/// Loss − lar_strength·LAR of the batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlignmentConfig {
    /// λ, of LAR of the unembedding over a step's targets; above 0 it is raised, below 0 lowered.
    pub lar_strength: f64,
}

/// When the milestone `target` counts as seen: then the run ends `train.patience` steps later.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetConfig {
    /// Validation loss, nats, that is to be reached; 0: none.
    pub val_loss: f64,
}

/// The optimiser and its schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimConfig {
    /// Which optimiser.
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
    /// Gradients of a larger norm, over all parameters, are scaled down to it; 0: none are.
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
    /// Whether optim.weight_decay takes the matrices too; else only what Adam moves.
    pub matrix_decay: bool,
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
    /// Steps to go on after the target of target.val_loss; nothing else ends a run but its budget and a divergence.
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
    /// Which activations `activation_spectrum` and `activation_eigenvalues` look at.
    pub activations: ActivationsConfig,
    /// Which gradients `gradient_spectrum` and `gradient_singular_values` look at.
    pub gradients: GradientsConfig,
}

/// Which activations have their spectra taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivationsConfig {
    /// 0: what the unembedding reads; L: the residual stream behind block L, from 1, divided by its RMS.
    pub layer: usize,
    /// What a sequence counts as.
    pub pooling: PoolingName,
    /// Sequences, the first of the data set whatever the seed of the run; as many again for the floor.
    pub sequences: usize,
}

/// Which gradients have their spectra taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GradientsConfig {
    /// Of these matrices, `blocks.0.attn.o`, …; empty: attention and MLP outputs of the first and the last block, embedding
    /// and unembedding.
    pub matrices: Vec<String>,
    /// Of the losses of so many sequences, the first of the data set.
    pub sequences: usize,
}

/// What a sequence of hidden states counts as, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PoolingName {
    /// One sample: its last state.
    Last,
    /// One sample: the mean of its states.
    Mean,
    /// A sample a state.
    Token,
}

impl PoolingName {
    /// As the probe takes it.
    pub fn pooling(self) -> Pooling {
        match self {
            Self::Last => Pooling::Last,
            Self::Mean => Pooling::Mean,
            Self::Token => Pooling::Token,
        }
    }
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
    /// The model: blocks, sizes, wiring.
    pub fn architecture(&self) -> AnyConfig {
        let ModelConfig { n_layers, d_model, n_heads, d_mlp, n_ctx, tied, rope_base, norm_epsilon, .. } =
            self.model;
        let vocabulary = self.data.vocabulary;
        match self.model.architecture {
            ArchitectureName::Gemma => AnyConfig::Gemma(TextConfig {
                vocabulary,
                sequence: n_ctx,
                d_model,
                layers: n_layers,
                heads: n_heads,
                d_ff: d_mlp,
                tied,
                rope_base,
                epsilon: norm_epsilon,
            }),
            ArchitectureName::Lens => AnyConfig::Lens(LensConfig {
                vocabulary,
                sequence: n_ctx,
                d_model,
                layers: n_layers,
                heads: n_heads,
                d_ff: d_mlp,
                rotary: self.model.rotary,
                own_head: !tied,
                zero_head: self.model.zero_head,
                normalised_embedding: self.model.normalised_embedding,
                rope_base,
                epsilon: norm_epsilon,
            }),
        }
    }

    /// The matrices whose gradients have their spectra taken, as in columns: by name, or those of arXiv 2605.05683.
    pub fn gradient_matrices(&self) -> Vec<String> {
        if !self.probe.gradients.matrices.is_empty() {
            return self.probe.gradients.matrices.clone();
        }
        let last = self.model.n_layers.saturating_sub(1);
        let mut names = Vec::new();
        for block in if last > 0 { vec![0, last] } else { vec![0] } {
            names.extend(["attn.o", "mlp.down"].map(|name| format!("blocks.{block}.{name}")));
        }
        names.push("embed".to_owned());
        names.extend((!self.model.tied).then(|| "unembed".to_owned()));
        names
    }

    /// Whether the model has a matrix of that name.
    pub fn has_matrix(&self, name: &str) -> bool {
        self.architecture()
            .layout()
            .get(&format!("{name}.weight"))
            .is_some_and(|param| param.shape.len() == 2)
    }

    /// Whether a diagnostic of this family, `activation_` or `gradient_`, is taken.
    pub fn takes(&self, family: &str) -> bool {
        self.probe.diagnostics.iter().any(|name| name.starts_with(family))
    }

    /// Fixed sequences of the data set that the diagnostics ask for.
    pub fn fixed_sequences(&self) -> usize {
        let activations = if self.takes("activation_") { 2 * self.probe.activations.sequences } else { 0 };
        let gradients = if self.takes("gradient_") { self.probe.gradients.sequences } else { 0 };
        activations.max(gradients)
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
        let weight_decay = if self.muon.matrix_decay { self.weight_decay } else { 0.0 };
        let adam = self.adam();
        MuonConfig { momentum, iterations, scaling, matrix_rate, weight_decay, adam }
    }
}
