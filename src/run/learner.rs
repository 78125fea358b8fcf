//! A run in memory as the training loop sees it, and the loop.

use super::{Course, Layout, Mark, Milestones, Part, Pass, StopReason};
use groklab_probe::Spectra;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, error::Error};

/// Anything that goes wrong in a run; the sweep records its text.
pub type Failure = Box<dyn Error + Send + Sync>;

/// The state of a run between two steps: all that a later process needs to go on.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Where it stands.
    pub counters: Counters,
    /// The parameters.
    pub params: Vec<f32>,
    /// The optimiser's buffers by name, in its own order, each as long as the parameters.
    pub slots: Vec<(String, Vec<f32>)>,
}

/// The counters of a [`Snapshot`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counters {
    /// The round that is not yet recorded: its steps may be partly done.
    pub next_epoch: u64,
    /// Completed steps.
    pub step: u64,
    /// What has happened so far.
    pub milestones: Milestones,
    /// What else a kind must remember from one evaluation to the next: the bits of f64.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub memory: BTreeMap<String, u64>,
}

/// What a run's directory needs of a run in memory.
pub trait State {
    /// Where it stands.
    fn course(&self) -> &Course;
    /// Names and places of the parameters.
    fn layout(&self) -> &Layout;
    /// The parameters.
    fn parameters(&self) -> &[f32];
    /// All that is needed to go on from here; none with an optimiser that keeps its state to itself.
    fn snapshot(&self) -> Option<Snapshot>;
    /// Whether [`snapshot`](Self::snapshot) gives one.
    fn is_resumable(&self) -> bool {
        self.snapshot().is_some()
    }
    /// Goes back to a snapshot of the same run. Errors when it cannot be one of it.
    fn restore(&mut self, snapshot: Snapshot) -> Result<(), Failure>;
}

/// What the loop needs besides. A round lies between two moments to save: an epoch, or of text a step.
pub trait Learner: State {
    /// The same, to be written into.
    fn course_mut(&mut self) -> &mut Course;
    /// The steps of round `course().next_epoch` (from 1) that are still to do, while `go_on` says so.
    fn round(&mut self, go_on: &dyn Fn() -> bool) -> Result<Pass, Failure>;
    /// Evaluates, takes note of it in the course ([`Course::note`]), and hands row, diagnostics and spectra to `record`.
    fn observe(&mut self, pass: Pass, record: &mut dyn Record) -> Result<(), Failure>;
    /// What is to be said of the run once, as that it cannot be resumed.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What happens to a run's numbers; the loop does not know files or terminals.
pub trait Record {
    /// An evaluation: a value for each column of the kind.
    fn row(&mut self, part: Part, mark: Mark, values: &[f64]) -> Result<(), Failure>;
    /// The full spectra of a matrix and its inputs at a checkpoint.
    fn spectra(&mut self, part: Part, checkpoint: &str, epoch: u64, spectra: &Spectra)
    -> Result<(), Failure>;
    /// The diagnostics of an evaluation, one value a column; of a run that has any.
    fn diagnostics(
        &mut self,
        part: Part,
        epoch: u64,
        columns: &[String],
        values: &[f64],
    ) -> Result<(), Failure>;
    /// Whether the run is to stop after the step it is at, unfinished.
    fn is_stopping(&self) -> bool;
    /// The end of a round that is recorded: a moment to save.
    fn round(&mut self, state: &dyn State) -> Result<(), Failure>;
}

/// Trains until a milestone or the budget ends the run: the reason is returned. None when `record` asked it to stop before.
pub fn train(learner: &mut dyn Learner, record: &mut dyn Record) -> Result<Option<StopReason>, Failure> {
    loop {
        let pass = match learner.course().next_epoch {
            0 => Pass::Complete,
            _ => learner.round(&|| !record.is_stopping())?,
        };
        if pass == Pass::Cut {
            return Ok(None);
        }
        if learner.course().is_due(pass) {
            learner.observe(pass, record)?;
        }
        if let Some(reason) = learner.course_mut().close() {
            return Ok(Some(reason));
        }
        record.round(learner)?;
    }
}
