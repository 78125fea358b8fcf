//! One transformer block on preallocated buffers: forward over a range of rows, backward over all.
//!
//! Names follow the sums of the residual stream (h the input, `out` the output):
//!
//! | norm | attention reads | sum1 | MLP reads | sum2 | out |
//! |---|---|---|---|---|---|
//! | pre | norm1(h) | h + attention | norm2(sum1) | sum1 + mlp | sum2 |
//! | post | h | h + attention | norm1(sum1) | norm1(sum1) + mlp | norm2(sum2) |
//! | none | h | h + attention | sum1 | sum1 + mlp | sum2 |

use super::{
    activation::activate,
    attention::{self, Projections},
    linear::Weights,
    norm::{self, Stats},
    params::{BlockParams, Params},
    product::Products,
    rows::{Row, Rows},
    timing::{Stage, StageTimes},
    vector::add,
};
use crate::kinds::operations::config::{Activation, Norm};
use groklab_kernels::{Finish, Matrix};
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

/// Rows of the MLP taken together: its hidden rows stay in the second cache. A multiple of the heights of all tiles.
const MLP_ROWS: usize = 240;

/// What every call needs to know.
pub(super) struct Step<'a> {
    pub arch: Arch,
    pub activation: Activation,
    pub params: &'a Params,
    pub weights: Weights<'a>,
    pub products: &'a mut Products,
    pub rows: &'a Rows,
    pub times: &'a mut StageTimes,
}

/// Everything a block's forward pass leaves for its backward pass.
#[derive(Debug, Default)]
pub(super) struct Block {
    first: bool,
    last: bool,
    /// norm1's output and statistics, by input row (pre) or output row (post).
    norm1: Vec<f32>,
    stats1: Vec<Stats>,
    q: Vec<f32>,
    kv: Vec<f32>,
    attention_weights: Vec<f32>,
    attended: Vec<f32>,
    sum1: Vec<f32>,
    norm2: Vec<f32>,
    stats2: Vec<Stats>,
    /// Activations, and GELU's derivative at their pre-activations: keeping both costs less than computing it again.
    /// ReLU's derivative can be told from its value.
    hidden: Vec<f32>,
    hidden_slope: Vec<f32>,
    sum2: Vec<f32>,
}

/// Buffers of the backward pass, shared by all blocks.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Gradient of the rows at hand: of a block's output on the way in, of its input on the way out.
    pub rows: Vec<f32>,
    other: Vec<f32>,
    branch: Vec<f32>,
    q: Vec<f32>,
    kv: Vec<f32>,
    hidden: Vec<f32>,
}

const KEEP: Finish<'static> =
    Finish { keep: true, row: None, residual: None, relu: false, times: None, gate: None };

impl Scratch {
    pub fn reserve(&mut self, params: &Params, n_rows: usize) {
        let d = params.d_model;
        for (buffer, width) in [
            (&mut self.rows, d),
            (&mut self.other, d),
            (&mut self.branch, d),
            (&mut self.q, d),
            (&mut self.kv, 2 * d),
        ] {
            buffer.resize(n_rows * width, 0.0);
        }
        self.hidden.resize(MLP_ROWS * params.d_mlp, 0.0);
    }
}

/// The d-wide rows `range` of a buffer as a range of its entries.
fn at(range: &Range<usize>, width: usize) -> Range<usize> {
    range.start * width..range.end * width
}

/// The rows `range` of a buffer as a matrix.
fn matrix<'a>(buffer: &'a [f32], range: &Range<usize>, width: usize) -> Option<Matrix<'a>> {
    Matrix::new(&buffer[at(range, width)], [range.len(), width]).ok()
}

impl Block {
    pub fn new(first: bool, last: bool) -> Self {
        Self { first, last, ..Self::default() }
    }

