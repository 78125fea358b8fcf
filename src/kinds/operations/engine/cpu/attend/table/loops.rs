//! The loops over rows and tables of the first layer's attention.

use super::{Layout, Tables};
use crate::kinds::operations::engine::cpu::{
    attention::Heads,
    fours::{dot4, gather4, spread4},
    rows::{Place, Row},
    vector::{axpy, dot, exp_nonpositive, map},
};
use pulp::{Simd, WithSimd};

/// The tables of scores, scaled.
pub(super) struct Scores<'a> {
    pub ask: Ask<'a>,
    pub to: &'a mut Tables,
}

impl WithSimd for Scores<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Self { ask, to } = self;
        let (layout, n) = (ask.layout, ask.heads.n_heads);
        for key in 0..layout.n_inputs() {
            ask.scores(s, layout.equals, key, &mut to.equals[key * n..][..n]);
        }
        if layout.first_query == layout.equals {
            return;
        }
        if let Some(operator) = layout.operator {
            for key in 0..=operator {
                ask.scores(s, operator, key, &mut to.operator[key * n..][..n]);
            }
        }
        for (i, y) in (layout.first_y..layout.equals).enumerate() {
            if let Some(operator) = layout.operator {
                ask.scores(s, y, operator, &mut to.of_operator[i * n..][..n]);
            }
            ask.scores(s, y, y, &mut to.of_self[i * n..][..n]);
        }
    }
}

/// Queries and keys by input row.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    pub heads: Heads,
    pub layout: Layout,
    pub q: &'a [f32],
    pub kv: &'a [f32],
}

impl<'a> Ask<'a> {
    #[inline(always)]
    fn query(&self, row: usize) -> &'a [f32] {
        let d = self.heads.d_model();
        &self.q[(row - self.layout.first_query) * d..][..d]
    }

    #[inline(always)]
    fn key(&self, row: usize) -> &'a [f32] {
        let d = self.heads.d_model();
        &self.kv[row * 2 * d..][..d]
    }

    /// q·k/√d_head of every head.
    #[inline(always)]
    fn scores<S: Simd>(&self, s: S, query: usize, key: usize, to: &mut [f32]) {
        let (width, scale) = (self.heads.d_head, self.heads.scale());
        let pairs = self.query(query).chunks_exact(width).zip(self.key(key).chunks_exact(width));
        for (to, (q, k)) in to.iter_mut().zip(pairs) {
            *to = scale * dot(s, q, k);
        }
    }
}

impl Ask<'_> {
    /// Adds what gradients of scores, by head, are for a query and a key.
    #[inline(always)]
    fn backward<S: Simd>(
        &self,
        s: S,
        (query, key): (usize, usize),
        (d_q, d_kv): (&mut [f32], &mut [f32]),
        d_scores: &[f32],
    ) {
        let (d, width, scale) = (self.heads.d_model(), self.heads.d_head, self.heads.scale());
        let d_query = &mut d_q[(query - self.layout.first_query) * d..][..d];
        let d_key = &mut d_kv[key * 2 * d..][..d];
        let (from_query, from_key) = (self.query(query), self.key(key));
        for (head, &d_score) in d_scores.iter().enumerate() {
            let (at, d_score) = (head * width, scale * d_score);
            axpy(s, &mut d_query[at..][..width], d_score, &from_key[at..][..width]);
            axpy(s, &mut d_key[at..][..width], d_score, &from_query[at..][..width]);
        }
    }
}

