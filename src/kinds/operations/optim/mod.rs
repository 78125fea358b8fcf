//! From gradients to new parameters: our AdamW and SGD over one flat buffer, and the optimisers of candle-optimisers by
//! name.

mod adamw;
mod candle;
mod frozen;
#[cfg(test)]
mod oracle_tests;
mod schedule;
mod sgd;

pub use adamw::{AdamW, AdamWStep};
pub use candle::CandleOptimizer;
pub use frozen::Freezing;
pub use schedule::learning_rate;
pub use sgd::Sgd;

use crate::{
    kinds::operations::config::{Decay, Frozen, OptimConfig, OptimizerName},
    kinds::operations::model::{ParamKind, ParamLayout},
};
use std::ops::Range;

/// Turns a gradient into new parameters; both are flat buffers of one [`ParamLayout`].
pub trait Optimizer: Send {
    /// One step at learning rate `lr`.
    fn step(&mut self, params: &mut [f32], grads: &[f32], lr: f64) -> Result<(), OptimError>;

    /// Its state between two steps: buffers as long as the parameters, each with its name; none of an optimiser that keeps
    /// its state to itself, whose runs cannot be resumed.
    fn slots(&self) -> Option<Vec<(&'static str, &[f32])>> {
        None
    }

    /// The same, to be written into: whoever does says with [`set_steps`](Self::set_steps) how many steps it is the state
    /// after.
    fn slots_mut(&mut self) -> Option<Vec<(&'static str, &mut [f32])>> {
        None
    }

    /// How many steps the state is of.
    fn set_steps(&mut self, _steps: u64) {}
}

/// The slots of an optimiser by name, copied.
pub fn copied_slots(optimizer: &dyn Optimizer) -> Option<Vec<(String, Vec<f32>)>> {
    let slots = optimizer.slots()?;
    Some(slots.into_iter().map(|(name, values)| (name.to_owned(), values.to_vec())).collect())
}

/// Puts an optimiser into the state after so many steps; false, and nothing is changed, unless `state` has just its slots.
pub fn restore_slots(optimizer: &mut dyn Optimizer, state: &[(String, Vec<f32>)], steps: u64) -> bool {
    let Some(mut slots) = optimizer.slots_mut() else { return false };
    let fits = slots.len() == state.len()
        && slots.iter().zip(state).all(|((a, slot), (b, values))| a == b && slot.len() == values.len());
    if fits {
        slots.iter_mut().zip(state).for_each(|((_, slot), (_, values))| slot.copy_from_slice(values));
        optimizer.set_steps(steps);
    }
    fits
}

/// An optimiser that failed.
#[derive(Debug, thiserror::Error)]
pub enum OptimError {
    /// A candle operation failed.
    #[error("candle-optimisers: {0}")]
    Candle(#[from] candle_core::Error),
}

/// The optimiser a config asks for.
pub fn build(config: &OptimConfig, layout: &ParamLayout) -> Result<Box<dyn Optimizer>, OptimError> {
    let optimizer: Box<dyn Optimizer> = match config.name {
        OptimizerName::AdamW => Box::new(AdamW::new(config, layout)),
        OptimizerName::Sgd => Box::new(Sgd::new(config, layout)),
        _ => Box::new(CandleOptimizer::new(config, layout)?),
    };
    Ok(match (config.frozen, layout.get("embed.token.weight")) {
        (Frozen::Embedding, Some(param)) => Box::new(Freezing::new(optimizer, param.range.clone())),
        _ => optimizer,
    })
}

/// The parts of the flat buffer that weight decay acts on, ascending and disjoint.
pub fn decayed_ranges(decay: Decay, layout: &ParamLayout) -> Vec<Range<usize>> {
    match decay {
        Decay::All => std::iter::once(0..layout.len()).collect(),
        Decay::Matrices => {
            layout.iter().filter(|p| p.kind == ParamKind::Weight).map(|p| p.range.clone()).collect()
        }
    }
}

/// The flat buffer in pieces, ascending, each with whether weight decay acts on it.
fn pieces(decay: Decay, layout: &ParamLayout) -> Vec<(Range<usize>, bool)> {
    let mut pieces = Vec::new();
    let mut end = 0;
    for range in decayed_ranges(decay, layout) {
        if range.start > end {
            pieces.push((end..range.start, false));
        }
        end = range.end;
        pieces.push((range, true));
    }
    if layout.len() > end {
        pieces.push((end..layout.len(), false));
    }
    pieces
}
