//! Many runs side by side on one device, an epoch a round: groups of one shape, one group after the other.
//!
//! Promises: a run leaves the directory that it leaves when it goes alone, as far as the device computes the same numbers;
//! which slot it had, and what else was on the device, changes no byte (their number may: see
//! [`crate::kinds::operations::engine::Replicas`]). A run that cannot be begun, loaded, read or written fails alone. When the device fails,
//! the runs on it fail and can be resumed from their checkpoints; those that wait get another group if the device can
//! be opened again.

mod group;
mod slot;
#[cfg(test)]
mod tests;

use super::{
    config::{Frozen, OptimizerName, PlannedRun, RunConfig, train_rows},
    engine::{EngineError, Replicas, Shape, footprint_beside_device},
};
use crate::{
    run::Planned,
    sweep::{Entry, Execution, Reporter, Together, guarded, memory},
};
use group::Group;
use rayon::prelude::*;
use std::{any::Any, cmp::Reverse, collections::VecDeque};

/// Groups of one shape at most: a device that fails again and again is not opened for ever.
const OPENED_AT_MOST: usize = 3;

/// Runs side by side at most. Each has four files open, and a process may often have no more than 1024.
const SLOTS_AT_MOST: usize = 200;

/// Opens a group of replicas of this shape for so many runs as are waiting, or for as many of them as it has room for.
pub type Open<'a> = dyn Fn(&Shape, usize) -> Result<Box<dyn Replicas>, EngineError> + Sync + 'a;

/// Runs side by side on a device that this machine's memory can hold its share of, at least one.
pub fn beside_device(shape: &Shape) -> usize {
    let fit = |bytes: u64| usize::try_from(bytes / footprint_beside_device(shape)).unwrap_or(usize::MAX);
    memory::available().map_or(usize::MAX, |bytes| fit(bytes).max(1))
}

/// Runs side by side on what `open` opens. Those with another optimiser than adamw, an output scale, a Jacobian term
/// or frozen parameters go alone, on the CPU.
pub struct Lockstep<'a> {
    /// Opens the device.
    pub open: &'a Open<'a>,
}

impl Together for Lockstep<'_> {
    fn takes(&self, run: &dyn Planned) -> bool {
        operations(run).is_some_and(|run| {
            let RunConfig { model, optim, jacobian, .. } = &run.config;
            let is_plain = model.output_scale == 1.0 && jacobian.penalty().is_none();
            is_plain && optim.name == OptimizerName::AdamW && optim.frozen == Frozen::None
        })
    }

    fn remedy(&self) -> &'static str {
        "side by side go binary operations with adamw, and none with optim.frozen, model.output_scale or a Jacobian term"
    }

    fn settle<'a>(&self, entries: Vec<Entry<'a>>, execution: &'a Execution<'a>, reporter: &'a dyn Reporter) {
        // a device is opened only for what is left to do
        let entries: Vec<_> =
            entries.into_par_iter().filter_map(|entry| entry.unless_over(execution)).collect();
        for (shape, entries) in by_shape(entries) {
            run_shape(&shape, entries.into(), self.open, execution, reporter);
        }
    }
}

/// The run, if it is one on a binary operation.
pub fn operations(run: &dyn Planned) -> Option<&PlannedRun> {
    let run: &dyn Any = run;
    run.downcast_ref()
}

fn run_shape<'a>(
    shape: &Shape,
    mut queue: VecDeque<Entry<'a>>,
    open: &Open,
    execution: &'a Execution,
    reporter: &'a dyn Reporter,
) {
    let mut reason = String::new();
    for _ in 0..OPENED_AT_MOST {
        let device = match guarded(|| Ok(open(shape, queue.len().min(SLOTS_AT_MOST))?)) {
            Ok(device) => device,
            Err(why) => {
                reason = why;
                break;
            }
        };
        match Group::new(device, queue, execution, reporter).run() {
            Ok(()) => return,
            Err((why, left)) => (reason, queue) = (why, left),
        }
        if queue.is_empty() {
            return;
        }
    }
    queue.into_par_iter().for_each(|entry| entry.fail(reason.clone(), execution));
}

/// The runs of each shape, those with more steps an epoch first: they share their rounds. The most work comes first.
fn by_shape(entries: Vec<Entry>) -> Vec<(Shape, Vec<Entry>)> {
    let mut groups: Vec<(Shape, Vec<Entry>)> = Vec::new();
    for entry in entries {
        let Some(shape) = operations(entry.run).map(Shape::of) else { continue };
        match groups.iter_mut().find(|(other, _)| *other == shape) {
            Some((_, group)) => group.push(entry),
            None => groups.push((shape, vec![entry])),
        }
    }
    for (_, group) in &mut groups {
        group.sort_by_key(|entry| Reverse(steps(entry.run)));
    }
    let work = |group: &[Entry]| -> u128 {
        group.iter().map(|e| steps(e.run) as u128 * u128::from(e.run.budget().max_epochs)).sum()
    };
    groups.sort_by_key(|(_, group)| Reverse(work(group)));
    groups
}

/// Steps an epoch, the last batch counted.
fn steps(run: &dyn Planned) -> usize {
    operations(run).map_or(0, |run| {
        train_rows(run.task.equations.len(), run.config.train_fraction)
            .div_ceil(run.config.data.batch_size.max(1))
    })
}
