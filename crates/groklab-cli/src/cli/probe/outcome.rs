//! What `groklab probe` finds, as data: the objects of `--json`.

use super::choose::{Because, Chosen, Orientation};
use crate::probe::{Bulk, Probe, Shuffled, Spectra, TailFit, WeightMeasures};
use clap::ValueEnum;
use serde::Serialize;

/// How the singular values of the weights are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Method {
    /// gram where that loses nothing that shows; else svd where that takes no more than a minute; else gram
    #[default]
    Auto,
    /// From the weights themselves, in f64
    Svd,
    /// From WᵀW, in f64
    Gram,
    /// From WᵀW, products in f32, sums over blocks of rows in f64: about twice as fast, and blind to small ones
    GramF32,
}

/// Work on a matrix: m·n·min(m, n), a tenth of the multiply-adds of a decomposition with vectors.
pub(super) fn work(m: usize, n: usize) -> f64 {
    m as f64 * n as f64 * m.min(n) as f64
}

/// Work that takes a few seconds on one core.
pub(super) const SECONDS: f64 = 4e9;
/// About a minute.
pub(super) const MINUTE: f64 = 2e10;

impl Method {
    /// What is done first for a matrix of m × n numbers and its inputs.
    pub(super) fn settled(self, m: usize, n: usize) -> Self {
        match self {
            Self::Auto if work(m, n) <= SECONDS => Self::Svd,
            Self::Auto => Self::Gram,
            given => given,
        }
    }

    /// What was done, of which `resolution` came.
    pub(super) fn says(self, resolution: Option<f64>) -> &'static str {
        match (self, resolution) {
            (_, None) => "singular value decomposition of W in f64",
            (Self::GramF32, _) => "eigenvalues of WᵀW, products in f32, sums over blocks in f64",
            _ => "eigenvalues of WᵀW in f64",
        }
    }
}

#[derive(Serialize)]
pub(super) struct Weights {
    pub(super) tensor: String,
    pub(super) file: String,
    pub(super) dtype: String,
    pub(super) shape: Vec<usize>,
    pub(super) transposed: bool,
    /// What the two sides are.
    pub(super) layout: &'static str,
    /// How that is known.
    pub(super) layout_from: &'static str,
    pub(super) tied: bool,
}

impl Weights {
    pub(super) fn of(chosen: &Chosen<'_>, orientation: &Orientation) -> Self {
        let view = chosen.view;
        Self {
            tensor: view.name.clone(),
            file: view.tensor.path.display().to_string(),
            dtype: view.tensor.dtype.clone(),
            shape: view.shape.to_vec(),
            transposed: orientation.is_transposed,
            layout: if orientation.is_transposed { "(inputs, outputs)" } else { "(outputs, inputs)" },
            layout_from: orientation.from,
            tied: chosen.because == Because::Tied,
        }
    }
}

#[derive(Serialize)]
pub(super) struct Skipped {
    pub(super) tensor: String,
    pub(super) file: String,
    pub(super) reason: String,
}

#[derive(Serialize)]
pub(super) struct One {
    pub(super) weights: Weights,
    pub(super) method: &'static str,
    /// Singular values at or below this share of the largest are given as 0.
    pub(super) resolution: Option<f64>,
    pub(super) activation_files: Vec<String>,
    pub(super) rows: u64,
    pub(super) width: usize,
    /// Directions of W outside its null space.
    pub(super) rank: usize,
    /// Share of X's energy in the null space.
    pub(super) null_share: f64,
    pub(super) probe: Probe,
    /// What to know about these numbers.
    pub(super) notes: Vec<String>,
    pub(super) skipped: Vec<Skipped>,
}

#[derive(Serialize)]
pub(super) struct Measured {
    pub(super) tensor: String,
    pub(super) file: String,
    pub(super) dtype: String,
    pub(super) shape: Vec<usize>,
    /// How the matrix was made of the tensor, if it is not the tensor itself; what was left out.
    pub(super) notes: Vec<String>,
    pub(super) method: &'static str,
    pub(super) resolution: Option<f64>,
    /// Singular values that are not resolved; `effective_rank` is a lower bound if there are any.
    pub(super) unresolved: usize,
    #[serde(flatten)]
    pub(super) measures: WeightMeasures,
    /// log₁₀ ‖W‖²_F.
    pub(super) log_norm: f64,
    /// log₁₀ λ₁, λ₁ = s₁².
    pub(super) log_spectral_norm: f64,
    /// α log₁₀ λ₁.
    pub(super) alpha_weighted: Option<f64>,
    /// log₁₀ Σ λ^α.
    pub(super) log_alpha_norm: Option<f64>,
    /// The power law of the eigenvalues' tail; missing with too few values.
    pub(super) tail: Option<TailFit>,
    /// Why there is none.
    pub(super) no_tail: Option<String>,
    pub(super) bulk: Option<Bulk>,
    pub(super) shuffled: Option<Shuffled>,
    /// Descending, what is below rounding as 0.
    #[serde(skip)]
    pub(super) eigenvalues: Vec<f64>,
}

