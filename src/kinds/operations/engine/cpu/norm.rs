//! LayerNorm over rows, forward and backward: y = gain·(x − mean)/√(var + ε) + shift, biased variance.

use super::vector::{dot, sum, zip3};
use crate::kinds::operations::model::NORM_EPSILON;
use pulp::{Arch, Simd, WithSimd};

/// Mean and 1/√(var + ε) of one row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    mean: f32,
    inv_std: f32,
}

/// y = norm(x) for (n, d) rows; `affine` is gain and shift, one after the other, (2, d).
pub fn forward(arch: Arch, x: &[f32], affine: &[f32], y: &mut [f32], stats: &mut [Stats]) {
    assert!(x.len() == y.len() && 2 * x.len() == stats.len() * affine.len(), "sizes of a norm");
    arch.dispatch(Forward { x, affine, y, stats });
}

struct Forward<'a> {
    x: &'a [f32],
    affine: &'a [f32],
    y: &'a mut [f32],
    stats: &'a mut [Stats],
}

impl WithSimd for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let d = self.affine.len() / 2;
        let (gain, shift) = self.affine.split_at(d);
        for ((x, y), stats) in self.x.chunks_exact(d).zip(self.y.chunks_exact_mut(d)).zip(self.stats) {
            let mean = sum(s, x) / d as f32;
            // the mean is taken off first: Σx² − mean² would lose the variance of rows far from zero
            let variance = center(s, x, s.splat_f32s(mean), y) / d as f32;
            let inv_std = 1.0 / (variance + NORM_EPSILON as f32).sqrt();
            let scale = s.splat_f32s(inv_std);
            zip3(
                s,
                y,
                [gain, shift, shift],
                #[inline(always)]
                |centered, gain, shift, _| s.mul_add_e_f32s(s.mul_f32s(centered, scale), gain, shift),
            );
            *stats = Stats { mean, inv_std };
        }
    }
}

/// dx += the gradient through the norm of dy; the gradient of gain and shift is added to `d_affine`, (2, d).
pub fn backward(
    arch: Arch,
    (x, stats): (&[f32], &[Stats]),
    affine: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    d_affine: &mut [f32],
) {
    assert!(x.len() == dy.len() && x.len() == dx.len(), "sizes of a norm's gradient");
    assert!(2 * x.len() == stats.len() * affine.len() && affine.len() == d_affine.len());
    arch.dispatch(Backward { x, stats, affine, dy, dx, d_affine });
}

struct Backward<'a> {
    x: &'a [f32],
    stats: &'a [Stats],
    affine: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
    d_affine: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let d = self.affine.len() / 2;
        let gain = &self.affine[..d];
        let (d_gain, d_shift) = self.d_affine.split_at_mut(d);
        let rows = self.x.chunks_exact(d).zip(self.dy.chunks_exact(d)).zip(self.dx.chunks_exact_mut(d));
        for (((x, dy), dx), stats) in rows.zip(self.stats) {
            let (mean, inv_std) = (s.splat_f32s(stats.mean), s.splat_f32s(stats.inv_std));
            // with g = dy·gain and n = (x − mean)·inv_std: dx = inv_std·(g − mean(g) − n·mean(g·n)). The rounded mean leaves
            // n a mean of its own, large beside what the cancellation leaves of dx where few columns are far from zero
            let [sum_g, sum_n, sum_gn] = sums(s, [dy, x, gain], *stats, (&mut *d_gain, &mut *d_shift));
            let (mean_g, mean_n, mean_gn) = (sum_g / d as f32, sum_n / d as f32, sum_gn / d as f32);
            let slope = mean_gn - mean_g * mean_n;
            let (offset, slope) = (s.splat_f32s(mean_g - mean_n * slope), s.splat_f32s(slope));
            zip3(
                s,
                dx,
                [dy, gain, x],
                #[inline(always)]
                |dx, dy, gain, x| {
                    let g = s.sub_f32s(s.mul_f32s(dy, gain), offset);
                    let inner = s.sub_f32s(g, s.mul_f32s(normed(s, x, mean, inv_std), slope));
                    s.mul_add_e_f32s(inner, inv_std, dx)
                },
            );
        }
    }
}

/// y = x − mean; returns Σ y².
#[inline(always)]
fn center<S: Simd>(s: S, x: &[f32], mean: S::f32s, y: &mut [f32]) -> f32 {
    let (x, x_tail) = S::as_simd_f32s(x);
    let (y, y_tail) = S::as_mut_simd_f32s(y);
    let mut squares = s.splat_f32s(0.0);
    for (&x, y) in x.iter().zip(y) {
        *y = s.sub_f32s(x, mean);
        squares = s.mul_add_e_f32s(*y, *y, squares);
    }
    let mut sum = s.reduce_sum_f32s(squares);
    if !x_tail.is_empty() {
        s.partial_store_f32s(y_tail, s.sub_f32s(s.partial_load_f32s(x_tail), mean));
        sum += dot(s, y_tail, y_tail);
    }
    sum
}

