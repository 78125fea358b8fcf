//! One transformer block on preallocated buffers, forward and backward over ranges of its output rows.
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
    attend::{self, Attention, Shared, Span, grow},
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

/// Output rows taken together: their hidden rows stay in the second cache. A multiple of the heights of all tiles.
pub(in crate::kinds::operations::engine) const ROWS: usize = 192;

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

/// Everything a block's forward pass leaves for its backward pass: of all its output rows, or, in the last layer, of
/// those taken together.
pub(super) struct Block {
    first: bool,
    last: bool,
    attention: Attention,
    /// norm1's output and statistics, by input row (pre) or output row (post).
    norm1: Vec<f32>,
    stats1: Vec<Stats>,
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
    inputs: Vec<f32>,
    normed: Vec<f32>,
    shared: Shared,
    /// Of the rows taken together.
    some: Vec<f32>,
    hidden: Vec<f32>,
}

pub(super) const KEEP: Finish<'static> =
    Finish { keep: true, row: None, residual: None, relu: false, times: None, gate: None };

impl Scratch {
    pub fn reserve(&mut self, params: &Params, rows: &Rows) {
        let d = params.d_model;
        let n_rows = rows.n_inputs(false).max(rows.n_inputs(true));
        for buffer in [&mut self.rows, &mut self.inputs, &mut self.normed] {
            grow(buffer, n_rows * d);
        }
        grow(&mut self.some, ROWS * d);
        grow(&mut self.hidden, ROWS * params.d_mlp);
    }
}

/// `range` in as few pieces of [`ROWS`] at most as there can be, as even as whole tiles allow.
pub(super) fn pieces(range: Range<usize>) -> impl DoubleEndedIterator<Item = Range<usize>> {
    // of the heights of all tiles
    const TILES: usize = 24;
    let rows = range.len().div_ceil(range.len().div_ceil(ROWS).max(1)).next_multiple_of(TILES);
    range.clone().step_by(rows.max(1)).map(move |start| start..(start + rows).min(range.end))
}

/// The d-wide rows `range` of a buffer as a range of its entries.
pub(super) fn at(range: &Range<usize>, width: usize) -> Range<usize> {
    range.start * width..range.end * width
}

/// The rows `range` of a buffer as a matrix.
fn matrix<'a>(buffer: &'a [f32], range: &Range<usize>, width: usize) -> Option<Matrix<'a>> {
    Matrix::new(&buffer[at(range, width)], [range.len(), width]).ok()
}

impl Block {
    pub fn new(products: &Products, params: &Params, layer: usize) -> Self {
        Self {
            first: layer == 0,
            last: layer + 1 == params.blocks.len(),
            attention: Attention::new(products, params, layer),
            norm1: Vec::new(),
            stats1: Vec::new(),
            sum1: Vec::new(),
            norm2: Vec::new(),
            stats2: Vec::new(),
            hidden: Vec::new(),
            hidden_slope: Vec::new(),
            sum2: Vec::new(),
        }
    }

    /// Makes room for the rows of the batch in `rows`.
    pub fn reserve(&mut self, params: &Params, activation: Activation, rows: &Rows) {
        let (d, m) = (params.d_model, params.d_mlp);
        let n_in = rows.n_inputs(self.first);
        let n_out = if self.last { ROWS.min(rows.batch()) } else { rows.outputs(self.first, false).len() };
        let (n_norm1, n_norm2) = match params.norm {
            Norm::Pre => (n_in, n_out),
            Norm::Post => (n_out, n_out),
            Norm::None => (0, 0),
        };
        let n_slope = if activation == Activation::Gelu { n_out } else { 0 };
        for (buffer, len) in [
            (&mut self.norm1, n_norm1 * d),
            (&mut self.sum1, n_out * d),
            (&mut self.norm2, n_norm2 * d),
            (&mut self.hidden, n_out * m),
            (&mut self.hidden_slope, n_slope * m),
            (&mut self.sum2, n_out * d),
        ] {
            grow(buffer, len);
        }
        grow(&mut self.stats1, n_norm1);
        grow(&mut self.stats2, n_norm2);
        self.attention.reserve(params, rows, n_out);
    }

    /// Takes over the weights that are used a head at a time; for the way back as well if `both`.
    pub fn pack(&mut self, products: &Products, flat: &[f32], both: bool) {
        self.attention.pack(products, flat, both);
    }

