//! One process's attempt at one run, whoever computes it: claim the directory, begin or take up, settle.
//!
//! Promises: a run that fails, by an error or a panic, has the reason in its manifest, where it can be written.

use super::{Execution, Reporter, Settled, recorder::Recorder};
use crate::{
    config::PlannedRun,
    store::{self, Claim, Manifest, Resumed, RunState, RunWriter, StopReason, StoreError},
    train::{TrainError, Trainer},
};
use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::atomic::Ordering,
};

/// A run that is to be done, its directory claimed.
pub(super) struct Claimed<'a> {
    run: &'a PlannedRun,
    dir: PathBuf,
    manifest: Option<Manifest>,
    _claim: Claim,
}

/// A run on its way.
pub(super) struct Attempt<'a> {
    pub(super) trainer: Trainer<'a>,
    pub(super) recorder: Recorder<'a>,
}

impl<'a> Claimed<'a> {
    /// Claims the run's directory, or says why there is nothing to do.
    pub(super) fn new(run: &'a PlannedRun, execution: &Execution) -> Result<Self, Box<Settled>> {
        if execution.stop.load(Ordering::Relaxed) {
            return Err(Settled::Stopped.into());
        }
        let failed = |e: StoreError| Settled::Failed(e.to_string());
        let dir = execution.results.join(&run.id);
        let claim = store::claim(&dir).map_err(failed)?.ok_or(Settled::Elsewhere)?;
        let manifest = store::read_manifest(&dir).map_err(failed)?;
        if let Some(m) = manifest.as_ref().filter(|m| m.run != run.id) {
            return Err(Settled::Failed(format!("{} holds the run {}", dir.display(), m.run)).into());
        }
        store::tidy(&dir, manifest.as_ref()).map_err(failed)?;
        match manifest {
            Some(m) if m.state == RunState::Finished => Err(Settled::Already(m).into()),
            manifest => Ok(Self { run, dir, manifest, _claim: claim }),
        }
    }

    /// Takes the run up where it stopped, as far as its files are whole, or begins it.
    pub(super) fn begin(
        &mut self,
        engine: &str,
        execution: &'a Execution,
        reporter: &'a dyn Reporter,
    ) -> Result<Attempt<'a>, TrainError> {
        let run = self.run;
        tracing::info!("{}: {engine}", run.id);
        let mut trainer = Trainer::new(run)?;
        let writer = match self.take_up(&mut trainer, reporter)? {
            Some(mut writer) => {
                let from = trainer.next_epoch;
                if !writer.manifest.engine.ends_with(engine) {
                    let change = format!("{}; from epoch {from} {engine}", writer.manifest.engine);
                    reporter.note(run, &format!("another engine than before: {change}"));
                    writer.manifest.engine = change;
                }
                reporter.note(run, &format!("taken up at epoch {from}, step {}", trainer.step));
                writer
            }
            None => {
                let split = (trainer.split.train.len(), trainer.split.val.len());
                let fresh = Manifest::fresh(run, split, trainer.layout.len(), engine);
                RunWriter::create(&self.dir, &run.config, fresh)?
            }
        };
        let recorder = Recorder::new(run, writer, reporter, execution, &trainer);
        Ok(Attempt { trainer, recorder })
    }

    /// Brings the trainer to where the run stopped; none when it must begin.
    fn take_up(
        &mut self,
        trainer: &mut Trainer,
        reporter: &dyn Reporter,
    ) -> Result<Option<RunWriter>, StoreError> {
        let run = self.run;
        let Some(manifest) = self.manifest.take().filter(|m| !m.saved.is_empty()) else { return Ok(None) };
        if trainer.optimizer().adamw().is_none() {
            reporter.note(run, "begun anew: this optimiser's state cannot be saved (only adamw's can)");
            return Ok(None);
        }
        let layout = trainer.layout.clone();
        let damage =
            &mut |e: &StoreError| reporter.note(run, &format!("not taken up from a damaged file: {e}"));
        let resumed = RunWriter::resume(&self.dir, &run.config, manifest, &layout, damage)?;
        let Some(Resumed { writer, snapshot }) = resumed else {
            reporter.note(run, "begun anew: there is no whole checkpoint");
            return Ok(None);
        };
        if let Err(e) = trainer.restore(snapshot) {
            reporter.note(run, &format!("begun anew: {e}"));
            return Ok(None);
        }
        Ok(Some(writer))
    }

    /// Records why the run failed.
    pub(super) fn fail(self, reason: String) -> Settled {
        match store::record_failure(&self.dir, &reason) {
            Ok(()) => Settled::Failed(reason),
            Err(e) => Settled::Failed(format!("{reason} (and the failure could not be recorded: {e})")),
        }
    }
}

impl Attempt<'_> {
    /// Ends the record of the run, or, without a reason to end, saves it so that it can be taken up again.
    pub(super) fn settle(self, stopped: Option<StopReason>) -> Result<Settled, StoreError> {
        let Self { trainer, mut recorder } = self;
        match stopped {
            Some(reason) => Ok(Settled::Finished(recorder.finish(&trainer, reason)?)),
            None => {
                if trainer.next_epoch > 0 {
                    recorder.save(&trainer)?;
                }
                Ok(Settled::Stopped)
            }
        }
    }
}

/// What `f` gives; its error or its panic as text. A panic in one run must not take the others with it.
pub(super) fn guarded<T>(f: impl FnOnce() -> Result<T, TrainError>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => result.map_err(|e| e.to_string()),
        Err(panic) => Err(format!("internal error: {}", panic_text(&*panic))),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".to_owned())
}
