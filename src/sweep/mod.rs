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
mod diagnostics_tests;
#[cfg(test)]
pub(crate) mod fault_tests;
pub mod memory;
mod recorder;
mod share;
#[cfg(test)]
mod tests;

pub(crate) use attempt::{Locked, guarded};
pub(crate) use recorder::Recorder;
pub use recorder::{Live, Reporter};
pub use share::file_share;

use crate::{
    run::{Failure, Place, Planned, Started, train},
    store::Manifest,
};
use rayon::prelude::*;
use std::{
    num::NonZeroUsize,
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

/// How runs are carried out; nothing here changes what they are.
pub struct Execution<'a> {
    /// Where the run directories lie.
    pub results: PathBuf,
    /// A directory of experiments: what one of them has of a run is taken over from it.
    pub beside: Option<PathBuf>,
    /// Threads; with an engine a run, the runs at a time.
    pub jobs: usize,
    /// Who computes the steps of a run alone, and where.
    pub place: Place,
    /// Who brings many runs forward together, those that it takes.
    pub together: Option<&'a dyn Together>,
    /// Time between checkpoints; milestones are saved at once.
    pub checkpoint_every: Duration,
    /// Set from outside to stop all runs after their present step.
    pub stop: &'a AtomicBool,
}

/// A way to bring many runs forward side by side; each is locked, recorded, saved and settled as one alone.
pub trait Together: Sync {
    /// Whether it can take that run.
    fn takes(&self, run: &dyn Planned) -> bool;
    /// What is said of the runs that it does not take.
    fn remedy(&self) -> &'static str;
    /// Settles all entries, each of which it takes.
    fn settle<'a>(&self, entries: Vec<Entry<'a>>, execution: &'a Execution<'a>, reporter: &'a dyn Reporter);
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

/// A sweep that could not begin.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The pool of threads could not be started.
    #[error("cannot start {jobs} threads: {source}")]
    Threads {
        /// So many were asked for.
        jobs: usize,
        /// Why.
        source: rayon::ThreadPoolBuildError,
    },
    /// The runs do not fit into memory together.
    #[error(transparent)]
    Memory(#[from] memory::TooLittleMemory),
}

/// One thread a run: a product must never wait for, or steal from, another run's threads. Of a library that trains without
/// [`sweep`], this is to be called first.
pub fn limit_threads() {
    gemm::set_threading_threshold(usize::MAX);
}

/// Runs them all, in order of the plan as threads come free. A failing run does not stop the others.
/// What another process was running is looked at again in the end, should that process have gone away.
pub fn sweep(
    plan: &[Arc<dyn Planned>],
    execution: &Execution,
    reporter: &dyn Reporter,
) -> Result<Vec<Settled>, SweepError> {
    limit_threads();
    if execution.together.is_none() {
        memory::check(plan, NonZeroUsize::new(execution.jobs))?;
    }
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(execution.jobs)
        .build()
        .map_err(|source| SweepError::Threads { jobs: execution.jobs, source })?;
    let mut settled: Vec<Settled> = plan.iter().map(|_| Settled::Elsewhere).collect();
    note_those_left_alone(plan, execution, reporter);
    loop {
        let open = |settled: &[Settled]| settled.iter().filter(|s| matches!(s, Settled::Elsewhere)).count();
        let before = open(&settled);
        let entries = plan.iter().zip(&mut settled).filter(|(_, s)| matches!(s, Settled::Elsewhere));
        let entries = entries.map(|(run, settled)| Entry { run: run.as_ref(), settled, reporter }).collect();
        pool.install(|| pass(entries, execution, reporter));
        let left = open(&settled);
        if left == 0 || left == before {
            break;
        }
    }
    for (run, settled) in plan.iter().zip(&settled).filter(|(_, s)| matches!(s, Settled::Elsewhere)) {
        reporter.settled(run.as_ref(), settled);
    }
    Ok(settled)
}

/// A run of the plan, and the place for what becomes of it.
pub struct Entry<'a> {
    /// The run.
    pub(crate) run: &'a dyn Planned,
    settled: &'a mut Settled,
    reporter: &'a dyn Reporter,
}

