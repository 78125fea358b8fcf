//! The record of a run as it lies on disk: a row of `metrics.csv` and `manifest.json`.

use serde::{Deserialize, Serialize};

/// One row of `metrics.csv`: one evaluation of one run. All logarithms are natural unless said otherwise.
///
/// W is the unembedding, (m, n); X its inputs over the whole training set, (N, n); see [`crate::probe`] for formulas.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricsRow {
    /// Run id, the name of the run's directory.
    pub run: String,
    /// Task name.
    pub task: String,
    /// Share of the table used for training.
    pub train_fraction: f64,
    /// Seed of parameters and batch order.
    pub seed: u64,
    /// Seed of the split.
    pub split_seed: u64,
    /// Completed passes over the training set.
    pub epoch: u64,
    /// Completed optimiser steps.
    pub step: u64,
    /// Mean cross-entropy over the training rows, nats.
    pub train_loss: f64,
    /// Mean cross-entropy over the validation rows, nats.
    pub val_loss: f64,
    /// Share of training rows answered correctly.
    pub train_accuracy: f64,
    /// Share of validation rows answered correctly.
    pub val_accuracy: f64,
    /// Log-alignment ratio, from norms.
    pub lar: f64,
    /// The same from the spectra: 1 + ½·log_n Σ p_i q_i. A check that travels with every row.
    pub lar_spectra: f64,
    /// Predicted dimension n^(2(1−LAR)).
    pub k_pred: f64,
    /// Least number of principal components of X (centred) that hold 90 % of the variance.
    pub k90: u32,
    /// The same for 95 %.
    pub k95: u32,
    /// The same for 99 %.
    pub k99: u32,
    /// Share of W's energy in its first right singular vector.
    pub p1: f64,
    /// Share of X's energy along that vector.
    pub q1: f64,
    /// LAR of the first singular direction alone: 1 + ½·log_n(p₁q₁).
    pub l1: f64,
    /// Standard deviation of p over its n entries.
    pub sigma_p: f64,
    /// Standard deviation of q over its n entries.
    pub sigma_q: f64,
    /// Pearson correlation of p and q.
    pub pearson: f64,
    /// Spearman rank correlation of p and q.
    pub spearman: f64,
    /// ‖W‖²_F / s₁².
    pub stable_rank: f64,
    /// exp(entropy of s/Σs) (Roy & Vetterli 2007).
    pub effective_rank: f64,
    /// Euclidean norm of all parameters together.
    pub weight_norm: f64,
    /// Share of training rows whose loss is exactly zero in f32.
    pub zero_loss_share: f64,
}

/// Where a milestone was first met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Epoch of the evaluation.
    pub epoch: u64,
    /// Optimiser steps done by then.
    pub step: u64,
}

/// The first evaluation at which each thing was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Milestones {
    /// Train accuracy > 99 % and validation accuracy < 50 %.
    pub memorized: Option<Mark>,
    /// Both accuracies > 99 %.
    pub grokked: Option<Mark>,
    /// A grokked run fell back: validation accuracy < 50 % after having grokked.
    pub collapsed: Option<Mark>,
    /// A loss that is not finite; the run ends here.
    pub diverged: Option<Mark>,
}

/// How a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Started, not ended.
    Running,
    /// Ended as planned, diverged runs included: their record is complete.
    Finished,
    /// Ended by an error; see `failure`.
    Failed,
}

/// Why a finished run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopReason {
    /// `train.patience` epochs after it grokked.
    Grokked,
    /// `train.max_epochs` reached.
    Budget,
    /// A loss that is not finite.
    Diverged,
}

/// `manifest.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the format of the run directory.
    pub format: u32,
    /// Version of groklab that wrote it.
    pub groklab: String,
    /// Run id.
    pub run: String,
    /// Name of the task.
    pub task: String,
    /// SHA-256 of the task's table.
    pub task_digest: String,
    /// Symbols of the task: rows of the unembedding.
    pub n_symbols: usize,
    /// Training rows.
    pub train_rows: usize,
    /// Validation rows.
    pub val_rows: usize,
    /// Scalars in the model.
    pub parameters: usize,
    /// Who computed the steps, e.g. `factored (AVX-512)` or `plain (candle, cpu)`.
    pub engine: String,
    /// How the run stands.
    pub state: RunState,
    /// Why it ended.
    pub stopped: Option<StopReason>,
    /// The error of a failed run.
    pub failure: Option<String>,
    /// Last completed epoch.
    pub epochs: u64,
    /// Completed optimiser steps.
    pub steps: u64,
    /// What happened when.
    pub milestones: Milestones,
    /// Wall-clock time of training, evaluation and probing together.
    pub wall_seconds: f64,
    /// Part of it spent on evaluation (forward passes over all rows).
    pub evaluation_seconds: f64,
    /// Part of it spent on probes (spectra, eigenvalues).
    pub probe_seconds: f64,
}

/// When a full spectrum was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Checkpoint {
    /// Epoch 0.
    Initial,
    /// First memorized evaluation.
    Memorized,
    /// First grokked evaluation.
    Grokked,
    /// Last evaluation.
    Final,
}

/// One row of `spectra.csv`: direction i of one checkpoint of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpectrumRow {
    /// Run id.
    pub run: String,
    /// Which checkpoint.
    pub checkpoint: Checkpoint,
    /// Its epoch.
    pub epoch: u64,
    /// Direction, from 1 (the largest singular value) to n.
    pub i: usize,
    /// Singular value s_i of W, 0 beyond its rank.
    pub singular_value: f64,
    /// s_i² / Σ s².
    pub p: f64,
    /// Share of X's energy along the i-th right singular vector of W.
    pub q: f64,
    /// i-th largest eigenvalue of the centred covariance of X.
    pub covariance_eigenvalue: f64,
}
