//! Pooling of wide rows, thousands of numbers each, over rayon's threads.
//!
//! Promises: the sums are those of [`Moments`] up to rounding; which thread computes what does not change a bit, so
//! the result depends on neither the number of threads nor, if the blocks given are multiples of 1,024 rows, their size.

use super::{
    Moments, ProbeError, WeightGram,
    scatter::{Merge, Scatter},
};
use gemm::{Parallelism, gemm};
use rayon::prelude::*;
use std::ops::Sub;

/// Widest rows taken: a Gram matrix of 8.6 GB.
pub const MAX_WIDTH: usize = 32_768;

/// Rows multiplied at a time; in f32, what is summed before f64 takes over.
const DEPTH: usize = 1024;
/// Rows of the Gram matrix a thread works on, and columns it computes at a time: a tile stays in L2.
const TILE: (usize, usize) = (256, 1024);

/// Second moments of wide rows, while they are being pooled: of the inputs X of a map, or of its weights W.
#[derive(Clone, Debug)]
pub struct RowPool {
    rows: u64,
    /// Σ x.
    sum: Vec<f64>,
    /// The one (n, n) matrix that is kept until the end.
    scatter: Scatter,
    f32_products: bool,
}

impl RowPool {
    /// Nothing pooled yet, for rows of width `n`.
    ///
    /// # Errors
    /// If `n` is 0 or beyond [`MAX_WIDTH`].
    pub fn new(n: usize) -> Result<Self, ProbeError> {
        match n {
            0 => Err(ProbeError::TooNarrow { n }),
            1..=MAX_WIDTH => {
                let scatter = Scatter::new(n, false);
                Ok(Self { rows: 0, sum: vec![0.0; n], scatter, f32_products: false })
            }
            _ => Err(ProbeError::TooWide { n, max: MAX_WIDTH }),
        }
    }

    /// Pools `rows`, (·, n) row-major, in f64 throughout.
    ///
    /// # Errors
    /// If the length is not a multiple of n; nothing is added then.
    pub fn add_f64(&mut self, rows: &[f64]) -> Result<(), ProbeError> {
        self.add(rows)
    }

    /// Pools `rows`, (·, n) row-major, with products in f32, added up in f32 over 1,024 rows and in f64 from there on:
    /// twice as fast. A common offset, which the rows of language-model heads have, does not drown the rest in its
    /// rounding: blocks are centred on their mean row, and the means' part is added in f64.
    /// Squares must not leave f32's range: entries between 1e-15 and 1e15 in magnitude are safe.
    ///
    /// # Errors
    /// If the length is not a multiple of n; nothing is added then.
    pub fn add_f32(&mut self, rows: &[f32]) -> Result<(), ProbeError> {
        self.f32_products = true;
        self.add(rows)
    }

    /// What was pooled, as moments of inputs.
    pub fn into_moments(self) -> Moments {
        let Self { rows, sum, scatter, .. } = self;
        let (n, gram) = (sum.len(), scatter.gram(rows));
        Moments { n, rows, sum, gram, outputs: 0, output_square_sum: 0.0, scatter: Some(scatter) }
    }

    /// What was pooled, as WᵀW of a weight matrix of which each row was pooled once.
    pub fn into_weight_gram(self) -> WeightGram {
        let (m, n) = (self.rows as usize, self.sum.len());
        WeightGram { m, n, gram: self.scatter.into_gram(self.rows), f32_products: self.f32_products }
    }

    fn add<T: Number>(&mut self, rows: &[T]) -> Result<(), ProbeError> {
        let n = self.sum.len();
        if !rows.len().is_multiple_of(n) {
            return Err(ProbeError::PartialRow { found: rows.len(), n });
        }
        let mut centred = Vec::with_capacity(rows.len().min(DEPTH * n));
        for block in rows.chunks(DEPTH * n) {
            for row in block.chunks_exact(n) {
                self.sum.iter_mut().zip(row).for_each(|(sum, &v)| *sum += v.into());
            }
            let centre: Vec<T> = self.scatter.centre(block, self.rows).into_iter().map(T::rounded).collect();
            centred.clear();
            for row in block.chunks_exact(n) {
                centred.extend(row.iter().zip(&centre).map(|(&v, &c)| v - c));
            }
            let centre: Vec<f64> = centre.into_iter().map(T::into).collect();
            let merge = self.scatter.merge(&centred, &centre, self.rows);
            let panels = self.scatter.upper.par_chunks_mut(TILE.0 * n).with_max_len(1).enumerate();
            panels.for_each_init(Vec::new, |tile, (i, panel)| {
                add_panel(panel, i * TILE.0, &centred, n, &merge, tile);
            });
            self.rows += (block.len() / n) as u64;
        }
        Ok(())
    }
}

/// What is pooled: f32 or f64, which is also the type of the products.
trait Number: Copy + Default + Into<f64> + Sub<Output = Self> + Send + Sync + 'static {
    const ONE: Self;
    /// The nearest to `value`.
    fn rounded(value: f64) -> Self;
}

impl Number for f32 {
    const ONE: Self = 1.0;
    fn rounded(value: f64) -> Self {
        value as Self
    }
}

impl Number for f64 {
    const ONE: Self = 1.0;
    fn rounded(value: f64) -> Self {
        value
    }
}

/// Adds rows `first`… of the products of a block to `panel`, (·, n), from the diagonal on; `x`, (·, n), is the block
/// without its centre.
fn add_panel<T: Number>(
    panel: &mut [f64],
    first: usize,
    x: &[T],
    n: usize,
    merge: &Merge,
    tile: &mut Vec<T>,
) {
    let height = panel.len() / n;
    for left in (first..n).step_by(TILE.1) {
        let width = TILE.1.min(n - left);
        tile.clear();
        tile.resize(height * width, T::default());
        columns_product(tile, x, n, (first, height), (left, width));
        for (i, (sums, products)) in panel.chunks_exact_mut(n).zip(tile.chunks_exact(width)).enumerate() {
            for (j, (entry, &product)) in sums[left..].iter_mut().zip(products).enumerate() {
                *entry += merge.complete(product.into(), first + i, left + j);
            }
        }
    }
}

/// tile (height, width) = AᵀB, A and B the columns of `x`, (·, n), that start at `first` and at `left`.
fn columns_product<T: Number>(
    tile: &mut [T],
    x: &[T],
    n: usize,
    (first, height): (usize, usize),
    (left, width): (usize, usize),
) {
    let depth = x.len() / n;
    assert!(tile.len() == height * width && first + height <= n && left + width <= n, "sizes of a product");
    // SAFETY: both factors are columns inside the rows of `x`, whole rows of which there are `depth`; the destination
    // is contiguous, as long as asserted, and borrowed mutably. `Number` is f32 or f64, which gemm knows.
    unsafe {
        gemm(
            height,
            width,
            depth,
            tile.as_mut_ptr(),
            1,
            width as isize,
            false,
            x.as_ptr().add(first),
            n as isize,
            1,
            x.as_ptr().add(left),
            1,
            n as isize,
            T::default(),
            T::ONE,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}
