//! The exact factored training step on one core: the plain model's mathematics with 2.5 times less arithmetic.
//!
//! Two facts make most rows of the plain model superfluous, at any depth:
//! - under the causal mask, positions 0 and 1 of `x op y =` depend on x alone, so they have a row a symbol, not a
//!   row an equation; the inputs of the first layer depend on token and position alone (see `rows`);
//! - only the last position is read, so the last layer needs keys and values of all rows but queries, MLP, final
//!   norm and unembedding of that position only.
//!
//! Nothing is approximated: results differ from the plain model's by rounding. One thread; sums run in a fixed
//! order, so on one machine the same input gives the same bytes. Buffers grow to the largest batch seen and are
//! then reused: a steady epoch allocates nothing here.

pub mod activation;
mod alignment;
pub(in crate::kinds::operations::engine) mod attention;
mod block;
mod linear;
pub(in crate::kinds::operations::engine) mod loss;
pub mod norm;
mod params;
mod product;
pub(in crate::kinds::operations::engine) mod rows;
mod timing;
mod vector;
mod work;

#[cfg(test)]
mod alignment_tests;
#[cfg(test)]
mod reference;
#[cfg(test)]
pub(crate) mod replicas;
#[cfg(test)]
mod tests;

#[cfg(feature = "cuda")]
pub(in crate::kinds::operations::engine) use linear::Linear;
#[cfg(feature = "cuda")]
pub(in crate::kinds::operations::engine) use params::BlockParams;
pub use timing::{Stage, StageTimes};
pub use vector::{instruction_set_name, instruction_sets};
pub use work::Work;

use crate::{
    kinds::operations::config::{Activation, ModelConfig, Positions, Pull},
    kinds::operations::engine::{
        EVALUATION_ROWS, Engine, EngineError, Evaluation, Precision, Tally, check_equations,
    },
    kinds::operations::model::sinusoidal_positions,
    kinds::operations::task::Equation,
    probe::Moments,
};
use alignment::Alignment;
use block::{Block, Scratch, Step};
use groklab_kernels::Finish;
use linear::{AddRows, PackedLinear, Weights};
use loss::cross_entropy;
use norm::Stats;
pub(in crate::kinds::operations::engine) use params::Params;
use product::Products;
use pulp::Arch;
use rows::Rows;

/// Computes losses and gradients of one run by the factored step.
pub struct FactoredEngine {
    arch: Arch,
    activation: Activation,
    params: Params,
    rows: Rows,
    capacity: usize,
    /// Fixed position embedding, (4, d); empty when it is learned.
    sinusoids: Vec<f32>,
    products: Products,
    packed: Vec<PackedLinear>,
    /// Inputs of the first layer.
    embedded: Vec<f32>,
    blocks: Vec<Block>,
    head: Head,
    alignment: Alignment,
    scratch: Scratch,
    times: StageTimes,
    precision: Precision,
    /// c: the logits are c·W x.
    output_scale: f32,
}

/// Final norm and unembedding, by equation.
#[derive(Default)]
struct Head {
    normed: Vec<f32>,
    stats: Vec<Stats>,
    logits: Vec<f32>,
    d_input: Vec<f32>,
}

/// Which rows a forward pass computes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Positions 0 and 1: the same for every batch.
    Symbols,
    /// Positions 2 and 3, from the symbols' rows.
    Batch,
}

impl FactoredEngine {
    /// An engine on the best instruction set of this machine.
    ///
    /// # Errors
    /// [`EngineError::Shape`] if a size is zero or the width is no multiple of the heads.
    pub fn new(config: &ModelConfig, n_symbols: usize) -> Result<Self, EngineError> {
        Self::build(config, n_symbols, Arch::new(), Precision::F32)
    }

    /// An engine that multiplies in another precision than f32.
    ///
    /// # Errors
    /// As [`FactoredEngine::new`].
    pub fn with_precision(
        config: &ModelConfig,
        n_symbols: usize,
        precision: Precision,
    ) -> Result<Self, EngineError> {
        Self::build(config, n_symbols, Arch::new(), precision)
    }

    /// An engine on `arch`, one of [`instruction_sets`].
    ///
    /// # Errors
    /// As [`FactoredEngine::new`].
    pub fn with_instruction_set(
        config: &ModelConfig,
        n_symbols: usize,
        arch: Arch,
    ) -> Result<Self, EngineError> {
        Self::build(config, n_symbols, arch, Precision::F32)
    }

