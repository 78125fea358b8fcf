//! Optimisers over flat buffers: plain functions of parameters, gradients and named slots, in PyTorch's conventions.
//!
//! An optimiser's whole state is what [`Optimizer::slots`] shows and the number of steps done: store both, put both back,
//! and it goes on as if nothing had been.

mod adamw;
mod sgd;

pub use adamw::AdamW;
pub use sgd::Sgd;

use crate::mlp::{ModelError, check_length};

/// Turns gradients into new parameters.
pub trait Optimizer {
    /// One step at learning rate `lr`; counts it.
    ///
    /// # Errors
    /// [`ModelError::Length`] unless parameters and gradients are as many as the optimiser was made for.
    fn step(&mut self, params: &mut [f32], grads: &[f32], lr: f64) -> Result<(), ModelError>;

    /// The state, one buffer of the parameters' length a name.
    fn slots(&self) -> Vec<(&'static str, &[f32])>;

    /// The same, to put back what was stored.
    fn slots_mut(&mut self) -> Vec<(&'static str, &mut [f32])>;

    /// Steps done.
    fn steps(&self) -> u64;

    /// Goes on as after `steps` steps.
    fn set_steps(&mut self, steps: u64);
}

fn check(params: &[f32], grads: &[f32], wanted: usize) -> Result<(), ModelError> {
    check_length("parameters", params.len(), wanted)?;
    check_length("gradient", grads.len(), wanted)
}
