//! Attention of the last layer, where only the last position asks: keys and values are never formed.
//!
//! With K and V the weights of one head, b its biases, x the layer's inputs and q a query:
//!
//! q·(K x + b) = (Kᵀq)·x + q·b, and q·b is the same for every x, so softmax does not see it;
//! Σ w (V x + b) = V (Σ w x) + b, because the weights add up to 1.
//!
//! So a row has a key query Kᵀq and a mixed input Σ w x for each head, both d wide, and the products that made keys and
//! values of 2V + 2B rows are of B rows. The bias of the keys has the gradient 0, which it has in any case.

use super::{Inputs, Span, grow};
use crate::kinds::operations::engine::cpu::{
    attention::Heads,
    block::{KEEP, Step, at},
    by_heads::{ByHeads, Columns, ColumnsMut, Cut},
    fours::{dot4, gather4},
    linear::AddRows,
    params::{BlockParams, Params},
    product::Products,
    rows::Row,
    timing::Stage,
    vector::{each, exp_nonpositive, map, zip3},
};
use groklab_kernels::Finish;
use pulp::{Simd, WithSimd};
use std::ops::Range;

pub(in crate::kinds::operations::engine::cpu) struct Absorbed {
    k: ByHeads,
    v: ByHeads,
    v_bias: Option<Range<usize>>,
    q: Vec<f32>,
    /// (rows, heads, d): Kᵀq.
    asked: Vec<f32>,
    /// (rows, heads, 4)
    weights: Vec<f32>,
    /// (rows, heads, d): Σ w x; on the way back the gradient of `asked`.
    mixed: Vec<f32>,
    attended: Vec<f32>,
    d_rows: Vec<f32>,
    d_mixed: Vec<f32>,
}

impl Absorbed {
    pub fn new(products: &Products, params: &Params, p: &BlockParams) -> Self {
        let half = |range: &Range<usize>| {
            let middle = range.start + range.len() / 2;
            (range.start..middle, middle..range.end)
        };
        let (k, v) = half(&p.kv.weight);
        let by_heads = |weight| ByHeads::new(products, weight, params.heads, Cut::Outputs);
        Self {
            k: by_heads(k),
            v: by_heads(v),
            v_bias: p.kv.bias.as_ref().map(|bias| half(bias).1),
            q: Vec::new(),
            asked: Vec::new(),
            weights: Vec::new(),
            mixed: Vec::new(),
            attended: Vec::new(),
            d_rows: Vec::new(),
            d_mixed: Vec::new(),
        }
    }

    pub fn reserve(&mut self, params: &Params, n_out: usize) {
        let (d, wide) = (params.d_model, params.heads.n_heads * params.d_model);
        for (buffer, width) in [
            (&mut self.q, d),
            (&mut self.asked, wide),
            (&mut self.weights, params.heads.n_weights()),
            (&mut self.mixed, wide),
            (&mut self.attended, d),
            (&mut self.d_rows, d),
            (&mut self.d_mixed, wide),
        ] {
            grow(buffer, n_out * width);
        }
    }

    pub fn pack(&mut self, products: &Products, flat: &[f32], both: bool) {
        self.k.pack_to_inputs(products, flat);
        self.v.pack_to_outputs(products, flat);
        if both {
            self.k.pack_to_outputs(products, flat);
            self.v.pack_to_inputs(products, flat);
        }
    }

    /// The input rows that the output rows `rows` stand at.
    fn own(step: &Step<'_>, rows: &Range<usize>) -> Range<usize> {
        let first = step.rows.queries(false, true).start;
        first + rows.start..first + rows.end
    }

