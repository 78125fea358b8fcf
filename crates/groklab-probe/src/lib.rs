//! Diagnostics of a linear map and its inputs, as pure functions of matrices: usable from anyone's training loop.
//!
//! Take W, (m, n): a weight matrix with m outputs, the unembedding in the study of grokking. Take X, (N, n): the batch
//! of its inputs, one a row; in the study the whole training set at the last position, after the final LayerNorm.
//! [`probe`] answers where X's energy lies relative to W's singular directions:
//!
//! | field | definition |
//! |---|---|
//! | `lar` | log-alignment ratio, log_n( RMS(X Wᵀ) / (RMS(W)·RMS(X)) ), RMS(A) = ‖A‖_F / √(entries of A) |
//! | – | p_i = s_i² / Σ s_j², s the singular values of W, padded with zeros to n |
//! | – | q_i = Σ_x (v_iᵀx)² / Σ_x ‖x‖², v the right singular vectors of W, completed to a basis of Rⁿ ([`Spectra`] says how) |
//! | `lar_spectra` | 1 + ½·log_n Σ p_i q_i, equal to `lar` |
//! | `k_pred` | n^(2(1 − LAR)) = 1 / Σ p_i q_i, the dimension LAR predicts |
//! | `k90`, `k95`, `k99` | least number of eigenvalues of the centred covariance of X that hold 90, 95, 99 % of its trace |
//! | `p1`, `q1` | p₁ and q₁ |
//! | `l1` | L₁ = 1 + ½·log_n(p₁q₁); [`partial_lar`] gives any L_k = 1 + ½·log_n Σ_{i≤k} p_i q_i |
//! | `sigma_p`, `sigma_q` | σ² = (1/n) Σ p_i² − 1/n², over the n entries |
//! | `pearson`, `spearman` | correlations of p and q over the n entries; NaN if p or q is constant, or W has rank 1 |
//! | `stable_rank` | ‖W‖²_F / s₁² |
//! | `effective_rank` | exp(−Σ s̃ ln s̃), s̃ = s / Σ s (Roy & Vetterli 2007) |
//!
//! LAR ≤ 1, with equality only if all energy of W and of X lies in one shared direction; LAR = ½ where either is spread
//! evenly over all n directions. It depends on neither the scale of W or X, nor a rotation of Rⁿ, nor the order of rows.
//! Source: Shehper & Vaswani, arXiv 2605.28975.
//!
//! Beside the probe stand single diagnostics, pure functions too: [`participation_ratio`], [`spectral_entropy`],
//! [`rankme`], [`head_and_tail`] of a spectrum, [`attention_entropy`], [`ClassSums`], [`Fourier`] norms and ablations,
//! [`gini`]; spectra of activations and of per-sample gradients, [`Activations`], [`GradientFactors`], their slopes,
//! [`slope_in`], and how far two are from each other, [`jensen_shannon`] (Spectral Lens); and of weights alone [`weight_spectrum`], the heavy tail of a spectrum, [`fit_tail`], and its bulk,
//! [`fit_bulk`], and what shuffling its entries leaves, [`compare_shuffled`]. [`tensors`] reads the tensors of other people's files, block by block.
//!
//! # Of matrices at hand
//! ```
//! use groklab_probe::{Moments, probe};
//!
//! // Four inputs along one axis, and a map that reads nothing else: full alignment.
//! let w = [2f32, 0., 0., 1., 0., 0.]; // (m, n) = (2, 3), row-major
//! let x = [1f32, 0., 0., -2., 0., 0., 3., 0., 0., 1., 0., 0.]; // (N, n) = (4, 3)
//! let mut moments = Moments::new(3, 0);
//! moments.add(&x, &[])?;
//! let (probe, spectra) = probe(&w, 2, 3, &moments)?;
//! assert!((probe.lar - 1.0).abs() < 1e-12 && (probe.k_pred - 1.0).abs() < 1e-12);
//! assert_eq!((probe.k95, spectra.p[0]), (Some(1), 1.0));
//! # Ok::<(), groklab_probe::ProbeError>(())
//! ```
//! With the feature `candle`, `from_tensors` takes tensors of any float type, from any device.
//!
//! # Over many batches
//! The LARs of batches must not be averaged. Pool their [`Moments`] and probe once:
//! ```
//! use groklab_probe::{Moments, probe};
//!
//! let w = [1.0f32, 0.0, 0.0, 1.0]; // (2, 2)
//! let mut moments = Moments::new(2, 0);
//! moments.add(&[3.0, 0.0], &[])?; // a batch of one row
//! moments.add(&[0.0, 1.0, 0.0, 2.0], &[])?; // and one of two
//! let (probe, _) = probe(&w, 2, 2, &moments)?;
//! assert!((probe.lar - 0.5).abs() < 1e-12); // W treats all directions alike
//! # Ok::<(), groklab_probe::ProbeError>(())
//! ```
//! `examples/probe_your_model.rs` of the repository is a whole training loop that prints LAR as it goes.
//!
//! # Precision and threads
//! All sums and decompositions are in f64 on the calling thread; no thread pool is entered. The one exception is the
//! way for matrices too large to decompose, over their Gram matrices: [`RowPool`], [`WeightGram`] and [`probe_gram`]
//! use rayon's threads and, where asked to, f32 products.

