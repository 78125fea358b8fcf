//! The loops of the reduction, over columns that are read four at a time: vectors of the best instruction set the processor
//! has.
//!
//! A multiply-add may be fused or not (`mul_add_e`): the last bits depend on the processor.

use pulp::{Simd, WithSimd};

/// to[c] = columns[c] · with. Columns and `with` have one length, and so have what is read and written.
pub(super) struct Dots<'a> {
    pub columns: &'a [&'a [f64]],
    pub with: &'a [f64],
    pub to: &'a mut [f64],
}

impl Dots<'_> {
    /// a · b of two columns, on any processor in the same order.
    pub fn one(a: &[f64], b: &[f64]) -> f64 {
        let mut sums = [0.0; 8];
        let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
        for (a, b) in a.iter().zip(b) {
            for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
                *sum += a * b;
            }
        }
        let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
        sums.iter().sum::<f64>() + rest
    }
}

impl WithSimd for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let (with, with_tail) = S::as_simd_f64s(self.with);
        for (columns, to) in self.columns.chunks(4).zip(self.to.chunks_mut(4)) {
            let columns = four::<S>(columns);
            let [(a, _), (b, _), (c, _), (d, _)] = columns;
            let mut sums = [s.splat_f64s(0.0); 4];
            for ((((&x, &a), &b), &c), &d) in with.iter().zip(a).zip(b).zip(c).zip(d) {
                sums[0] = s.mul_add_e_f64s(a, x, sums[0]);
                sums[1] = s.mul_add_e_f64s(b, x, sums[1]);
                sums[2] = s.mul_add_e_f64s(c, x, sums[2]);
                sums[3] = s.mul_add_e_f64s(d, x, sums[3]);
            }
            for ((to, sum), (_, tail)) in to.iter_mut().zip(sums).zip(columns) {
                let rest: f64 = with_tail.iter().zip(tail).map(|(x, a)| x * a).sum();
                *to = s.reduce_sum_f64s(sum) + rest;
            }
        }
    }
}

/// Whole vectors and the rest of one to four columns; the last stands for those that are not there.
#[inline(always)]
fn four<'a, S: Simd>(columns: &[&'a [f64]]) -> [(&'a [S::f64s], &'a [f64]); 4] {
    let last = columns.len() - 1;
    [
        S::as_simd_f64s(columns[0]),
        S::as_simd_f64s(columns[last.min(1)]),
        S::as_simd_f64s(columns[last.min(2)]),
        S::as_simd_f64s(columns[last.min(3)]),
    ]
}

#[inline(always)]
fn splat<S: Simd>(s: S, [a, b, c, d]: [f64; 4]) -> [S::f64s; 4] {
    [s.splat_f64s(a), s.splat_f64s(b), s.splat_f64s(c), s.splat_f64s(d)]
}

/// to += Σ shares[c] · columns[c]. Columns and `to` have one length.
pub(super) struct Combine<'a> {
    pub columns: &'a [&'a [f64]],
    pub shares: &'a [f64],
    pub to: &'a mut [f64],
}

impl WithSimd for Combine<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        for (columns, shares) in self.columns.chunks(4).zip(self.shares.chunks(4)) {
            let columns = four::<S>(columns);
            let mut four_shares = [0.0; 4];
            four_shares[..shares.len()].copy_from_slice(shares);
            let [(a, _), (b, _), (c, _), (d, _)] = columns;
            let [p, q, r, t] = splat(s, four_shares);
            let (to, to_tail) = S::as_mut_simd_f64s(self.to);
            for ((((to, &a), &b), &c), &d) in to.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                let sum = s.mul_add_e_f64s(p, a, s.mul_add_e_f64s(q, b, *to));
                *to = s.add_f64s(sum, s.mul_add_e_f64s(r, c, s.mul_f64s(t, d)));
            }
            for (i, to) in to_tail.iter_mut().enumerate() {
                *to += columns.iter().zip(four_shares).map(|((_, tail), share)| share * tail[i]).sum::<f64>();
            }
        }
    }
}

/// to += A·x, A the symmetric matrix whose lower triangle is at j·stride + i of `numbers` for row i and column j, both from
/// row `first` of the whole matrix on, a multiple of 8, as is the length of x.
pub(super) struct SymmetricTimes<'a> {
    pub numbers: &'a [f64],
    pub stride: usize,
    pub first: usize,
    pub x: &'a [f64],
    pub to: &'a mut [f64],
}

impl WithSimd for SymmetricTimes<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Self { numbers, stride, first, x, to } = self;
        for j in (0..x.len()).step_by(4) {
            let columns: [&[f64]; 4] =
                std::array::from_fn(|c| &numbers[(j + c) * stride + first + j..][..x.len() - j]);
            let (x_here, x_below) = x[j..].split_at(4);
            let (to_here, to_below) = to[j..].split_at_mut(4);
            // the square at the diagonal
            for (c, column) in columns.iter().enumerate() {
                to_here[c] += column[c] * x_here[c];
                for i in c + 1..4 {
                    to_here[i] += column[i] * x_here[c];
                    to_here[c] += column[i] * x_here[i];
                }
            }
            let below = four::<S>(&columns.map(|column| &column[4..]));
            let [(a, _), (b, _), (c, _), (d, _)] = below;
            let (x_vectors, x_tail) = S::as_simd_f64s(x_below);
            let (to_vectors, to_tail) = S::as_mut_simd_f64s(to_below);
            let [p, q, r, t] = splat(s, [x_here[0], x_here[1], x_here[2], x_here[3]]);
            let mut sums = [s.splat_f64s(0.0); 4];
            for (((((to, &x), &a), &b), &c), &d) in
                to_vectors.iter_mut().zip(x_vectors).zip(a).zip(b).zip(c).zip(d)
            {
                sums[0] = s.mul_add_e_f64s(a, x, sums[0]);
                sums[1] = s.mul_add_e_f64s(b, x, sums[1]);
                sums[2] = s.mul_add_e_f64s(c, x, sums[2]);
                sums[3] = s.mul_add_e_f64s(d, x, sums[3]);
                let sum = s.mul_add_e_f64s(p, a, s.mul_add_e_f64s(q, b, *to));
                *to = s.add_f64s(sum, s.mul_add_e_f64s(r, c, s.mul_f64s(t, d)));
            }
            for ((to, sum), (_, tail)) in to_here.iter_mut().zip(sums).zip(below) {
                let rest: f64 = x_tail.iter().zip(tail).map(|(x, a)| x * a).sum();
                *to += s.reduce_sum_f64s(sum) + rest;
            }
            for (i, to) in to_tail.iter_mut().enumerate() {
                *to += below.iter().zip(x_here).map(|((_, tail), x)| x * tail[i]).sum::<f64>();
            }
        }
    }
}