    pub fn forward(&mut self, step: &mut Step<'_>, p: &BlockParams, x: &[f32], span: &Span, sum: &mut [f32]) {
        let (d, heads, n) = (step.params.d_model, step.params.heads, span.at.len());
        let wide = heads.n_heads * d;
        let x_own = &x[at(&Self::own(step, &span.rows), d)];
        let (q, asked) = (&mut self.q[at(&span.at, d)], &mut self.asked[at(&span.at, wide)]);
        p.q.forward(step.products, step.weights, x_own, q, Finish::default());
        let (from, to) = (Columns::all(q, d), ColumnsMut { data: asked, stride: wide, start: 0 });
        self.k.to_inputs(step.products, n, from, to);
        step.times.mark(Stage::Products);

        let mixed = &mut self.mixed[at(&span.at, wide)];
        let weights = &mut self.weights[at(&span.at, heads.n_weights())];
        let rows = &step.rows.outputs(false, true)[span.rows.clone()];
        step.arch.dispatch(Forward { heads, rows, x, asked, weights, mixed });
        step.times.mark(Stage::Attention);

        let attended = &mut self.attended[at(&span.at, d)];
        let bias = self.v_bias.as_ref().map(|bias| &step.weights.flat[bias.clone()]);
        let (from, to) = (Columns::all(mixed, wide), ColumnsMut { data: attended, stride: d, start: 0 });
        self.v.to_outputs(step.products, n, from, to, bias);
        p.o.forward(step.products, step.weights, attended, sum, KEEP);
        step.times.mark(Stage::Products);
    }

    pub fn backward(
        &mut self,
        step: &mut Step<'_>,
        p: &BlockParams,
        Inputs { x, d_x }: Inputs<'_>,
        (span, keep, d_sum): (&Span, bool, &[f32]),
        grads: &mut [f32],
    ) {
        let (d, heads, arch, n) = (step.params.d_model, step.params.heads, step.arch, span.at.len());
        let wide = heads.n_heads * d;
        let d_rows = &mut self.d_rows[at(&span.at, d)];
        p.o.backward_input(step.products, step.weights, d_sum, d_rows, Finish::default());
        let attended = &self.attended[at(&span.at, d)];
        p.o.backward_weight((step.products, arch), attended, d_sum, grads, keep);
        let (mixed, d_mixed) = (&mut self.mixed[at(&span.at, wide)], &mut self.d_mixed[at(&span.at, wide)]);
        let to = ColumnsMut { data: &mut *d_mixed, stride: wide, start: 0 };
        self.v.to_inputs(step.products, n, Columns::all(d_rows, d), to);
        self.v.gradient(step.products, n, [Columns::all(d_rows, d), Columns::all(mixed, wide)], grads, keep);
        if let Some(bias) = &self.v_bias {
            arch.dispatch(AddRows { sum: &mut grads[bias.clone()], rows: d_rows });
        }
        step.times.mark(Stage::Products);

        let rows = &step.rows.outputs(false, true)[span.rows.clone()];
        let weights = &self.weights[at(&span.at, heads.n_weights())];
        let asked = &self.asked[at(&span.at, wide)];
        arch.dispatch(Backward { heads, rows, x, asked, weights, d_mixed, d_asked: mixed, d_x: &mut *d_x });
        step.times.mark(Stage::Attention);

        let q = &self.q[at(&span.at, d)];
        let to = ColumnsMut { data: &mut *d_rows, stride: d, start: 0 };
        self.k.to_outputs(step.products, n, Columns::all(mixed, wide), to, None);
        self.k.gradient(step.products, n, [Columns::all(q, d), Columns::all(mixed, wide)], grads, keep);
        let own = at(&Self::own(step, &span.rows), d);
        p.q.backward_input(step.products, step.weights, d_rows, &mut d_x[own.clone()], KEEP);
        p.q.backward_weight((step.products, arch), &x[own], d_rows, grads, keep);
        step.times.mark(Stage::Products);
    }
}

/// The inputs that a row of the last position attends to; without an operator the fourth is anything.
#[inline(always)]
fn seen<'a>(row: &Row, x: &'a [f32], d: usize) -> [&'a [f32]; 4] {
    each(
        row.four(),
        #[inline(always)]
        |key| &x[key * d..][..d],
    )
}