/// Adds dy·n to `d_gain` and dy to `d_shift`; returns Σ g, Σ n and Σ g·n.
#[inline(always)]
fn sums<S: Simd>(
    s: S,
    [dy, x, gain]: [&[f32]; 3],
    stats: Stats,
    (d_gain, d_shift): (&mut [f32], &mut [f32]),
) -> [f32; 3] {
    let (dy, dy_tail) = S::as_simd_f32s(dy);
    let (x, x_tail) = S::as_simd_f32s(x);
    let (gain, gain_tail) = S::as_simd_f32s(gain);
    let (d_gain, d_gain_tail) = S::as_mut_simd_f32s(d_gain);
    let (d_shift, d_shift_tail) = S::as_mut_simd_f32s(d_shift);
    let (mean, inv_std) = (s.splat_f32s(stats.mean), s.splat_f32s(stats.inv_std));
    let [mut sum_g, mut sum_n, mut sum_gn] = [s.splat_f32s(0.0); 3];
    let rows = dy.iter().zip(x).zip(gain).zip(d_gain).zip(d_shift);
    for ((((&dy, &x), &gain), d_gain), d_shift) in rows {
        let n = normed(s, x, mean, inv_std);
        let (g, dy_n) = (s.mul_f32s(dy, gain), s.mul_f32s(dy, n));
        *d_gain = s.add_f32s(*d_gain, dy_n);
        *d_shift = s.add_f32s(*d_shift, dy);
        sum_g = s.add_f32s(sum_g, g);
        sum_n = s.add_f32s(sum_n, n);
        sum_gn = s.mul_add_e_f32s(dy_n, gain, sum_gn);
    }
    let mut sums = [s.reduce_sum_f32s(sum_g), s.reduce_sum_f32s(sum_n), s.reduce_sum_f32s(sum_gn)];
    let tails = dy_tail.iter().zip(x_tail).zip(gain_tail).zip(d_gain_tail).zip(d_shift_tail);
    for ((((&dy, &x), &gain), d_gain), d_shift) in tails {
        let n = (x - stats.mean) * stats.inv_std;
        *d_gain += dy * n;
        *d_shift += dy;
        sums = [sums[0] + dy * gain, sums[1] + n, sums[2] + dy * n * gain];
    }
    sums
}

/// (x − mean)/√(var + ε)
#[inline(always)]
fn normed<S: Simd>(s: S, x: S::f32s, mean: S::f32s, inv_std: S::f32s) -> S::f32s {
    s.mul_f32s(s.sub_f32s(x, mean), inv_std)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// Two columns leave ε/(var + ε) of the gradient: the mean's rounding must not leave more.
    #[test]
    fn rows_far_from_zero_have_the_gradient_of_f64() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..1000 {
            let middle = 3.0 + rng.random::<f32>();
            let x = [middle + 0.02 * rng.random_range(0.5..1.0f32), middle];
            let [gain, dy] = [(); 2].map(|()| [(); 2].map(|()| rng.random_range(0.5..1.5f32)));
            let (affine, mut y, mut stats) = ([gain, [0.0; 2]].concat(), [0.0; 2], [Stats::default()]);
            forward(Arch::new(), &x, &affine, &mut y, &mut stats);
            let (mut dx, mut d_affine) = ([0.0; 2], [0.0; 4]);
            backward(Arch::new(), (&x, &stats), &affine, &dy, &mut dx, &mut d_affine);

            let [x, gain, dy] = [x, gain, dy].map(|pair| pair.map(f64::from));
            let (half, epsilon) = ((x[0] - x[1]) / 2.0, f64::from(NORM_EPSILON as f32));
            let std = (half * half + epsilon).sqrt();
            // of y = gain·(±half)/std: d half/dx = ±1/2, d(half/std)/d half = ε/std³
            let through = (gain[0] * dy[0] - gain[1] * dy[1]) / 2.0;
            let exact = through * epsilon / std.powi(3);
            let scale = (gain[0] * dy[0]).max(gain[1] * dy[1]) / std;
            for (dx, exact) in dx.iter().zip([exact, -exact]) {
                let error = (f64::from(*dx) - exact).abs() / scale;
                assert!(error < 1e-6, "{dx}, {exact}: {error:.1e} of the gradient that comes in");
            }
        }
    }
}
