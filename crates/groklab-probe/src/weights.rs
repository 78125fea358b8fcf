//! What a weight matrix says without its inputs.

use super::{
    ProbeError, effective_rank,
    moments::check_length,
    spectra::{check_finite, singular_values},
    square_sum, stable_rank,
};

/// Norms and ranks of a matrix; the same for its transpose.
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
    /// exp of the entropy of s / Σ s.
    pub effective_rank: f64,
}

impl WeightMeasures {
    /// From ‖W‖²_F and the singular values, descending, s₁ > 0.
    pub(super) fn of(square_sum: f64, singular_values: &[f64]) -> Self {
        let stable_rank = stable_rank(singular_values);
        Self {
            frobenius_norm: square_sum.sqrt(),
            spectral_norm: singular_values.first().copied().unwrap_or(0.0),
            p1: 1.0 / stable_rank,
            stable_rank,
            effective_rank: effective_rank(singular_values),
        }
    }
}

/// Norms and ranks of `w`, (m, n) row-major, by its singular values.
///
/// # Errors
/// If the length does not fit, a number is not finite, or all are zero.
pub fn weight_measures(w: &[f64], m: usize, n: usize) -> Result<WeightMeasures, ProbeError> {
    check_length("weights W", w.len(), m * n)?;
    check_finite("weights W", w)?;
    let energy = square_sum(w);
    if energy == 0.0 {
        return Err(ProbeError::Zero { what: "weights W" });
    }
    Ok(WeightMeasures::of(energy, &singular_values(w, m, n)?))
}
