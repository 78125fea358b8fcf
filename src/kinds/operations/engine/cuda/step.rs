//! The factored step in kernels and products, for any number of replicas: the CPU engine's block.rs, line by line.

mod alignment;

use super::{
    buffers::{Buffers, CHUNK, Layer},
    device::{Arg, Dims, Gpu, Grid, Kernel, Matrix},
};
use crate::{
    kinds::operations::config::{Activation, Norm, Sequence},
    kinds::operations::engine::{
        EngineError,
        cpu::{
            BlockParams, Linear, Params,
            rows::{Counts, symbol_rows},
        },
    },
};
use std::ops::Range;

type Done = Result<(), EngineError>;

/// Readers taken side by side in `inputs_backward`: of a symbol's row, of which there are about ten, and of a sign's.
const SYMBOL_READERS: u32 = 8;
const SIGN_READERS: u32 = 32;

/// Warps of a block of `norm_backward`; as in kernels.cu.
pub(super) const NORM_WARPS: u32 = 8;

/// Which of a layer's input rows `inputs_backward` takes; as in kernels.cu.
#[derive(Clone, Copy)]
pub(super) enum Inputs {
    Symbols,
    Signs,
    Equations,
}

impl Inputs {
    pub fn kernel(self) -> Kernel {
        if let Self::Signs = self { Kernel::signs_backward } else { Kernel::inputs_backward }
    }

    /// All rows of a first layer, or of another one of `n_in` rows: how many, the floats of a vector, and how they are shared
    /// among threads.
    pub fn of_layer(
        first: bool,
        (sequence, v, n_in): (Sequence, usize, usize),
        d: usize,
        vector: usize,
    ) -> Vec<(Self, usize, usize, Grid)> {
        let tiles = |vector: usize| d.div_ceil(32 * vector);
        let of_symbols = if first { 2 * v } else { symbol_rows(sequence, v) };
        let symbols = Grid::tiles(of_symbols, tiles(vector), (32, SYMBOL_READERS, 1));
        let others = n_in - of_symbols;
        let rest = if first {
            // few rows with many readers: narrow tiles, so that more of the device has some
            (Self::Signs, others, 1, Grid::tiles(others, tiles(1), (32, SIGN_READERS, 1)))
        } else {
            (Self::Equations, others, vector, Grid::tiles(others.div_ceil(8), tiles(vector), (32, 1, 8)))
        };
        vec![(Self::Symbols, of_symbols, vector, symbols), rest]
    }
}

/// Floats that a thread reads and writes at once: 4, 2 or 1, a divisor of `width`.
pub(super) fn vector(width: usize) -> usize {
    [4, 2].into_iter().find(|n| width.is_multiple_of(*n)).unwrap_or(1)
}

/// Threads for every row and head of attention; as `lanes_of` in kernels.cu.
pub(super) fn attention_grid(pairs: usize, head_width: usize, vector: usize) -> Grid {
    let lanes = (head_width / vector).next_power_of_two().min(32);
    Grid::elements(pairs * lanes)
}

/// What is computed and of what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass {
    /// Replicas from the first on.
    pub replicas: usize,
    /// Equations: the most that any of them has.
    pub rows: usize,
    /// Equations the batches have room for.
    pub capacity: usize,
    /// u16 from one replica's batch to the next.
    pub batch_stride: usize,
    /// Whether any of them has a pull at LAR.
    pub pulls: bool,
    /// Byte offsets of replica 0's batch and update.
    pub batches: usize,
    pub updates: usize,
}

/// A pass over the layers.
pub(super) struct Step<'a> {
    pub gpu: &'a mut Gpu,
    pub buffers: &'a Buffers,
    pub params: &'a Params,
    pub activation: Activation,
    /// Byte offset of the fixed position embedding, where there is one.
    pub sinusoids: Option<usize>,
    pub pass: Pass,
}

