//! Attention of one layer, from its input to the sum of its residual stream, in the way that costs least there:
//! - the first layer's inputs are few, so keys, values and projected values are tables ([`Table`]);
//! - the last layer has few outputs, so keys and values are never formed ([`Absorbed`]);
//! - a layer between them does what the formula says ([`Between`]).
//!
//! Output rows are taken in ranges: `rows` is the range itself, `at` where it lies in the buffers, which are those of
//! all rows or of one range only.

mod absorbed;
mod between;
mod table;

use super::{
    block::Step,
    params::{BlockParams, Params},
    product::Products,
    rows::Rows,
};
use absorbed::Absorbed;
use between::Between;
use std::ops::Range;
use table::Table;

/// A range of output rows, and its place in the buffers.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub rows: Range<usize>,
    pub at: Range<usize>,
}

/// Inputs of a layer's attention on the way back: what it read, and where the gradient of that is added up.
pub(super) struct Inputs<'a> {
    pub x: &'a [f32],
    pub d_x: &'a mut [f32],
}

/// Buffers of the backward pass that layers between the first and the last share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    pub q: Vec<f32>,
    pub kv: Vec<f32>,
}

/// Attention of one layer with what its forward pass leaves for its backward pass.
pub(super) enum Attention {
    Table(Table),
    Between(Between),
    Absorbed(Absorbed),
}

/// Makes a buffer longer, never shorter.
pub(super) fn grow<T: Clone + Default>(buffer: &mut Vec<T>, len: usize) {
    if buffer.len() < len {
        buffer.resize(len, T::default());
    }
}

impl Attention {
    pub fn new(products: &Products, params: &Params, layer: usize) -> Self {
        let (p, last) = (&params.blocks[layer], layer + 1 == params.blocks.len());
        match (layer, last) {
            (0, _) => Self::Table(Table::new(products, params, p, last)),
            (_, false) => Self::Between(Between::default()),
            (_, true) => Self::Absorbed(Absorbed::new(products, params, p)),
        }
    }

    /// Makes room for the inputs in `rows` and as many output rows as are held at once.
    pub fn reserve(&mut self, params: &Params, rows: &Rows, n_out: usize) {
        match self {
            Self::Table(a) => a.reserve(params, rows, n_out),
            Self::Between(a) => a.reserve(params, rows, n_out),
            Self::Absorbed(a) => a.reserve(params, n_out),
        }
    }

    /// Takes over the weights that are used a head at a time; backward as well if `both`.
    pub fn pack(&mut self, products: &Products, flat: &[f32], both: bool) {
        match self {
            Self::Table(a) => a.pack(products, flat, both),
            Self::Between(_) => {}
            Self::Absorbed(a) => a.pack(products, flat, both),
        }
    }

    /// What the input rows `range` of x are projected to, all rows before having been.
    pub fn project(&mut self, step: &mut Step<'_>, p: &BlockParams, x: &[f32], range: Range<usize>) {
        match self {
            Self::Table(a) => a.project(step, p, x),
            Self::Between(a) => a.project(step, p, x, range),
            Self::Absorbed(_) => {}
        }
    }

    /// Adds the attention of some rows to `sum`, (rows, d).
    pub fn forward(&mut self, step: &mut Step<'_>, p: &BlockParams, x: &[f32], span: &Span, sum: &mut [f32]) {
        match self {
            Self::Table(a) => a.forward(step, p, span, sum),
            Self::Between(a) => a.forward(step, p, span, sum),
            Self::Absorbed(a) => a.forward(step, p, x, span, sum),
        }
    }

    /// Sets the sums of the backward pass to zero.
    pub fn begin_backward(&mut self, step: &Step<'_>, shared: &mut Shared) {
        match self {
            Self::Table(a) => a.begin_backward(step),
            Self::Between(_) => Between::begin_backward(step, shared),
            Self::Absorbed(_) => {}
        }
    }

    /// The gradient of some rows' attention from that of their sums; with `keep` other rows came before.
    pub fn backward(
        &mut self,
        step: &mut Step<'_>,
        p: &BlockParams,
        inputs: Inputs<'_>,
        (span, keep, d_sum): (&Span, bool, &[f32]),
        (shared, grads): (&mut Shared, &mut [f32]),
    ) {
        match self {
            Self::Table(a) => a.backward(step, p, span, d_sum, grads),
            Self::Between(a) => a.backward(step, p, (span, keep, d_sum), shared, grads),
            Self::Absorbed(a) => a.backward(step, p, inputs, (span, keep, d_sum), grads),
        }
    }

    /// What is left when all rows have been: the gradients of the projections and of x.
    pub fn finish_backward(
        &mut self,
        step: &mut Step<'_>,
        p: &BlockParams,
        inputs: Inputs<'_>,
        (shared, grads): (&mut Shared, &mut [f32]),
    ) {
        match self {
            Self::Table(a) => a.finish_backward(step, p, inputs, grads),
            Self::Between(_) => Between::finish_backward(step, p, inputs, shared, grads),
            Self::Absorbed(_) => {}
        }
    }
}
