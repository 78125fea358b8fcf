//! The exact factored training step on one core: the plain model's mathematics with 2.9 times less arithmetic.
//!
//! Two facts make most rows of the plain model superfluous, at any depth:
//! - under the causal mask, what stands at `x` and `op` of `x op y =` depends on x alone, so it has a row a symbol, not a
//!   row an equation; the inputs of the first layer depend on token and position alone (see `rows`), and what attention
//!   makes of them is a table (`attend`);
//! - only the last position is read, so the last layer has the rows of that position only, and neither keys nor values
//!   (`attend`). It, the final norm and the unembedding go forward and back a few rows at a time.
//!
//! Nothing is approximated: results differ from the plain model's by rounding. One thread; sums run in a fixed
//! order, so on one machine the same input gives the same bytes. Buffers grow to the largest batch seen and are
//! then reused: a steady epoch allocates nothing here.

pub mod activation;
mod alignment;
mod attend;
pub(in crate::kinds::operations::engine) mod attention;
mod block;
mod by_heads;
mod fours;
mod head;
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

pub(in crate::kinds::operations::engine) use block::ROWS as ROWS_AT_ONCE;
#[cfg(feature = "cuda")]
pub(in crate::kinds::operations::engine) use linear::Linear;
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
use attend::{Span, grow};
use block::{Block, ROWS, Scratch, Step, pieces};
use head::{Head, head_input};
use linear::{AddRows, PackedLinear, Weights};
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
    /// The batch at hand, in the order of x: rows that share their x are then near each other.
    batch: Vec<Equation>,
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

