//! One process's attempt at one run, whoever computes it: lock the directory, begin or resume, settle.
//!
//! Promises: a run that fails, by an error or a panic, has the reason in its manifest, where it can be written.

use super::{Execution, Reporter, Settled, recorder::Recorder, share::Timer};
use crate::{
    program::{Program, instruction_set},
    run::{Failure, Planned, State},
    store::{self, Lock, Manifest, Provenance, Resumed, RunWriter, StoreError},
};
use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::atomic::Ordering,
};

/// A run that is to be done, its directory locked.
pub(crate) struct Locked<'a> {
    run: &'a dyn Planned,
    dir: PathBuf,
    manifest: Option<Manifest>,
    _lock: Lock,
}

impl<'a> Locked<'a> {
    /// Locks the run's directory, or says why there is nothing to do. What another experiment beside this one has of the
    /// run is taken over.
    pub(crate) fn new(
        run: &'a dyn Planned,
        execution: &Execution,
        reporter: &dyn Reporter,
    ) -> Result<Self, Box<Settled>> {
        let _files = Timer::files();
        if execution.stop.load(Ordering::Relaxed) {
            return Err(Settled::Stopped.into());
        }
        let failed = |e: StoreError| Settled::Failed(e.to_string());
        let dir = execution.results.join(run.id());
        let lock = store::lock(&dir).map_err(failed)?.ok_or(Settled::Elsewhere)?;
        let mut manifest = store::read_manifest(&dir).map_err(failed)?;
        if let Some(m) = &manifest {
            if m.run != run.id() {
                return Err(Settled::Failed(format!("{} holds the run {}", dir.display(), m.run)).into());
            }
            let differences = store::differences(&dir, run);
            if !differences.is_empty() {
                let what = differences.join(", ");
                let remedy = "move it away, or remove it to run this one in its place";
                let reason =
                    format!("{} holds another recipe under this id ({what}); {remedy}", dir.display());
                return Err(Settled::Failed(reason).into());
            }
        }
        store::tidy(&dir, manifest.as_ref()).map_err(failed)?;
        let is_covered = |m: &Option<Manifest>| m.as_ref().is_some_and(|m| m.covers(&run.budget()));
        if let Some(beside) = execution.beside.as_ref().filter(|_| !is_covered(&manifest)) {
            let recorded = manifest.as_ref().and_then(|m| m.newest()).map(|point| point.epochs);
            if let Some(adopted) = store::adopt(&dir, beside, run, recorded).map_err(failed)? {
                let (from, epochs) = (adopted.from.display(), adopted.manifest.epochs);
                reporter.note(run, &format!("epochs up to {epochs} taken over from {from}"));
                manifest = Some(adopted.manifest);
            }
        }
        match manifest {
            Some(m) if m.covers(&run.budget()) => Err(Settled::Already(m).into()),
            manifest => Ok(Self { run, dir, manifest, _lock: lock }),
        }
    }

    /// Resumes the run where it stopped, as far as its files are whole, or begins it.
    pub(crate) fn begin(
        &mut self,
        state: &mut dyn State,
        engine: &str,
        execution: &'a Execution,
        reporter: &'a dyn Reporter,
    ) -> Result<Recorder<'a>, Failure> {
        let _files = Timer::files();
        let run = self.run;
        tracing::info!("{}: {engine}", run.id());
        let resumed = self.resume(state, reporter)?;
        let by = Provenance {
            from_epoch: state.course().next_epoch,
            program: Program::this(),
            engine: engine.to_owned(),
            precision: run.precision().to_owned(),
            processor: instruction_set().to_owned(),
        };
        let writer = match resumed {
            Some(mut writer) => {
                let from = state.course().next_epoch;
                let before = writer.manifest.provenance.last();
                let changes = before.map_or_else(Vec::new, |before| by.differences(before));
                if !changes.is_empty() {
                    reporter.note(
                        run,
                        &format!("another program than before epoch {from}: {}", changes.join("; ")),
                    );
                    writer.manifest.provenance.push(by);
                }
                reporter.note(run, &format!("resumed at epoch {from}, step {}", state.course().step));
                writer
            }
            None => RunWriter::create(&self.dir, run, Manifest::fresh(run, state.layout().len(), by))?,
        };
        Ok(Recorder::new(run, writer, reporter, execution, state))
    }

    /// Brings the run in memory to where it stopped; none when it must begin.
    fn resume(
        &mut self,
        state: &mut dyn State,
        reporter: &dyn Reporter,
    ) -> Result<Option<RunWriter>, StoreError> {
        let run = self.run;
        let Some(manifest) = self.manifest.take().filter(|m| !m.saved.is_empty()) else { return Ok(None) };
        if !state.is_resumable() {
            reporter.note(run, "restarted: not resumable, its optimiser keeps its state to itself");
            return Ok(None);
        }
        let layout = state.layout().clone();
        let is_pruned = manifest.pruned.iter().any(|name| name.starts_with("checkpoint-"));
        let damage =
            &mut |e: &StoreError| reporter.note(run, &format!("not resumed from a damaged file: {e}"));
        let resumed = RunWriter::resume(&self.dir, run, manifest, &layout, damage)?;
        let Some(Resumed { writer, snapshot }) = resumed else {
            let why = if is_pruned { "its state was pruned" } else { "there is no whole checkpoint" };
            reporter.note(run, &format!("restarted: {why}"));
            return Ok(None);
        };
        if let Err(e) = state.restore(snapshot) {
            reporter.note(run, &format!("restarted: {e}"));
            return Ok(None);
        }
        Ok(Some(writer))
    }

    /// Records why the run failed.
    pub(crate) fn fail(self, reason: String) -> Settled {
        match store::record_failure(&self.dir, &self.run.budget(), &reason) {
            Ok(()) => Settled::Failed(reason),
            Err(e) => Settled::Failed(format!("{reason} (and the failure could not be recorded: {e})")),
        }
    }
}

/// What `f` gives; its error or its panic as text. A panic in one run must not take the others with it.
pub(crate) fn guarded<T>(f: impl FnOnce() -> Result<T, Failure>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => result.map_err(|e| e.to_string()),
        Err(panic) => Err(format!("internal error: {}", panic_text(&*panic))),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".to_owned())
}