    /// Makes room for the rows of the batch in `rows`.
    pub fn reserve(&mut self, params: &Params, activation: Activation, rows: &Rows) {
        let (d, m) = (params.d_model, params.d_mlp);
        let (n_in, n_out) = (rows.n_inputs(self.first), self.outputs(rows).len());
        let (n_norm1, n_norm2) = match params.norm {
            Norm::Pre => (n_in, n_out),
            Norm::Post => (n_out, n_out),
            Norm::None => (0, 0),
        };
        let n_q = rows.queries(self.first, self.last).len();
        let n_slope = if activation == Activation::Gelu { n_out } else { 0 };
        for (buffer, len) in [
            (&mut self.norm1, n_norm1 * d),
            (&mut self.q, n_q * d),
            (&mut self.kv, n_in * 2 * d),
            (&mut self.attention_weights, n_out * params.heads.n_weights()),
            (&mut self.attended, n_out * d),
            (&mut self.sum1, n_out * d),
            (&mut self.norm2, n_norm2 * d),
            (&mut self.hidden, n_out * m),
            (&mut self.hidden_slope, n_slope * m),
            (&mut self.sum2, n_out * d),
        ] {
            buffer.resize(len, 0.0);
        }
        self.stats1.resize(n_norm1, Stats::default());
        self.stats2.resize(n_norm2, Stats::default());
    }

