//! The last block, the final norm and the unembedding: forward, loss and back, a few rows at a time.

use super::{
    FactoredEngine,
    attend::Span,
    block::{Block, pieces},
    linear::Weights,
    loss::cross_entropy,
    norm::{self, Stats},
    params::Params,
    timing::Stage,
};
use crate::kinds::operations::{config::Pull, engine::Tally};
use groklab_kernels::Finish;
use std::ops::Range;

/// Final norm and unembedding, by equation, of the rows taken together.
#[derive(Default)]
pub(super) struct Head {
    pub normed: Vec<f32>,
    pub stats: Vec<Stats>,
    pub logits: Vec<f32>,
    pub d_input: Vec<f32>,
}

impl FactoredEngine {
    /// The last block and the logits of the equations `rows`, [`ROWS`] at most.
    pub(super) fn forward_last(&mut self, params: &[f32], rows: Range<usize>) {
        let (b, d, v) = (rows.len(), self.params.d_model, self.params.n_symbols);
        let (mut step, p, h, block) = self.layer(params, self.blocks.len() - 1);
        block.forward(&mut step, p, h, &Span { at: 0..b, rows });
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

    /// Adds up the losses of the equations `rows`: `head.logits` goes from W x to `scale`·∂loss/∂(W x).
    pub(super) fn loss(&mut self, rows: Range<usize>, scale: f32, tally: &mut Tally) {
        let (logits, c) = (&mut self.head.logits[..rows.len() * self.params.n_symbols], self.output_scale);
        if c != 1.0 {
            logits.iter_mut().for_each(|z| *z *= c);
        }
        cross_entropy(self.arch, &self.batch[rows], logits, c * scale, tally);
        self.times.mark(Stage::Loss);
    }

    /// From ∂loss/∂logits in `head.logits` to the gradient of the last block's output in `scratch.rows`.
    pub(super) fn backward_head(&mut self, params: &[f32], grads: &mut [f32], b: usize, keep: bool) {
        let (d, v) = (self.params.d_model, self.params.n_symbols);
        let unembed = &self.params.unembed;
        let weights = Weights { flat: params, packed: &self.packed };
        // tied: the embedding's gradient, which is summed from zero
        let tied = self.params.tokens.contains(&unembed.weight.start);
        let d_logits = &self.head.logits[..b * v];
        let x = head_input(&self.params, b, &self.blocks, &self.head);
        let products = &mut self.products;
        unembed.backward_weight((products, self.arch), x, d_logits, grads, keep || tied);
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

    /// The last block and the head, there and back, a few rows at a time: all that belongs to them alone stays in the cache.
    pub(super) fn last_block(
        &mut self,
        params: &[f32],
        pull: Option<Pull>,
        grads: &mut [f32],
        tally: &mut Tally,
    ) {
        let (last, n) = (self.blocks.len() - 1, self.batch.len());
        self.begin_pull(params, pull);
        let mut scratch = std::mem::take(&mut self.scratch);
        let (step, _, _, block) = self.layer(params, last);
        block.begin_backward(&step, &mut scratch);
        self.scratch = scratch;
        for rows in pieces(0..n) {
            let keep = rows.start > 0;
            self.forward_last(params, rows.clone());
            self.keep_logits(rows.len());
            self.loss(rows.clone(), 1.0 / n as f32, tally);
            self.pull_logits(rows.len());
            self.backward_head(params, grads, rows.len(), keep);
            let mut scratch = std::mem::take(&mut self.scratch);
            let (mut step, p, h, block) = self.layer(params, last);
            let span = Span { at: 0..rows.len(), rows };
            block.backward(&mut step, p, h, (&span, keep), (&mut scratch, grads));
            self.scratch = scratch;
        }
        self.pull_weight(pull, params, grads);
    }
}

/// Inputs of the unembedding for a batch, (B, d).
pub(super) fn head_input<'a>(
    params: &Params,
    batch: usize,
    blocks: &'a [Block],
    head: &'a Head,
) -> &'a [f32] {
    let n = batch * params.d_model;
    match (&params.final_norm, blocks.last()) {
        (None, Some(block)) => &block.out(params.norm)[..n],
        _ => &head.normed[..n],
    }
}
