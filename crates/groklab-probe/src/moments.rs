//! What every probe of a linear map needs to know about its inputs, pooled over any number of batches.
//!
//! Promises: sums are kept in f64 and taken in a fixed order, so the same batches give the same bits;
//! how rows are cut into batches changes results by rounding only.

use super::{ProbeError, scatter::Scatter};
use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::{Accum, MatMut, MatRef, Par};

/// Rows converted and multiplied at a time: 256 rows of 128 f64 stay in L2.
pub(super) const BLOCK_ROWS: usize = 256;

/// Second moments of the inputs X of a linear map W, (m, n), pooled over batches in f64.
///
/// LARs of batches must not be averaged: sums of squares and counts are pooled instead.
///
/// With `outputs = 0` only inputs are pooled, and ‖X Wᵀ‖² is computed as tr(W XᵀX Wᵀ) when W is probed;
/// that is the way for a W whose products are not at hand, or were made in low precision.
///
/// The variances of X are pooled beside XᵀX, about the mean, which XᵀX alone would lose under a large offset of all rows.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Moments {
    /// Columns of X.
    pub n: usize,
    /// Rows seen.
    pub rows: u64,
    /// Σ x, length n.
    pub sum: Vec<f64>,
    /// XᵀX, uncentred, (n, n) row-major.
    pub gram: Vec<f64>,
    /// Outputs a row has: rows m of W. 0 if outputs are not pooled.
    pub outputs: usize,
    /// ‖X Wᵀ‖²_F. 0 if outputs are not pooled.
    pub output_square_sum: f64,
    /// About the mean; None if only sums were given.
    pub(super) scatter: Option<Scatter>,
}

impl Moments {
    /// Nothing seen yet, for a map from `n` inputs to `outputs` outputs; `outputs = 0` pools inputs only.
    pub fn new(n: usize, outputs: usize) -> Self {
        let (sum, gram, scatter) = (vec![0.0; n], vec![0.0; n * n], Some(Scatter::new(n, true)));
        Self { n, rows: 0, sum, gram, outputs, output_square_sum: 0.0, scatter }
    }

    /// Moments that somebody else has summed up in f64: of `rows` rows, Σ x, (n), and XᵀX, (n, n) row-major. No outputs
    /// are pooled in them.
    ///
    /// The covariance is then XᵀX/N − x̄x̄ᵀ, and of its eigenvalues those below (n + N)·ε·mean‖x‖² count as 0, ε = 2⁻⁵²:
    /// what N additions in any order can leave. [`add`](Self::add) resolves more.
    ///
    /// # Errors
    /// If a length does not fit.
    pub fn from_sums(rows: u64, sum: Vec<f64>, gram: Vec<f64>) -> Result<Self, ProbeError> {
        let n = sum.len();
        let moments = Self { n, rows, sum, gram, outputs: 0, output_square_sum: 0.0, scatter: None };
        moments.check()?;
        Ok(moments)
    }

    /// Moments of one batch given as matrices: `w` (m, n) and `x` (rows, n), row-major. X Wᵀ is formed in f64.
    ///
    /// # Errors
    /// If a length is not a multiple of `n`.
    pub fn from_matrices(w: &[f64], x: &[f64], n: usize) -> Result<Self, ProbeError> {
        let m = w.len().checked_div(n).unwrap_or(0);
        check_length("weights W", w.len(), m * n)?;
        let mut moments = Self::new(n, m);
        let rows = moments.rows_in(x.len())?;
        let mut outputs = vec![0.0; rows * m];
        faer::linalg::matmul::matmul(
            MatMut::from_row_major_slice_mut(&mut outputs, rows, m),
            Accum::Replace,
            MatRef::from_row_major_slice(x, rows, n),
            MatRef::from_row_major_slice(w, m, n).transpose(),
            1.0,
            Par::Seq,
        );
        moments.add_f64(x, &outputs)?;
        Ok(moments)
    }

    /// Pools a batch: `x` (rows, n) and `outputs` = X Wᵀ (rows, m), row-major. Cost: rows·n² multiply-adds.
    ///
    /// # Errors
    /// If a length does not fit the shapes; nothing is added then. Numbers are not looked at here:
    /// NaN and infinity are reported by [`probe`](super::probe).
    pub fn add(&mut self, x: &[f32], outputs: &[f32]) -> Result<(), ProbeError> {
        self.accumulate(x, outputs)
    }

