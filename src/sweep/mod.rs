//! plan → lock → run → settle: many runs, one thread a run or side by side on one device, each recorded in its own
//! directory.
//!
//! Any number of processes may sweep into one directory: each run is locked by one of them. A run that stopped on the way, or
//! that ended under a smaller budget, is resumed where its manifest says, and its files end with the same bytes as if it had
//! never stopped.

mod attempt;
#[cfg(test)]
mod budget_tests;
#[cfg(test)]
mod fault_tests;
mod lockstep;
mod recorder;
#[cfg(test)]
mod tests;

pub use recorder::{Live, Reporter};

use crate::{
    kinds::operations::config::{OptimizerName, PlannedRun},
    kinds::operations::engine::{self, Engine, EngineChoice, EngineError, Replicas, Shape},
    kinds::operations::train::train,
    store::Manifest,
};
use attempt::{Locked, guarded};
use candle_core::Device;
use lockstep::lockstep;
use rayon::prelude::*;
use std::{path::PathBuf, sync::atomic::AtomicBool, time::Duration};

/// How runs are carried out; nothing here changes what they are.
pub struct Execution<'a> {
    /// Where the run directories lie.
    pub results: PathBuf,
    /// A directory of experiments: what one of them has of a run is taken over from it.
    pub beside: Option<PathBuf>,
    /// Threads; with an engine a run, the runs at a time.
    pub jobs: usize,
    /// Who computes the steps, and where.
    pub place: Place<'a>,
    /// Time between checkpoints; milestones are saved at once.
    pub checkpoint_every: Duration,
    /// Set from outside to stop all runs after their present step.
    pub stop: &'a AtomicBool,
}

/// Who computes the steps, and where.
pub enum Place<'a> {
    /// An engine for each run, on a thread of its own.
    Engines {
        /// Which.
        choice: EngineChoice,
        /// Where it computes.
        device: Device,
    },
    /// Many runs side by side on one device. Those with another optimiser than adamw go the other way, on the CPU.
    Replicas(&'a Open<'a>),
}

/// Opens a group of replicas of this shape for so many runs as are waiting, or for as many of them as it has room for.
pub type Open<'a> = dyn Fn(&Shape, usize) -> Result<Box<dyn Replicas>, EngineError> + Sync + 'a;

impl Place<'_> {
    /// What a run gets that has an engine of its own.
    fn engine(&self) -> (EngineChoice, &Device) {
        match self {
            Self::Engines { choice, device } => (*choice, device),
            Self::Replicas(_) => (EngineChoice::Auto, &Device::Cpu),
        }
    }
}

/// What became of one run.
#[derive(Debug)]
pub enum Settled {
    /// Ran to its end now.
    Finished(Manifest),
    /// Had got there before.
    Already(Manifest),
    /// Another process runs it.
    Elsewhere,
    /// Asked to stop on the way; it can be resumed.
    Stopped,
    /// Ended by an error or a panic; the reason is in its manifest too, where it could be written.
    Failed(String),
}

/// The pool of threads could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot start {jobs} threads: {source}")]
pub struct PoolError {
    jobs: usize,
    source: rayon::ThreadPoolBuildError,
}

/// Runs them all, in order of the plan as threads come free. A failing run does not stop the others.
/// What another process was running is looked at again in the end, should that process have gone away.
pub fn sweep(
    plan: &[PlannedRun],
    execution: &Execution,
    reporter: &dyn Reporter,
) -> Result<Vec<Settled>, PoolError> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(execution.jobs)
        .build()
        .map_err(|source| PoolError { jobs: execution.jobs, source })?;
    let mut settled: Vec<Settled> = plan.iter().map(|_| Settled::Elsewhere).collect();
    note_those_left_to_the_cpu(plan, execution, reporter);
    loop {
        let open = |settled: &[Settled]| settled.iter().filter(|s| matches!(s, Settled::Elsewhere)).count();
        let before = open(&settled);
        let entries = plan.iter().zip(&mut settled).filter(|(_, s)| matches!(s, Settled::Elsewhere));
        let entries = entries.map(|(run, settled)| Entry { run, settled, reporter }).collect();
        pool.install(|| pass(entries, execution, reporter));
        let left = open(&settled);
        if left == 0 || left == before {
            break;
        }
    }
    for (run, settled) in plan.iter().zip(&settled).filter(|(_, s)| matches!(s, Settled::Elsewhere)) {
        reporter.settled(run, settled);
    }
    Ok(settled)
}

