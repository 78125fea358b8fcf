//! Where the energy of W and of X lies: spectra in f64, by faer; on one thread from W itself, on rayon's from its
//! Gram matrix.

use super::{Moments, ProbeError, WeightGram, moments::check_length};
use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::{evd, matmul::matmul, svd};
use faer::{Accum, Mat, MatRef, Par};

/// Energy shares of W and X along the right singular vectors of W, and the variances of X.
///
/// **The null space.** If W has fewer rows than columns, or is rank-deficient, its right singular vectors must be
/// completed to a basis of Rⁿ, and any orthonormal basis of the null space will do: what a full SVD returns there is an
/// accident of its algorithm. Σ p_i q_i, and with it LAR, does not feel the choice since p_i = 0; σ_q, Pearson and
/// Spearman do. Here X's energy in the null space is shared equally by its directions. A basis with these shares
/// exists (Schur–Horn); they are the mean over all bases, so the expected value for anyone's arbitrary completion; and
/// they turn with the data, as every other entry does. Null directions are those with s_i ≤ max(m, n)·ε·s₁
/// (NumPy's `matrix_rank`), ε = 2⁻⁵².
#[derive(Clone, Debug, PartialEq)]
pub struct Spectra {
    /// Singular values of W, descending, length min(m, n).
    pub singular_values: Vec<f64>,
    /// p_i = s_i² / Σ s_j², length n, descending; exactly 0 on the null space of W.
    pub p: Vec<f64>,
    /// q_i = Σ_x (v_iᵀx)² / Σ_x ‖x‖², length n, in the order of p; uncentred; sums to 1.
    pub q: Vec<f64>,
    /// Eigenvalues of the centred covariance of X, (1/N) Σ_x (x − x̄)(x − x̄)ᵀ, descending, length n.
    /// Rounding of the subtraction XᵀX/N − x̄x̄ᵀ, at most n·ε·mean‖x‖², is cut to 0.
    pub covariance_eigenvalues: Vec<f64>,
}

impl Spectra {
    /// Spectra of `w`, (m, n) row-major, and of the inputs pooled in `moments`.
    ///
    /// # Errors
    /// As [`probe`](super::probe).
    pub fn new(w: &[f64], m: usize, moments: &Moments) -> Result<Self, ProbeError> {
        let n = moments.n;
        check_length("weights W", w.len(), m * n)?;
        check_usable(w, m, moments)?;

        let (singular_values, v) = right_singular_vectors(MatRef::from_row_major_slice(w, m, n))?;
        let negligible = m.max(n) as f64 * f64::EPSILON * singular_values[0];
        let rank = singular_values.partition_point(|&s| s > negligible);
        Self::along(singular_values, v.as_ref().subcols(0, rank), moments, Par::Seq)
    }

    /// Spectra of a W known by its Gram matrix; what that loses, [`WeightGram`] says. Singular values it does not
    /// resolve are 0, and their directions count as W's null space. Work is spread over rayon's threads.
    ///
    /// # Errors
    /// As [`probe_gram`](super::probe_gram).
    pub fn from_gram(w: &WeightGram, moments: &Moments) -> Result<Self, ProbeError> {
        check_inputs(w.n, moments)?;
        let par = Par::rayon(0);
        let (singular_values, v) = w.right_singular_vectors(par)?;
        let rank = singular_values.partition_point(|&s| s > 0.0);
        Self::along(singular_values, v.as_ref().subcols(0, rank), moments, par)
    }

    /// Energies along `v`, (n, rank): the right singular vectors of W outside its null space.
    fn along(
        singular_values: Vec<f64>,
        v: MatRef<f64>,
        moments: &Moments,
        par: Par,
    ) -> Result<Self, ProbeError> {
        let (n, rank) = v.shape();
        let energy: f64 = singular_values[..rank].iter().map(|s| s * s).sum();
        let mut p: Vec<f64> = singular_values[..rank].iter().map(|s| s * s / energy).collect();
        p.resize(n, 0.0);

        let gram = MatRef::from_row_major_slice(&moments.gram, n, n);
        let mut q = energy_along(v, gram, moments.input_square_sum(), par);
        if rank < n {
            let in_null_space = (1.0 - q.iter().sum::<f64>()).max(0.0);
            q.resize(n, in_null_space / (n - rank) as f64);
        }
        let covariance_eigenvalues = covariance_eigenvalues(moments, par)?;
        Ok(Self { singular_values, p, q, covariance_eigenvalues })
    }
}

fn check_usable(w: &[f64], m: usize, moments: &Moments) -> Result<(), ProbeError> {
    check_inputs(moments.n, moments)?;
    if moments.outputs != 0 && moments.outputs != m {
        let (found, expected) = (m, moments.outputs);
        return Err(ProbeError::Mismatch { what: "number of rows of W", found, expected });
    }
    check_finite("weights W", w)?;
    check_finite("square sum of outputs X Wᵀ", &[moments.output_square_sum])?;
    if super::square_sum(w) == 0.0 {
        return Err(ProbeError::Zero { what: "weights W" });
    }
    Ok(())
}

