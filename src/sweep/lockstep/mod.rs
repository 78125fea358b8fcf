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

use super::{Entry, Execution, Locked, Open, Reporter, Settled, guarded};
use crate::{
    kinds::operations::config::{PlannedRun, train_rows},
    kinds::operations::engine::Shape,
};
use group::Group;
use rayon::prelude::*;
use std::{cmp::Reverse, collections::VecDeque};

/// Groups of one shape at most: a device that fails again and again is not opened for ever.
const OPENED_AT_MOST: usize = 3;

/// Runs side by side at most. Each has four files open, and a process may often have no more than 1024.
const SLOTS_AT_MOST: usize = 200;

/// Settles all entries, whose optimiser is adamw.
pub(super) fn lockstep<'a>(
    entries: Vec<Entry<'a>>,
    open: &Open,
    execution: &'a Execution,
    reporter: &'a dyn Reporter,
) {
    // a device is opened only for what is left to do
    let entries: Vec<_> = entries.into_par_iter().filter_map(|entry| entry.unless_over(execution)).collect();
    for (shape, entries) in by_shape(entries) {
        run_shape(&shape, entries.into(), open, execution, reporter);
    }
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
        let shape = Shape::of(entry.run);
        match groups.iter_mut().find(|(other, _)| *other == shape) {
            Some((_, group)) => group.push(entry),
            None => groups.push((shape, vec![entry])),
        }
    }
    for (_, group) in &mut groups {
        group.sort_by_key(|entry| Reverse(steps(entry.run)));
    }
    let work = |group: &[Entry]| -> u128 {
        group.iter().map(|e| steps(e.run) as u128 * u128::from(e.run.config.train.max_epochs)).sum()
    };
    groups.sort_by_key(|(_, group)| Reverse(work(group)));
    groups
}

/// Steps an epoch, the last batch counted.
fn steps(run: &PlannedRun) -> usize {
    train_rows(run.task.equations.len(), run.config.train_fraction)
        .div_ceil(run.config.data.batch_size.max(1))
}

impl Entry<'_> {
    /// Settles it if there is nothing to do, or nothing that can be done; whether another process is at it is asked
    /// when its turn comes.
    fn unless_over(self, execution: &Execution) -> Option<Self> {
        match Locked::new(self.run, execution, self.reporter) {
            Err(settled) if !matches!(*settled, Settled::Elsewhere) => {
                self.settle(*settled);
                None
            }
            _ => Some(self),
        }
    }

    /// Settles it as failed, also in its manifest if it has one.
    fn fail(self, reason: String, execution: &Execution) {
        let settled = match Locked::new(self.run, execution, self.reporter) {
            Ok(locked) => locked.fail(reason),
            Err(settled) => *settled,
        };
        self.settle(settled);
    }
}
