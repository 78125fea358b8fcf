//! Pooling of wide rows, thousands of numbers each, over rayon's threads.
//!
//! Promises: the sums are those of [`Moments`] up to rounding; which thread computes what does not change a bit, so
//! the result depends on neither the number of threads nor, if the blocks given are multiples of 1,024 rows, their size.

use super::{Moments, ProbeError, WeightGram};
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
    /// Only the upper triangle of the Gram matrix is kept until the end.
    moments: Moments,
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
            1..=MAX_WIDTH => Ok(Self { moments: Moments::new(n, 0), f32_products: false }),
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
    /// twice as fast. A block is centred on its mean row for that and the mean's part added in f64, since a common
    /// offset, which the rows of language-model heads have, would drown the rest in its rounding.
    /// Squares must not leave f32's range: entries between 1e-15 and 1e15 in magnitude are safe.
    ///
    /// # Errors
    /// If the length is not a multiple of n; nothing is added then.
    pub fn add_f32(&mut self, rows: &[f32]) -> Result<(), ProbeError> {
        self.f32_products = true;
        self.add(rows)
    }

    /// What was pooled, as moments of inputs.
    pub fn into_moments(mut self) -> Moments {
        let n = self.moments.n;
        for i in 0..n {
            for j in 0..i {
                self.moments.gram[i * n + j] = self.moments.gram[j * n + i];
            }
        }
        self.moments
    }

    /// What was pooled, as WᵀW of a weight matrix of which each row was pooled once.
    pub fn into_weight_gram(self) -> WeightGram {
        let f32_products = self.f32_products;
        let Moments { n, rows, gram, .. } = self.into_moments();
        WeightGram { m: rows as usize, n, gram, f32_products }
    }

    fn add<T: Number>(&mut self, rows: &[T]) -> Result<(), ProbeError> {
        let n = self.moments.n;
        if !rows.len().is_multiple_of(n) {
            return Err(ProbeError::PartialRow { found: rows.len(), n });
        }
        let mut centred = Vec::with_capacity(rows.len().min(DEPTH * n));
        for block in rows.chunks(DEPTH * n) {
            let offset = Offset::of(block, n, &mut centred);
            self.moments.sum.iter_mut().zip(&offset.sum).for_each(|(sum, v)| *sum += v);
            let panels = self.moments.gram.par_chunks_mut(TILE.0 * n).with_max_len(1).enumerate();
            panels.for_each_init(Vec::new, |tile, (i, panel)| {
                add_panel(panel, i * TILE.0, &centred, &offset, tile);
            });
        }
        self.moments.rows += (rows.len() / n) as u64;
        Ok(())
    }
}

/// What is pooled: f32 or f64, which is also the type of the products.
trait Number: Copy + Default + Into<f64> + Sub<Output = Self> + Send + Sync + 'static {
    const ONE: Self;
    /// What is taken off a column of this mean before it is multiplied: in f64 nothing needs to be.
    fn centre(mean: f64) -> Self;
}

impl Number for f32 {
    const ONE: Self = 1.0;
    fn centre(mean: f64) -> Self {
        mean as Self
    }
}

impl Number for f64 {
    const ONE: Self = 1.0;
    fn centre(_: f64) -> Self {
        0.0
    }
}

/// What was taken off the columns of a block, c, and what is needed to put it back: with t the column sums and k the
/// number of rows, XᵀX = (X − c)ᵀ(X − c) + c tᵀ + (t − k c) cᵀ.
struct Offset {
    sum: Vec<f64>,
    taken: Vec<f64>,
    rows: f64,
}

impl Offset {
    /// The offset of `block`, (·, n), which is left in `centred` without it.
    fn of<T: Number>(block: &[T], n: usize, centred: &mut Vec<T>) -> Self {
        let mut sum = vec![0.0; n];
        for row in block.chunks_exact(n) {
            sum.iter_mut().zip(row).for_each(|(s, &v)| *s += v.into());
        }
        let rows = (block.len() / n) as f64;
        let taken: Vec<T> = sum.iter().map(|s| T::centre(s / rows)).collect();
        centred.clear();
        for row in block.chunks_exact(n) {
            centred.extend(row.iter().zip(&taken).map(|(&v, &c)| v - c));
        }
        Self { sum, taken: taken.into_iter().map(T::into).collect(), rows }
    }
}

/// Adds rows `first`… of XᵀX to `panel`, (·, n), from the diagonal on; `x`, (·, n), is X without its offset.
fn add_panel<T: Number>(panel: &mut [f64], first: usize, x: &[T], offset: &Offset, tile: &mut Vec<T>) {
    let n = offset.sum.len();
    let height = panel.len() / n;
    for left in (first..n).step_by(TILE.1) {
        let width = TILE.1.min(n - left);
        tile.clear();
        tile.resize(height * width, T::default());
        columns_product(tile, x, n, (first, height), (left, width));
        let (sum, taken) = (&offset.sum[left..left + width], &offset.taken[left..left + width]);
        for (i, (sums, products)) in panel.chunks_exact_mut(n).zip(tile.chunks_exact(width)).enumerate() {
            let c = offset.taken[first + i];
            let rest = offset.sum[first + i] - offset.rows * c;
            for (((entry, &v), &t), &d) in sums[left..].iter_mut().zip(products).zip(sum).zip(taken) {
                *entry += v.into() + c * t + rest * d;
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
