//! How much a step has to do, counted from its shapes: arithmetic where the arithmetic units set the pace, bytes where
//! memory does. What `groklab bench` divides by the time each stage takes.

use super::{FactoredEngine, Stage, params::Params, rows::Counts};
use crate::kinds::operations::config::{Activation, Norm};

/// What bounds a stage, and how much of it there is in a training step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Work {
    /// Floating-point operations; a multiply-add is two.
    Flop(f64),
    /// Bytes read and written, each array once.
    Bytes(f64),
}

impl FactoredEngine {
    /// Floating-point operations of the matrix products of one training step, forward and backward.
    pub fn flops(&self, batch: usize) -> f64 {
        let p = &self.params;
        let (v, d, m, b) = (p.n_symbols, p.d_model, p.d_mlp, batch);
        let mut forward = b * d * v;
        for Counts { inputs, outputs, queries } in Counts::of_layers(self.blocks.len(), [v, b]) {
            forward += inputs * 2 * d * d + queries.len() * d * d + outputs * (d * d + 2 * d * m);
        }
        // backward: the gradients of both factors
        3.0 * 2.0 * forward as f64
    }

    /// The work of one training step by stage, in the order of [`Stage::ALL`].
    pub fn work(&self, batch: usize) -> [(Stage, Work); Stage::ALL.len()] {
        let p = &self.params;
        let (v, d, m, b) = (p.n_symbols, p.d_model, p.d_mlp, batch);
        let layers: Vec<Counts> = Counts::of_layers(self.blocks.len(), [v, b]).collect();
        let each = |f: &dyn Fn(&Counts) -> usize| layers.iter().map(f).sum::<usize>();

        // packing in both directions; embedding and its gradient; residual rows out of and back into a layer's input
        let weights: usize = p.linears().map(|linear| linear.weight.len()).sum();
        let gather =
            4 * weights + 6 * d * (2 * v + 2) + each(&|c| d * (2 * c.outputs + c.inputs + 3 * c.outputs));
        // forward: in, out; backward: in, gradient in, gradient out twice
        let norms = 6 * d * (each(&|c| norm_rows(p, c)) + if p.final_norm.is_some() { b } else { 0 });
        // rows attend to 1, 2, 3 and 4 positions: two multiply-adds an entry of a key forward, four backward
        let all = v + 2 * v + 3 * b + 4 * b;
        let keys = layers.iter().map(|c| if c.outputs == b { 4 * b } else { all }).sum::<usize>();
        // GELU: pre-activation in, value and derivative out; all else is done while a tile is in registers
        let activation = if self.activation == Activation::Gelu { 3 * m * each(&|c| c.outputs) } else { 0 };

        let bytes = |numbers: usize| Work::Bytes(4.0 * numbers as f64);
        Stage::ALL.map(|stage| {
            let work = match stage {
                Stage::Gather => bytes(gather),
                Stage::Norms => bytes(norms),
                Stage::Attention => Work::Flop(2.0 * 6.0 * (keys * d) as f64),
                Stage::Products => Work::Flop(self.flops(batch)),
                Stage::Activation => bytes(activation),
                Stage::Loss => bytes(3 * b * v),
            };
            (stage, work)
        })
    }
}

/// Rows that a layer's norms take.
fn norm_rows(p: &Params, c: &Counts) -> usize {
    match p.norm {
        Norm::Pre => c.inputs + c.outputs,
        Norm::Post => 2 * c.outputs,
        Norm::None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{kinds::operations::config::Preset, kinds::operations::engine::cpu::FactoredEngine};

    #[test]
    fn the_papers_step_has_the_arithmetic_counted_by_hand() {
        let engine = FactoredEngine::new(&Preset::Paper.config("add", 0.5, 0).model, 97).unwrap();
        // d = 128, 512 hidden, V = 97, B = 512; multiply-adds forward
        let first = 196 * 3 * 128 * 128 + 1218 * (128 * 128 + 2 * 128 * 512);
        let last = 1218 * 2 * 128 * 128 + 512 * (2 * 128 * 128 + 2 * 128 * 512);
        let forward = first + last + 512 * 128 * 97;
        assert_eq!(engine.flops(512), 6.0 * f64::from(forward));
        // keys: 97 · 3 + 512 · 7 in the first layer, 512 · 4 in the last
        let attention = engine.work(512).into_iter().find(|(stage, _)| *stage == Stage::Attention);
        assert_eq!(attention.unwrap().1, Work::Flop(12.0 * 128.0 * f64::from(97 * 3 + 512 * 7 + 512 * 4)));
    }
}