    /// [`add`](Self::add) for inputs and outputs in f64.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn add_f64(&mut self, x: &[f64], outputs: &[f64]) -> Result<(), ProbeError> {
        self.accumulate(x, outputs)
    }

    /// Adds what another part of the same data has pooled.
    ///
    /// # Errors
    /// If the two are moments of maps of different shape; nothing is added then.
    pub fn merge(&mut self, other: &Self) -> Result<(), ProbeError> {
        other.check()?;
        self.check()?;
        if other.n != self.n {
            return Err(ProbeError::Mismatch { what: "input width n", found: other.n, expected: self.n });
        }
        if other.outputs != self.outputs {
            let (found, expected) = (other.outputs, self.outputs);
            return Err(ProbeError::Mismatch { what: "number of outputs", found, expected });
        }
        match (&mut self.scatter, &other.scatter) {
            (Some(mine), Some(theirs)) => mine.join(theirs, self.rows, other.rows),
            _ => self.scatter = None,
        }
        self.rows += other.rows;
        self.output_square_sum += other.output_square_sum;
        self.sum.iter_mut().zip(&other.sum).for_each(|(a, b)| *a += b);
        self.gram.iter_mut().zip(&other.gram).for_each(|(a, b)| *a += b);
        Ok(())
    }

    /// ‖X‖²_F, the trace of XᵀX.
    pub fn input_square_sum(&self) -> f64 {
        (0..self.n).map(|i| self.gram[i * self.n + i]).sum()
    }

    /// That the fields, which anyone may fill, have the lengths `n` asks for.
    pub(super) fn check(&self) -> Result<(), ProbeError> {
        check_length("moments' sum", self.sum.len(), self.n)?;
        check_length("moments' gram", self.gram.len(), self.n * self.n)?;
        let mean = self.scatter.as_ref().map_or(self.n, |scatter| scatter.mean.len());
        check_length("moments' mean", mean, self.n)
    }

    fn rows_in(&self, len: usize) -> Result<usize, ProbeError> {
        if self.n == 0 || !len.is_multiple_of(self.n) {
            return Err(ProbeError::PartialRow { found: len, n: self.n });
        }
        Ok(len / self.n)
    }

    fn accumulate<T: Copy + Into<f64>>(&mut self, x: &[T], outputs: &[T]) -> Result<(), ProbeError> {
        let n = self.n;
        let rows = self.rows_in(x.len())?;
        check_length("outputs X Wᵀ", outputs.len(), rows * self.outputs)?;
        self.check()?;

        let mut block = Vec::with_capacity(rows.min(BLOCK_ROWS) * n);
        let mut products = vec![0.0; if self.scatter.is_some() { n * n } else { 0 }];
        for part in x.chunks(BLOCK_ROWS * n) {
            block.clear();
            block.extend(part.iter().map(|&v| v.into()));
            for row in block.chunks_exact(n) {
                self.sum.iter_mut().zip(row).for_each(|(s, v)| *s += v);
            }
            add_products(&mut self.gram, &block, n, Accum::Add);
            if let Some(scatter) = &mut self.scatter {
                let centre = scatter.centre(&block, self.rows);
                for row in block.chunks_exact_mut(n) {
                    row.iter_mut().zip(&centre).for_each(|(v, c)| *v -= c);
                }
                add_products(&mut products, &block, n, Accum::Replace);
                let merge = scatter.merge(&block, &centre, self.rows);
                scatter.add(&products, &merge);
            }
            self.rows += (block.len() / n) as u64;
        }
        for i in 0..n {
            for j in 0..i {
                self.gram[i * n + j] = self.gram[j * n + i];
            }
        }
        self.output_square_sum += square_sum(outputs);
        Ok(())
    }
}

/// XᵀX of `x`, (·, n) row-major, into the upper triangle of `gram`, (n, n) row-major.
fn add_products(gram: &mut [f64], x: &[f64], n: usize, accum: Accum) {
    let x = MatRef::from_row_major_slice(x, x.len() / n, n);
    // Only one triangle is computed; column-major lower is row-major upper.
    matmul(
        MatMut::from_column_major_slice_mut(gram, n, n),
        BlockStructure::TriangularLower,
        accum,
        x.transpose(),
        BlockStructure::Rectangular,
        x,
        BlockStructure::Rectangular,
        1.0,
        Par::Seq,
    );
}