impl Step<'_> {
    fn dims(&self, l: usize) -> Dims {
        Dims {
            stride: self.buffers.stride as i64,
            batch_stride: self.pass.batch_stride as i64,
            v: self.params.n_symbols as i32,
            d: self.params.d_model as i32,
            heads: self.params.heads.n_heads as i32,
            rows: self.pass.rows as i32,
            capacity: self.pass.capacity as i32,
            first: i32::from(l == 0),
            last: i32::from(l + 1 == self.params.blocks.len()),
            operators: self.params.sequence.operators() as i32,
        }
    }

    fn counts(&self, l: usize) -> Counts {
        let sizes = [self.params.n_symbols, self.pass.rows];
        Counts::new(self.params.sequence, sizes, (l == 0, l + 1 == self.params.blocks.len()))
    }

    pub fn launch(&mut self, l: usize, kernel: Kernel, grid: Grid, args: &[Arg]) -> Done {
        let args: Vec<Arg> = std::iter::once(Arg::Dims(self.dims(l))).chain(args.iter().copied()).collect();
        self.gpu.launch(kernel, grid, self.pass.replicas, &args)
    }

    fn batch(&self) -> (usize, usize) {
        (self.pass.replicas, self.buffers.stride)
    }

    fn param(&self, range: &Range<usize>) -> usize {
        self.buffers.params + 4 * range.start
    }

    fn grad(&self, range: &Range<usize>) -> usize {
        self.buffers.grads + 4 * range.start
    }

    /// The bytes of `rows` rows.
    fn offset(&self, rows: usize) -> usize {
        4 * rows * self.params.d_model
    }

    // ---- pieces ----

    /// y = x·Wᵀ + b, or added to y.
    fn linear(&mut self, p: &Linear, x: usize, y: usize, n: usize, add: bool) -> Done {
        if let (Some(bias), false) = (&p.bias, add) {
            self.start_sum(0, None, Some(bias), y, [n, p.outputs], false)?;
        }
        let beta = if add || p.bias.is_some() { 1.0 } else { 0.0 };
        let (y, x) = (Matrix { at: y, width: p.outputs }, Matrix { at: x, width: p.inputs });
        let (w, batch) = (self.param(&p.weight), self.batch());
        self.gpu.forward((y, beta), x, w, n, batch)
    }

    /// out = source + bias, either of which may be missing; `by_own`: the source row of each output row's own input.
    fn start_sum(
        &mut self,
        l: usize,
        source: Option<usize>,
        bias: Option<&Range<usize>>,
        out: usize,
        [rows, width]: [usize; 2],
        by_own: bool,
    ) -> Done {
        let at = |place: Option<usize>| place.map_or(Arg::Null, Arg::At);
        let bias = at(bias.map(|range| self.param(range)));
        let vector = vector(width);
        let sizes = [rows as i32, width as i32, by_own.into(), vector as i32].map(Arg::Int);
        let args = [[Arg::At(self.pass.batches), at(source), bias, Arg::At(out)].as_slice(), &sizes].concat();
        let moved = (1 + usize::from(source.is_some())) * rows * width;
        self.launch(l, Kernel::start_sum, Grid::elements(rows * width / vector).moving(moved), &args)
    }

    /// dx = dy·W, or added to it.
    fn backward_input(&mut self, p: &Linear, dy: usize, dx: usize, n: usize, add: bool) -> Done {
        let (dx, dy) = (Matrix { at: dx, width: p.inputs }, Matrix { at: dy, width: p.outputs });
        let (w, batch) = (self.param(&p.weight), self.batch());
        self.gpu.backward_input((dx, if add { 1.0 } else { 0.0 }), dy, w, n, batch)
    }

    /// dW = dyᵀ·x, and the bias' gradient.
    fn backward_weight(&mut self, p: &Linear, x: usize, dy: usize, n: usize) -> Done {
        let (x, width) = (Matrix { at: x, width: p.inputs }, p.outputs);
        let (dw, batch) = (self.grad(&p.weight), self.batch());
        self.gpu.backward_weight(dw, Matrix { at: dy, width }, x, n, batch)?;
        let Some(bias) = &p.bias else { return Ok(()) };
        let (partial, out) = (self.buffers.partial, self.grad(bias));
        let chunks = n.div_ceil(CHUNK);
        let sizes = [Arg::Int(n as i32), Arg::Int(width as i32), Arg::Int(CHUNK as i32)];
        let args = [[Arg::At(dy), Arg::At(partial)].as_slice(), &sizes].concat();
        self.launch(0, Kernel::chunk_sums, Grid::blocks(chunks, 128).moving((n + chunks) * width), &args)?;
        self.add_chunks(out, chunks, width)
    }

    fn add_chunks(&mut self, out: usize, chunks: usize, width: usize) -> Done {
        let args =
            [Arg::At(self.buffers.partial), Arg::At(out), Arg::Int(chunks as i32), Arg::Int(width as i32)];
        self.launch(0, Kernel::add_chunks, Grid::elements(width).moving((chunks + 1) * width), &args)
    }

    fn norm(&mut self, affine: &Range<usize>, x: usize, (y, stats): (usize, usize), n: usize) -> Done {
        let affine = self.param(affine);
        let args = [Arg::At(x), Arg::At(affine), Arg::At(y), Arg::At(stats), Arg::Int(n as i32)];
        let moved = 2 * n * self.params.d_model;
        self.launch(0, Kernel::norm_forward, Grid::warps(n).moving(moved), &args)
    }

    /// dx = the gradient through the norm of dy, or added to it; sets the gradient of gain and shift.
    fn norm_backward(
        &mut self,
        affine: &Range<usize>,
        (x, stats): (usize, usize),
        dy: usize,
        dx: usize,
        n: usize,
        add: bool,
    ) -> Done {
        let (chunks, d) = (n.div_ceil(CHUNK), self.params.d_model);
        let places = [x, stats, self.param(affine), dy, dx, self.buffers.partial].map(Arg::At);
        let sizes = [Arg::Int(n as i32), Arg::Int(CHUNK as i32), Arg::Int(i32::from(add))];
        self.launch(
            0,
            Kernel::norm_backward,
            Grid::blocks(chunks, 32 * NORM_WARPS).moving((3 + usize::from(add)) * n * d + 2 * chunks * d),
            &[places.as_slice(), &sizes].concat(),
        )?;
        let out = self.grad(affine);
        self.add_chunks(out, chunks, 2 * d)
    }

    // ---- forward ----

    /// From the parameters to the logits.
    pub fn forward(&mut self) -> Done {
        let (b, params) = (self.buffers.embedded, self.params);
        let tokens = self.param(&params.tokens);
        let (positions, stride) = match (&params.positions, self.sinusoids) {
            (Some(range), _) => (Arg::At(self.param(range)), self.buffers.stride),
            (None, Some(at)) => (Arg::At(at), 0),
            (None, None) => (Arg::Null, 0),
        };
        let n = self.counts(0).inputs * params.d_model;
        let args = [Arg::At(tokens), positions, Arg::Long(stride as i64), Arg::At(b)];
        self.launch(0, Kernel::embed, Grid::elements(n).moving(3 * n), &args)?;
        let mut h = b;
        for (l, p) in params.blocks.iter().enumerate() {
            h = self.block(l, p, h)?;
        }
        let x = match &params.final_norm {
            Some(affine) => {
                self.norm(affine, h, (self.buffers.normed, self.buffers.stats), self.pass.rows)?;
                self.buffers.normed
            }
            None => h,
        };
        self.linear(&params.unembed, x, self.buffers.logits, self.pass.rows, false)
    }

    /// One block; returns where its output is.
    fn block(&mut self, l: usize, p: &BlockParams, h: usize) -> Result<usize, EngineError> {
        let Counts { inputs: n_in, outputs: n_out, queries } = self.counts(l);
        let (b, d, norm) = (self.buffers.layers[l], self.params.d_model, self.params.norm);
        let x = match (&p.norm1, norm) {
            (Some(affine), Norm::Pre) => {
                self.norm(affine, h, (b.norm1, b.stats1), n_in)?;
                b.norm1
            }
            _ => h,
        };
        self.linear(&p.kv, x, b.kv, n_in, false)?;
        self.linear(&p.q, x + self.offset(queries.start), b.q, queries.len(), false)?;
        let places = [self.pass.batches, b.q, b.kv, b.weights, b.attended].map(Arg::At);
        let (pairs, width) = (n_out * self.params.heads.n_heads, d / self.params.heads.n_heads);
        let vector = vector(width);
        let sizes = [n_out as i32, vector as i32].map(Arg::Int);
        let args = [places.as_slice(), &sizes].concat();
        // queries and attended rows, keys and values, weights
        let moved = 2 * n_out * d + 2 * n_in * d + 4 * pairs;
        self.launch(l, Kernel::attention_forward, attention_grid(pairs, width, vector).moving(moved), &args)?;

        self.start_sum(l, Some(h), p.o.bias.as_ref(), b.sum1, [n_out, d], true)?;
        self.linear(&p.o, b.attended, b.sum1, n_out, true)?;
        if let (Some(affine), Norm::Post) = (&p.norm1, norm) {
            self.norm(affine, b.sum1, (b.norm1, b.stats1), n_out)?;
        }
        if let (Some(affine), Norm::Pre) = (&p.norm2, norm) {
            self.norm(affine, b.sum1, (b.norm2, b.stats2), n_out)?;
        }
        let residual = if norm == Norm::Post { b.norm1 } else { b.sum1 };
        self.linear(&p.up, mlp_input(&b, norm), b.slope, n_out, false)?;
        let n = n_out * self.params.d_mlp;
        let gelu = i32::from(self.activation == Activation::Gelu);
        let args = [Arg::At(b.slope), Arg::At(b.hidden), Arg::Int(n as i32), Arg::Int(gelu)];
        self.launch(l, Kernel::activate, Grid::elements(n).moving(3 * n), &args)?;
        self.start_sum(l, Some(residual), p.down.bias.as_ref(), b.sum2, [n_out, d], false)?;
        self.linear(&p.down, b.hidden, b.sum2, n_out, true)?;
        match (&p.norm2, norm) {
            (Some(affine), Norm::Post) => {
                self.norm(affine, b.sum2, (b.norm2, b.stats2), n_out)?;
                Ok(b.norm2)
            }
            _ => Ok(b.sum2),
        }
    }

    /// Where the inputs of the unembedding are.
    pub fn head_input(&self) -> usize {
        match (&self.params.final_norm, self.buffers.layers.last()) {
            (None, Some(b)) => output(b, self.params.norm),
            _ => self.buffers.normed,
        }
    }

    /// Losses of the rows; with `train` the logits become their gradients, otherwise their squares are summed.
    pub fn losses(&mut self, train: bool) -> Done {
        let b = self.buffers;
        if train && self.pass.pulls {
            self.pull_factors()?;
        }
        let squares = if train { Arg::Null } else { Arg::At(b.squares) };
        let places = [self.pass.batches, self.pass.updates, b.logits, b.losses, b.flags].map(Arg::At);
        let pull = if train && self.pass.pulls { Arg::At(b.pull) } else { Arg::Null };
        let args = [places.as_slice(), &[squares, Arg::Int(i32::from(train)), pull]].concat();
        let moved = (1 + usize::from(train)) * self.pass.rows * self.params.n_symbols;
        self.launch(0, Kernel::cross_entropy, Grid::warps(self.pass.rows).moving(moved), &args)
    }

    // ---- backward ----

    /// From the gradient of the logits to that of every parameter.
    pub fn backward(&mut self) -> Done {
        let (b, params, n) = (self.buffers, self.params, self.pass.rows);
        let x = self.head_input();
        self.backward_weight(&params.unembed, x, b.logits, n)?;
        self.pull_weight()?;
        let [mut g, mut other] = b.rows;
        match (&params.final_norm, b.layers.last()) {
            (Some(affine), Some(layer)) => {
                self.backward_input(&params.unembed, b.logits, b.branch, n, false)?;
                self.pull_inputs(b.branch, x)?;
                let h = output(layer, params.norm);
                self.norm_backward(affine, (h, b.stats), b.branch, g, n, false)?;
            }
            _ => {
                self.backward_input(&params.unembed, b.logits, g, n, false)?;
                self.pull_inputs(g, x)?;
            }
        }
        for (l, p) in params.blocks.iter().enumerate().rev() {
            let h = match l.checked_sub(1) {
                Some(before) => output(&b.layers[before], params.norm),
                None => b.embedded,
            };
            self.backward_block(l, p, h, [&mut g, &mut other])?;
        }
        let tied = i32::from(params.tokens.contains(&params.unembed.weight.start));
        let positions = params.positions.as_ref().map_or(Arg::Null, |range| Arg::At(self.grad(range)));
        let args = [Arg::At(g), Arg::At(self.grad(&params.tokens)), positions, Arg::Int(tied)];
        let (vocabulary, d) = (params.sequence.vocabulary(params.n_symbols), params.d_model);
        let n = (vocabulary + params.sequence.positions()) * d;
        let moved = n + self.counts(0).inputs * d;
        self.launch(0, Kernel::embed_backward, Grid::elements(n).moving(moved), &args)
    }

    /// Takes `g` from the gradient of the block's output to that of its input h; the two buffers change places.
    fn backward_block(&mut self, l: usize, p: &BlockParams, h: usize, [g, other]: [&mut usize; 2]) -> Done {
        let Counts { inputs: n_in, outputs: n_out, queries } = self.counts(l);
        let (b, norm, m) = (self.buffers.layers[l], self.params.norm, self.params.d_mlp);
        let (d_hidden, branch) = (self.buffers.d_hidden, self.buffers.branch);
        if let (Some(affine), Norm::Post) = (&p.norm2, norm) {
            self.norm_backward(affine, (b.sum2, b.stats2), *g, *other, n_out, false)?;
            std::mem::swap(g, other);
        }
        // MLP
        self.backward_input(&p.down, *g, d_hidden, n_out, false)?;
        self.backward_weight(&p.down, b.hidden, *g, n_out)?;
        let args = [Arg::At(d_hidden), Arg::At(b.slope), Arg::Int((n_out * m) as i32)];
        self.launch(l, Kernel::multiply, Grid::elements(n_out * m).moving(3 * n_out * m), &args)?;
        self.backward_weight(&p.up, mlp_input(&b, norm), d_hidden, n_out)?;
        match (&p.norm2, norm) {
            (Some(affine), Norm::Pre) => {
                self.backward_input(&p.up, d_hidden, branch, n_out, false)?;
                self.norm_backward(affine, (b.sum1, b.stats2), branch, *g, n_out, true)?;
            }
            _ => self.backward_input(&p.up, d_hidden, *g, n_out, true)?,
        }
        if let (Some(affine), Norm::Post) = (&p.norm1, norm) {
            self.norm_backward(affine, (b.sum1, b.stats1), *g, *other, n_out, false)?;
            std::mem::swap(g, other);
        }
        // attention
        let d_attended = branch;
        self.backward_input(&p.o, *g, d_attended, n_out, false)?;
        self.backward_weight(&p.o, b.attended, *g, n_out)?;
        self.backward_attention(l, (d_attended, *g, *other))?;

        // into the input of the projections: norm1's output, or h itself
        let (d_q, d_kv) = (self.buffers.d_q, self.buffers.d_kv);
        let pre = norm == Norm::Pre;
        let (x, d_x) = if pre { (b.norm1, branch) } else { (h, *other) };
        let at_queries = self.offset(queries.start);
        self.backward_input(&p.kv, d_kv, d_x, n_in, !pre)?;
        self.backward_input(&p.q, d_q, d_x + at_queries, queries.len(), true)?;
        self.backward_weight(&p.kv, x, d_kv, n_in)?;
        self.backward_weight(&p.q, x + at_queries, d_q, queries.len())?;
        if let (Some(affine), true) = (&p.norm1, pre) {
            self.norm_backward(affine, (h, b.stats1), branch, *other, n_in, true)?;
        }
        std::mem::swap(g, other);
        Ok(())
    }

    /// Sets `d_q`, `d_kv` and d_h from the gradients of the attended rows and of the residual sum.
    fn backward_attention(&mut self, l: usize, (d_attended, d_sum, d_h): (usize, usize, usize)) -> Done {
        let Counts { inputs: n_in, outputs: n_out, queries } = self.counts(l);
        let (b, s) = (self.buffers.layers[l], self.buffers);
        let places = [self.pass.batches, b.kv, b.weights, d_attended, s.d_scores].map(Arg::At);
        let (d, pairs) = (self.params.d_model, n_out * self.params.heads.n_heads);
        let width = d / self.params.heads.n_heads;
        let vector = vector(width);
        let args = [places.as_slice(), &[n_out as i32, vector as i32].map(Arg::Int)].concat();
        // gradients of attended rows, values, weights and scores
        let moved = (n_out + n_in) * d + 8 * pairs;
        self.launch(l, Kernel::scores_backward, attention_grid(pairs, width, vector).moving(moved), &args)?;

        let places = [
            self.pass.batches,
            self.pass.updates,
            b.q,
            b.kv,
            b.weights,
            s.d_scores,
            d_attended,
            d_sum,
            s.d_q,
            s.d_kv,
            d_h,
        ]
        .map(Arg::At);
        // each reads the gradients of output rows, weights, scores, queries, keys and values
        let read = 2 * n_out * d + 8 * pairs + queries.len() * d + 2 * n_in * d;
        let sizes = (self.params.sequence, self.params.n_symbols, n_in);
        for (inputs, rows, vector, grid) in Inputs::of_layer(l == 0, sizes, d, vector) {
            let range = [inputs as i32, rows as i32, vector as i32].map(Arg::Int);
            // gradients of query, key, value and input of each of its rows
            let grid = grid.moving(read + 4 * rows * d);
            self.launch(l, inputs.kernel(), grid, &[places.as_slice(), &range].concat())?;
        }
        Ok(())
    }
}

/// What the MLP reads.
fn mlp_input(b: &Layer, norm: Norm) -> usize {
    match norm {
        Norm::Pre => b.norm2,
        Norm::Post => b.norm1,
        Norm::None => b.sum1,
    }
}

/// The block's output.
fn output(b: &Layer, norm: Norm) -> usize {
    if norm == Norm::Post { b.norm2 } else { b.sum2 }
}
