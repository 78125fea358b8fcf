//! Attention of the first layer, whose inputs are token and position alone: 2V + 2 rows, where its outputs are 2V + 2B
//! (without an operator 2V + 1 and V + 2B).
//!
//! The output projection is applied to the values of each head before they are mixed: O Σ w v = Σ w (O v), so its
//! product is of the inputs' rows. Of the scores only that of `y` for `x` belongs to an equation; all others are
//! tables, because the operator and `=` are always the same: what `=` asks of every input, what the operator asks of
//! x, and what y asks of the operator and of itself. What stands at x attends to itself alone and asks nothing.

use super::{Inputs, Span, grow};
use crate::kinds::operations::engine::cpu::{
    block::{Step, at},
    by_heads::{ByHeads, Columns, ColumnsMut, Cut},
    linear::AddRows,
    params::{BlockParams, Params},
    product::Products,
    rows::Rows,
    timing::Stage,
    vector::add,
};
use groklab_kernels::Finish;
use loops::{Ask, Backward, Forward, Scores, ScoresBackward};
use pulp::{Simd, WithSimd};

mod loops;

/// Scores that are the same in many rows, or their gradients: (inputs, heads), the first factor being the key.
#[derive(Default)]
struct Tables {
    /// What `=` asks of every input.
    equals: Vec<f32>,
    /// What the operator asks of x and of itself.
    operator: Vec<f32>,
    /// What y asks of the operator, and then of itself, by y.
    of_operator: Vec<f32>,
    of_self: Vec<f32>,
}

pub(in crate::kinds::operations::engine::cpu) struct Table {
    last: bool,
    o: ByHeads,
    q: Vec<f32>,
    kv: Vec<f32>,
    /// (inputs, heads, d): O v.
    projected: Vec<f32>,
    scores: Tables,
    /// (rows, key, heads)
    weights: Vec<f32>,
    d_weights: Vec<f32>,
    d_q: Vec<f32>,
    d_kv: Vec<f32>,
    d_projected: Vec<f32>,
    d_scores: Tables,
}

impl Tables {
    fn reserve(&mut self, n_in: usize, heads: usize) {
        for table in [&mut self.equals, &mut self.operator, &mut self.of_operator, &mut self.of_self] {
            grow(table, n_in * heads);
        }
    }

    fn clear(&mut self) {
        for table in [&mut self.equals, &mut self.operator, &mut self.of_operator, &mut self.of_self] {
            table.fill(0.0);
        }
    }
}

/// Where the operator, y and `=` lie among the inputs, behind x, and which of them ask.
#[derive(Clone, Copy, Debug)]
struct Layout {
    operator: Option<usize>,
    first_y: usize,
    equals: usize,
    /// The first input with a query.
    first_query: usize,
}

impl Layout {
    fn new(rows: &Rows, last: bool) -> Self {
        let (x, y) = (rows.n_x(), rows.first_y());
        let operator = (rows.operators() > 0).then_some(x);
        let first_query = if last { y.end } else { x };
        Self { operator, first_y: y.start, equals: y.end, first_query }
    }

    fn n_inputs(self) -> usize {
        self.equals + 1
    }

    fn n_queries(self) -> usize {
        self.equals + 1 - self.first_query
    }
}

impl Table {
    pub fn new(products: &Products, params: &Params, p: &BlockParams, last: bool) -> Self {
        Self {
            last,
            o: ByHeads::new(products, p.o.weight.clone(), params.heads, Cut::Inputs),
            q: Vec::new(),
            kv: Vec::new(),
            projected: Vec::new(),
            scores: Tables::default(),
            weights: Vec::new(),
            d_weights: vec![0.0; params.heads.n_weights()],
            d_q: Vec::new(),
            d_kv: Vec::new(),
            d_projected: Vec::new(),
            d_scores: Tables::default(),
        }
    }

    pub fn reserve(&mut self, params: &Params, rows: &Rows, n_out: usize) {
        let (d, heads, n_in) = (params.d_model, params.heads, rows.n_inputs(true));
        for (buffer, width) in [
            (&mut self.q, d),
            (&mut self.kv, 2 * d),
            (&mut self.projected, heads.n_heads * d),
            (&mut self.d_q, d),
            (&mut self.d_kv, 2 * d),
            (&mut self.d_projected, heads.n_heads * d),
        ] {
            grow(buffer, n_in * width);
        }
        grow(&mut self.weights, n_out * heads.n_weights());
        self.scores.reserve(n_in, heads.n_heads);
        self.d_scores.reserve(n_in, heads.n_heads);
    }

    pub fn pack(&mut self, products: &Products, flat: &[f32], both: bool) {
        self.o.pack_to_outputs(products, flat);
        if both {
            self.o.pack_to_inputs(products, flat);
        }
    }