pub(super) struct Forward<'a> {
    pub ask: Ask<'a>,
    pub rows: &'a [Row],
    pub projected: &'a [f32],
    pub scores: &'a Tables,
    pub weights: &'a mut [f32],
    pub sum: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Self { ask, rows, projected, scores: tables, weights, sum } = self;
        let Ask { heads, layout, .. } = ask;
        let (d, n) = (heads.d_model(), heads.n_heads);
        let wide = n * d;
        let rows = rows.iter().zip(sum.chunks_exact_mut(d));
        for ((row, sum), weights) in rows.zip(weights.chunks_exact_mut(heads.n_weights())) {
            // (key, head) here, a missing key having weight e^−∞ = 0
            weights.fill(f32::NEG_INFINITY);
            let own = row.own as usize;
            match row.place {
                Place::X => weights[..n].fill(0.0),
                Place::Operator => {
                    for (to, &key) in weights.chunks_exact_mut(n).zip(row.keys()) {
                        to.copy_from_slice(&tables.operator[key as usize * n..][..n]);
                    }
                }
                Place::Y => {
                    let y = own - layout.first_y;
                    ask.scores(s, own, row.four()[0], &mut weights[..n]);
                    let mut at = n;
                    if layout.operator.is_some() {
                        weights[at..at + n].copy_from_slice(&tables.of_operator[y * n..][..n]);
                        at += n;
                    }
                    weights[at..at + n].copy_from_slice(&tables.of_self[y * n..][..n]);
                }
                Place::Equals => {
                    for (to, &key) in weights.chunks_exact_mut(n).zip(row.keys()) {
                        to.copy_from_slice(&tables.equals[key as usize * n..][..n]);
                    }
                }
            }
            let (w0, rest) = weights.split_at_mut(n);
            let (w1, rest) = rest.split_at_mut(n);
            let (w2, w3) = rest.split_at_mut(n);
            for (((a, b), c), d) in w0.iter_mut().zip(&mut *w1).zip(&mut *w2).zip(&mut *w3) {
                let largest = a.max(*b).max(c.max(*d));
                (*a, *b, *c, *d) = (*a - largest, *b - largest, *c - largest, *d - largest);
            }
            map(
                s,
                weights,
                #[inline(always)]
                |x| exp_nonpositive(s, x),
            );
            let (w0, rest) = weights.split_at_mut(n);
            let (w1, rest) = rest.split_at_mut(n);
            let (w2, w3) = rest.split_at_mut(n);
            for (((a, b), c), d) in w0.iter_mut().zip(&mut *w1).zip(&mut *w2).zip(&mut *w3) {
                let inverse = 1.0 / ((*a + *b) + (*c + *d));
                (*a, *b, *c, *d) = (*a * inverse, *b * inverse, *c * inverse, *d * inverse);
            }
            for (weights, &key) in weights.chunks_exact(n).zip(row.keys()) {
                let values = &projected[key as usize * wide..][..wide];
                let (fours, ones) = weights.as_chunks::<4>();
                let (front, back) = values.split_at(4 * d * fours.len());
                for (&w, v) in fours.iter().zip(front.chunks_exact(4 * d)) {
                    gather4::<S, true>(s, sum, w, quarters(v, d));
                }
                for (&w, v) in ones.iter().zip(back.chunks_exact(d)) {
                    axpy(s, sum, w, v);
                }
            }
        }
    }
}

#[inline(always)]
fn quarters(v: &[f32], d: usize) -> [&[f32]; 4] {
    [&v[..d], &v[d..2 * d], &v[2 * d..3 * d], &v[3 * d..]]
}

pub(super) struct Backward<'a> {
    pub ask: Ask<'a>,
    pub rows: &'a [Row],
    pub projected: &'a [f32],
    pub weights: &'a [f32],
    pub d_sum: &'a [f32],
    /// Of one row, (key, head): gradients of the weights, then of the scores.
    pub d_weights: &'a mut [f32],
    pub d_q: &'a mut [f32],
    pub d_kv: &'a mut [f32],
    pub d_projected: &'a mut [f32],
    pub d_scores: &'a mut Tables,
}

