//! plan → run → settle: many runs over a pool of threads, one thread a run, each recorded in its own directory.

mod recorder;

pub use recorder::{Live, Reporter};

use crate::{
    config::PlannedRun,
    engine::{self, EngineChoice},
    store::{self, FORMAT, Manifest, RunState, RunWriter, StoreError},
    train::{TrainError, Trainer, train},
};
use candle_core::Device;
use rayon::prelude::*;
use recorder::Recorder;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Instant,
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
    /// Set from outside to stop all runs at their next epoch.
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
    /// Asked to stop on the way.
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
pub fn sweep(
    plan: &[PlannedRun],
    execution: &Execution,
    reporter: &dyn Reporter,
) -> Result<Vec<Settled>, PoolError> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(execution.jobs)
        .build()
        .map_err(|source| PoolError { jobs: execution.jobs, source })?;
    // with_max_len(1): a thread takes one run at a time, so a long run does not hold short ones back
    Ok(pool.install(|| {
        plan.par_iter()
            .with_max_len(1)
            .map(|run| {
                let settled = run_one(run, execution, reporter);
                reporter.settled(run, &settled);
                settled
            })
            .collect()
    }))
}

/// One run: skipped if it is finished or another process is at it, otherwise trained from the start into its directory.
pub fn run_one(run: &PlannedRun, execution: &Execution, reporter: &dyn Reporter) -> Settled {
    if execution.stop.load(Ordering::Relaxed) {
        return Settled::Stopped;
    }
    let dir = execution.results.join(&run.id);
    let _claim = match store::claim(&dir) {
        Ok(Some(claim)) => claim,
        Ok(None) => return Settled::Elsewhere,
        Err(e) => return Settled::Failed(e.to_string()),
    };
    match store::read_manifest(&dir) {
        Ok(Some(m)) if m.state == RunState::Finished => return Settled::Already(m),
        Ok(_) => {}
        Err(e) => return Settled::Failed(e.to_string()),
    }
    // a panic in one run must not take the others with it
    let result = catch_unwind(AssertUnwindSafe(|| attempt(run, &dir, execution, reporter)));
    let reason = match result {
        Ok(Ok(settled)) => return settled,
        Ok(Err(e)) => e.to_string(),
        Err(panic) => format!("internal error: {}", panic_text(&*panic)),
    };
    match record_failure(&dir, &reason) {
        Ok(()) => Settled::Failed(reason),
        Err(e) => Settled::Failed(format!("{reason} (and the failure could not be recorded: {e})")),
    }
}

fn attempt(
    run: &PlannedRun,
    dir: &Path,
    execution: &Execution,
    reporter: &dyn Reporter,
) -> Result<Settled, TrainError> {
    let start = Instant::now();
    let (engine, engine_name) =
        engine::build(execution.engine, &run.config.model, run.task.n_symbols, &execution.device)?;
    tracing::info!("{}: {engine_name}", run.id);
    let mut trainer = Trainer::new(run, engine)?;
    let manifest = Manifest {
        format: FORMAT,
        groklab: env!("CARGO_PKG_VERSION").to_owned(),
        run: run.id.clone(),
        task: run.task.name.clone(),
        task_digest: run.task.digest(),
        n_symbols: run.task.n_symbols,
        train_rows: trainer.split.train.len(),
        val_rows: trainer.split.val.len(),
        parameters: trainer.layout.len(),
        engine: engine_name,
        state: RunState::Running,
        stopped: None,
        failure: None,
        epochs: 0,
        steps: 0,
        milestones: Default::default(),
        wall_seconds: 0.0,
        evaluation_seconds: 0.0,
        probe_seconds: 0.0,
    };
    let mut writer = RunWriter::create(dir, &run.config, &manifest)?;
    let outcome = {
        let mut recorder = Recorder::new(run, &mut writer, reporter, execution.stop, start);
        train(&mut trainer, &mut recorder)?
    };
    if outcome.stopped.is_none() {
        return Ok(Settled::Stopped);
    }
    writer.parameters(&trainer.layout, &trainer.params)?;
    let finished = Manifest {
        state: RunState::Finished,
        stopped: outcome.stopped,
        epochs: outcome.epochs,
        steps: trainer.step,
        milestones: outcome.milestones,
        wall_seconds: start.elapsed().as_secs_f64(),
        evaluation_seconds: trainer.clock.evaluation.as_secs_f64(),
        probe_seconds: trainer.clock.probe.as_secs_f64(),
        ..manifest
    };
    store::write_manifest(dir, &finished)?;
    Ok(Settled::Finished(finished))
}

fn record_failure(dir: &Path, reason: &str) -> Result<(), StoreError> {
    match store::read_manifest(dir)? {
        Some(mut manifest) => {
            manifest.state = RunState::Failed;
            manifest.failure = Some(reason.to_owned());
            store::write_manifest(dir, &manifest)
        }
        None => Ok(()), // it failed before it had a directory
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".to_owned())
}

/// Every n-th run of a plan: shard `i` of `n`, counted from 1.
pub fn shard(plan: Vec<PlannedRun>, i: usize, n: usize) -> Vec<PlannedRun> {
    plan.into_iter().enumerate().filter(|(k, _)| k % n == i - 1).map(|(_, run)| run).collect()
}
