//! Between the training loop, the run's directory and whoever watches.

use super::{Execution, Settled};
use crate::{
    kinds::operations::config::PlannedRun,
    kinds::operations::train::{Record, Trainer},
    probe::Spectra,
    store::{Checkpoint, End, Manifest, MetricsRow, Milestones, Part, RunWriter, StopReason, StoreError},
};
use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

/// Watches a sweep; called from many threads.
pub trait Reporter: Sync {
    /// A run is on its way.
    fn live(&self, run: &PlannedRun, live: &Live);
    /// Something about a run that its owner should know.
    fn note(&self, run: &PlannedRun, text: &str);
    /// A run is over.
    fn settled(&self, run: &PlannedRun, settled: &Settled);
}

/// What can be said of a run on its way.
#[derive(Clone, Debug)]
pub struct Live<'a> {
    /// Completed epochs.
    pub epoch: u64,
    /// Those of them that this process did.
    pub done_here: u64,
    /// Epochs at most.
    pub max_epochs: u64,
    /// Epoch at which it will stop if nothing changes: after grokking, patience; before, the budget.
    pub expected_end: u64,
    /// The latest evaluation.
    pub row: Option<&'a MetricsRow>,
    /// Since this process is at it.
    pub elapsed: Duration,
    /// Whether `row` is new.
    pub is_new: bool,
}

/// Writes what the loop tells, saves the run in time, and shows it.
pub(super) struct Recorder<'a> {
    run: &'a PlannedRun,
    writer: RunWriter,
    reporter: &'a dyn Reporter,
    execution: &'a Execution<'a>,
    start: Instant,
    first_epoch: u64,
    /// Seconds of the processes before: wall, evaluation, probe.
    before: [f64; 3],
    last_save: Instant,
    saved_milestones: Milestones,
    latest: Option<MetricsRow>,
    is_new: bool,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(
        run: &'a PlannedRun,
        writer: RunWriter,
        reporter: &'a dyn Reporter,
        execution: &'a Execution<'a>,
        trainer: &Trainer,
    ) -> Self {
        let m = &writer.manifest;
        let before = [m.wall_seconds, m.evaluation_seconds, m.probe_seconds];
        Self {
            run,
            writer,
            reporter,
            execution,
            start: Instant::now(),
            first_epoch: trainer.next_epoch,
            before,
            last_save: Instant::now(),
            saved_milestones: trainer.milestones,
            latest: None,
            is_new: false,
        }
    }

    /// Brings the manifest up to the state of the trainer; it is written with the next save.
    fn note_progress(&mut self, trainer: &Trainer) {
        let [wall, evaluation, probe] = self.before;
        let m = &mut self.writer.manifest;
        m.epochs = trainer.next_epoch.saturating_sub(1);
        m.steps = trainer.step;
        m.milestones = trainer.milestones;
        m.wall_seconds = wall + self.start.elapsed().as_secs_f64();
        m.evaluation_seconds = evaluation + trainer.clock.evaluation.as_secs_f64();
        m.probe_seconds = probe + trainer.clock.probe.as_secs_f64();
    }

    /// Lets the first save come earlier by this share of the time between saves: runs that begin together do not all
    /// save at once then.
    pub(super) fn hurry_first_save(&mut self, share: f64) {
        let earlier = self.execution.checkpoint_every.mul_f64(share);
        self.last_save = self.last_save.checked_sub(earlier).unwrap_or(self.last_save);
    }

    /// Whether the run should be saved as it stands: time is up, or a milestone is new.
    pub(super) fn is_save_due(&self, trainer: &Trainer) -> bool {
        let is_time = self.last_save.elapsed() >= self.execution.checkpoint_every;
        is_time || trainer.milestones != self.saved_milestones
    }

    /// Saves the run as it stands.
    pub(super) fn save(&mut self, trainer: &Trainer) -> Result<(), StoreError> {
        self.note_progress(trainer);
        self.writer.save(trainer.snapshot().as_ref(), &trainer.layout)?;
        self.saved_milestones = trainer.milestones;
        self.last_save = Instant::now();
        Ok(())
    }

    /// Ends the record of a run that got to the end of its budget. What diverged cannot go on, and keeps no state.
    pub(super) fn finish(mut self, trainer: &Trainer, end: End) -> Result<Manifest, StoreError> {
        self.note_progress(trainer);
        let snapshot = if end.stopped == StopReason::Diverged { None } else { trainer.snapshot() };
        self.writer.finish(end, snapshot.as_ref(), &trainer.layout, &trainer.params)
    }

    /// Shows the state of the run.
    pub(super) fn show(&mut self, trainer: &Trainer) {
        let config = &self.run.config.train;
        let max_epochs = config.max_epochs;
        let (expected_end, _) = trainer.milestones.end(config);
        let epoch = trainer.next_epoch - 1;
        self.reporter.live(
            self.run,
            &Live {
                epoch,
                done_here: trainer.next_epoch - self.first_epoch,
                max_epochs,
                expected_end,
                row: self.latest.as_ref(),
                elapsed: self.start.elapsed(),
                is_new: std::mem::take(&mut self.is_new),
            },
        );
    }
}

impl Record for Recorder<'_> {
    fn row(&mut self, part: Part, row: &MetricsRow) -> Result<(), StoreError> {
        self.latest = Some(row.clone());
        self.is_new = true;
        self.writer.metrics(part, row)
    }

    fn spectra(
        &mut self,
        part: Part,
        checkpoint: Checkpoint,
        epoch: u64,
        spectra: &Spectra,
    ) -> Result<(), StoreError> {
        self.writer.spectra(part, checkpoint, epoch, spectra)
    }

    fn diagnostics(
        &mut self,
        part: Part,
        epoch: u64,
        columns: &[String],
        values: &[f64],
    ) -> Result<(), StoreError> {
        self.writer.diagnostics(part, epoch, columns, values)
    }

    fn is_stopping(&self) -> bool {
        self.execution.stop.load(Ordering::Relaxed)
    }

    fn epoch(&mut self, trainer: &Trainer) -> Result<(), StoreError> {
        if self.is_save_due(trainer) {
            self.save(trainer)?;
        }
        self.show(trainer);
        Ok(())
    }
}
