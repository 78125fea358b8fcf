//! A symmetric matrix by its lower triangle, and W's Gram matrix in it.

use gemm::{Parallelism, gemm};
use std::ops::{Deref, DerefMut};

/// Columns begin at cache lines of so many numbers.
pub(super) const LINE: usize = 8;

/// Zeros from a cache line on.
pub(super) struct Lines {
    start: usize,
    count: usize,
    numbers: Vec<f64>,
}

impl Lines {
    /// `count` of them.
    pub fn zeros(count: usize) -> Self {
        let numbers = vec![0.0; count + LINE];
        // where it cannot be said, loads are slower and no more
        let start = numbers.as_ptr().align_offset(size_of::<[f64; LINE]>()).min(LINE);
        Self { start, count, numbers }
    }
}

impl Deref for Lines {
    type Target = [f64];

    fn deref(&self) -> &[f64] {
        &self.numbers[self.start..][..self.count]
    }
}

impl DerefMut for Lines {
    fn deref_mut(&mut self) -> &mut [f64] {
        &mut self.numbers[self.start..][..self.count]
    }
}

/// A symmetric matrix of order n.
pub(super) struct Symmetric {
    /// Its order.
    pub n: usize,
    /// From one column to the next, a multiple of [`LINE`].
    pub stride: usize,
    /// Entry (i, j), i ≥ j, at j·stride + i. Those with i < j are anything finite; below row n are zeros, and so are
    /// columns from n on.
    pub numbers: Lines,
}

impl Symmetric {
    /// Of zeros.
    fn zeros(n: usize) -> Self {
        let stride = n.next_multiple_of(LINE);
        Self { n, stride, numbers: Lines::zeros(stride * stride) }
    }

    /// Of entries (i, j), i ≥ j.
    pub fn from_fn(n: usize, entry: impl Fn(usize, usize) -> f64) -> Self {
        let mut a = Self::zeros(n);
        for j in 0..n {
            for i in j..n {
                let at = j * a.stride + i;
                a.numbers[at] = entry(i, j);
            }
        }
        a
    }

    /// The smaller of WᵀW and WWᵀ, `w` (m, n) row-major, on the calling thread.
    ///
    /// # Panics
    /// If `w` has another length.
    pub fn gram(w: &[f64], m: usize, n: usize) -> Self {
        assert_eq!(w.len(), m * n);
        let (short, long) = (m.min(n), m.max(n));
        let mut a = Self::zeros(short);
        if short == 0 {
            return a;
        }
        // from one direction to the next, and from one term of a product to the next
        let (direction, term) = if m < n { (n, 1) } else { (1, n) };
        let directions =
            |from: usize| Factor { numbers: &w[from * direction..], outer: direction, inner: term };
        a.add_product(0, long, 1.0, directions, directions);
        a
    }

    /// Row i, column j, for all i ≥ j ≥ `from`: adds `factor` times the product of row i of `left` and row j of `right`, of
    /// `inner` terms, strip by strip; both give their rows from a given one on.
    pub fn add_product<'a>(
        &mut self,
        from: usize,
        inner: usize,
        factor: f64,
        left: impl Fn(usize) -> Factor<'a>,
        right: impl Fn(usize) -> Factor<'a>,
    ) {
        /// Columns at a time: what of them lies above the diagonal is work for nothing.
        const STRIP: usize = 96;
        for j in (from..self.n).step_by(STRIP) {
            let (rows, columns) = (self.n - j, STRIP.min(self.n - j));
            let to = &mut self.numbers[j * self.stride + j..];
            let (left, right) = (left(j), right(j));
            assert!((columns - 1) * self.stride + rows <= to.len());
            assert!(left.holds(rows, inner) && right.holds(columns, inner));
            // SAFETY: what is read and written lies in the slices by the assertions, and `to` is borrowed mutably.
            unsafe {
                gemm(
                    rows,
                    columns,
                    inner,
                    to.as_mut_ptr(),
                    self.stride as isize,
                    1,
                    true,
                    left.numbers.as_ptr(),
                    left.inner as isize,
                    left.outer as isize,
                    right.numbers.as_ptr(),
                    right.outer as isize,
                    right.inner as isize,
                    1.0,
                    factor,
                    false,
                    false,
                    false,
                    Parallelism::None,
                );
            }
        }
    }

    /// The diagonal.
    pub fn diagonal(&self) -> impl Iterator<Item = f64> {
        (0..self.n).map(|i| self.numbers[i * self.stride + i])
    }

    /// The largest magnitude of an entry.
    pub fn largest(&self) -> f64 {
        (0..self.n).flat_map(|j| self.column(j)).fold(0.0, |most, v| most.max(v.abs()))
    }

    /// Row j and below of column j.
    pub fn column(&self, j: usize) -> &[f64] {
        &self.numbers[j * self.stride..][j..self.n]
    }
}

/// Rows of a factor, one of them every `outer` numbers, its terms every `inner` numbers.
pub(super) struct Factor<'a> {
    pub numbers: &'a [f64],
    pub outer: usize,
    pub inner: usize,
}

impl Factor<'_> {
    fn holds(&self, rows: usize, terms: usize) -> bool {
        rows > 0 && terms > 0 && (rows - 1) * self.outer + (terms - 1) * self.inner < self.numbers.len()
    }
}