    fn build(
        config: &ModelConfig,
        n_symbols: usize,
        arch: Arch,
        precision: Precision,
    ) -> Result<Self, EngineError> {
        let params = Params::new(config, n_symbols)?;
        let products = Products::new(arch, precision);
        let sinusoids = match config.positions {
            Positions::Learned => Vec::new(),
            Positions::Sinusoidal => sinusoidal_positions(config.d_model).iter().map(|&p| p as f32).collect(),
        };
        let layers = config.n_layers;
        Ok(Self {
            arch,
            activation: config.activation,
            rows: Rows::new(n_symbols),
            capacity: 0,
            sinusoids,
            packed: params.linears().map(|_| PackedLinear::new(&products)).collect(),
            products,
            embedded: vec![0.0; (2 * n_symbols + 2) * config.d_model],
            blocks: (0..layers).map(|l| Block::new(l == 0, l + 1 == layers)).collect(),
            head: Head::default(),
            alignment: Alignment::default(),
            scratch: Scratch::default(),
            times: StageTimes::default(),
            precision,
            output_scale: config.output_scale as f32,
            params,
        })
    }

    /// For the manifest: `factored (AVX-512)`.
    pub fn describe(&self) -> String {
        let rounded = if self.precision == Precision::F32 { "" } else { ", tf32" };
        format!("factored ({}{rounded})", instruction_set_name(self.arch))
    }

    /// Where the steps spend their time; switch on before use.
    pub fn times(&mut self) -> &mut StageTimes {
        &mut self.times
    }

    fn check(&self, params: &[f32], batch: &[Equation]) -> Result<(), EngineError> {
        if params.len() != self.params.len {
            return Err(EngineError::Shape(format!(
                "{} parameters given, the model has {}",
                params.len(),
                self.params.len
            )));
        }
        check_equations(batch, self.params.n_symbols)
    }

    /// Index and buffers for a batch.
    fn set_batch(&mut self, batch: &[Equation]) {
        self.rows.set_batch(batch);
        if batch.len() > self.capacity {
            self.capacity = batch.len();
            let (d, v) = (self.params.d_model, self.params.n_symbols);
            let (params, rows) = (&self.params, &self.rows);
            self.blocks.iter_mut().for_each(|b| b.reserve(params, self.activation, rows));
            let n_rows = self.rows.n_inputs(false).max(self.rows.n_inputs(true));
            self.scratch.reserve(&self.params, n_rows);
            let b = self.capacity;
            self.head.normed.resize(b * d, 0.0);
            self.head.stats.resize(b, Stats::default());
            self.head.logits.resize(b * v, 0.0);
            self.head.d_input.resize(b * d, 0.0);
        }
    }

    /// Embeds tokens and packs the weights.
    fn take_params(&mut self, params: &[f32]) {
        for (packed, linear) in self.packed.iter_mut().zip(self.params.linears()) {
            packed.pack_forward(&self.products, linear, params);
        }
        let (v, d) = (self.params.n_symbols, self.params.d_model);
        let tokens = &params[self.params.tokens.clone()];
        let positions = match &self.params.positions {
            Some(range) => &params[range.clone()],
            None => &self.sinusoids,
        };
        for (row, out) in self.embedded.chunks_exact_mut(d).enumerate() {
            let (token, position) = embedding_of(row, v);
            let (token, position) = (&tokens[token * d..][..d], &positions[position * d..][..d]);
            for ((out, t), p) in out.iter_mut().zip(token).zip(position) {
                *out = t + p;
            }
        }
        self.times.mark(Stage::Gather);
    }

    /// All blocks over the rows of `part`.
    fn forward(&mut self, params: &[f32], part: Part) {
        let symbols = self.rows.n_symbol_rows();
        let mut step = Step {
            arch: self.arch,
            activation: self.activation,
            params: &self.params,
            weights: Weights { flat: params, packed: &self.packed },
            products: &mut self.products,
            rows: &self.rows,
            times: &mut self.times,
        };
        let (n_layers, batch, n_rows) = (self.blocks.len(), self.rows.batch(), self.rows.n_inputs(false));
        for (l, p) in self.params.blocks.iter().enumerate() {
            let (first, last) = (l == 0, l + 1 == n_layers);
            let (before, block) = self.blocks.split_at_mut(l);
            let Some(block) = block.first_mut() else { continue };
            let h = before.last().map_or(self.embedded.as_slice(), |b| b.out(self.params.norm));
            let n_in = step.rows.n_inputs(first);
            match (part, first) {
                (Part::Symbols, true) => block.project(&mut step, p, h, 0..n_in),
                (Part::Symbols, false) => block.project(&mut step, p, h, 0..symbols),
                (Part::Batch, true) => {}
                (Part::Batch, false) => block.project(&mut step, p, h, symbols..n_in),
            }
            match (part, last) {
                (Part::Symbols, true) => {}
                (Part::Symbols, false) => block.forward(&mut step, p, h, 0..symbols),
                (Part::Batch, true) => block.forward(&mut step, p, h, 0..batch),
                (Part::Batch, false) => block.forward(&mut step, p, h, symbols..n_rows),
            }
        }
        if part == Part::Batch {
            self.forward_head(params);
        }
    }

