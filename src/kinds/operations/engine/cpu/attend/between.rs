//! Attention of a layer that is neither the first nor the last: queries, keys and values of all its inputs.

use super::{Inputs, Shared, Span, grow};
use crate::kinds::operations::engine::cpu::{
    attention::{self, Projections},
    block::{KEEP, Step, at},
    params::{BlockParams, Params},
    rows::Rows,
    timing::Stage,
};
use groklab_kernels::Finish;
use std::ops::Range;

#[derive(Default)]
pub(in crate::kinds::operations::engine::cpu) struct Between {
    q: Vec<f32>,
    kv: Vec<f32>,
    weights: Vec<f32>,
    attended: Vec<f32>,
    d_attended: Vec<f32>,
}

impl Between {
    pub fn reserve(&mut self, params: &Params, rows: &Rows, n_out: usize) {
        let (d, n_in) = (params.d_model, rows.n_inputs(false));
        grow(&mut self.q, n_in * d);
        grow(&mut self.kv, n_in * 2 * d);
        grow(&mut self.weights, n_out * params.heads.n_weights());
        grow(&mut self.attended, n_out * d);
        grow(&mut self.d_attended, n_out * d);
    }

    fn projections(&self) -> Projections<'_> {
        Projections { q: &self.q, kv: &self.kv, first_query: 0 }
    }

    pub fn project(&mut self, step: &mut Step<'_>, p: &BlockParams, x: &[f32], range: Range<usize>) {
        let d = step.params.d_model;
        let x = &x[at(&range, d)];
        let (q, kv) = (&mut self.q[at(&range, d)], &mut self.kv[at(&range, 2 * d)]);
        p.kv.forward(step.products, step.weights, x, kv, Finish::default());
        p.q.forward(step.products, step.weights, x, q, Finish::default());
        step.times.mark(Stage::Products);
    }

    pub fn forward(&mut self, step: &mut Step<'_>, p: &BlockParams, span: &Span, sum: &mut [f32]) {
        let (d, heads) = (step.params.d_model, step.params.heads);
        let rows = &step.rows.outputs(false, false)[span.rows.clone()];
        let mut weights = std::mem::take(&mut self.weights);
        let mut attended = std::mem::take(&mut self.attended);
        let to = &mut attended[at(&span.at, d)];
        let of_rows = &mut weights[at(&span.at, heads.n_weights())];
        attention::forward(step.arch, heads, rows, self.projections(), of_rows, to);
        step.times.mark(Stage::Attention);
        p.o.forward(step.products, step.weights, to, sum, KEEP);
        step.times.mark(Stage::Products);
        (self.weights, self.attended) = (weights, attended);
    }

    pub fn begin_backward(step: &Step<'_>, shared: &mut Shared) {
        let (d, n_in) = (step.params.d_model, step.rows.n_inputs(false));
        grow(&mut shared.q, n_in * d);
        grow(&mut shared.kv, n_in * 2 * d);
        shared.q[..n_in * d].fill(0.0);
        shared.kv[..n_in * 2 * d].fill(0.0);
    }

    pub fn backward(
        &mut self,
        step: &mut Step<'_>,
        p: &BlockParams,
        (span, keep, d_sum): (&Span, bool, &[f32]),
        shared: &mut Shared,
        grads: &mut [f32],
    ) {
        let (d, heads, arch) = (step.params.d_model, step.params.heads, step.arch);
        let mut d_attended = std::mem::take(&mut self.d_attended);
        let d_rows = &mut d_attended[at(&span.at, d)];
        p.o.backward_input(step.products, step.weights, d_sum, d_rows, Finish::default());
        let attended = &self.attended[at(&span.at, d)];
        p.o.backward_weight((step.products, arch), attended, d_sum, grads, keep);
        step.times.mark(Stage::Products);
        let rows = &step.rows.outputs(false, false)[span.rows.clone()];
        let weights = &self.weights[at(&span.at, heads.n_weights())];
        let d_projections = (&mut shared.q[..], &mut shared.kv[..]);
        attention::backward(arch, heads, rows, self.projections(), (weights, d_rows), d_projections);
        step.times.mark(Stage::Attention);
        self.d_attended = d_attended;
    }

    pub fn finish_backward(
        step: &mut Step<'_>,
        p: &BlockParams,
        Inputs { x, d_x }: Inputs<'_>,
        shared: &Shared,
        grads: &mut [f32],
    ) {
        let (d, arch, n_in) = (step.params.d_model, step.arch, step.rows.n_inputs(false));
        let (d_q, d_kv) = (&shared.q[..n_in * d], &shared.kv[..n_in * 2 * d]);
        p.kv.backward_input(step.products, step.weights, d_kv, d_x, KEEP);
        p.q.backward_input(step.products, step.weights, d_q, d_x, KEEP);
        p.kv.backward_weight((step.products, arch), x, d_kv, grads, false);
        p.q.backward_weight((step.products, arch), x, d_q, grads, false);
        step.times.mark(Stage::Products);
    }
}
