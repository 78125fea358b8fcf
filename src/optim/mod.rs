//! From gradients to new parameters: our AdamW over one flat buffer, and the optimisers of candle-optimisers by name.

mod adamw;
mod candle;
mod schedule;

pub use adamw::{AdamW, AdamWStep};
pub use candle::CandleOptimizer;
pub use schedule::learning_rate;

use crate::{
    config::{Decay, OptimConfig, OptimizerName},
    model::{ParamKind, ParamLayout},
};
use std::ops::Range;

/// Turns a gradient into new parameters; both are flat buffers of one [`ParamLayout`].
pub trait Optimizer: Send {
    /// One step at learning rate `lr`.
    fn step(&mut self, params: &mut [f32], grads: &[f32], lr: f64) -> Result<(), OptimError>;

    /// The moments, where the optimiser can show them: what a checkpoint and a trace need.
    fn adamw(&self) -> Option<&AdamW> {
        None
    }

    /// The same, to take up a checkpoint.
    fn adamw_mut(&mut self) -> Option<&mut AdamW> {
        None
    }
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
    Ok(match config.name {
        OptimizerName::AdamW => Box::new(AdamW::new(config, layout)),
        _ => Box::new(CandleOptimizer::new(config, layout)?),
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
