//! LayerNorm over rows, forward and backward: y = gain·(x − mean)/√(var + ε) + shift, biased variance.

use super::vector::{dot, fold, sum, zip3};
use crate::model::NORM_EPSILON;
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
            let center = s.splat_f32s(mean);
            zip3(
                s,
                y,
                [x, x, x],
                #[inline(always)]
                |_, x, _, _| s.sub_f32s(x, center),
            );
            let variance = dot(s, y, y) / d as f32;
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
            zip3(
                s,
                d_gain,
                [dy, x, x],
                #[inline(always)]
                |acc, dy, x, _| s.mul_add_e_f32s(dy, normed(s, x, mean, inv_std), acc),
            );
            zip3(
                s,
                d_shift,
                [dy, dy, dy],
                #[inline(always)]
                |acc, dy, _, _| s.add_f32s(acc, dy),
            );
            // with g = dy·gain and n = (x − mean)·inv_std: dx = inv_std·(g − mean(g) − n·mean(g·n))
            let mean_g = dot(s, dy, gain) / d as f32;
            let sum_gn = fold(
                s,
                [dy, gain, x],
                #[inline(always)]
                |acc, dy, gain, x| s.mul_add_e_f32s(s.mul_f32s(dy, gain), normed(s, x, mean, inv_std), acc),
            );
            let (mean_g, mean_gn) = (s.splat_f32s(mean_g), s.splat_f32s(sum_gn / d as f32));
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

/// (x − mean)/√(var + ε)
#[inline(always)]
fn normed<S: Simd>(s: S, x: S::f32s, mean: S::f32s, inv_std: S::f32s) -> S::f32s {
    s.mul_f32s(s.sub_f32s(x, mean), inv_std)
}