/// That `moments` are those of usable inputs of a map of width `n`.
fn check_inputs(n: usize, moments: &Moments) -> Result<(), ProbeError> {
    moments.check()?;
    if n != moments.n {
        return Err(ProbeError::Mismatch { what: "number of columns of W", found: n, expected: moments.n });
    }
    if n < 2 {
        return Err(ProbeError::TooNarrow { n });
    }
    if moments.rows == 0 {
        return Err(ProbeError::NoRows);
    }
    check_finite("sum of inputs X", &moments.sum)?;
    check_finite("Gram matrix of inputs X", &moments.gram)?;
    if moments.input_square_sum() == 0.0 {
        return Err(ProbeError::Zero { what: "inputs X" });
    }
    Ok(())
}

pub(super) fn check_finite(what: &'static str, values: &[f64]) -> Result<(), ProbeError> {
    match values.iter().position(|v| !v.is_finite()) {
        Some(index) => Err(ProbeError::NotFinite { what, index, value: values[index] }),
        None => Ok(()),
    }
}

/// Singular values of `w`, (m, n) row-major, descending.
pub(super) fn singular_values(w: &[f64], m: usize, n: usize) -> Result<Vec<f64>, ProbeError> {
    decompose(MatRef::from_row_major_slice(w, m, n), None)
}

/// Singular values, descending, and the right singular vectors that belong to them, (n, min(m, n)).
fn right_singular_vectors(w: MatRef<f64>) -> Result<(Vec<f64>, Mat<f64>), ProbeError> {
    let mut v = Mat::zeros(w.ncols(), w.nrows().min(w.ncols()));
    Ok((decompose(w, Some(&mut v))?, v))
}

fn decompose(w: MatRef<f64>, v: Option<&mut Mat<f64>>) -> Result<Vec<f64>, ProbeError> {
    let (m, n) = w.shape();
    let none = svd::ComputeSvdVectors::No;
    let ask = if v.is_some() { svd::ComputeSvdVectors::Thin } else { none };
    let scratch = svd::svd_scratch::<f64>(m, n, none, ask, Par::Seq, Default::default());
    let mut s = Diag::zeros(m.min(n));
    let v = v.map(|v| v.as_mut());
    let mut memory = MemBuffer::new(scratch);
    svd::svd(w, s.as_mut(), None, v, Par::Seq, MemStack::new(&mut memory), Default::default())
        .map_err(|_| ProbeError::NoConvergence { what: "singular value decomposition of W" })?;
    Ok(s.column_vector().iter().copied().collect())
}

/// v_iᵀ G v_i / total for each column of v.
fn energy_along(v: MatRef<f64>, gram: MatRef<f64>, total: f64, par: Par) -> Vec<f64> {
    let mut gv = Mat::zeros(v.nrows(), v.ncols());
    matmul(gv.as_mut(), Accum::Replace, gram, v, 1.0, par);
    v.col_iter()
        .zip(gv.col_iter())
        .map(|(v, gv)| v.iter().zip(gv.iter()).map(|(a, b)| a * b).sum::<f64>())
        .map(|energy| (energy / total).max(0.0))
        .collect()
}

fn covariance_eigenvalues(moments: &Moments, par: Par) -> Result<Vec<f64>, ProbeError> {
    let (n, rows) = (moments.n, moments.rows as f64);
    let mean: Vec<f64> = moments.sum.iter().map(|s| s / rows).collect();
    let covariance = Mat::from_fn(n, n, |i, j| moments.gram[j * n + i] / rows - mean[i] * mean[j]);
    let values = eigenvalues(covariance.as_ref(), "eigenvalue iteration on the covariance of X", par)?;
    let rounding = n as f64 * f64::EPSILON * moments.input_square_sum() / rows;
    Ok(values.into_iter().map(|v| if v > rounding { v } else { 0.0 }).collect())
}

/// Eigenvalues of a symmetric matrix, descending; `what` names the iteration in an error.
pub(super) fn eigenvalues(a: MatRef<f64>, what: &'static str, par: Par) -> Result<Vec<f64>, ProbeError> {
    let mut values = Diag::zeros(a.nrows());
    self_adjoint_evd(a, &mut values, None, par).map_err(|_| ProbeError::NoConvergence { what })?;
    Ok(values.column_vector().iter().rev().copied().collect())
}

/// Eigenvalues of a symmetric matrix, ascending, and their vectors if asked for.
pub(super) fn self_adjoint_evd(
    a: MatRef<f64>,
    values: &mut Diag<f64>,
    vectors: Option<&mut Mat<f64>>,
    par: Par,
) -> Result<(), evd::EvdError> {
    let ask = if vectors.is_some() { evd::ComputeEigenvectors::Yes } else { evd::ComputeEigenvectors::No };
    let scratch = evd::self_adjoint_evd_scratch::<f64>(a.nrows(), ask, par, Default::default());
    let vectors = vectors.map(|v| v.as_mut());
    let mut memory = MemBuffer::new(scratch);
    evd::self_adjoint_evd(a, values.as_mut(), vectors, par, MemStack::new(&mut memory), Default::default())
}
