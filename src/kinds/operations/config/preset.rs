//! Named starting points; each key can still be overridden.

use super::*;

/// A named starting point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// The log-alignment study (arXiv 2605.28975), with what it leaves unsaid settled by its figures:
    /// pre-LN and final LN, exact GELU, learned positions, embeddings ~ N(0,1), no linear biases.
    #[default]
    Paper,
    /// Power et al. 2022 (arXiv 2201.02177): post-LN, ReLU, sinusoidal positions, no final norm.
    Power,
}

impl Preset {
    /// The preset's config for one run.
    pub fn config(self, task: &str, train_fraction: f64, seed: u64) -> RunConfig {
        let paper = RunConfig {
            task: task.to_owned(),
            train_fraction,
            seed,
            split_seed: seed,
            precision: Precision::F32,
            model: ModelConfig {
                n_layers: 2,
                d_model: 128,
                n_heads: 4,
                d_mlp: 512,
                norm: Norm::Pre,
                final_norm: true,
                activation: Activation::Gelu,
                positions: Positions::Learned,
                bias: false,
                tied: false,
                embedding_std: 1.0,
                linear_init: LinearInit::UniformFanIn,
                init_scale: 1.0,
            },
            optim: OptimConfig {
                name: OptimizerName::AdamW,
                learning_rate: 1e-3,
                weight_decay: 1.0,
                decay: Decay::All,
                beta1: 0.9,
                beta2: 0.98,
                epsilon: 1e-8,
                warmup_steps: 10,
            },
            data: DataConfig { batch_size: 512, last_batch: LastBatch::Keep },
            train: TrainConfig { max_epochs: 50_000, patience: 2_000 },
            probe: ProbeConfig { every: 20, dense_until: 0, diagnostics: default_diagnostics() },
        };
        match self {
            Self::Paper => paper,
            Self::Power => RunConfig {
                model: ModelConfig {
                    norm: Norm::Post,
                    final_norm: false,
                    activation: Activation::Relu,
                    positions: Positions::Sinusoidal,
                    ..paper.model
                },
                ..paper
            },
        }
    }
}