    fn forward_head(&mut self, params: &[f32]) {
        let (b, d, v) = (self.rows.batch(), self.params.d_model, self.params.n_symbols);
        let h = self.blocks.last().map_or(&[][..], |block| &block.out(self.params.norm)[..b * d]);
        let x = match &self.params.final_norm {
            Some(affine) => {
                let (y, stats) = (&mut self.head.normed[..b * d], &mut self.head.stats[..b]);
                norm::forward(self.arch, h, &params[affine.clone()], y, stats);
                self.times.mark(Stage::Norms);
                &self.head.normed[..b * d]
            }
            None => h,
        };
        let weights = Weights { flat: params, packed: &self.packed };
        let logits = &mut self.head.logits[..b * v];
        self.params.unembed.forward(&mut self.products, weights, x, logits, Finish::default());
        self.times.mark(Stage::Products);
    }

    /// Adds up the losses of the batch: `head.logits` goes from W x to `scale`·∂loss/∂(W x).
    fn loss(&mut self, batch: &[Equation], scale: f32, tally: &mut Tally) {
        let (logits, c) = (&mut self.head.logits[..batch.len() * self.params.n_symbols], self.output_scale);
        if c != 1.0 {
            logits.iter_mut().for_each(|z| *z *= c);
        }
        cross_entropy(self.arch, batch, logits, c * scale, tally);
        self.times.mark(Stage::Loss);
    }

    /// Inputs of the unembedding for the batch, (B, d).
    fn head_input(&self) -> &[f32] {
        head_input(&self.params, self.rows.batch(), &self.blocks, &self.head)
    }

    /// From ∂loss/∂logits in `head.logits` to the gradient of the last block's output in `scratch.rows`.
    fn backward_head(&mut self, params: &[f32], grads: &mut [f32]) {
        let (b, d, v) = (self.rows.batch(), self.params.d_model, self.params.n_symbols);
        let unembed = &self.params.unembed;
        let weights = Weights { flat: params, packed: &self.packed };
        // tied: the embedding's gradient, which is summed from zero
        let tied = self.params.tokens.contains(&unembed.weight.start);
        let d_logits = &self.head.logits[..b * v];
        let x = head_input(&self.params, b, &self.blocks, &self.head);
        let products = &mut self.products;
        unembed.backward_weight((products, self.arch), x, d_logits, grads, tied);
        match (&self.params.final_norm, self.blocks.last()) {
            (Some(affine), Some(block)) => {
                let d_normed = &mut self.head.d_input[..b * d];
                unembed.backward_input(products, weights, d_logits, d_normed, Finish::default());
                self.alignment.add_to_inputs(d_normed, &self.head.normed[..b * d]);
                self.times.mark(Stage::Products);
                let (h, d_h) = (&block.out(self.params.norm)[..b * d], &mut self.scratch.rows[..b * d]);
                d_h.fill(0.0);
                let (x, affine) = ((h, &self.head.stats[..b]), affine.clone());
                norm::backward(self.arch, x, &params[affine.clone()], d_normed, d_h, &mut grads[affine]);
                self.times.mark(Stage::Norms);
            }
            _ => {
                let d_h = &mut self.scratch.rows[..b * d];
                unembed.backward_input(products, weights, d_logits, d_h, Finish::default());
                self.alignment.add_to_inputs(d_h, x);
                self.times.mark(Stage::Products);
            }
        }
    }