struct Forward<'a> {
    heads: Heads,
    rows: &'a [Row],
    x: &'a [f32],
    asked: &'a [f32],
    weights: &'a mut [f32],
    mixed: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Self { heads, rows, x, asked, weights, mixed } = self;
        let (d, scale) = (heads.d_model(), heads.scale());
        let wide = heads.n_heads * d;
        let rows = rows.iter().zip(asked.chunks_exact(wide)).zip(mixed.chunks_exact_mut(wide));
        for (((row, asked), mixed), weights) in rows.zip(weights.chunks_exact_mut(heads.n_weights())) {
            let x = seen(row, x, d);
            for (asked, scores) in asked.chunks_exact(d).zip(weights.chunks_exact_mut(4)) {
                let mut dots = dot4(s, asked, x);
                dots[row.keys().len()..].fill(f32::NEG_INFINITY);
                let largest = dots.into_iter().fold(f32::NEG_INFINITY, f32::max);
                for (score, dot) in scores.iter_mut().zip(dots) {
                    *score = scale * (dot - largest);
                }
            }
            map(
                s,
                weights,
                #[inline(always)]
                |x| exp_nonpositive(s, x),
            );
            for (mixed, weights) in mixed.chunks_exact_mut(d).zip(weights.chunks_exact_mut(4)) {
                let inverse = 1.0 / ((weights[0] + weights[1]) + (weights[2] + weights[3]));
                weights.iter_mut().for_each(|w| *w *= inverse);
                gather4::<S, false>(s, mixed, [weights[0], weights[1], weights[2], weights[3]], x);
            }
        }
    }
}

struct Backward<'a> {
    heads: Heads,
    rows: &'a [Row],
    x: &'a [f32],
    asked: &'a [f32],
    weights: &'a [f32],
    d_mixed: &'a [f32],
    d_asked: &'a mut [f32],
    d_x: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Self { heads, rows, x, asked, weights, d_mixed, d_asked, d_x } = self;
        let (d, scale) = (heads.d_model(), heads.scale());
        let wide = heads.n_heads * d;
        let rows = rows.iter().zip(weights.chunks_exact(heads.n_weights()));
        let wides =
            asked.chunks_exact(wide).zip(d_mixed.chunks_exact(wide)).zip(d_asked.chunks_exact_mut(wide));
        for ((row, weights), ((asked, d_mixed), d_asked)) in rows.zip(wides) {
            let x = seen(row, x, d);
            let heads = d_asked.chunks_exact_mut(d).zip(weights.as_chunks::<4>().0);
            for (head, (d_asked, &w)) in heads.enumerate() {
                let (asked, d_mixed) = (&asked[head * d..][..d], &d_mixed[head * d..][..d]);
                let d_weights = dot4(s, d_mixed, x);
                let mean = (0..4).map(|k| w[k] * d_weights[k]).sum::<f32>();
                let d_scores = each(
                    [0, 1, 2, 3],
                    #[inline(always)]
                    |k| scale * w[k] * (d_weights[k] - mean),
                );
                gather4::<S, false>(s, d_asked, d_scores, x);
                for (k, &key) in row.keys().iter().enumerate() {
                    let d_x = &mut d_x[key as usize * d..][..d];
                    add2(s, d_x, [w[k], d_scores[k]], [d_mixed, asked]);
                }
            }
        }
    }
}

/// dst += w₀·a₀ + w₁·a₁
#[inline(always)]
fn add2<S: Simd>(s: S, dst: &mut [f32], w: [f32; 2], [a, b]: [&[f32]; 2]) {
    let (v, w) = (s.splat_f32s(w[0]), s.splat_f32s(w[1]));
    zip3(
        s,
        dst,
        [a, b, b],
        #[inline(always)]
        |dst, a, b, _| s.mul_add_e_f32s(w, b, s.mul_add_e_f32s(v, a, dst)),
    );
}