    /// Of all inputs: no equation adds one.
    pub fn project(&mut self, step: &mut Step<'_>, p: &BlockParams, x: &[f32]) {
        let (d, heads) = (step.params.d_model, step.params.heads);
        let layout = Layout::new(step.rows, self.last);
        let (n_in, n_q, wide) = (layout.n_inputs(), layout.n_queries(), heads.n_heads * d);
        let (q, kv) = (&mut self.q[..n_q * d], &mut self.kv[..n_in * 2 * d]);
        p.kv.forward(step.products, step.weights, &x[..n_in * d], kv, Finish::default());
        let x_q = &x[at(&(layout.first_query..n_in), d)];
        p.q.forward(step.products, step.weights, x_q, q, Finish::default());
        let (from, to) = (
            Columns { data: kv, stride: 2 * d, start: d },
            ColumnsMut { data: &mut self.projected, stride: wide, start: 0 },
        );
        self.o.to_outputs(step.products, n_in, from, to, None);
        step.times.mark(Stage::Products);
        step.arch.dispatch(Scores { ask: Ask { heads, layout, q, kv }, to: &mut self.scores });
        step.times.mark(Stage::Attention);
    }

    pub fn forward(&mut self, step: &mut Step<'_>, p: &BlockParams, span: &Span, sum: &mut [f32]) {
        let heads = step.params.heads;
        step.arch.dispatch(Forward {
            ask: Ask { heads, layout: Layout::new(step.rows, self.last), q: &self.q, kv: &self.kv },
            rows: &step.rows.outputs(true, self.last)[span.rows.clone()],
            projected: &self.projected,
            scores: &self.scores,
            weights: &mut self.weights[at(&span.at, heads.n_weights())],
            sum: &mut *sum,
        });
        if let Some(bias) = &p.o.bias {
            step.arch.dispatch(AddToRows { rows: sum, row: &step.weights.flat[bias.clone()] });
        }
        step.times.mark(Stage::Attention);
    }

    pub fn begin_backward(&mut self, step: &Step<'_>) {
        let (d, n_in) = (step.params.d_model, step.rows.n_inputs(true));
        self.d_q.fill(0.0);
        self.d_kv[..n_in * 2 * d].fill(0.0);
        self.d_projected[..n_in * step.params.heads.n_heads * d].fill(0.0);
        self.d_scores.clear();
    }

    pub fn backward(
        &mut self,
        step: &mut Step<'_>,
        p: &BlockParams,
        span: &Span,
        d_sum: &[f32],
        grads: &mut [f32],
    ) {
        let heads = step.params.heads;
        if let Some(bias) = &p.o.bias {
            step.arch.dispatch(AddRows { sum: &mut grads[bias.clone()], rows: d_sum });
        }
        step.arch.dispatch(Backward {
            ask: Ask { heads, layout: Layout::new(step.rows, self.last), q: &self.q, kv: &self.kv },
            rows: &step.rows.outputs(true, self.last)[span.rows.clone()],
            projected: &self.projected,
            weights: &self.weights[at(&span.at, heads.n_weights())],
            d_sum,
            d_weights: &mut self.d_weights,
            d_q: &mut self.d_q,
            d_kv: &mut self.d_kv,
            d_projected: &mut self.d_projected,
            d_scores: &mut self.d_scores,
        });
        step.times.mark(Stage::Attention);
    }

    pub fn finish_backward(
        &mut self,
        step: &mut Step<'_>,
        p: &BlockParams,
        Inputs { x, d_x }: Inputs<'_>,
        grads: &mut [f32],
    ) {
        let (d, heads, arch) = (step.params.d_model, step.params.heads, step.arch);
        let layout = Layout::new(step.rows, self.last);
        let (n_in, n_q, wide) = (layout.n_inputs(), layout.n_queries(), heads.n_heads * d);
        let (d_q, d_kv) = (&mut self.d_q[..n_q * d], &mut self.d_kv[..n_in * 2 * d]);
        let (q, kv) = (&self.q[..n_q * d], &self.kv[..n_in * 2 * d]);
        let d_scores = &self.d_scores;
        let ask = Ask { heads, layout, q, kv };
        arch.dispatch(ScoresBackward { ask, d_scores, d_q: &mut *d_q, d_kv: &mut *d_kv });
        step.times.mark(Stage::Attention);

        let d_projected = Columns { data: &self.d_projected, stride: wide, start: 0 };
        let to = ColumnsMut { data: &mut *d_kv, stride: 2 * d, start: d };
        self.o.to_inputs(step.products, n_in, d_projected, to);
        let values = Columns { data: kv, stride: 2 * d, start: d };
        self.o.gradient(step.products, n_in, [d_projected, values], grads, false);
        let own = at(&(layout.first_query..n_in), d);
        let keep = Finish { keep: true, ..Finish::default() };
        p.kv.backward_input(step.products, step.weights, d_kv, d_x, keep);
        p.q.backward_input(step.products, step.weights, d_q, &mut d_x[own.clone()], keep);
        p.kv.backward_weight((step.products, arch), x, d_kv, grads, false);
        p.q.backward_weight((step.products, arch), &x[own], d_q, grads, false);
        step.times.mark(Stage::Products);
    }
}

/// Each row += row.
struct AddToRows<'a> {
    rows: &'a mut [f32],
    row: &'a [f32],
}

impl WithSimd for AddToRows<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        for row in self.rows.chunks_exact_mut(self.row.len()) {
            add(s, row, self.row);
        }
    }
}