    fn outputs<'a>(&self, rows: &'a Rows) -> &'a [Row] {
        rows.outputs(self.first, self.last)
    }

    /// Output rows, as the next block reads them.
    pub fn out(&self, norm: Norm) -> &[f32] {
        if norm == Norm::Post { &self.norm2 } else { &self.sum2 }
    }

    /// Queries, keys and values of the input rows `range` of h.
    pub fn project(&mut self, step: &mut Step<'_>, p: &BlockParams, h: &[f32], range: Range<usize>) {
        let d = step.params.d_model;
        let x = match (&p.norm1, step.params.norm) {
            (Some(affine), Norm::Pre) => {
                let (x, y) = (&h[at(&range, d)], &mut self.norm1[at(&range, d)]);
                norm::forward(
                    step.arch,
                    x,
                    &step.weights.flat[affine.clone()],
                    y,
                    &mut self.stats1[range.clone()],
                );
                step.times.mark(Stage::Norms);
                &self.norm1
            }
            _ => h,
        };
        let (x_rows, kv) = (&x[at(&range, d)], &mut self.kv[at(&range, 2 * d)]);
        p.kv.forward(step.products, step.weights, x_rows, kv, Finish::default());
        let queries = step.rows.queries(self.first, self.last);
        let some = range.start.max(queries.start)..range.end.min(queries.end);
        if !some.is_empty() {
            let q = some.start - queries.start..some.end - queries.start;
            let (x_rows, q) = (&x[at(&some, d)], &mut self.q[at(&q, d)]);
            p.q.forward(step.products, step.weights, x_rows, q, Finish::default());
        }
        step.times.mark(Stage::Products);
    }

    /// The output rows `range`, from h and the projections of all rows they attend to.
    pub fn forward(&mut self, step: &mut Step<'_>, p: &BlockParams, h: &[f32], range: Range<usize>) {
        let (d, arch) = (step.params.d_model, step.arch);
        let rows = &self.outputs(step.rows)[range.clone()];
        let heads = step.params.heads;
        let weights = &mut self.attention_weights[at(&range, heads.n_weights())];
        let projections = Projections {
            q: &self.q,
            kv: &self.kv,
            first_query: step.rows.queries(self.first, self.last).start,
        };
        attention::forward(arch, heads, rows, projections, weights, &mut self.attended[at(&range, d)]);
        step.times.mark(Stage::Attention);

        let sum1 = &mut self.sum1[at(&range, d)];
        for (row, sum) in rows.iter().zip(sum1.chunks_exact_mut(d)) {
            sum.copy_from_slice(&h[row.own as usize * d..][..d]);
        }
        step.times.mark(Stage::Gather);
        p.o.forward(step.products, step.weights, &self.attended[at(&range, d)], sum1, KEEP);
        step.times.mark(Stage::Products);
        if let (Some(affine), Norm::Post) = (&p.norm1, step.params.norm) {
            let (y, stats) = (&mut self.norm1[at(&range, d)], &mut self.stats1[range.clone()]);
            norm::forward(arch, sum1, &step.weights.flat[affine.clone()], y, stats);
            step.times.mark(Stage::Norms);
        }
        for start in range.clone().step_by(MLP_ROWS) {
            self.mlp(step, p, start..(start + MLP_ROWS).min(range.end));
        }
    }

    /// From sum1 to the output, for few enough rows to stay in the cache.
    fn mlp(&mut self, step: &mut Step<'_>, p: &BlockParams, range: Range<usize>) {
        let (d, m, arch) = (step.params.d_model, step.params.d_mlp, step.arch);
        let (rows, flat) = (at(&range, d), step.weights.flat);
        if let (Some(affine), Norm::Pre) = (&p.norm2, step.params.norm) {
            let (y, stats) = (&mut self.norm2[rows.clone()], &mut self.stats2[range.clone()]);
            norm::forward(arch, &self.sum1[rows.clone()], &flat[affine.clone()], y, stats);
            step.times.mark(Stage::Norms);
        }
        let (x, residual) = match step.params.norm {
            Norm::Pre => (&self.norm2, &self.sum1),
            Norm::Post => (&self.norm1, &self.norm1),
            Norm::None => (&self.sum1, &self.sum1),
        };
        let hidden = &mut self.hidden[at(&range, m)];
        match step.activation {
            Activation::Relu => {
                let relu = Finish { relu: true, ..Finish::default() };
                p.up.forward(step.products, step.weights, &x[rows.clone()], hidden, relu);
                step.times.mark(Stage::Products);
            }
            Activation::Gelu => {
                let slope = &mut self.hidden_slope[at(&range, m)];
                p.up.forward(step.products, step.weights, &x[rows.clone()], slope, Finish::default());
                step.times.mark(Stage::Products);
                activate(arch, step.activation, slope, hidden);
                step.times.mark(Stage::Activation);
            }
        }
        let sum2 = &mut self.sum2[rows.clone()];
        let residual = matrix(residual, &range, d);
        p.down.forward(step.products, step.weights, hidden, sum2, Finish { residual, ..Finish::default() });
        step.times.mark(Stage::Products);
        if let (Some(affine), Norm::Post) = (&p.norm2, step.params.norm) {
            let (y, stats) = (&mut self.norm2[rows], &mut self.stats2[range]);
            norm::forward(arch, sum2, &flat[affine.clone()], y, stats);
            step.times.mark(Stage::Norms);
        }
    }

    /// Takes `g.rows` from the gradient of the output to that of h; sets or adds this block's part of `grads`.
    pub fn backward(
        &self,
        step: &mut Step<'_>,
        p: &BlockParams,
        h: &[f32],
        g: &mut Scratch,
        grads: &mut [f32],
    ) {
        let n_out = self.outputs(step.rows).len();
        if step.params.norm == Norm::Post {
            backward_norm(step, &p.norm2, (&self.sum2, &self.stats2), g, n_out, grads);
        }
        // last block first: in the last layer its rows are still in the cache
        for start in (0..n_out).step_by(MLP_ROWS).rev() {
            let end = (start + MLP_ROWS).min(n_out);
            self.backward_mlp(step, p, (start..end, end != n_out), g, grads);
        }
        if step.params.norm == Norm::Post {
            backward_norm(step, &p.norm1, (&self.sum1, &self.stats1), g, n_out, grads);
        }
        self.backward_attention(step, p, h, g, grads);
    }

    /// `g.rows` from the gradient after the MLP's residual sum to the gradient before it.
    fn backward_mlp(
        &self,
        step: &mut Step<'_>,
        p: &BlockParams,
        (range, keep): (Range<usize>, bool),
        g: &mut Scratch,
        grads: &mut [f32],
    ) {
        let (d, m, arch) = (step.params.d_model, step.params.d_mlp, step.arch);
        let rows = at(&range, d);
        let x = match step.params.norm {
            Norm::Pre => &self.norm2,
            Norm::Post => &self.norm1,
            Norm::None => &self.sum1,
        };
        let (d_sum, d_hidden) = (&mut g.rows[rows.clone()], &mut g.hidden[..range.len() * m]);
        // the derivative of the non-linearity while the tile is in registers
        let slope = match step.activation {
            Activation::Relu => Finish { gate: matrix(&self.hidden, &range, m), ..Finish::default() },
            Activation::Gelu => Finish { times: matrix(&self.hidden_slope, &range, m), ..Finish::default() },
        };
        p.down.backward_input(step.products, step.weights, d_sum, d_hidden, slope);
        p.down.backward_weight((step.products, arch), &self.hidden[at(&range, m)], d_sum, grads, keep);
        p.up.backward_weight((step.products, arch), &x[rows.clone()], d_hidden, grads, keep);
        match (&p.norm2, step.params.norm) {
            (Some(affine), Norm::Pre) => {
                let d_x = &mut g.branch[rows.clone()];
                p.up.backward_input(step.products, step.weights, d_hidden, d_x, Finish::default());
                step.times.mark(Stage::Products);
                let (x, gain) = ((&self.sum1[rows], &self.stats2[range]), &step.weights.flat[affine.clone()]);
                norm::backward(arch, x, gain, d_x, d_sum, &mut grads[affine.clone()]);
                step.times.mark(Stage::Norms);
            }
            _ => {
                p.up.backward_input(step.products, step.weights, d_hidden, d_sum, KEEP);
                step.times.mark(Stage::Products);
            }
        }
    }

    /// `g.rows` from the gradient of sum1 to that of h.
    fn backward_attention(
        &self,
        step: &mut Step<'_>,
        p: &BlockParams,
        h: &[f32],
        g: &mut Scratch,
        grads: &mut [f32],
    ) {
        let (d, arch) = (step.params.d_model, step.arch);
        let rows = self.outputs(step.rows);
        let (n_in, n_out) = (step.rows.n_inputs(self.first), rows.len());
        let queries = step.rows.queries(self.first, self.last);
        let (d_sum, d_attended) = (&g.rows[..n_out * d], &mut g.branch[..n_out * d]);
        p.o.backward_input(step.products, step.weights, d_sum, d_attended, Finish::default());
        p.o.backward_weight((step.products, arch), &self.attended[..n_out * d], d_sum, grads, false);
        step.times.mark(Stage::Products);

        let (d_q, d_kv) = (&mut g.q[..queries.len() * d], &mut g.kv[..n_in * 2 * d]);
        d_q.fill(0.0);
        d_kv.fill(0.0);
        let projections = Projections { q: &self.q, kv: &self.kv, first_query: queries.start };
        let weights = &self.attention_weights[..n_out * step.params.heads.n_weights()];
        attention::backward(arch, step.params.heads, rows, projections, (weights, d_attended), (d_q, d_kv));
        step.times.mark(Stage::Attention);

        let d_h = &mut g.other[..n_in * d];
        arch.dispatch(ScatterAdd { dst: d_h, rows, from: d_sum });
        step.times.mark(Stage::Gather);

        // into the input of the projections: norm1's output, or h itself
        let pre = step.params.norm == Norm::Pre;
        let (x, d_x, finish) = match pre {
            true => (&self.norm1[..n_in * d], &mut g.branch[..n_in * d], Finish::default()),
            false => (&h[..n_in * d], &mut *d_h, KEEP),
        };
        p.kv.backward_input(step.products, step.weights, d_kv, d_x, finish);
        p.q.backward_input(step.products, step.weights, d_q, &mut d_x[at(&queries, d)], KEEP);
        p.kv.backward_weight((step.products, arch), x, d_kv, grads, false);
        p.q.backward_weight((step.products, arch), &x[at(&queries, d)], d_q, grads, false);
        step.times.mark(Stage::Products);
        if let (Some(affine), true) = (&p.norm1, pre) {
            let (x, gain) = ((&h[..n_in * d], &self.stats1[..n_in]), &step.weights.flat[affine.clone()]);
            norm::backward(
                arch,
                x,
                gain,
                &g.branch[..n_in * d],
                &mut g.other[..n_in * d],
                &mut grads[affine.clone()],
            );
            step.times.mark(Stage::Norms);
        }
        std::mem::swap(&mut g.rows, &mut g.other);
    }
}

