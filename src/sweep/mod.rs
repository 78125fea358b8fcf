//! plan → claim → run → settle: many runs over a pool of threads, one thread a run, each recorded in its own directory.
//!
//! Any number of processes may sweep into one directory: each run is claimed by one of them. A run that stopped on
//! the way is taken up where its manifest says, and its files end with the same bytes as if it had never stopped.

#[cfg(test)]
mod fault_tests;
mod recorder;

pub use recorder::{Live, Reporter};

use crate::{
    config::PlannedRun,
    engine::{self, Engine, EngineChoice, EngineError},
    store::{self, Manifest, Resumed, RunState, RunWriter, StoreError},
    train::{TrainError, Trainer, train},
};
use candle_core::Device;
use rayon::prelude::*;
use recorder::Recorder;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

/// How runs are carried out; nothing here changes what they are.
pub struct Execution<'a> {
    /// Where the run directories stand.
    pub results: PathBuf,
    /// Runs at a time.
    pub jobs: usize,
    /// Who computes the steps.
    pub engine: EngineChoice,
    /// Where.
    pub device: Device,
    /// Time between checkpoints; milestones are saved at once.
    pub checkpoint_every: Duration,
    /// Set from outside to stop all runs after their present step.
    pub stop: &'a AtomicBool,
}

/// What became of one run.
#[derive(Debug)]
pub enum Settled {
    /// Ran to its end now.
    Finished(Manifest),
    /// Had been finished before.
    Already(Manifest),
    /// Another process is at it.
    Elsewhere,
    /// Asked to stop on the way; it can be taken up again.
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
/// What another process was at is looked at again in the end, should that process have gone away.
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
    loop {
        let open = |settled: &[Settled]| settled.iter().filter(|s| matches!(s, Settled::Elsewhere)).count();
        let before = open(&settled);
        // with_max_len(1): a thread takes one run at a time, so a long run does not hold short ones back
        pool.install(|| {
            plan.par_iter().zip(&mut settled).with_max_len(1).for_each(|(run, settled)| {
                if matches!(settled, Settled::Elsewhere) {
                    *settled = run_one(run, execution, reporter);
                    if !matches!(settled, Settled::Elsewhere) {
                        reporter.settled(run, settled);
                    }
                }
            });
        });
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

/// One run: skipped if it is finished or another process is at it, taken up where it stopped, or begun.
pub fn run_one(run: &PlannedRun, execution: &Execution, reporter: &dyn Reporter) -> Settled {
    run_with(run, execution, reporter, &|| {
        engine::build(execution.engine, &run.config.model, run.task.n_symbols, &execution.device)
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
    if execution.stop.load(Ordering::Relaxed) {
        return Settled::Stopped;
    }
    let dir = execution.results.join(&run.id);
    let _claim = match store::claim(&dir) {
        Ok(Some(claim)) => claim,
        Ok(None) => return Settled::Elsewhere,
        Err(e) => return Settled::Failed(e.to_string()),
    };
    let manifest = match store::read_manifest(&dir) {
        Ok(Some(m)) if m.run != run.id => {
            return Settled::Failed(format!("{} holds the run {}", dir.display(), m.run));
        }
        Ok(manifest) => manifest,
        Err(e) => return Settled::Failed(e.to_string()),
    };
    if let Err(e) = store::tidy(&dir, manifest.as_ref()) {
        return Settled::Failed(e.to_string());
    }
    if let Some(m) = manifest.as_ref().filter(|m| m.state == RunState::Finished) {
        return Settled::Already(m.clone());
    }
    // a panic in one run must not take the others with it
    let result = catch_unwind(AssertUnwindSafe(|| attempt(run, &dir, manifest, execution, reporter, build)));
    let reason = match result {
        Ok(Ok(settled)) => return settled,
        Ok(Err(e)) => e.to_string(),
        Err(panic) => format!("internal error: {}", panic_text(&*panic)),
    };
    match store::record_failure(&dir, &reason) {
        Ok(()) => Settled::Failed(reason),
        Err(e) => Settled::Failed(format!("{reason} (and the failure could not be recorded: {e})")),
    }
}

fn attempt(
    run: &PlannedRun,
    dir: &Path,
    manifest: Option<Manifest>,
    execution: &Execution,
    reporter: &dyn Reporter,
    build: &dyn Fn() -> Built,
) -> Result<Settled, TrainError> {
    let (engine, engine_name) = build()?;
    tracing::info!("{}: {engine_name}", run.id);
    let mut trainer = Trainer::new(run, engine)?;
    let split = (trainer.split.train.len(), trainer.split.val.len());
    let fresh = Manifest::fresh(run, split, trainer.layout.len(), &engine_name);
    let mut writer = match take_up(run, dir, manifest, &mut trainer, reporter)? {
        Some(mut writer) => {
            let from = trainer.next_epoch;
            if !writer.manifest.engine.ends_with(&engine_name) {
                let change = format!("{}; from epoch {from} {engine_name}", writer.manifest.engine);
                reporter.note(run, &format!("another engine than before: {change}"));
                writer.manifest.engine = change;
            }
            reporter.note(run, &format!("taken up at epoch {from}, step {}", trainer.step));
            writer
        }
        None => RunWriter::create(dir, &run.config, fresh)?,
    };
    let mut recorder = Recorder::new(run, &mut writer, reporter, execution, &trainer);
    let stopped = train(&mut trainer, &mut recorder)?;
    recorder.note_progress(&trainer);
    match stopped {
        Some(reason) => {
            writer.manifest.stopped = Some(reason);
            Ok(Settled::Finished(writer.finish(&trainer.layout, &trainer.params)?))
        }
        None => {
            if trainer.next_epoch > 0 {
                writer.save(trainer.snapshot().as_ref(), &trainer.layout)?;
            }
            Ok(Settled::Stopped)
        }
    }
}

/// Brings the trainer to where the run stopped, as far as its files are whole; none when it must begin.
fn take_up(
    run: &PlannedRun,
    dir: &Path,
    manifest: Option<Manifest>,
    trainer: &mut Trainer,
    reporter: &dyn Reporter,
) -> Result<Option<RunWriter>, StoreError> {
    let Some(manifest) = manifest.filter(|m| !m.saved.is_empty()) else { return Ok(None) };
    if trainer.optimizer().adamw().is_none() {
        reporter.note(run, "begun anew: this optimiser's state cannot be saved (only adamw's can)");
        return Ok(None);
    }
    let layout = trainer.layout.clone();
    let damage = &mut |e: &StoreError| reporter.note(run, &format!("not taken up from a damaged file: {e}"));
    let Some(Resumed { writer, snapshot }) = RunWriter::resume(dir, &run.config, manifest, &layout, damage)?
    else {
        reporter.note(run, "begun anew: there is no whole checkpoint");
        return Ok(None);
    };
    if let Err(e) = trainer.restore(snapshot) {
        reporter.note(run, &format!("begun anew: {e}"));
        return Ok(None);
    }
    Ok(Some(writer))
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".to_owned())
}

/// Every n-th run of a plan: shard `i` of `n`, counted from 1.
pub fn shard(plan: Vec<PlannedRun>, i: usize, n: usize) -> Vec<PlannedRun> {
    plan.into_iter().enumerate().filter(|(k, _)| k % n == i - 1).map(|(_, run)| run).collect()
}