/// Σ a² in f64: ‖A‖²_F of a matrix given as its entries.
pub fn square_sum<T: Copy + Into<f64>>(values: &[T]) -> f64 {
    // Eight independent sums, so that the additions need not wait for each other.
    let mut lanes = [0.0f64; 8];
    let (chunks, rest) = values.as_chunks::<8>();
    for chunk in chunks {
        for (lane, &v) in lanes.iter_mut().zip(chunk) {
            let v: f64 = v.into();
            *lane += v * v;
        }
    }
    let tail: f64 = rest.iter().map(|&v| v.into() * v.into()).sum();
    lanes.iter().sum::<f64>() + tail
}

/// Euclidean norm of all parameters together, given as one flat buffer; f64 accumulation.
pub fn weight_norm<T: Copy + Into<f64>>(params: &[T]) -> f64 {
    square_sum(params).sqrt()
}

pub(super) fn check_length(what: &'static str, found: usize, expected: usize) -> Result<(), ProbeError> {
    if found == expected { Ok(()) } else { Err(ProbeError::Length { what, found, expected }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_the_textbook_sums() {
        // 300 rows cross a block border; integers make every sum exact.
        let (rows, n, m) = (300, 3, 2);
        let x: Vec<f32> = (0..rows * n).map(|i| ((i * 7 + i / 5) % 11) as f32 - 5.0).collect();
        let y: Vec<f32> = (0..rows * m).map(|i| (i % 13) as f32 - 6.0).collect();
        let mut moments = Moments::new(n, m);
        moments.add(&x, &y).unwrap();
        for i in 0..n {
            assert_eq!(moments.sum[i], (0..rows).map(|r| x[r * n + i] as f64).sum::<f64>());
            for j in 0..n {
                let dot = (0..rows).map(|r| (x[r * n + i] * x[r * n + j]) as f64).sum::<f64>();
                assert_eq!(moments.gram[i * n + j], dot, "entry ({i}, {j})");
            }
        }
        assert_eq!(moments.rows, 300);
        assert_eq!(moments.output_square_sum, y.iter().map(|v| (v * v) as f64).sum::<f64>());
    }

    #[test]
    fn f32_and_f64_agree_to_the_bit_on_the_same_numbers() {
        let x = [0.1f32, -2.5, 3.25, 1e-20, 7.0, 1e20];
        let wide: Vec<f64> = x.iter().map(|&v| f64::from(v)).collect();
        let (mut a, mut b) = (Moments::new(3, 0), Moments::new(3, 0));
        a.add(&x, &[]).unwrap();
        b.add_f64(&wide, &[]).unwrap();
        assert_eq!(a, b);
    }

    #[test]
    fn a_batch_that_does_not_fit_is_refused_and_leaves_no_trace() {
        let mut moments = Moments::new(3, 2);
        let before = moments.clone();
        let error = moments.add(&[1.0; 7], &[1.0; 4]).unwrap_err().to_string();
        assert_eq!(error, "inputs X hold 7 numbers, not a whole number of rows of width 3");
        let error = moments.add(&[1.0; 6], &[1.0; 5]).unwrap_err().to_string();
        assert_eq!(error, "outputs X Wᵀ holds 5 numbers, expected 4");
        assert!(moments.merge(&Moments::new(4, 2)).is_err());
        assert!(moments.merge(&Moments::new(3, 1)).is_err());
        assert!(Moments::new(0, 0).add(&[], &[]).is_err());
        assert!(Moments::from_matrices(&[1.0; 5], &[1.0; 4], 2).is_err());
        assert!(Moments::from_matrices(&[1.0; 5], &[1.0; 4], 0).is_err());
        assert_eq!(moments, before);
    }

    #[test]
    fn norms_of_flat_buffers() {
        assert_eq!(weight_norm(&[3.0f32, 0.0, 4.0]), 5.0);
        assert_eq!(square_sum(&(1..=20).map(f64::from).collect::<Vec<_>>()), 2870.0);
    }
}