/// `g.rows` from the gradient of a norm's output to that of its input.
fn backward_norm(
    step: &mut Step<'_>,
    affine: &Option<Range<usize>>,
    (x, stats): (&[f32], &[Stats]),
    g: &mut Scratch,
    n: usize,
    grads: &mut [f32],
) {
    if let Some(affine) = affine {
        let (dx, len) = (&mut g.other, n * step.params.d_model);
        dx[..len].fill(0.0);
        let (x, gain) = ((&x[..len], &stats[..n]), &step.weights.flat[affine.clone()]);
        norm::backward(step.arch, x, gain, &g.rows[..len], &mut dx[..len], &mut grads[affine.clone()]);
        std::mem::swap(&mut g.rows, &mut g.other);
        step.times.mark(Stage::Norms);
    }
}

/// dst = 0, then dst[own row] += each row
struct ScatterAdd<'a> {
    dst: &'a mut [f32],
    rows: &'a [Row],
    from: &'a [f32],
}

impl WithSimd for ScatterAdd<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        self.dst.fill(0.0);
        let d = self.from.len() / self.rows.len().max(1);
        for (row, from) in self.rows.iter().zip(self.from.chunks_exact(d.max(1))) {
            add(s, &mut self.dst[row.own as usize * d..][..d], from);
        }
    }
}
