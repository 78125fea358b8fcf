//! Where the energy of W and of X lies: spectra in f64, by faer; on one thread from W itself, on rayon's from its
//! Gram matrix.

use super::{Moments, ProbeError, WeightGram, moments::check_length, symmetric::Symmetric, tridiagonal};
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
    /// p_i = s_i² / Σ s_j², length n, descending; exactly 0 on the null space of W. NaN if W is 0.
    pub p: Vec<f64>,
    /// q_i = Σ_x (v_iᵀx)² / Σ_x ‖x‖², length n, in the order of p; uncentred; sums to 1. NaN if W or X is 0.
    pub q: Vec<f64>,
    /// Eigenvalues of the centred covariance of X, (1/N) Σ_x (x − x̄)(x − x̄)ᵀ, descending, length n.
    /// What rounding can leave of a 0 is cut to 0: (n + 16)·ε of the trace, ε = 2⁻⁵², and for the mean (n + 16)²ε² of
    /// mean‖x‖², whatever N; [`RowPool`](super::RowPool) adds N/1,024 to n, [`Moments::from_sums`] has a bound of its own.
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

        let Some((singular_values, v)) = right_singular_vectors(MatRef::from_row_major_slice(w, m, n)) else {
            return Ok(Self::undecomposed(m, moments, Par::Seq));
        };
        let largest = singular_values.first().copied().unwrap_or(0.0);
        let negligible = m.max(n) as f64 * f64::EPSILON * largest;
        let rank = singular_values.partition_point(|&s| s > negligible);
        Ok(Self::along(singular_values, v.as_ref().subcols(0, rank), moments, Par::Seq))
    }

    /// Spectra of a W known by its Gram matrix; what that loses, [`WeightGram`] says. Singular values it does not
    /// resolve are 0, and their directions count as W's null space. Work is spread over rayon's threads.
    ///
    /// # Errors
    /// As [`probe_gram`](super::probe_gram).
    pub fn from_gram(w: &WeightGram, moments: &Moments) -> Result<Self, ProbeError> {
        check_inputs(w.n, moments)?;
        let par = Par::rayon(0);
        let Some((singular_values, v)) = w.right_singular_vectors(par)? else {
            return Ok(Self::undecomposed(w.m, moments, par));
        };
        let rank = singular_values.partition_point(|&s| s > 0.0);
        Ok(Self::along(singular_values, v.as_ref().subcols(0, rank), moments, par))
    }

    /// What there is to know where the decomposition of W did not converge.
    fn undecomposed(m: usize, moments: &Moments, par: Par) -> Self {
        let n = moments.n;
        Self {
            singular_values: vec![f64::NAN; m.min(n)],
            p: vec![f64::NAN; n],
            q: vec![f64::NAN; n],
            covariance_eigenvalues: covariance_eigenvalues(moments, par),
        }
    }

    /// Directions of W outside its null space.
    pub fn rank(&self) -> usize {
        self.p.iter().filter(|&&p| p > 0.0).count()
    }

    /// Share of X's energy in the null space of W, which the rule above spreads evenly over it.
    pub fn null_share(&self) -> f64 {
        self.p.iter().zip(&self.q).filter(|(p, _)| **p == 0.0).map(|(_, q)| q).sum()
    }

    /// Whether p and q are: W and X are not zero, and the decomposition converged.
    pub fn are_defined(&self) -> bool {
        self.p.iter().chain(&self.q).all(|share| !share.is_nan())
    }

    /// Why some numbers of the probe are not defined, for people; nothing if all are.
    pub fn notes(&self) -> Vec<&'static str> {
        let mut notes = Vec::new();
        let largest = self.singular_values.first().copied().unwrap_or(0.0);
        if largest.is_nan() {
            notes.push(
                "the singular value decomposition of W did not converge: nothing is known of its directions",
            );
        } else if largest == 0.0 {
            notes.push("W is zero: it has no directions, and alignment with it is not defined");
        } else if self.q.iter().any(|q| q.is_nan()) {
            notes.push("X is zero: it has no energy to align, and no variance");
            return notes;
        }
        if self.covariance_eigenvalues.iter().any(|v| v.is_nan()) {
            notes.push("the eigenvalue iteration on the covariance of X did not converge: nothing is known of its components");
        } else if self.covariance_eigenvalues.iter().all(|&v| v == 0.0) {
            notes.push("all rows of X are the same: there is no variance for k90, k95 and k99 to count");
        }
        notes
    }

    /// Energies along `v`, (n, rank): the right singular vectors of W outside its null space.
    fn along(singular_values: Vec<f64>, v: MatRef<f64>, moments: &Moments, par: Par) -> Self {
        let (n, rank) = v.shape();
        let covariance_eigenvalues = covariance_eigenvalues(moments, par);
        if rank == 0 {
            let undefined = || vec![f64::NAN; n];
            return Self { singular_values, p: undefined(), q: undefined(), covariance_eigenvalues };
        }
        let energy: f64 = singular_values[..rank].iter().map(|s| s * s).sum();
        let mut p: Vec<f64> = singular_values[..rank].iter().map(|s| s * s / energy).collect();
        p.resize(n, 0.0);

        let gram = MatRef::from_row_major_slice(&moments.gram, n, n);
        let mut q = energy_along(v, gram, moments.input_square_sum(), par);
        if rank < n {
            // not `f64::max`, which would make a 0 of NaN
            let in_null_space = 1.0 - q.iter().sum::<f64>();
            let in_null_space = if in_null_space < 0.0 { 0.0 } else { in_null_space };
            q.resize(n, in_null_space / (n - rank) as f64);
        }
        Self { singular_values, p, q, covariance_eigenvalues }
    }
}