impl Entry<'_> {
    /// A run that another process runs is told of in the end only: that process may go away.
    pub(crate) fn settle(self, settled: Settled) {
        if !matches!(settled, Settled::Elsewhere) {
            self.reporter.settled(self.run, &settled);
        }
        *self.settled = settled;
    }

    /// Settles it if there is nothing to do, or nothing that can be done; whether another process is at it is asked
    /// when its turn comes.
    pub(crate) fn unless_over(self, execution: &Execution) -> Option<Self> {
        match Locked::new(self.run, execution, self.reporter) {
            Err(settled) if !matches!(*settled, Settled::Elsewhere) => {
                self.settle(*settled);
                None
            }
            _ => Some(self),
        }
    }

    /// Settles it as failed, also in its manifest if it has one.
    pub(crate) fn fail(self, reason: String, execution: &Execution) {
        let settled = match Locked::new(self.run, execution, self.reporter) {
            Ok(locked) => locked.fail(reason),
            Err(settled) => *settled,
        };
        self.settle(settled);
    }
}

/// Goes once through the runs that are not settled.
fn pass<'a>(entries: Vec<Entry<'a>>, execution: &'a Execution, reporter: &'a dyn Reporter) {
    let alone = match execution.together {
        Some(together) => {
            let (side_by_side, alone) = entries.into_iter().partition(|entry| together.takes(entry.run));
            together.settle(side_by_side, execution, reporter);
            alone
        }
        None => entries,
    };
    // a bridge hands the runs out one by one, in their order; a parallel iterator would begin in the middle too
    alone.into_iter().par_bridge().for_each(|entry| {
        let settled = run_one(entry.run, execution, reporter);
        entry.settle(settled);
    });
}

fn note_those_left_alone(plan: &[Arc<dyn Planned>], execution: &Execution, reporter: &dyn Reporter) {
    let Some(together) = execution.together else { return };
    let mut others = plan.iter().filter(|run| !together.takes(run.as_ref()));
    if let Some(first) = others.next() {
        let text = format!("computed on the CPU ({} such runs): {}", 1 + others.count(), together.remedy());
        reporter.note(first.as_ref(), &text);
    }
}

/// One run on an engine of its own: skipped if it is finished or another process runs it, resumed where it stopped,
/// or begun.
pub fn run_one(run: &dyn Planned, execution: &Execution, reporter: &dyn Reporter) -> Settled {
    run_with(run, execution, reporter, &|| run.start(&execution.place))
}

fn run_with<'a>(
    run: &'a dyn Planned,
    execution: &Execution,
    reporter: &dyn Reporter,
    start: &dyn Fn() -> Result<Started<'a>, Failure>,
) -> Settled {
    let _whole = share::Timer::run();
    let mut locked = match Locked::new(run, execution, reporter) {
        Ok(locked) => locked,
        Err(settled) => return *settled,
    };
    let result = guarded(|| {
        let (mut learner, engine) = start()?;
        for note in learner.notes() {
            reporter.note(run, &note);
        }
        let mut recorder = locked.begin(learner.as_mut(), &engine, execution, reporter)?;
        let stopped = train(learner.as_mut(), &mut recorder)?;
        Ok(recorder.settle(learner.as_ref(), stopped.is_some())?)
    });
    result.unwrap_or_else(|reason| locked.fail(reason))
}

/// Every n-th run of a plan: shard `i` of `n`, counted from 1.
pub fn shard(plan: Vec<Arc<dyn Planned>>, i: usize, n: usize) -> Vec<Arc<dyn Planned>> {
    plan.into_iter().enumerate().filter(|(k, _)| k % n == i - 1).map(|(_, run)| run).collect()
}