    fn backward_blocks(&mut self, params: &[f32], grads: &mut [f32]) {
        let mut step = Step {
            arch: self.arch,
            activation: self.activation,
            params: &self.params,
            weights: Weights { flat: params, packed: &self.packed },
            products: &mut self.products,
            rows: &self.rows,
            times: &mut self.times,
        };
        for (l, p) in self.params.blocks.iter().enumerate().rev() {
            let h = match l.checked_sub(1) {
                Some(before) => self.blocks[before].out(self.params.norm),
                None => &self.embedded,
            };
            self.blocks[l].backward(&mut step, p, h, &mut self.scratch, grads);
        }
    }

    fn backward_embedding(&mut self, grads: &mut [f32]) {
        let (v, d) = (self.params.n_symbols, self.params.d_model);
        for (row, dh) in self.scratch.rows[..(2 * v + 2) * d].chunks_exact(d).enumerate() {
            let (token, position) = embedding_of(row, v);
            let mut add = |start: usize| {
                self.arch.dispatch(AddRows { sum: &mut grads[start..start + d], rows: dh });
            };
            add(self.params.tokens.start + token * d);
            if let Some(positions) = &self.params.positions {
                add(positions.start + position * d);
            }
        }
        self.times.mark(Stage::Gather);
    }

    /// Loss of a batch and its gradients, with those of the terms of `pull`.
    fn step(
        &mut self,
        params: &[f32],
        batch: &[Equation],
        pull: Option<Pull>,
        grads: &mut [f32],
    ) -> Result<f32, EngineError> {
        self.check(params, batch)?;
        if grads.len() != params.len() {
            return Err(EngineError::Shape(format!(
                "{} gradients for {} parameters",
                grads.len(),
                params.len()
            )));
        }
        self.times.skip();
        self.set_batch(batch);
        self.take_params(params);
        for (packed, linear) in self.packed.iter_mut().zip(self.params.linears()) {
            packed.pack_backward(&self.products, linear, params);
        }
        for range in &self.params.summed {
            grads[range.clone()].fill(0.0);
        }
        self.forward(params, Part::Symbols);
        self.forward(params, Part::Batch);
        let mut tally = Tally::default();
        self.begin_pull(pull);
        self.loss(batch, 1.0 / batch.len() as f32, &mut tally);
        self.pull_logits(pull, batch.len());
        self.backward_head(params, grads);
        self.pull_weight(pull, params, grads);
        self.backward_blocks(params, grads);
        self.backward_embedding(grads);
        Ok(tally.evaluation().loss as f32)
    }
}

/// Inputs of the unembedding for a batch, (B, d).
fn head_input<'a>(params: &Params, batch: usize, blocks: &'a [Block], head: &'a Head) -> &'a [f32] {
    let n = batch * params.d_model;
    match (&params.final_norm, blocks.last()) {
        (None, Some(block)) => &block.out(params.norm)[..n],
        _ => &head.normed[..n],
    }
}

/// Token and position of an input row of the first layer.
fn embedding_of(row: usize, v: usize) -> (usize, usize) {
    match row {
        _ if row < v => (row, 0),
        _ if row == v => (v, 1),
        _ if row <= 2 * v => (row - v - 1, 2),
        _ => (v + 1, 3),
    }
}

impl Engine for FactoredEngine {
    fn loss_and_gradients(
        &mut self,
        params: &[f32],
        batch: &[Equation],
        grads: &mut [f32],
    ) -> Result<f32, EngineError> {
        self.step(params, batch, None, grads)
    }

    fn pulled(
        &mut self,
        params: &[f32],
        batch: &[Equation],
        pull: Pull,
        grads: &mut [f32],
    ) -> Result<f32, EngineError> {
        self.step(params, batch, Some(pull), grads)
    }

    fn evaluate(
        &mut self,
        params: &[f32],
        rows: &[Equation],
        mut moments: Option<&mut Moments>,
    ) -> Result<Evaluation, EngineError> {
        self.check(params, rows)?;
        self.times.skip();
        self.take_params(params);
        let mut tally = Tally::default();
        for (i, chunk) in rows.chunks(EVALUATION_ROWS).enumerate() {
            self.set_batch(chunk);
            if i == 0 {
                self.forward(params, Part::Symbols);
            }
            self.forward(params, Part::Batch);
            if let Some(moments) = moments.as_deref_mut() {
                let n = chunk.len() * self.params.n_symbols;
                moments.add(self.head_input(), &self.head.logits[..n])?;
                self.times.skip();
            }
            self.loss(chunk, 0.0, &mut tally);
        }
        Ok(tally.evaluation())
    }
}
