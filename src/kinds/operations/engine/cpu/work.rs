//! How much a step has to do, counted from its shapes: arithmetic where the arithmetic units set the pace, bytes where
//! memory does. What `groklab bench` divides by the time each stage takes.

use super::{FactoredEngine, Stage, params::Params};
use crate::kinds::operations::{
    config::{Activation, Norm},
    task::Equation,
};
use std::collections::BTreeSet;

/// What bounds a stage, and how much of it there is in a training step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Work {
    /// Floating-point operations; a multiply-add is two.
    Flop(f64),
    /// Bytes read and written, each array once.
    Bytes(f64),
}

/// What a layer's attention does, in multiply-adds forward; backward takes twice as many.
#[derive(Clone, Copy, Debug, Default)]
struct LayerWork {
    inputs: usize,
    outputs: usize,
    /// Of products.
    projections: usize,
    /// Of the loops over rows.
    attention: usize,
}

impl FactoredEngine {
    /// Floating-point operations of the matrix products of one training step on `batch`, forward and backward.
    pub fn flops(&self, batch: &[Equation]) -> f64 {
        let (d, m, v) = (self.params.d_model, self.params.d_mlp, self.params.n_symbols);
        let layers: usize = self.layers(batch).iter().map(|l| l.projections + l.outputs * 2 * d * m).sum();
        // backward: the gradients of both factors
        3.0 * 2.0 * (layers + batch.len() * d * v) as f64
    }

    fn layers(&self, batch: &[Equation]) -> Vec<LayerWork> {
        let (d, heads, b) = (self.params.d_model, self.params.heads.n_heads, batch.len());
        let x = batch.iter().map(|e| e.x).collect::<BTreeSet<_>>().len();
        let y = batch.iter().map(|e| e.y).collect::<BTreeSet<_>>().len();
        let n_layers = self.blocks.len();
        let operators = self.params.sequence.operators();
        let positions = self.params.sequence.positions();
        let inner = (1 + operators) * x + 2 * b;
        // rows attend to 1, 2, 3 and 4 positions, without an operator to 1, 2 and 3
        let keys = x + 2 * operators * x + (positions - 1) * b + positions * b;
        let layer = |l: usize| match (l == 0, l + 1 == n_layers) {
            (true, last) => {
                let inputs = x + y + operators + 1;
                // keys, values and projected values of all; queries of the operator, y and `=`, or of `=` alone
                let queries = if last { 1 } else { y + operators + 1 };
                // in the tables: `=` and every input; the operator and x and itself; y and the operator and itself
                let (scores, keys) = match last {
                    true => (inputs, positions * b),
                    false => (inputs + operators * (x + 1 + y) + y + b, keys),
                };
                LayerWork {
                    inputs,
                    outputs: if last { b } else { inner },
                    projections: (3 * inputs + queries) * d * d,
                    attention: scores * d + keys * heads * d,
                }
            }
            (false, false) => LayerWork {
                inputs: inner,
                outputs: inner,
                projections: 4 * inner * d * d,
                attention: 2 * keys * d,
            },
            // query, key query, values and output of a row; scores and mixed inputs are d wide for each head
            (false, true) => LayerWork {
                inputs: inner,
                outputs: b,
                projections: 4 * b * d * d,
                attention: 2 * 4 * b * heads * d,
            },
        };
        (0..n_layers).map(layer).collect()
    }

    /// The work of one training step on `batch` by stage, in the order of [`Stage::ALL`].
    pub fn work(&self, batch: &[Equation]) -> [(Stage, Work); Stage::ALL.len()] {
        let p = &self.params;
        let (v, d, m, b) = (p.n_symbols, p.d_model, p.d_mlp, batch.len());
        let layers = self.layers(batch);
        let each = |f: &dyn Fn(&LayerWork) -> usize| layers.iter().map(f).sum::<usize>();

        // packing in both directions; embedding and its gradient; residual rows out of and back into a layer's input
        let weights: usize = p.linears().map(|linear| linear.weight.len()).sum();
        let embedded = 6 * d * layers.first().map_or(0, |l| l.inputs);
        let gather = 4 * weights + embedded + each(&|l| d * (2 * l.outputs + l.inputs + 3 * l.outputs));
        // forward: in, out; backward: in, gradient in, gradient out twice
        let norms = 6 * d * (each(&|l| norm_rows(p, l)) + if p.final_norm.is_some() { b } else { 0 });
        // GELU: pre-activation in, value and derivative out; all else is done while a tile is in registers
        let activation = if self.activation == Activation::Gelu { 3 * m * each(&|l| l.outputs) } else { 0 };

        let bytes = |numbers: usize| Work::Bytes(4.0 * numbers as f64);
        Stage::ALL.map(|stage| {
            let work = match stage {
                Stage::Gather => bytes(gather),
                Stage::Norms => bytes(norms),
                Stage::Attention => Work::Flop(3.0 * 2.0 * each(&|l| l.attention) as f64),
                Stage::Products => Work::Flop(self.flops(batch)),
                Stage::Activation => bytes(activation),
                Stage::Loss => bytes(3 * b * v),
            };
            (stage, work)
        })
    }
}

/// Rows that a layer's norms take.
fn norm_rows(p: &Params, l: &LayerWork) -> usize {
    match p.norm {
        Norm::Pre => l.inputs + l.outputs,
        Norm::Post => 2 * l.outputs,
        Norm::None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{kinds::operations::config::Preset, kinds::operations::engine::cpu::FactoredEngine};

    /// Every symbol occurs as x and as y.
    fn batch(n: u16) -> Vec<Equation> {
        (0..n).map(|i| Equation { x: i % 97, y: (i + i / 97) % 97, answer: 0 }).collect()
    }

    #[test]
    fn the_papers_step_has_the_arithmetic_counted_by_hand() {
        let engine = FactoredEngine::new(&Preset::Paper.config("add", 0.5, 0).model, 97).unwrap();
        // d = 128, 4 heads, 512 hidden, V = 97, B = 512; multiply-adds forward
        let first = (196 * 3 + 99) * 128 * 128 + 1218 * 2 * 128 * 512;
        let last = 512 * (4 * 128 * 128 + 2 * 128 * 512);
        let forward = first + last + 512 * 128 * 97;
        assert_eq!(engine.flops(&batch(512)), 6.0 * f64::from(forward));
        // scores of the tables, weighted projected values; scores and mixed inputs of four heads over four rows
        let first = (196 + 98 + 2 * 97 + 512) * 128 + (97 * 3 + 512 * 7) * 4 * 128;
        let last = 2 * 512 * 4 * 4 * 128;
        let work = engine.work(&batch(512));
        let attention = work.into_iter().find(|(stage, _)| *stage == Stage::Attention);
        assert_eq!(attention.unwrap().1, Work::Flop(6.0 * f64::from(first + last)));
    }

    #[test]
    fn symbols_that_do_not_occur_are_not_counted() {
        let engine = FactoredEngine::new(&Preset::Paper.config("add", 0.5, 0).model, 97).unwrap();
        let one = Equation { x: 3, y: 5, answer: 8 };
        let forward = (4 * 3 + 3) * 128 * 128 + 18 * 2 * 128 * 512 + 8 * (4 * 128 * 128 + 2 * 128 * 512);
        assert_eq!(engine.flops(&[one; 8]), 6.0 * f64::from(forward + 8 * 128 * 97));
    }
}
