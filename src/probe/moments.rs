//! What every probe of the unembedding needs to know about its inputs, pooled over any number of batches.

/// Second moments of the inputs X of a linear map W, (m, n), pooled over batches in f64.
///
/// LARs of batches must not be averaged: sums of squares and counts are pooled instead.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// Columns of X.
    pub n: usize,
    /// Rows seen.
    pub rows: u64,
    /// Σ x, length n.
    pub sum: Vec<f64>,
    /// XᵀX, uncentred, (n, n) row-major.
    pub gram: Vec<f64>,
    /// Outputs a row has: rows m of W.
    pub outputs: usize,
    /// ‖X Wᵀ‖²_F.
    pub output_square_sum: f64,
}
