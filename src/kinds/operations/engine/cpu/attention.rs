//! Causal attention of rows that attend to at most four others, by index: one routine for every layer.
//!
//! Shapes: q (n_q, d), kv (n_in, 2d) with the keys in the left half, weights (n_out, heads, 4), out (n_out, d).
//! Gradients of shared rows are added in the order of the output rows, so sums are the same on every run.

use super::{
    rows::Row,
    vector::{axpy, dot, exp_nonpositive, map},
};
use pulp::{Arch, Simd, WithSimd};

/// Heads and their width; d = n_heads · d_head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kinds::operations::engine) struct Heads {
    pub n_heads: usize,
    pub d_head: usize,
}

impl Heads {
    pub fn d_model(self) -> usize {
        self.n_heads * self.d_head
    }

    /// Weights of one row.
    pub fn n_weights(self) -> usize {
        4 * self.n_heads
    }

    pub fn scale(self) -> f32 {
        1.0 / (self.d_head as f32).sqrt()
    }
}

/// Queries of the inputs from `first_query` on, keys and values of all inputs.
#[derive(Clone, Copy)]
pub(in crate::kinds::operations::engine) struct Projections<'a> {
    pub q: &'a [f32],
    pub kv: &'a [f32],
    pub first_query: usize,
}

/// out = softmax(q·k/√d_head)·v for each of `rows`; keeps the weights.
pub(in crate::kinds::operations::engine) fn forward(
    arch: Arch,
    heads: Heads,
    rows: &[Row],
    inputs: Projections<'_>,
    weights: &mut [f32],
    out: &mut [f32],
) {
    arch.dispatch(Forward { heads, rows, inputs, weights, out });
}

struct Forward<'a> {
    heads: Heads,
    rows: &'a [Row],
    inputs: Projections<'a>,
    weights: &'a mut [f32],
    out: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        match whole_vectors::<S>(self.heads.d_head) {
            1 => self.run::<S, 1>(s),
            2 => self.run::<S, 2>(s),
            4 => self.run::<S, 4>(s),
            _ => self.run::<S, 0>(s),
        }
    }
}

impl Forward<'_> {
    /// For heads of N vectors, a constant the loops unroll to; N = 0 for any other width.
    #[inline(always)]
    fn run<S: Simd, const N: usize>(self, s: S) {
        let Self { heads, rows, inputs: Projections { q, kv, first_query }, weights, out } = self;
        let (d, width, scale) = (heads.d_model(), head_width::<S, N>(heads), heads.scale());
        let weights = weights.chunks_exact_mut(heads.n_weights());
        for ((row, weights), out) in rows.iter().zip(weights).zip(out.chunks_exact_mut(d)) {
            let query = &q[(row.own as usize - first_query) * d..][..d];
            // scores minus their largest; a missing key has weight e^−∞ = 0
            weights.fill(f32::NEG_INFINITY);
            for (head, scores) in weights.chunks_exact_mut(4).enumerate() {
                let query = &query[head * width..][..width];
                let mut largest = f32::NEG_INFINITY;
                for (score, &key) in scores.iter_mut().zip(row.keys()) {
                    let key = &kv[key as usize * 2 * d + head * width..][..width];
                    *score = scale * dot(s, query, key);
                    largest = largest.max(*score);
                }
                for score in scores {
                    *score -= largest;
                }
            }
            map(
                s,
                weights,
                #[inline(always)]
                |x| exp_nonpositive(s, x),
            );
            out.fill(0.0);
            for (head, weights) in weights.chunks_exact_mut(4).enumerate() {
                let inverse = 1.0 / ((weights[0] + weights[1]) + (weights[2] + weights[3]));
                let out = &mut out[head * width..][..width];
                for (weight, &key) in weights.iter_mut().zip(row.keys()) {
                    *weight *= inverse;
                    axpy(s, out, *weight, &kv[key as usize * 2 * d + d + head * width..][..width]);
                }
            }
        }
    }
}

/// Adds the gradients of queries, keys and values to `d_q` and `d_kv`, shaped like q and kv.
pub(in crate::kinds::operations::engine) fn backward(
    arch: Arch,
    heads: Heads,
    rows: &[Row],
    inputs: Projections<'_>,
    (weights, d_out): (&[f32], &[f32]),
    (d_q, d_kv): (&mut [f32], &mut [f32]),
) {
    arch.dispatch(Backward { heads, rows, inputs, weights, d_out, d_q, d_kv });
}

struct Backward<'a> {
    heads: Heads,
    rows: &'a [Row],
    inputs: Projections<'a>,
    weights: &'a [f32],
    d_out: &'a [f32],
    d_q: &'a mut [f32],
    d_kv: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        match whole_vectors::<S>(self.heads.d_head) {
            1 => self.run::<S, 1>(s),
            2 => self.run::<S, 2>(s),
            4 => self.run::<S, 4>(s),
            _ => self.run::<S, 0>(s),
        }
    }
}

impl Backward<'_> {
    /// For heads of N vectors, a constant the loops unroll to; N = 0 for any other width.
    #[inline(always)]
    fn run<S: Simd, const N: usize>(self, s: S) {
        let Self { heads, rows, inputs: Projections { q, kv, first_query }, weights, d_out, d_q, d_kv } =
            self;
        let (d, width, scale) = (heads.d_model(), head_width::<S, N>(heads), heads.scale());
        let weights = weights.chunks_exact(heads.n_weights());
        for ((row, weights), d_out) in rows.iter().zip(weights).zip(d_out.chunks_exact(d)) {
            let own = (row.own as usize - first_query) * d;
            for (head, weights) in weights.chunks_exact(4).enumerate() {
                let d_out = &d_out[head * width..][..width];
                let at = own + head * width;
                let (query, d_query) = (&q[at..][..width], &mut d_q[at..][..width]);
                let mut d_weights = [0.0f32; 4];
                let mut mean = 0.0;
                for ((d_weight, &weight), &key) in d_weights.iter_mut().zip(weights).zip(row.keys()) {
                    let value = key as usize * 2 * d + d + head * width;
                    *d_weight = dot(s, d_out, &kv[value..][..width]);
                    mean += weight * *d_weight;
                    axpy(s, &mut d_kv[value..][..width], weight, d_out);
                }
                for ((&d_weight, &weight), &key) in d_weights.iter().zip(weights).zip(row.keys()) {
                    let d_score = scale * weight * (d_weight - mean);
                    let key = key as usize * 2 * d + head * width;
                    axpy(s, d_query, d_score, &kv[key..][..width]);
                    axpy(s, &mut d_kv[key..][..width], d_score, query);
                }
            }
        }
    }
}

/// Vectors in a head, 0 if the last would not be full.
#[inline(always)]
fn whole_vectors<S: Simd>(width: usize) -> usize {
    if width.is_multiple_of(S::F32_LANES) { width / S::F32_LANES } else { 0 }
}

#[inline(always)]
fn head_width<S: Simd, const N: usize>(heads: Heads) -> usize {
    if N == 0 { heads.d_head } else { N * S::F32_LANES }
}
