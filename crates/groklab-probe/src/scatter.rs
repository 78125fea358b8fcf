//! Sums of squares about the mean, pooled block by block.
//!
//! Promises: what is small beside the mean is not lost in it. XᵀX/N − x̄x̄ᵀ loses all variance below ε·‖x̄‖², and more
//! with every row that is added; here each block is centred on its own mean and the blocks are put together by
//! Chan, Golub & LeVeque 1983 (The American Statistician 37, eq. 1.5), in rounding that is relative to the variance.

use super::moments::BLOCK_ROWS;

/// Σ (x − x̄)(x − x̄)ᵀ of the rows pooled so far.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scatter {
    /// x̄, length n.
    pub(super) mean: Vec<f64>,
    /// (n, n) row-major; only entries on and above the diagonal are kept.
    pub(super) upper: Vec<f64>,
    /// What rounding took off `upper` (Kahan); empty where it is not kept.
    carry: Vec<f64>,
    /// Additions to an entry, one after the other, whose rounding was not taken note of.
    additions: u64,
}

/// What a block of rows adds: its mean, and what a pooling adds to the products of its centred rows.
pub(super) struct Merge {
    /// Σ e over the block's rows e = x − c, c the centre that was taken off: 0 but for rounding.
    rest: Vec<f64>,
    /// Mean of the block less the mean of the rows before it.
    step: Vec<f64>,
    rows: f64,
    /// Weight of step·stepᵀ: a·b/(a + b) for a rows before and b in the block.
    weight: f64,
}

impl Scatter {
    pub(super) fn new(n: usize, compensated: bool) -> Self {
        let carry = if compensated { vec![0.0; n * n] } else { Vec::new() };
        Self { mean: vec![0.0; n], upper: vec![0.0; n * n], carry, additions: 0 }
    }

    /// A centre for `block`, (·, n) row-major: its mean, summed up relative to the mean so far or the first row, so that
    /// equal rows are their own centre to the last bit.
    pub(super) fn centre<T: Copy + Into<f64>>(&self, block: &[T], rows_before: u64) -> Vec<f64> {
        let n = self.mean.len();
        let rows = (block.len() / n) as f64;
        let near: Vec<f64> = match rows_before {
            0 => block.iter().take(n).map(|&v| v.into()).collect(),
            _ => self.mean.clone(),
        };
        let mut off = vec![0.0; n];
        for row in block.chunks_exact(n) {
            off.iter_mut().zip(row).zip(&near).for_each(|((off, &v), near)| *off += v.into() - near);
        }
        near.iter().zip(off).map(|(near, off)| near + off / rows).collect()
    }

    /// Takes note of a block: `centred` are its rows less `centre`, of which `rows_before` were pooled before it. What is
    /// returned completes the products of `centred`; the mean is up to date then.
    pub(super) fn merge<T: Copy + Into<f64>>(
        &mut self,
        centred: &[T],
        centre: &[f64],
        rows_before: u64,
    ) -> Merge {
        let n = self.mean.len();
        let rows = (centred.len() / n) as f64;
        let mut rest = vec![0.0; n];
        for row in centred.chunks_exact(n) {
            rest.iter_mut().zip(row).for_each(|(rest, &v)| *rest += v.into());
        }
        let mean = centre.iter().zip(&rest).map(|(c, rest)| c + rest / rows);
        self.step(mean.collect(), rest, rows, rows_before as f64)
    }

    fn step(&mut self, mean: Vec<f64>, rest: Vec<f64>, rows: f64, before: f64) -> Merge {
        self.additions += u64::from(self.carry.is_empty());
        if before == 0.0 {
            let step = vec![0.0; mean.len()];
            self.mean = mean;
            return Merge { rest, step, rows, weight: 0.0 };
        }
        let step: Vec<f64> = mean.iter().zip(&self.mean).map(|(new, old)| new - old).collect();
        let share = rows / (before + rows);
        self.mean.iter_mut().zip(&step).for_each(|(mean, step)| *mean += share * step);
        Merge { rest, step, rows, weight: before * share }
    }

    /// Adds `products`, (n, n) row-major of which only the upper triangle is looked at.
    pub(super) fn add(&mut self, products: &[f64], merge: &Merge) {
        let n = self.mean.len();
        for i in 0..n {
            let at = i * n + i..(i + 1) * n;
            let (sums, products) = (&mut self.upper[at.clone()], &products[at.clone()]);
            for (j, ((sum, product), carry)) in
                sums.iter_mut().zip(products).zip(&mut self.carry[at]).enumerate()
            {
                let value = merge.complete(*product, i, i + j) - *carry;
                let total = *sum + value;
                *carry = (total - *sum) - value;
                *sum = total;
            }
        }
    }

