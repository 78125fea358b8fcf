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
            // with g = dy·gain and n = (x − mean)·inv_std: dx = inv_std·(g − mean(g) − n·mean(g·n))
            let (sum_g, sum_gn) = sums(s, [dy, x, gain], (mean, inv_std), (&mut *d_gain, &mut *d_shift));
            let (mean_g, mean_gn) = (s.splat_f32s(sum_g / d as f32), s.splat_f32s(sum_gn / d as f32));
            zip3(
                s,
                dx,
                [dy, gain, x],
                #[inline(always)]
                |dx, dy, gain, x| {
                    let g = s.sub_f32s(s.mul_f32s(dy, gain), mean_g);
                    let inner = s.sub_f32s(g, s.mul_f32s(normed(s, x, mean, inv_std), mean_gn));
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

/// Adds dy·n to `d_gain` and dy to `d_shift`; returns Σ g and Σ g·n.
#[inline(always)]
fn sums<S: Simd>(
    s: S,
    [dy, x, gain]: [&[f32]; 3],
    (mean, inv_std): (S::f32s, S::f32s),
    (d_gain, d_shift): (&mut [f32], &mut [f32]),
) -> (f32, f32) {
    let (dy, dy_tail) = S::as_simd_f32s(dy);
    let (x, x_tail) = S::as_simd_f32s(x);
    let (gain, gain_tail) = S::as_simd_f32s(gain);
    let (d_gain, d_gain_tail) = S::as_mut_simd_f32s(d_gain);
    let (d_shift, d_shift_tail) = S::as_mut_simd_f32s(d_shift);
    let (mut sum_g, mut sum_gn) = (s.splat_f32s(0.0), s.splat_f32s(0.0));
    let rows = dy.iter().zip(x).zip(gain).zip(d_gain).zip(d_shift);
    for ((((&dy, &x), &gain), d_gain), d_shift) in rows {
        let (g, dy_n, g_n) = products(s, [dy, x, gain], mean, inv_std);
        *d_gain = s.add_f32s(*d_gain, dy_n);
        *d_shift = s.add_f32s(*d_shift, dy);
        (sum_g, sum_gn) = (s.add_f32s(sum_g, g), s.add_f32s(sum_gn, g_n));
    }
    if !dy_tail.is_empty() {
        // lanes beyond the end: dy = 0, so all three products are 0
        let dy = s.partial_load_f32s(dy_tail);
        let (x, gain) = (s.partial_load_f32s(x_tail), s.partial_load_f32s(gain_tail));
        let (g, dy_n, g_n) = products(s, [dy, x, gain], mean, inv_std);
        s.partial_store_f32s(d_gain_tail, s.add_f32s(s.partial_load_f32s(d_gain_tail), dy_n));
        s.partial_store_f32s(d_shift_tail, s.add_f32s(s.partial_load_f32s(d_shift_tail), dy));
        (sum_g, sum_gn) = (s.add_f32s(sum_g, g), s.add_f32s(sum_gn, g_n));
    }
    (s.reduce_sum_f32s(sum_g), s.reduce_sum_f32s(sum_gn))
}

/// g = dy·gain, dy·n and g·n
#[inline(always)]
fn products<S: Simd>(
    s: S,
    [dy, x, gain]: [S::f32s; 3],
    mean: S::f32s,
    inv_std: S::f32s,
) -> (S::f32s, S::f32s, S::f32s) {
    let (g, dy_n) = (s.mul_f32s(dy, gain), s.mul_f32s(dy, normed(s, x, mean, inv_std)));
    (g, dy_n, s.mul_f32s(dy_n, gain))
}

/// (x − mean)/√(var + ε)
#[inline(always)]
fn normed<S: Simd>(s: S, x: S::f32s, mean: S::f32s, inv_std: S::f32s) -> S::f32s {
    s.mul_f32s(s.sub_f32s(x, mean), inv_std)
}
