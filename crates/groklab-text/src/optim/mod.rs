//! From gradients to new parameters, over flat buffers: Adam, AdamW, Muon, clipping and schedules.
//!
//! All state is in the open: [`Optimizer::slots`] names every buffer and [`Optimizer::steps`] counts, so that a run that is
//! saved and taken up goes on with the same bits.

mod adam;
mod clip;
mod muon;
mod newton_schulz;
#[cfg(test)]
mod oracle_tests;
mod schedule;

pub use adam::{Adam, AdamConfig, Decay};
pub use clip::clip_global_norm;
pub use muon::{Muon, MuonConfig, Scaling};
pub use newton_schulz::NewtonSchulz;
pub use schedule::{Schedule, Shape};

/// Turns gradients into new parameters; both are flat buffers of the [`Layout`](crate::Layout) it was made for.
pub trait Optimizer: Send {
    /// One step at learning rate `lr`.
    ///
    /// # Errors
    /// If a buffer has another length than the layout. Nothing has changed then.
    fn step(&mut self, params: &mut [f32], grads: &[f32], lr: f64) -> Result<(), OptimError>;

    /// Steps done.
    fn steps(&self) -> u64;

    /// Takes up a count of steps.
    fn set_steps(&mut self, steps: u64);

    /// Every buffer that outlives a step, by name.
    fn slots(&self) -> Vec<(&'static str, &[f32])>;

    /// The same, to be filled from what was saved.
    fn slots_mut(&mut self) -> Vec<(&'static str, &mut [f32])>;
}

/// A step that could not be taken.
#[derive(Debug, thiserror::Error, PartialEq)]
#[non_exhaustive]
pub enum OptimError {
    /// A buffer of another model.
    #[error(
        "{what} hold {found} numbers, but the optimiser was made for {expected}; make one for this model's layout"
    )]
    Length {
        /// Parameters or gradients.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many the layout has.
        expected: usize,
    },
    /// A matrix without rows or columns, or a parameter that should be one and is not.
    #[error("{name} has shape {shape:?}; Muon takes matrices, of one row and column at least")]
    Matrix {
        /// The parameter.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
    },
}

fn check_lengths(params: &[f32], grads: &[f32], expected: usize) -> Result<(), OptimError> {
    for (what, found) in [("parameters", params.len()), ("gradients", grads.len())] {
        if found != expected {
            return Err(OptimError::Length { what, found, expected });
        }
    }
    Ok(())
}