#[derive(Serialize)]
pub(super) struct All {
    pub(super) matrices: Vec<Measured>,
    pub(super) skipped: Vec<Skipped>,
}

/// Activations of one layer, with its weights or without.
#[derive(Serialize)]
pub(super) struct Layer {
    pub(super) tensor: String,
    /// The weights, their shape and layout; missing for activations alone.
    pub(super) weights: Option<Weights>,
    pub(super) method: Option<&'static str>,
    pub(super) resolution: Option<f64>,
    pub(super) rows: u64,
    pub(super) width: usize,
    pub(super) lar: Option<f64>,
    pub(super) k_pred: Option<f64>,
    pub(super) k90: Option<u32>,
    pub(super) k95: Option<u32>,
    pub(super) k99: Option<u32>,
    pub(super) rankme: f64,
    pub(super) participation_ratio: f64,
    pub(super) head_slope: f64,
    pub(super) tail_slope: f64,
    pub(super) stable_rank: Option<f64>,
    pub(super) notes: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct Layers {
    pub(super) layers: Vec<Layer>,
    pub(super) skipped: Vec<Skipped>,
}

/// A checkpoint of a training.
#[derive(Serialize)]
pub(super) struct Step {
    pub(super) step: u64,
    pub(super) file: String,
    pub(super) tensor: String,
    pub(super) lar: Option<f64>,
    pub(super) k_pred: Option<f64>,
    pub(super) k95: Option<u32>,
    pub(super) rows: Option<u64>,
    pub(super) alpha: Option<f64>,
    pub(super) alpha_weighted: Option<f64>,
    pub(super) frobenius_norm: f64,
    pub(super) spectral_norm: f64,
    pub(super) stable_rank: f64,
    /// A lower bound if `unresolved` is not 0.
    pub(super) effective_rank: f64,
    pub(super) spikes: Option<usize>,
    pub(super) method: &'static str,
    pub(super) resolution: Option<f64>,
    pub(super) unresolved: usize,
}

#[derive(Serialize)]
pub(super) struct Series {
    pub(super) steps: Vec<Step>,
    pub(super) notes: Vec<String>,
}

/// What makes numbers of a probe doubtful: few rows, a null space, singular values that were lost.
pub(super) fn doubts(probe: &Probe, spectra: &Spectra, rows: u64, resolution: Option<f64>) -> Vec<String> {
    let mut doubts: Vec<String> = few_rows(probe.k95, rows).into_iter().collect();
    let (rank, n) = (spectra.rank(), spectra.p.len());
    if rank > 0 && rank < n {
        let decided = if rank == 1 {
            "pearson and spearman would be ±1 whatever X is, and are not given"
        } else {
            "sigma_q, pearson and spearman depend on that rule"
        };
        doubts.push(format!(
            "W has rank {rank} in {n} columns: the share {:.3} of X's energy that it does not read is spread evenly over its \
             null space; {decided}",
            spectra.null_share()
        ));
    }
    let lost = spectra.singular_values.iter().filter(|&&s| s == 0.0).count();
    if let (Some(resolution), 1..) = (resolution, lost) {
        doubts.push(format!(
            "{lost} singular values lie below {resolution:.1e} of the largest, which this method does not resolve: \
             effective_rank is a lower bound"
        ));
    }
    doubts
}

/// The warning that k95 is that of the rows, and not of what they were drawn from.
pub(super) fn few_rows(k95: Option<u32>, rows: u64) -> Option<String> {
    /// Rows that k95 needs for each of its components.
    const ENOUGH: u64 = 5;
    let k95 = k95.filter(|&k95| rows < ENOUGH * u64::from(k95))?;
    Some(format!(
        "k95 = {k95} comes from {rows} rows: fewer than {ENOUGH} times itself, so that it measures how many rows there are"
    ))
}