mod activations;
mod attention;
mod bulk;
mod classes;
mod columns;
mod correlation;
mod decay;
#[cfg(test)]
mod diagnostics_tests;
mod dimension;
mod divergence;
mod error;
mod fourier;
mod gradients;
mod gram;
#[cfg(test)]
mod gram_tests;
mod lar;
#[cfg(test)]
mod lens_tests;
mod moments;
mod pool;
mod reduction;
mod scatter;
mod shuffled;
mod spectra;
mod symmetric;
mod tail;
#[cfg(feature = "candle")]
mod tensor;
pub mod tensors;
#[cfg(test)]
mod tests;
mod tridiagonal;
mod weights;

pub use activations::{ActivationSpectrum, Activations, Pooling, SpectrumShape, unit_rms};
pub use attention::attention_entropy;
pub use bulk::{Bulk, fit_bulk};
pub use classes::{ClassDistances, ClassSums};
pub use correlation::{pearson, spearman, standard_deviation};
pub use decay::{HEAD, PowerLaw, WindowSlope, head_and_tail, slope_in, tail_window};
pub use dimension::{
    components_for, effective_rank, participation_ratio, rankme, rankme_of_eigenvalues, spectral_entropy,
    stable_rank, top_share,
};
pub use divergence::jensen_shannon;
pub use error::ProbeError;
pub use fourier::{Fourier, KEY_ENERGY, KeyFrequencies, gini};
pub use gradients::{GradientFactors, GradientSpectrum, Way, gradient_spectrum};
pub use gram::WeightGram;
pub use lar::{k_pred, lar_from_norms, lar_from_spectra, lar_from_spread, partial_lar};
pub use moments::{Moments, square_sum, weight_norm};
pub use pool::{MAX_WIDTH, RowPool};
pub use shuffled::{Shuffled, compare_shuffled, shuffle};
pub use spectra::Spectra;
pub use tail::{Comparison, MIN_VALUES, TailFit, fit_tail};
#[cfg(feature = "candle")]
pub use tensor::{from_tensor_and_moments, from_tensors};
pub use weights::{
    WeightMeasures, WeightSpectrum, weight_measures, weight_spectrum, weight_spectrum_by_gram,
};

use faer::{Accum, Mat, MatRef, Par, linalg::matmul::matmul};

/// The numbers of one probe; the [crate](self) has the formulas.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Probe {
    /// Log-alignment ratio, from norms. At most 1; −∞ if X Wᵀ = 0.
    pub lar: f64,
    /// The same from the spectra: a check that travels with every probe.
    pub lar_spectra: f64,
    /// Predicted dimension, n^(2(1 − LAR)).
    pub k_pred: f64,
    /// Least number of principal components of X (centred) that hold 90 % of the variance; None if X has none.
    pub k90: Option<u32>,
    /// The same for 95 %.
    pub k95: Option<u32>,
    /// The same for 99 %.
    pub k99: Option<u32>,
    /// Share of W's energy in its first right singular vector.
    pub p1: f64,
    /// Share of X's energy along that vector.
    pub q1: f64,
    /// LAR of that direction alone; −∞ if q₁ = 0.
    pub l1: f64,
    /// Population standard deviation of p over its n entries.
    pub sigma_p: f64,
    /// The same of q.
    pub sigma_q: f64,
    /// Pearson correlation of p and q; NaN if either is constant, or W has rank 1.
    pub pearson: f64,
    /// Spearman rank correlation of p and q; NaN if either is constant, or W has rank 1.
    pub spearman: f64,
    /// ‖W‖²_F / s₁².
    pub stable_rank: f64,
    /// exp of the entropy of s / Σ s.
    pub effective_rank: f64,
}

