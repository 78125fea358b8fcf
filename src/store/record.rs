//! The record of a run as it lies on disk: rows of `diagnostics.csv` and of `spectra.csv`.

use serde::{Deserialize, Serialize};

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

/// One row of `spectra.csv`: direction i of one checkpoint of one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpectrumRow {
    /// Run id.
    pub run: String,
    /// When it was recorded: `initial`, the name of a milestone, `final`.
    pub checkpoint: String,
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