    /// Adds what another part of the same data has pooled.
    pub(super) fn join(&mut self, other: &Self, rows_before: u64, rows: u64) {
        if rows == 0 {
            return;
        }
        if rows_before == 0 {
            *self = other.clone();
            return;
        }
        let rest = vec![0.0; self.mean.len()];
        let merge = self.step(other.mean.clone(), rest, rows as f64, rows_before as f64);
        if self.carry.is_empty() {
            self.carry = vec![0.0; self.upper.len()];
        }
        self.additions += other.additions;
        self.add(&other.upper, &merge);
    }

    /// The entry (i, j).
    pub(super) fn entry(&self, i: usize, j: usize) -> f64 {
        self.upper[i.min(j) * self.mean.len() + i.max(j)]
    }

    /// What rounding leaves at most of an eigenvalue of the covariance that is 0: an entry is off by less than
    /// (n + 16)·ε of the trace, 16 = √[`BLOCK_ROWS`] for the products of a block, with one ε more for each addition that
    /// was not compensated; and means that are off by as much of the root mean square of x add its square.
    pub(super) fn rounding(&self, rows: f64, mean_square: f64) -> f64 {
        let n = self.mean.len();
        let trace: f64 = (0..n).map(|i| self.upper[i * n + i]).sum();
        let share = (n as f64 + (BLOCK_ROWS as f64).sqrt() + self.additions as f64) * f64::EPSILON;
        share * trace / rows + share * share * mean_square
    }

    /// XᵀX of `rows` rows, (n, n) row-major: both triangles.
    pub(super) fn gram(&self, rows: u64) -> Vec<f64> {
        Self { carry: Vec::new(), ..self.clone() }.into_gram(rows)
    }

    /// As [`gram`](Self::gram), in place.
    pub(super) fn into_gram(mut self, rows: u64) -> Vec<f64> {
        let n = self.mean.len();
        for i in 0..n {
            let scaled = rows as f64 * self.mean[i];
            for j in i..n {
                self.upper[i * n + j] += scaled * self.mean[j];
            }
            for j in 0..i {
                self.upper[i * n + j] = self.upper[j * n + i];
            }
        }
        self.upper
    }
}

impl Merge {
    /// What the block adds to entry (i, j), given the product of its centred columns i and j.
    pub(super) fn complete(&self, product: f64, i: usize, j: usize) -> f64 {
        product - self.rest[i] * self.rest[j] / self.rows + self.weight * self.step[i] * self.step[j]
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Moments, Spectra, tests::gaussian};

    /// Any W will do for the spectra of X.
    fn variances(moments: &Moments) -> Vec<f64> {
        let mut w = vec![0.0; moments.n * moments.n];
        (0..moments.n).for_each(|i| w[i * moments.n + i] = 1.0);
        Spectra::new(&w, moments.n, moments).unwrap().covariance_eigenvalues
    }

    #[test]
    fn a_million_equal_rows_have_no_variance() {
        let row: Vec<f32> = gaussian(1, 7, 3).iter().map(|&v| v as f32).collect();
        let mut moments = Moments::new(7, 0);
        for _ in 0..100 {
            // no multiple of a block
            moments.add(&row.repeat(10_007), &[]).unwrap();
        }
        assert_eq!(moments.rows, 1_000_700);
        assert_eq!(variances(&moments), [0.0; 7]);
    }

    /// x = (1, 2, 3) + 2⁻²⁰·(±1, ±2, 0): variances 2⁻⁴⁰, 2⁻³⁸ and 0, beside a mean square of 14.
    #[test]
    fn small_variances_beside_a_large_mean_are_right_at_a_million_rows() {
        let (mut moments, unit) = (Moments::new(3, 0), (-20f64).exp2());
        let mut block = Vec::new();
        for i in 0..1_000_000u32 {
            let sign = |bit: u32| if i >> bit & 1 == 0 { unit } else { -unit };
            block.extend([1.0 + sign(0), 2.0 + 2.0 * sign(1), 3.0]);
            if block.len() == 3 * 1_000 {
                moments.add_f64(&block, &[]).unwrap();
                block.clear();
            }
        }
        let found = variances(&moments);
        for (found, expected) in found.iter().zip([4.0 * unit * unit, unit * unit]) {
            assert!((found / expected - 1.0).abs() < 1e-12, "{found} for {expected}");
        }
        assert_eq!(found[2], 0.0);
    }

    #[test]
    fn merged_parts_are_the_whole() {
        let (n, rows) = (5, 3_000);
        let x: Vec<f64> = gaussian(rows, n, 9).iter().map(|v| 40.0 + v).collect();
        let part = |range: std::ops::Range<usize>| {
            let mut moments = Moments::new(n, 0);
            moments.add_f64(&x[range.start * n..range.end * n], &[]).unwrap();
            moments
        };
        let whole = variances(&part(0..rows));
        let mut merged = Moments::new(n, 0);
        for range in [0..1, 1..1_000, 1_000..1_000, 1_000..rows] {
            merged.merge(&part(range)).unwrap();
        }
        for (a, b) in variances(&merged).iter().zip(&whole) {
            assert!((a / b - 1.0).abs() < 1e-12, "{a} and {b}");
        }
    }
}
