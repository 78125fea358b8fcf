//! The optimiser of a run, and its state as buffers that are each as long as the parameters.

use super::config::{Config, OptimizerName};
use crate::run::Failure;
use groklab_text::{
    Layout, Role,
    optim::{Adam, Muon, OptimError, Optimizer},
};
use std::ops::Range;

/// At its beginning.
pub fn build(config: &Config, layout: &Layout) -> Result<Box<dyn Optimizer>, OptimError> {
    Ok(match config.optim.name {
        OptimizerName::Adam | OptimizerName::AdamW => Box::new(Adam::new(config.optim.adam(), layout)),
        OptimizerName::Muon => Box::new(Muon::new(config.optim.muon(), layout)?),
    })
}

/// Parameters that a buffer of so many numbers belongs to: all, Muon's matrices, or what Muon leaves to Adam.
fn places(layout: &Layout, slot: &str, length: usize) -> Vec<Range<usize>> {
    let is_matrix = slot == "momentum";
    let belongs = |role| length == layout.len() || (role == Role::Matrix) == is_matrix;
    layout.iter().filter(|param| belongs(param.role)).map(|param| param.range.clone()).collect()
}

/// Its buffers by name, each as long as the parameters: 0 where a parameter has none.
pub fn slots(optimizer: &dyn Optimizer, layout: &Layout) -> Vec<(String, Vec<f32>)> {
    let spread = |(name, values): (&'static str, &[f32])| {
        let mut whole = vec![0.0; layout.len()];
        let mut at = 0;
        for place in places(layout, name, values.len()) {
            let next = at + place.len();
            whole[place].copy_from_slice(&values[at..next]);
            at = next;
        }
        (name.to_owned(), whole)
    };
    optimizer.slots().into_iter().map(spread).collect()
}

/// Takes up what [`slots`] gave after `steps` steps.
pub fn restore(
    optimizer: &mut dyn Optimizer,
    layout: &Layout,
    slots: &[(String, Vec<f32>)],
    steps: u64,
) -> Result<(), Failure> {
    let mut own = optimizer.slots_mut();
    let fits = own.len() == slots.len()
        && own
            .iter()
            .zip(slots)
            .all(|((name, _), (from, values))| name == from && values.len() == layout.len());
    if !fits {
        return Err("the checkpoint's slots are not those of this run's optimiser".into());
    }
    for ((name, values), (_, whole)) in own.iter_mut().zip(slots) {
        let mut at = 0;
        for place in places(layout, name, values.len()) {
            let next = at + place.len();
            values[at..next].copy_from_slice(&whole[place]);
            at = next;
        }
    }
    optimizer.set_steps(steps);
    Ok(())
}