    fn outputs<'a>(&self, rows: &'a Rows) -> &'a [Row] {
        rows.outputs(self.first, self.last)
    }

    /// Output rows, as the next block reads them.
    pub fn out(&self, norm: Norm) -> &[f32] {
        if norm == Norm::Post { &self.norm2 } else { &self.sum2 }
    }

    /// What the attention needs of the input rows `range` of h.
    pub fn project(&mut self, step: &mut Step<'_>, p: &BlockParams, h: &[f32], range: Range<usize>) {
        let d = step.params.d_model;
        let x = match (&p.norm1, step.params.norm) {
            (Some(affine), Norm::Pre) => {
                let (x, y) = (&h[at(&range, d)], &mut self.norm1[at(&range, d)]);
                let affine = &step.weights.flat[affine.clone()];
                norm::forward(step.arch, x, affine, y, &mut self.stats1[range.clone()]);
                step.times.mark(Stage::Norms);
                &self.norm1
            }
            _ => h,
        };
        self.attention.project(step, p, x, range);
    }

    /// Some output rows, [`ROWS`] at most, from h and the projections of all rows they attend to.
    pub fn forward(&mut self, step: &mut Step<'_>, p: &BlockParams, h: &[f32], span: &Span) {
        let (d, arch) = (step.params.d_model, step.arch);
        let n_in = step.rows.n_inputs(self.first);
        let rows = &self.outputs(step.rows)[span.rows.clone()];
        let sum1 = &mut self.sum1[at(&span.at, d)];
        for (row, sum) in rows.iter().zip(sum1.chunks_exact_mut(d)) {
            sum.copy_from_slice(&h[row.own as usize * d..][..d]);
        }
        step.times.mark(Stage::Gather);
        let x = if step.params.norm == Norm::Pre { &self.norm1[..n_in * d] } else { &h[..n_in * d] };
        self.attention.forward(step, p, x, span, sum1);
        if let (Some(affine), Norm::Post) = (&p.norm1, step.params.norm) {
            let (y, stats) = (&mut self.norm1[at(&span.at, d)], &mut self.stats1[span.at.clone()]);
            norm::forward(arch, sum1, &step.weights.flat[affine.clone()], y, stats);
            step.times.mark(Stage::Norms);
        }
        self.mlp(step, p, span.at.clone());
    }

    /// From sum1 to the output.
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

    /// Sets the sums of the backward pass to zero.
    pub fn begin_backward(&mut self, step: &Step<'_>, g: &mut Scratch) {
        let len = step.rows.n_inputs(self.first) * step.params.d_model;
        g.inputs[..len].fill(0.0);
        g.normed[..len].fill(0.0);
        self.attention.begin_backward(step, &mut g.shared);
    }

    /// Takes the gradient of some rows' output, at their place in `g.rows`, into the sums over all rows; sets this
    /// block's part of `grads`, or adds to it if other rows came before (`keep`).
    pub fn backward(
        &mut self,
        step: &mut Step<'_>,
        p: &BlockParams,
        h: &[f32],
        (span, keep): (&Span, bool),
        (g, grads): (&mut Scratch, &mut [f32]),
    ) {
        let (d, n_in) = (step.params.d_model, step.rows.n_inputs(self.first));
        let post = step.params.norm == Norm::Post;
        if post {
            backward_norm(step, &p.norm2, (&self.sum2, &self.stats2), &span.at, g, grads);
        }
        self.backward_mlp(step, p, (span.at.clone(), keep), g, grads);
        if post {
            backward_norm(step, &p.norm1, (&self.sum1, &self.stats1), &span.at, g, grads);
        }
        let d_sum = &g.rows[at(&span.at, d)];
        let rows = &self.outputs(step.rows)[span.rows.clone()];
        step.arch.dispatch(ScatterAdd { dst: &mut g.inputs, rows, from: d_sum });
        step.times.mark(Stage::Gather);
        // into the input of the projections: norm1's output, or h itself
        let (x, d_x) = match step.params.norm {
            Norm::Pre => (&self.norm1[..n_in * d], &mut g.normed[..n_in * d]),
            _ => (&h[..n_in * d], &mut g.inputs[..n_in * d]),
        };
        let inputs = attend::Inputs { x, d_x };
        self.attention.backward(step, p, inputs, (span, keep, d_sum), (&mut g.shared, grads));
    }

    /// Leaves the gradient of h in `g.rows`, when all rows have been.
    pub fn finish_backward(
        &mut self,
        step: &mut Step<'_>,
        p: &BlockParams,
        h: &[f32],
        g: &mut Scratch,
        grads: &mut [f32],
    ) {
        let (d, n_in) = (step.params.d_model, step.rows.n_inputs(self.first));
        let pre = step.params.norm == Norm::Pre;
        let (x, d_x) = match pre {
            true => (&self.norm1[..n_in * d], &mut g.normed[..n_in * d]),
            false => (&h[..n_in * d], &mut g.inputs[..n_in * d]),
        };
        let inputs = attend::Inputs { x, d_x };
        self.attention.finish_backward(step, p, inputs, (&mut g.shared, grads));
        if let (Some(affine), true) = (&p.norm1, pre) {
            let (x, gain) = ((&h[..n_in * d], &self.stats1[..n_in]), &step.weights.flat[affine.clone()]);
            let (d_x, d_h) = (&g.normed[..n_in * d], &mut g.inputs[..n_in * d]);
            norm::backward(step.arch, x, gain, d_x, d_h, &mut grads[affine.clone()]);
            step.times.mark(Stage::Norms);
        }
        std::mem::swap(&mut g.rows, &mut g.inputs);
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
                let d_x = &mut g.some[..range.len() * d];
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
}

/// At `range`, `g.rows` from the gradient of a norm's output to that of its input.
fn backward_norm(
    step: &mut Step<'_>,
    affine: &Option<Range<usize>>,
    (x, stats): (&[f32], &[Stats]),
    range: &Range<usize>,
    g: &mut Scratch,
    grads: &mut [f32],
) {
    if let Some(affine) = affine {
        let (rows, d) = (at(range, step.params.d_model), step.params.d_model);
        let dx = &mut g.some[..range.len() * d];
        dx.fill(0.0);
        let (x, gain) = ((&x[rows.clone()], &stats[range.clone()]), &step.weights.flat[affine.clone()]);
        norm::backward(step.arch, x, gain, &g.rows[rows.clone()], dx, &mut grads[affine.clone()]);
        g.rows[rows].copy_from_slice(dx);
        step.times.mark(Stage::Norms);
    }
}

/// dst[own row] += each row
struct ScatterAdd<'a> {
    dst: &'a mut [f32],
    rows: &'a [Row],
    from: &'a [f32],
}

impl WithSimd for ScatterAdd<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let d = self.from.len() / self.rows.len().max(1);
        for (row, from) in self.rows.iter().zip(self.from.chunks_exact(d.max(1))) {
            add(s, &mut self.dst[row.own as usize * d..][..d], from);
        }
    }
}