/// Which rows a forward pass computes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Those of x and the operator: the same for every batch.
    Symbols,
    /// Those of y and `=`, from the symbols' rows.
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
            Positions::Sinusoidal => {
                let positions = sinusoidal_positions(config.sequence.positions(), config.d_model);
                positions.iter().map(|&p| p as f32).collect()
            }
        };
        let layers = config.n_layers;
        Ok(Self {
            arch,
            activation: config.activation,
            rows: Rows::new(config.sequence, n_symbols),
            batch: Vec::new(),
            sinusoids,
            packed: params.linears().map(|_| PackedLinear::new(&products)).collect(),
            embedded: Vec::new(),
            blocks: (0..layers).map(|l| Block::new(&products, &params, l)).collect(),
            products,
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

    /// Index and buffers for a batch of symbols that have rows.
    fn set_batch(&mut self, batch: &[Equation]) {
        self.batch.clear();
        self.batch.extend_from_slice(batch);
        self.batch.sort_by_key(|e| e.x);
        self.rows.set_batch(&self.batch);
        let (d, v, n) = (self.params.d_model, self.params.n_symbols, ROWS.min(batch.len()));
        let (params, rows) = (&self.params, &self.rows);
        self.blocks.iter_mut().for_each(|b| b.reserve(params, self.activation, rows));
        self.scratch.reserve(params, rows);
        grow(&mut self.head.normed, n * d);
        grow(&mut self.head.stats, n);
        grow(&mut self.head.logits, n * v);
        grow(&mut self.head.d_input, n * d);
    }

    /// Embeds tokens and packs the weights, for the way back as well if `both`.
    fn take_params(&mut self, params: &[f32], both: bool) {
        for linear in self.params.whole_linears() {
            let packed = &mut self.packed[linear.slot];
            packed.pack_forward(&self.products, linear, params);
            if both {
                packed.pack_backward(&self.products, linear, params);
            }
        }
        for block in &mut self.blocks {
            block.pack(&self.products, params, both);
        }
        let (v, d) = (self.params.n_symbols, self.params.d_model);
        let tokens = &params[self.params.tokens.clone()];
        let positions = match &self.params.positions {
            Some(range) => &params[range.clone()],
            None => &self.sinusoids,
        };
        let n_in = self.rows.n_inputs(true);
        grow(&mut self.embedded, n_in * d);
        for (row, out) in self.embedded[..n_in * d].chunks_exact_mut(d).enumerate() {
            let (token, position) = self.rows.embedding(row, v);
            let (token, position) = (&tokens[token * d..][..d], &positions[position * d..][..d]);
            for ((out, t), p) in out.iter_mut().zip(token).zip(position) {
                *out = t + p;
            }
        }
        self.times.mark(Stage::Gather);
    }

    /// All blocks over the rows of `part`; of the last one only what all its rows need.
    fn forward(&mut self, params: &[f32], part: Part) {
        let symbols = self.rows.n_symbol_rows();
        let n_layers = self.blocks.len();
        for l in 0..n_layers {
            let (mut step, p, h, block) = self.layer(params, l);
            let (first, last) = (l == 0, l + 1 == n_layers);
            let n_in = step.rows.n_inputs(first);
            match (part, first) {
                (Part::Symbols, true) => block.project(&mut step, p, h, 0..n_in),
                (Part::Symbols, false) => block.project(&mut step, p, h, 0..symbols),
                (Part::Batch, true) => {}
                (Part::Batch, false) => block.project(&mut step, p, h, symbols..n_in),
            }
            let rows = match part {
                Part::Symbols => 0..symbols,
                Part::Batch => symbols..step.rows.n_inputs(false),
            };
            for rows in pieces(rows).filter(|_| !last) {
                block.forward(&mut step, p, h, &Span { at: rows.clone(), rows });
            }
        }
    }

    /// Layer l, and what it needs: its parameters and its inputs.
    fn layer<'a>(
        &'a mut self,
        params: &'a [f32],
        l: usize,
    ) -> (Step<'a>, &'a BlockParams, &'a [f32], &'a mut Block) {
        let step = Step {
            arch: self.arch,
            activation: self.activation,
            params: &self.params,
            weights: Weights { flat: params, packed: &self.packed },
            products: &mut self.products,
            rows: &self.rows,
            times: &mut self.times,
        };
        let (before, after) = self.blocks.split_at_mut(l);
        let h = before.last().map_or(self.embedded.as_slice(), |b| b.out(self.params.norm));
        (step, &self.params.blocks[l], h, &mut after[0])
    }

    /// The other blocks, and what is left of the last one.
    fn backward_blocks(&mut self, params: &[f32], grads: &mut [f32]) {
        let mut scratch = std::mem::take(&mut self.scratch);
        for l in (0..self.blocks.len()).rev() {
            let last = l + 1 == self.blocks.len();
            let (mut step, p, h, block) = self.layer(params, l);
            if !last {
                block.begin_backward(&step, &mut scratch);
                let n_out = step.rows.n_inputs(false);
                // last rows first: they are still in the cache
                for rows in pieces(0..n_out).rev() {
                    let keep = rows.end != n_out;
                    let span = Span { at: rows.clone(), rows };
                    block.backward(&mut step, p, h, (&span, keep), (&mut scratch, grads));
                }
            }
            block.finish_backward(&mut step, p, h, &mut scratch, grads);
        }
        self.scratch = scratch;
    }

    fn backward_embedding(&mut self, grads: &mut [f32]) {
        let (v, d) = (self.params.n_symbols, self.params.d_model);
        let n_in = self.rows.n_inputs(true);
        for (row, dh) in self.scratch.rows[..n_in * d].chunks_exact(d).enumerate() {
            let (token, position) = self.rows.embedding(row, v);
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
}

impl Engine for FactoredEngine {
    fn pulled(
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
        self.rows.set_symbols(batch);
        self.set_batch(batch);
        self.take_params(params, true);
        for range in &self.params.summed {
            grads[range.clone()].fill(0.0);
        }
        self.forward(params, Part::Symbols);
        self.forward(params, Part::Batch);
        let mut tally = Tally::default();
        self.last_block(params, pull, grads, &mut tally);
        self.backward_blocks(params, grads);
        self.backward_embedding(grads);
        Ok(tally.evaluation().loss as f32)
    }

    fn evaluate(
        &mut self,
        params: &[f32],
        rows: &[Equation],
        mut moments: Option<&mut Moments>,
    ) -> Result<Evaluation, EngineError> {
        self.check(params, rows)?;
        self.times.skip();
        self.rows.set_symbols(rows);
        self.take_params(params, false);
        let mut tally = Tally::default();
        for (i, chunk) in rows.chunks(EVALUATION_ROWS).enumerate() {
            self.set_batch(chunk);
            if i == 0 {
                self.forward(params, Part::Symbols);
            }
            self.forward(params, Part::Batch);
            for rows in pieces(0..chunk.len()) {
                self.forward_last(params, rows.clone());
                if let Some(moments) = moments.as_deref_mut() {
                    let b = rows.len();
                    let x = head_input(&self.params, b, &self.blocks, &self.head);
                    moments.add(x, &self.head.logits[..b * self.params.n_symbols])?;
                    self.times.skip();
                }
                self.loss(rows, 0.0, &mut tally);
            }
        }
        Ok(tally.evaluation())
    }
}
