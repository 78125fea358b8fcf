//! A weight matrix known by WᵀW alone: all that a probe needs of a W too large to decompose.

use super::{ProbeError, WeightMeasures, WeightSpectrum, spectra::check_finite, spectra::self_adjoint_evd};
use faer::{Mat, MatRef, Par, diag::Diag};

/// WᵀW of a weight matrix W, (m, n); made by [`RowPool`](super::RowPool).
///
/// **What is lost.** Eigenvalues of WᵀW are squares of singular values, found to an error of about u·s₁², u the
/// rounding of the sums: singular values below √u·s₁ drown in it, and those near it lose digits. Values at or below the
/// cut are given as 0, as if they belonged to the null space of W. In f64 the cut is s ≤ √(max(m, n)·2⁻⁵²)·s₁,
/// with f32 products s ≤ 2⁻¹²·s₁ ≈ 0.00024·s₁. LAR, p₁, q₁ and the stable rank hang on large singular values and do
/// not feel it; the effective rank counts small ones, and can.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightGram {
    /// Rows of W.
    pub m: usize,
    /// Columns of W.
    pub n: usize,
    /// WᵀW, (n, n) row-major.
    pub gram: Vec<f64>,
    /// Whether products were formed in f32.
    pub f32_products: bool,
}

impl WeightGram {
    /// ‖W‖²_F, the trace.
    pub fn square_sum(&self) -> f64 {
        (0..self.n).map(|i| self.gram[i * self.n + i]).sum()
    }

    /// Singular values at or below this share of the largest are not resolved and given as 0.
    pub fn resolution(&self) -> f64 {
        if self.f32_products { (-12f64).exp2() } else { (self.m.max(self.n) as f64 * f64::EPSILON).sqrt() }
    }

    /// Its singular values. Work is spread over rayon's threads.
    ///
    /// # Errors
    /// If a number is not finite or the iteration does not converge.
    pub fn spectrum(&self) -> Result<WeightSpectrum, ProbeError> {
        let matrix = self.usable()?;
        let mut eigenvalues = Diag::zeros(self.n);
        self_adjoint_evd(matrix, &mut eigenvalues, None, Par::rayon(0)).map_err(|_| NO_CONVERGENCE)?;
        let (square_sum, resolution) = (self.square_sum(), Some(self.resolution()));
        Ok(WeightSpectrum { square_sum, singular_values: self.singular_values(&eigenvalues), resolution })
    }

    /// What the weights alone say.
    ///
    /// # Errors
    /// As [`spectrum`](Self::spectrum).
    pub fn measures(&self) -> Result<WeightMeasures, ProbeError> {
        Ok(self.spectrum()?.measures())
    }

    /// Singular values, descending, min(m, n) of them; and the right singular vectors, (n, n), in their order; None if the
    /// iteration does not converge.
    #[allow(clippy::type_complexity)] // two things that are found together
    pub(super) fn right_singular_vectors(
        &self,
        par: Par,
    ) -> Result<Option<(Vec<f64>, Mat<f64>)>, ProbeError> {
        let matrix = self.usable()?;
        let mut eigenvalues = Diag::zeros(self.n);
        let mut vectors = Mat::zeros(self.n, self.n);
        if self_adjoint_evd(matrix, &mut eigenvalues, Some(&mut vectors), par).is_err() {
            return Ok(None);
        }
        let vectors = Mat::from_fn(self.n, self.n, |i, j| vectors[(i, self.n - 1 - j)]);
        Ok(Some((self.singular_values(&eigenvalues), vectors)))
    }

    fn singular_values(&self, eigenvalues: &Diag<f64>) -> Vec<f64> {
        let values = eigenvalues.column_vector().iter().rev().map(|v| v.max(0.0).sqrt());
        let values: Vec<f64> = values.take(self.m.min(self.n)).collect();
        let negligible = self.resolution() * values.first().copied().unwrap_or(0.0);
        values.into_iter().map(|s| if s > negligible { s } else { 0.0 }).collect()
    }

    fn usable(&self) -> Result<MatRef<'_, f64>, ProbeError> {
        super::moments::check_length("Gram matrix of weights W", self.gram.len(), self.n * self.n)?;
        check_finite("Gram matrix of weights W", &self.gram)?;
        Ok(MatRef::from_row_major_slice(&self.gram, self.n, self.n))
    }
}

const NO_CONVERGENCE: ProbeError =
    ProbeError::NoConvergence { what: "eigenvalue iteration on the Gram matrix of W" };