/// A run of the plan, and the place for what becomes of it.
struct Entry<'a> {
    run: &'a PlannedRun,
    settled: &'a mut Settled,
    reporter: &'a dyn Reporter,
}

impl Entry<'_> {
    /// A run that another process runs is told of in the end only: that process may go away.
    fn settle(self, settled: Settled) {
        if !matches!(settled, Settled::Elsewhere) {
            self.reporter.settled(self.run, &settled);
        }
        *self.settled = settled;
    }
}

/// Goes once through the runs that are not settled.
fn pass<'a>(entries: Vec<Entry<'a>>, execution: &'a Execution, reporter: &'a dyn Reporter) {
    let (side_by_side, alone) = match execution.place {
        Place::Replicas(open) => {
            let (adamw, others) = entries.into_iter().partition(|entry| has_moments(entry.run));
            (Some((open, adamw)), others)
        }
        Place::Engines { .. } => (None, entries),
    };
    if let Some((open, entries)) = side_by_side {
        lockstep(entries, open, execution, reporter);
    }
    // a bridge hands the runs out one by one, in their order; a parallel iterator would begin in the middle too
    alone.into_iter().par_bridge().for_each(|entry| {
        let settled = run_one(entry.run, execution, reporter);
        entry.settle(settled);
    });
}

/// Whether a device can take the run's steps: its optimiser is our AdamW.
fn has_moments(run: &PlannedRun) -> bool {
    run.config.optim.name == OptimizerName::AdamW
}

fn note_those_left_to_the_cpu(plan: &[PlannedRun], execution: &Execution, reporter: &dyn Reporter) {
    let mut others = plan.iter().filter(|run| !has_moments(run));
    if let (Place::Replicas(_), Some(first)) = (&execution.place, others.next()) {
        let count = 1 + others.count();
        let text =
            format!("computed on the CPU ({count} such runs): the device knows no optimiser but adamw");
        reporter.note(first, &text);
    }
}

/// One run on an engine of its own: skipped if it is finished or another process runs it, resumed where it stopped,
/// or begun.
pub fn run_one(run: &PlannedRun, execution: &Execution, reporter: &dyn Reporter) -> Settled {
    let (choice, device) = execution.place.engine();
    run_with(run, execution, reporter, &|| {
        engine::build(choice, run.config.precision, &run.config.model, run.task.n_symbols, device)
    })
}

/// An engine and its name.
type Built = Result<(Box<dyn Engine>, String), EngineError>;

fn run_with(
    run: &PlannedRun,
    execution: &Execution,
    reporter: &dyn Reporter,
    build: &dyn Fn() -> Built,
) -> Settled {
    let mut locked = match Locked::new(run, execution, reporter) {
        Ok(locked) => locked,
        Err(settled) => return *settled,
    };
    let result = guarded(|| {
        let (mut engine, engine_name) = build()?;
        let mut attempt = locked.begin(&engine_name, execution, reporter)?;
        let stopped = train(&mut attempt.trainer, engine.as_mut(), &mut attempt.recorder)?;
        Ok(attempt.settle(stopped)?)
    });
    result.unwrap_or_else(|reason| locked.fail(reason))
}

/// Every n-th run of a plan: shard `i` of `n`, counted from 1.
pub fn shard(plan: Vec<PlannedRun>, i: usize, n: usize) -> Vec<PlannedRun> {
    plan.into_iter().enumerate().filter(|(k, _)| k % n == i - 1).map(|(_, run)| run).collect()
}
