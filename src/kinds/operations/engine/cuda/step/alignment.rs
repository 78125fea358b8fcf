//! The pull at LAR, as cpu/alignment.rs has it.

use super::{Done, Step};
use crate::kinds::operations::engine::cuda::device::{Arg, Grid, Kernel, Matrix};

/// Places of the factors of a pull at LAR; as in kernels.cu.
#[derive(Clone, Copy)]
enum PullFactor {
    Inputs = 1,
    Weight = 2,
    Product = 3,
}

impl Step<'_> {
    /// Factors of the pull at LAR, from the logits before the loss takes their place.
    pub(super) fn pull_factors(&mut self) -> Done {
        let (b, unembed) = (self.buffers, &self.params.unembed);
        let (v, d) = (self.params.n_symbols, self.params.d_model);
        let w = Matrix { at: self.param(&unembed.weight), width: d };
        let batch = self.batch();
        self.gpu.backward_weight(b.weight_gram, w, w, v, batch)?;
        self.gpu.backward_input(
            (Matrix { at: b.weight_product, width: d }, 0.0),
            w,
            b.weight_gram,
            v,
            batch,
        )?;
        let places =
            [self.pass.updates, b.logits, self.head_input(), w.at, b.weight_gram, b.pull].map(Arg::At);
        let moved = self.pass.rows * (v + d) + (v + d) * d;
        self.launch(0, Kernel::pull_factors, Grid::blocks(1, 256).moving(moved), &places)
    }

    /// a += factor·b; of the replica's own `rows` of d, or of n numbers.
    fn pull_add(&mut self, a: usize, b: usize, factor: PullFactor, n: usize, by_rows: bool) -> Done {
        let updates = if by_rows { Arg::At(self.pass.updates) } else { Arg::Null };
        let places = [updates, Arg::At(a), Arg::At(b), Arg::At(self.buffers.pull)];
        let args = [places.as_slice(), &[factor as i32, n as i32].map(Arg::Int)].concat();
        self.launch(0, Kernel::pull_add, Grid::elements(n).moving(3 * n), &args)
    }

    pub(super) fn pull_inputs(&mut self, d_x: usize, x: usize) -> Done {
        let n = self.pass.rows * self.params.d_model;
        if self.pass.pulls { self.pull_add(d_x, x, PullFactor::Inputs, n, true) } else { Ok(()) }
    }

    pub(super) fn pull_weight(&mut self) -> Done {
        if !self.pass.pulls {
            return Ok(());
        }
        let range = &self.params.unembed.weight;
        let (d_w, w, n) = (self.grad(range), self.param(range), range.len());
        self.pull_add(d_w, w, PullFactor::Weight, n, false)?;
        self.pull_add(d_w, self.buffers.weight_product, PullFactor::Product, n, false)
    }
}
