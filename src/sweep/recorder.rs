//! Between the training loop, the run's directory and whoever watches.

use super::{Execution, Settled, share::Timer};
use crate::{
    probe::Spectra,
    run::{Failure, Mark, Milestones, Part, Planned, Record, State},
    store::{RunWriter, StoreError},
};
use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

/// Watches a sweep; called from many threads.
pub trait Reporter: Sync {
    /// A run is on its way.
    fn live(&self, run: &dyn Planned, live: &Live);
    /// Something about a run that its owner should know.
    fn note(&self, run: &dyn Planned, text: &str);
    /// A run is over.
    fn settled(&self, run: &dyn Planned, settled: &Settled);
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
    /// The latest evaluation: a number for each column of the run's kind.
    pub row: Option<&'a [f64]>,
    /// Since this process is at it.
    pub elapsed: Duration,
    /// Whether `row` is new.
    pub is_new: bool,
}

/// Writes what the loop tells, saves the run in time, and shows it.
pub(crate) struct Recorder<'a> {
    run: &'a dyn Planned,
    writer: RunWriter,
    reporter: &'a dyn Reporter,
    execution: &'a Execution<'a>,
    start: Instant,
    first_epoch: u64,
    /// Seconds of the processes before: wall, evaluation, probe.
    before: [f64; 3],
    last_save: Instant,
    saved_milestones: Milestones,
    latest: Option<Vec<f64>>,
    is_new: bool,
}

impl<'a> Recorder<'a> {
    pub(crate) fn new(
        run: &'a dyn Planned,
        writer: RunWriter,
        reporter: &'a dyn Reporter,
        execution: &'a Execution<'a>,
        state: &dyn State,
    ) -> Self {
        let m = &writer.manifest;
        let before = [m.wall_seconds, m.evaluation_seconds, m.probe_seconds];
        Self {
            run,
            writer,
            reporter,
            execution,
            start: Instant::now(),
            first_epoch: state.course().next_epoch,
            before,
            last_save: Instant::now(),
            saved_milestones: state.course().milestones.clone(),
            latest: None,
            is_new: false,
        }
    }

    /// Brings the manifest up to the state of the run; it is written with the next save.
    fn note_progress(&mut self, state: &dyn State) {
        let [wall, evaluation, probe] = self.before;
        let course = state.course();
        let m = &mut self.writer.manifest;
        m.epochs = course.next_epoch.saturating_sub(1);
        m.steps = course.step;
        m.milestones = course.milestones.clone();
        m.wall_seconds = wall + self.start.elapsed().as_secs_f64();
        m.evaluation_seconds = evaluation + course.clock.evaluation.as_secs_f64();
        m.probe_seconds = probe + course.clock.probe.as_secs_f64();
    }

    /// Lets the first save come earlier by this share of the time between saves: runs that begin together do not all
    /// save at once then.
    pub(crate) fn hurry_first_save(&mut self, share: f64) {
        let earlier = self.execution.checkpoint_every.mul_f64(share);
        self.last_save = self.last_save.checked_sub(earlier).unwrap_or(self.last_save);
    }

    /// Whether the run should be saved as it stands: time is up, or a milestone is new.
    pub(crate) fn is_save_due(&self, state: &dyn State) -> bool {
        let is_time = self.last_save.elapsed() >= self.execution.checkpoint_every;
        is_time || state.course().milestones != self.saved_milestones
    }

    /// Saves the run as it stands.
    pub(crate) fn save(&mut self, state: &dyn State) -> Result<(), StoreError> {
        let _files = Timer::files();
        self.note_progress(state);
        self.writer.save(state.snapshot().as_ref(), state.layout())?;
        self.saved_milestones = state.course().milestones.clone();
        self.last_save = Instant::now();
        Ok(())
    }

    /// Ends the record of a run that is over, or saves it so that it can be resumed. What diverged cannot go
    /// on, and keeps no state.
    pub(crate) fn settle(mut self, state: &dyn State, is_over: bool) -> Result<Settled, StoreError> {
        match state.course().end.clone().filter(|_| is_over) {
            Some(end) => {
                self.note_progress(state);
                let _files = Timer::files();
                let snapshot = if end.stopped.is_divergence() { None } else { state.snapshot() };
                let (layout, parameters) = (state.layout(), state.parameters());
                Ok(Settled::Finished(self.writer.finish(end, snapshot.as_ref(), layout, parameters)?))
            }
            None => {
                if state.course().next_epoch > 0 {
                    self.save(state)?;
                }
                Ok(Settled::Stopped)
            }
        }
    }

    /// Shows the state of the run.
    pub(crate) fn show(&mut self, state: &dyn State) {
        let course = state.course();
        let live = Live {
            epoch: course.next_epoch.saturating_sub(1),
            done_here: course.next_epoch - self.first_epoch,
            max_epochs: course.budget().max_epochs,
            expected_end: course.expected_end(),
            row: self.latest.as_deref(),
            elapsed: self.start.elapsed(),
            is_new: std::mem::take(&mut self.is_new),
        };
        self.reporter.live(self.run, &live);
    }
}

impl Record for Recorder<'_> {
    fn row(&mut self, part: Part, mark: Mark, values: &[f64]) -> Result<(), Failure> {
        self.latest = Some(values.to_vec());
        self.is_new = true;
        let _files = Timer::files();
        Ok(self.writer.metrics(part, mark, values)?)
    }

    fn spectra(
        &mut self,
        part: Part,
        checkpoint: &str,
        epoch: u64,
        spectra: &Spectra,
    ) -> Result<(), Failure> {
        let _files = Timer::files();
        Ok(self.writer.spectra(part, checkpoint, epoch, spectra)?)
    }

    fn diagnostics(
        &mut self,
        part: Part,
        epoch: u64,
        columns: &[String],
        values: &[f64],
    ) -> Result<(), Failure> {
        let _files = Timer::files();
        Ok(self.writer.diagnostics(part, epoch, columns, values)?)
    }

    fn is_stopping(&self) -> bool {
        self.execution.stop.load(Ordering::Relaxed)
    }

    fn round(&mut self, state: &dyn State) -> Result<(), Failure> {
        if self.is_save_due(state) {
            self.save(state)?;
        }
        self.show(state);
        Ok(())
    }
}