fn check_usable(w: &[f64], m: usize, moments: &Moments) -> Result<(), ProbeError> {
    check_inputs(moments.n, moments)?;
    if moments.outputs != 0 && moments.outputs != m {
        let (found, expected) = (m, moments.outputs);
        return Err(ProbeError::Mismatch { what: "number of rows of W", found, expected });
    }
    check_finite("weights W", w)?;
    check_finite("square sum of outputs X Wᵀ", &[moments.output_square_sum])
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
    check_finite("Gram matrix of inputs X", &moments.gram)
}

pub(super) fn check_finite(what: &'static str, values: &[f64]) -> Result<(), ProbeError> {
    match values.iter().position(|v| !v.is_finite()) {
        Some(index) => Err(ProbeError::NotFinite { what, index, value: values[index] }),
        None => Ok(()),
    }
}

/// Singular values of `w`, (m, n) row-major, descending; None if the iteration does not converge.
pub(super) fn singular_values(w: &[f64], m: usize, n: usize) -> Option<Vec<f64>> {
    decompose(MatRef::from_row_major_slice(w, m, n), None)
}

/// Singular values, descending, and the right singular vectors that belong to them, (n, min(m, n)).
fn right_singular_vectors(w: MatRef<f64>) -> Option<(Vec<f64>, Mat<f64>)> {
    let mut v = Mat::zeros(w.ncols(), w.nrows().min(w.ncols()));
    Some((decompose(w, Some(&mut v))?, v))
}

fn decompose(w: MatRef<f64>, v: Option<&mut Mat<f64>>) -> Option<Vec<f64>> {
    let (m, n) = w.shape();
    let none = svd::ComputeSvdVectors::No;
    let ask = if v.is_some() { svd::ComputeSvdVectors::Thin } else { none };
    let scratch = svd::svd_scratch::<f64>(m, n, none, ask, Par::Seq, Default::default());
    let mut s = Diag::zeros(m.min(n));
    let v = v.map(|v| v.as_mut());
    let mut memory = MemBuffer::new(scratch);
    svd::svd(w, s.as_mut(), None, v, Par::Seq, MemStack::new(&mut memory), Default::default()).ok()?;
    Some(s.column_vector().iter().copied().collect())
}

/// v_iᵀ G v_i / total for each column of v.
fn energy_along(v: MatRef<f64>, gram: MatRef<f64>, total: f64, par: Par) -> Vec<f64> {
    let mut gv = Mat::zeros(v.nrows(), v.ncols());
    matmul(gv.as_mut(), Accum::Replace, gram, v, 1.0, par);
    v.col_iter()
        .zip(gv.col_iter())
        .map(|(v, gv)| v.iter().zip(gv.iter()).map(|(a, b)| a * b).sum::<f64>())
        .map(|energy| energy / total)
        .map(|share| if share < 0.0 { 0.0 } else { share }) // NaN, for X = 0, stays
        .collect()
}

impl Moments {
    /// Eigenvalues of the centred covariance of X, as in [`Spectra`]; of X alone, on rayon's threads.
    ///
    /// # Errors
    /// If nothing was pooled or a number is not finite.
    pub fn covariance_eigenvalues(&self) -> Result<Vec<f64>, ProbeError> {
        self.check()?;
        if self.rows == 0 {
            return Err(ProbeError::NoRows);
        }
        check_finite("sum of inputs X", &self.sum)?;
        check_finite("Gram matrix of inputs X", &self.gram)?;
        Ok(covariance_eigenvalues(self, Par::rayon(0)))
    }
}

/// NaN where they could not be found.
pub(super) fn covariance_eigenvalues(moments: &Moments, par: Par) -> Vec<f64> {
    let (n, rows) = (moments.n, moments.rows as f64);
    let mean_square = moments.input_square_sum() / rows;
    // one thread has a quicker way than faer's, which has one for many
    let of_entries = |entry: &dyn Fn(usize, usize) -> f64| match par {
        Par::Seq => tridiagonal::eigenvalues(Symmetric::from_fn(n, entry)),
        _ => eigenvalues(Mat::from_fn(n, n, entry).as_ref(), par),
    };
    let (found, rounding) = match &moments.scatter {
        Some(scatter) => {
            (of_entries(&|i, j| scatter.entry(i, j) / rows), scatter.rounding(rows, mean_square))
        }
        None => {
            let mean: Vec<f64> = moments.sum.iter().map(|s| s / rows).collect();
            let entry = |i: usize, j: usize| moments.gram[j * n + i] / rows - mean[i] * mean[j];
            (of_entries(&entry), (n as f64 + rows) * f64::EPSILON * mean_square)
        }
    };
    match found {
        Some(values) => values.into_iter().map(|v| if v > rounding { v } else { 0.0 }).collect(),
        None => vec![f64::NAN; n],
    }
}

/// Eigenvalues of a symmetric matrix, descending; None if the iteration does not converge.
pub(super) fn eigenvalues(a: MatRef<f64>, par: Par) -> Option<Vec<f64>> {
    let mut values = Diag::zeros(a.nrows());
    self_adjoint_evd(a, &mut values, None, par).ok()?;
    Some(values.column_vector().iter().rev().copied().collect())
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