impl WithSimd for Backward<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Self { ask, rows, projected, weights, d_sum, d_weights, d_q, d_kv, d_projected, d_scores } = self;
        let Ask { heads, layout, .. } = ask;
        let (d, n) = (heads.d_model(), heads.n_heads);
        let wide = n * d;
        let rows = rows.iter().zip(d_sum.chunks_exact(d));
        for ((row, d_sum), weights) in rows.zip(weights.chunks_exact(heads.n_weights())) {
            let alone = row.place == Place::X;
            for ((weights, d_weights), &key) in
                weights.chunks_exact(n).zip(d_weights.chunks_exact_mut(n)).zip(row.keys())
            {
                let place = key as usize * wide..(key as usize + 1) * wide;
                let (values, d_values) = (&projected[place.clone()], &mut d_projected[place]);
                let (fours, ones) = weights.as_chunks::<4>();
                for (i, &w) in fours.iter().enumerate() {
                    let part = 4 * i * d..4 * (i + 1) * d;
                    if !alone {
                        let dots = dot4(s, d_sum, quarters(&values[part.clone()], d));
                        d_weights[4 * i..4 * i + 4].copy_from_slice(&dots);
                    }
                    spread4(s, &mut d_values[part], w, d_sum);
                }
                for (i, &w) in ones.iter().enumerate().map(|(i, w)| (4 * fours.len() + i, w)) {
                    d_weights[i] = dot(s, d_sum, &values[i * d..][..d]);
                    axpy(s, &mut d_values[i * d..][..d], w, d_sum);
                }
            }
            if alone {
                continue;
            }
            for head in 0..n {
                let of_head = (0..row.keys().len()).map(|k| k * n + head);
                let mean: f32 = of_head.clone().map(|i| weights[i] * d_weights[i]).sum();
                for i in of_head {
                    d_weights[i] = weights[i] * (d_weights[i] - mean);
                }
            }
            let own = row.own as usize;
            match row.place {
                // its weight is 1 whatever the score
                Place::X => {}
                Place::Operator => {
                    for (d_score, &key) in d_weights.chunks_exact(n).zip(row.keys()) {
                        plus(&mut d_scores.operator[key as usize * n..][..n], d_score);
                    }
                }
                Place::Y => {
                    let y = own - layout.first_y;
                    let mut at = n;
                    if layout.operator.is_some() {
                        plus(&mut d_scores.of_operator[y * n..][..n], &d_weights[at..at + n]);
                        at += n;
                    }
                    plus(&mut d_scores.of_self[y * n..][..n], &d_weights[at..at + n]);
                    let to = (&mut *d_q, &mut *d_kv);
                    ask.backward(s, (own, row.four()[0]), to, &d_weights[..n]);
                }
                Place::Equals => {
                    for (d_score, &key) in d_weights.chunks_exact(n).zip(row.keys()) {
                        plus(&mut d_scores.equals[key as usize * n..][..n], d_score);
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn plus(sum: &mut [f32], terms: &[f32]) {
    for (sum, term) in sum.iter_mut().zip(terms) {
        *sum += term;
    }
}

/// From the gradients of the tables to those of queries and keys.
pub(super) struct ScoresBackward<'a> {
    pub ask: Ask<'a>,
    pub d_scores: &'a Tables,
    pub d_q: &'a mut [f32],
    pub d_kv: &'a mut [f32],
}

impl WithSimd for ScoresBackward<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Self { ask, d_scores, d_q, d_kv } = self;
        let (layout, n) = (ask.layout, ask.heads.n_heads);
        for key in 0..layout.n_inputs() {
            ask.backward(s, (layout.equals, key), (&mut *d_q, &mut *d_kv), &d_scores.equals[key * n..][..n]);
        }
        if layout.first_query == layout.equals {
            return;
        }
        if let Some(operator) = layout.operator {
            for key in 0..=operator {
                let d_score = &d_scores.operator[key * n..][..n];
                ask.backward(s, (operator, key), (&mut *d_q, &mut *d_kv), d_score);
            }
        }
        for (i, y) in (layout.first_y..layout.equals).enumerate() {
            if let Some(operator) = layout.operator {
                let d_score = &d_scores.of_operator[i * n..][..n];
                ask.backward(s, (y, operator), (&mut *d_q, &mut *d_kv), d_score);
            }
            ask.backward(s, (y, y), (&mut *d_q, &mut *d_kv), &d_scores.of_self[i * n..][..n]);
        }
    }
}
