//! Between the training loop, the run's directory and whoever watches.

use super::Settled;
use crate::{
    config::PlannedRun,
    probe::Spectra,
    store::{Checkpoint, MetricsRow, RunWriter, StoreError},
    train::Record,
};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

/// Watches a sweep; called from many threads.
pub trait Reporter: Sync {
    /// A run is on its way.
    fn live(&self, run: &PlannedRun, live: &Live);
    /// A run is over.
    fn settled(&self, run: &PlannedRun, settled: &Settled);
}

/// What can be said of a run on its way.
#[derive(Clone, Debug)]
pub struct Live<'a> {
    /// Completed epochs.
    pub epoch: u64,
    /// Epochs at most.
    pub max_epochs: u64,
    /// Epoch at which it will stop if nothing changes: after grokking, patience; before, the budget.
    pub expected_end: u64,
    /// The latest evaluation.
    pub row: Option<&'a MetricsRow>,
    /// Since the run started.
    pub elapsed: Duration,
    /// Whether `row` is new.
    pub is_new: bool,
}

/// Writes what the loop tells and shows it.
pub(super) struct Recorder<'a> {
    run: &'a PlannedRun,
    writer: &'a mut RunWriter,
    reporter: &'a dyn Reporter,
    stop: &'a AtomicBool,
    start: Instant,
    latest: Option<MetricsRow>,
    is_new: bool,
    grokked: Option<u64>,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(
        run: &'a PlannedRun,
        writer: &'a mut RunWriter,
        reporter: &'a dyn Reporter,
        stop: &'a AtomicBool,
        start: Instant,
    ) -> Self {
        Self { run, writer, reporter, stop, start, latest: None, is_new: false, grokked: None }
    }
}

impl Record for Recorder<'_> {
    fn row(&mut self, row: &MetricsRow) -> Result<(), StoreError> {
        self.latest = Some(row.clone());
        self.is_new = true;
        self.writer.metrics(row)
    }

    fn spectra(&mut self, checkpoint: Checkpoint, epoch: u64, spectra: &Spectra) -> Result<(), StoreError> {
        if checkpoint == Checkpoint::Grokked {
            self.grokked = Some(epoch);
        }
        self.writer.spectra(checkpoint, epoch, spectra)
    }

    fn epoch(&mut self, epoch: u64) -> bool {
        let config = &self.run.config.train;
        let max_epochs = config.max_epochs;
        let expected_end = self.grokked.map_or(max_epochs, |g| (g + config.patience).min(max_epochs));
        self.reporter.live(
            self.run,
            &Live {
                epoch,
                max_epochs,
                expected_end,
                row: self.latest.as_ref(),
                elapsed: self.start.elapsed(),
                is_new: std::mem::take(&mut self.is_new),
            },
        );
        !self.stop.load(Ordering::Relaxed)
    }
}
