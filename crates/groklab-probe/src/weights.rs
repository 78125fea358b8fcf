//! What a weight matrix says without its inputs.

use super::{
    ProbeError, effective_rank,
    moments::check_length,
    spectra::{check_finite, singular_values},
    square_sum, stable_rank,
    symmetric::Symmetric,
    tridiagonal::eigenvalues,
};

/// The singular values of a matrix, and how well they are known.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct WeightSpectrum {
    /// ‖W‖²_F, the sum of the squares of its entries.
    pub square_sum: f64,
    /// Descending, min(m, n) of them.
    pub singular_values: Vec<f64>,
    /// Values at or below this share of the largest are given as 0, where they come from [`WeightGram`](super::WeightGram);
    /// None where they come from W itself.
    pub resolution: Option<f64>,
}

/// Norms and ranks of a matrix; the same for its transpose. Of a zero matrix the norms are 0 and the rest is NaN.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct WeightMeasures {
    /// ‖W‖_F.
    pub frobenius_norm: f64,
    /// s₁, the largest singular value.
    pub spectral_norm: f64,
    /// p₁ = s₁² / Σ s².
    pub p1: f64,
    /// ‖W‖²_F / s₁².
    pub stable_rank: f64,
    /// exp of the entropy of s / Σ s. Of the singular values that are resolved: where some are not, as
    /// [`WeightSpectrum::unresolved`] tells, a lower bound.
    pub effective_rank: f64,
}

impl WeightSpectrum {
    /// Norms and ranks.
    pub fn measures(&self) -> WeightMeasures {
        let stable_rank = stable_rank(&self.singular_values);
        WeightMeasures {
            frobenius_norm: self.square_sum.sqrt(),
            spectral_norm: self.singular_values.first().copied().unwrap_or(0.0),
            p1: 1.0 / stable_rank,
            stable_rank,
            effective_rank: effective_rank(&self.singular_values),
        }
    }

    /// Singular values that are not resolved and given as 0.
    pub fn unresolved(&self) -> usize {
        match self.resolution {
            Some(_) => self.singular_values.iter().filter(|&&s| s == 0.0).count(),
            None => 0,
        }
    }

    /// Eigenvalues of WᵀW, s², descending.
    pub fn eigenvalues(&self) -> Vec<f64> {
        self.singular_values.iter().map(|s| s * s).collect()
    }
}

/// The singular values of `w`, (m, n) row-major, in f64.
///
/// # Errors
/// If the length does not fit, a number is not finite, or the decomposition does not converge.
pub fn weight_spectrum(w: &[f64], m: usize, n: usize) -> Result<WeightSpectrum, ProbeError> {
    check_length("weights W", w.len(), m * n)?;
    check_finite("weights W", w)?;
    let what = "singular value decomposition of W";
    let singular_values = singular_values(w, m, n).ok_or(ProbeError::NoConvergence { what })?;
    Ok(WeightSpectrum { square_sum: square_sum(w), singular_values, resolution: None })
}

/// The same from the smaller of WᵀW and WWᵀ, formed in f64 on the calling thread, about twice as fast; None if that
/// would show.
///
/// Eigenvalues λ of a Gram matrix carry an error of e = max(m, n)·2⁻⁵²·λ₁ at the most, λ₁ the largest, as its sums round;
/// usually of a hundredth of that. They are taken if e/λ is 10⁻⁵ or less in the mean over all of them: so much, and usually
/// a hundredth of it, is then the error of a mean logarithm, of which a power law is made; that of a sum of singular
/// values or of squares is far less. A matrix with a null space, or nearly, is left to [`weight_spectrum`]; so are entries
/// whose squares leave the range of f64.
///
/// # Errors
/// As [`weight_spectrum`].
pub fn weight_spectrum_by_gram(w: &[f64], m: usize, n: usize) -> Result<Option<WeightSpectrum>, ProbeError> {
    const MEAN_ERROR: f64 = 1e-5;
    check_length("weights W", w.len(), m * n)?;
    check_finite("weights W", w)?;
    let short = m.min(n);
    if short == 0 {
        return Ok(None);
    }
    let gram = Symmetric::gram(w, m, n);
    let square_sum: f64 = gram.diagonal().sum();
    if !square_sum.is_normal() {
        return Ok(None);
    }
    let Some(values) = eigenvalues(gram) else { return Ok(None) };
    let share = m.max(n) as f64 * f64::EPSILON;
    let errors: f64 =
        values.iter().map(|v| if *v > 0.0 { share * values[0] / v } else { f64::INFINITY }).sum();
    // not `>`, which would take NaN
    Ok((errors <= MEAN_ERROR * short as f64).then(|| WeightSpectrum {
        square_sum,
        singular_values: values.into_iter().map(f64::sqrt).collect(),
        resolution: Some(share.sqrt()),
    }))
}

/// Norms and ranks of `w`, (m, n) row-major, by its singular values.
///
/// # Errors
/// As [`weight_spectrum`].
pub fn weight_measures(w: &[f64], m: usize, n: usize) -> Result<WeightMeasures, ProbeError> {
    Ok(weight_spectrum(w, m, n)?.measures())
}
