//! What is learned.

use serde::{Deserialize, Serialize};

/// What is learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// `digits`, `idx:DIRECTORY`, `npy:INPUTS.npy,LABELS.npy`, `isotropic`, `spike`, `sub`, `xor`, `xor-clusters` or
    /// `parity:K`, the product of the first K of `width` signs.
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
    /// Seed of that noise.
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
