//! Parameters that stay as they began, whatever the optimiser.

use super::{OptimError, Optimizer};
use std::ops::Range;

/// An optimiser that leaves a part of the buffer as it is: no step, no decay, and a gradient of zero in its state.
pub struct Freezing {
    inner: Box<dyn Optimizer>,
    range: Range<usize>,
    kept: Vec<f32>,
    grads: Vec<f32>,
}

impl Freezing {
    /// `inner` without `range`.
    pub fn new(inner: Box<dyn Optimizer>, range: Range<usize>) -> Self {
        Self { inner, range, kept: Vec::new(), grads: Vec::new() }
    }
}

impl Optimizer for Freezing {
    fn step(&mut self, params: &mut [f32], grads: &[f32], lr: f64) -> Result<(), OptimError> {
        let Self { inner, range, kept, grads: masked } = self;
        kept.clear();
        kept.extend_from_slice(&params[range.clone()]);
        masked.clear();
        masked.extend_from_slice(grads);
        masked[range.clone()].fill(0.0);
        inner.step(params, masked, lr)?;
        params[range.clone()].copy_from_slice(kept);
        Ok(())
    }

    fn slots(&self) -> Option<Vec<(&'static str, &[f32])>> {
        self.inner.slots()
    }

    fn slots_mut(&mut self) -> Option<Vec<(&'static str, &mut [f32])>> {
        self.inner.slots_mut()
    }

    fn set_steps(&mut self, steps: u64) {
        self.inner.set_steps(steps);
    }
}