impl Probe {
    /// The probe of numbers that are no longer finite: nothing is defined.
    pub const UNDEFINED: Self = Self {
        lar: f64::NAN,
        lar_spectra: f64::NAN,
        k_pred: f64::NAN,
        k90: None,
        k95: None,
        k99: None,
        p1: f64::NAN,
        q1: f64::NAN,
        l1: f64::NAN,
        sigma_p: f64::NAN,
        sigma_q: f64::NAN,
        pearson: f64::NAN,
        spearman: f64::NAN,
        stable_rank: f64::NAN,
        effective_rank: f64::NAN,
    };
}

/// Probes a linear map: `w` is (m, n) row-major, f32 or f64, `moments` pools its inputs.
///
/// Where `moments` holds outputs, `lar` is that of the X Wᵀ that was observed; else ‖X Wᵀ‖² = tr(W XᵀX Wᵀ).
///
/// What is not defined is NaN or None and no error: a head that begins at zero must not end a training.
/// [`Spectra::notes`] says why.
///
/// # Errors
/// If shapes do not fit, n < 2, nothing was pooled, or a number is not finite.
pub fn probe<T: Copy + Into<f64>>(
    w: &[T],
    m: usize,
    n: usize,
    moments: &Moments,
) -> Result<(Probe, Spectra), ProbeError> {
    if n != moments.n {
        return Err(ProbeError::Mismatch { what: "number of columns of W", found: n, expected: moments.n });
    }
    let w: Vec<f64> = w.iter().map(|&v| v.into()).collect();
    let spectra = Spectra::new(&w, m, moments)?;

    let output_square_sum =
        if moments.outputs == 0 { image_square_sum(&w, m, moments) } else { moments.output_square_sum };
    let lar = lar_from_norms(output_square_sum, square_sum(&w), moments.input_square_sum(), n);
    Ok((numbers(lar, &spectra), spectra))
}

/// Probes a linear map known by its Gram matrix, for a W too large to decompose; ‖X Wᵀ‖² = ⟨WᵀW, XᵀX⟩.
///
/// The same numbers as [`probe`], up to what [`WeightGram`] loses. Outputs pooled in `moments` are not looked at.
///
/// # Errors
/// As [`probe`].
pub fn probe_gram(w: &WeightGram, moments: &Moments) -> Result<(Probe, Spectra), ProbeError> {
    let spectra = Spectra::from_gram(w, moments)?;
    let output_square_sum: f64 = w.gram.iter().zip(&moments.gram).map(|(a, b)| a * b).sum();
    // Rounding may leave a W that X does not reach slightly below 0.
    let lar = lar_from_norms(output_square_sum.max(0.0), w.square_sum(), moments.input_square_sum(), w.n);
    Ok((numbers(lar, &spectra), spectra))
}

fn numbers(lar: f64, spectra: &Spectra) -> Probe {
    let Spectra { singular_values: s, p, q, covariance_eigenvalues: variances } = spectra;
    // of one direction and a null space both lists have two values, and correlate by ±1 whatever X is
    let is_decided = spectra.rank() != 1;
    let correlation = |of: fn(&[f64], &[f64]) -> f64| if is_decided { of(p, q) } else { f64::NAN };
    Probe {
        lar,
        lar_spectra: lar_from_spectra(p, q),
        k_pred: k_pred(lar, p.len()),
        k90: components_for(variances, 0.90),
        k95: components_for(variances, 0.95),
        k99: components_for(variances, 0.99),
        p1: p[0],
        q1: q[0],
        l1: partial_lar(p, q, 1),
        sigma_p: standard_deviation(p),
        sigma_q: standard_deviation(q),
        pearson: correlation(pearson),
        spearman: correlation(spearman),
        stable_rank: stable_rank(s),
        effective_rank: effective_rank(s),
    }
}

/// ‖X Wᵀ‖²_F = tr(W XᵀX Wᵀ), from XᵀX alone.
fn image_square_sum(w: &[f64], m: usize, moments: &Moments) -> f64 {
    let n = moments.n;
    let w = MatRef::from_row_major_slice(w, m, n);
    let gram = MatRef::from_row_major_slice(&moments.gram, n, n);
    let mut wg = Mat::zeros(m, n);
    matmul(wg.as_mut(), Accum::Replace, w, gram, 1.0, Par::Seq);
    // Rounding may leave a W that X does not reach slightly below 0.
    (0..m).map(|i| (0..n).map(|j| wg[(i, j)] * w[(i, j)]).sum::<f64>()).sum::<f64>().max(0.0)
}
