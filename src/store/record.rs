//! The record of a run as it lies on disk: a row of `metrics.csv` and a row of `spectra.csv`.

use serde::{Deserialize, Deserializer, Serialize};

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
    /// Least number of principal components of X (centred) that hold 90 % of the variance; None where X has none, or is
    /// no longer finite.
    #[serde(deserialize_with = "count")]
    pub k90: Option<u32>,
    /// The same for 95 %.
    #[serde(deserialize_with = "count")]
    pub k95: Option<u32>,
    /// The same for 99 %.
    #[serde(deserialize_with = "count")]
    pub k99: Option<u32>,
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

/// An empty field is no count; nor is 0, which older files hold in its place.
fn count<'de, D: Deserializer<'de>>(field: D) -> Result<Option<u32>, D::Error> {
    Ok(Option::deserialize(field)?.filter(|&count| count > 0))
}

/// A count to calculate with: NaN where there is none.
pub fn count_or_nan(count: Option<u32>) -> f64 {
    count.map_or(f64::NAN, f64::from)
}

/// `diagnostics.csv`: the diagnostics a run's config asks for, `run` and `epoch` before them. One row an evaluation, as in
/// `metrics.csv`, with which it joins on both. Which columns there are depends on config and task; see
/// [`registry`](crate::probe::registry).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Diagnostics {
    /// Names of the columns after `run` and `epoch`.
    pub columns: Vec<String>,
    /// Epoch of each evaluation and a value for each column, NaN where it is not defined.
    pub rows: Vec<(u64, Vec<f64>)>,
}

impl Diagnostics {
    /// Epoch and value of one column; nothing if the run does not have it.
    pub fn column(&self, name: &str) -> Vec<(u64, f64)> {
        match self.columns.iter().position(|column| column == name) {
            Some(i) => self.rows.iter().map(|(epoch, values)| (*epoch, values[i])).collect(),
            None => Vec::new(),
        }
    }
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

/// The rows of a table.
pub fn parse_rows<R: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<Vec<R>, csv::Error> {
    csv::Reader::from_reader(bytes).deserialize().collect()
}
