//! One run in one line: where it stood when it memorized, grokked and ended.

use crate::{
    kinds::operations::milestones::{COLLAPSED, GROKKED, MEMORIZED},
    run::StopReason,
    store::RunState,
};

use super::{Evaluation, Experiment, RunDigest};
use crate::studies::grokking::group::groups;

/// A moment of a run that the paper reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checkpoint {
    /// First evaluation with train accuracy > 99 % and validation accuracy < 50 %.
    Memorized,
    /// First evaluation with both accuracies > 99 %.
    Grokked,
    /// Last evaluation of a run that ended as planned.
    Final,
}

impl Checkpoint {
    /// In the order of time.
    pub const ALL: [Self; 3] = [Self::Memorized, Self::Grokked, Self::Final];

    /// The name in tables and figures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memorized => "memorized",
            Self::Grokked => "grokked",
            Self::Final => "final",
        }
    }
}

/// A run at one evaluation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Completed epochs.
    pub epoch: u64,
    /// Log-alignment ratio.
    pub lar: f64,
    /// Predicted dimension n^(2(1−LAR)).
    pub k_pred: f64,
    /// Principal components that hold 95 % of the variance; None where there is none.
    pub k95: Option<u32>,
}

/// One row of `runs.csv`.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSummary {
    /// Experiment, the directory of the run's directory.
    pub experiment: String,
    /// Run id.
    pub run: String,
    /// Task name.
    pub task: String,
    /// The settings, other than task, fraction and seeds, that differ within the experiment: `key=value key=value`.
    pub variant: String,
    /// Share of the table used for training.
    pub train_fraction: f64,
    /// Seed of parameters and batch order.
    pub seed: u64,
    /// Seed of the split.
    pub split_seed: u64,
    /// State of the run.
    pub state: RunState,
    /// Why it ended.
    pub stopped: Option<StopReason>,
    /// Completed epochs.
    pub epochs: u64,
    /// Completed optimiser steps.
    pub steps: u64,
    /// When it memorized, if it did.
    pub memorized: Option<Point>,
    /// When it grokked, if it did.
    pub grokked: Option<Point>,
    /// How it ended; none for a run that is unfinished, failed or diverged.
    pub last: Option<Point>,
    /// Whether it ever grokked.
    pub has_grokked: bool,
    /// When it fell back after grokking.
    pub collapsed_epoch: Option<u64>,
    /// When its loss was no longer finite.
    pub diverged_epoch: Option<u64>,
}

impl RunSummary {
    /// The run at `checkpoint`, if it got there.
    pub fn at(&self, checkpoint: Checkpoint) -> Option<Point> {
        match checkpoint {
            Checkpoint::Memorized => self.memorized,
            Checkpoint::Grokked => self.grokked,
            Checkpoint::Final => self.last,
        }
    }

    pub(super) fn of(experiment: &str, variant: &str, run: &RunDigest) -> Self {
        let (manifest, config) = (run.manifest(), run.config());
        let marks = &manifest.milestones;
        let reached = |name: &str| marks.get(name).map(|mark| mark.epoch);
        let at = |epoch| run.row_at(epoch).map(Point::of);
        let has_diverged = manifest.stopped.as_ref().is_some_and(StopReason::is_divergence);
        let ended = run.is_finished() && marks.diverged().is_none() && !has_diverged;
        Self {
            experiment: experiment.to_owned(),
            run: manifest.run.clone(),
            task: manifest.data.clone(),
            variant: variant.to_owned(),
            train_fraction: config.train_fraction,
            seed: config.seed,
            split_seed: config.split_seed,
            state: manifest.state,
            stopped: manifest.stopped.clone(),
            epochs: manifest.epochs,
            steps: manifest.steps,
            memorized: reached(MEMORIZED).and_then(at),
            grokked: reached(GROKKED).and_then(at),
            last: run.last().filter(|_| ended).as_ref().map(Point::of),
            has_grokked: reached(GROKKED).is_some(),
            collapsed_epoch: reached(COLLAPSED),
            diverged_epoch: marks.diverged().map(|mark| mark.epoch),
        }
    }
}

impl Point {
    fn of(row: &Evaluation) -> Self {
        Self { epoch: row.epoch, lar: row.lar, k_pred: row.k_pred, k95: row.k95 }
    }
}

/// The rows of `runs.csv` for one experiment, task by task in the paper's order, then by seed.
pub fn summarize(experiment: &Experiment) -> Vec<RunSummary> {
    groups(experiment).into_iter().flat_map(|group| group.runs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::made::MadeRun;

    fn summary(run: MadeRun) -> RunSummary {
        RunSummary::of("study", "", &RunDigest::of(run.record()).unwrap())
    }

    #[test]
    fn checkpoints_are_looked_up_at_their_own_epoch() {
        let run = summary(MadeRun::new("add", 0.5, 0).grokked(40, 120));
        // made-up runs have LAR 0.5 + epoch/1000
        assert_eq!(run.memorized.map(|p| (p.epoch, p.lar)), Some((40, 0.54)));
        assert_eq!(run.grokked.map(|p| (p.epoch, p.lar)), Some((120, 0.62)));
        assert_eq!(run.last.map(|p| (p.epoch, p.lar)), Some((200, 0.7)));
        // 128^(2·0.3) = 2^4.2
        let last = run.last.unwrap();
        assert!((last.k_pred - 18.379_173_679_952_56).abs() < 1e-10);
        assert_eq!(last.k95, Some(37));
    }

    #[test]
    fn what_never_happened_is_empty() {
        let run = summary(MadeRun::new("x3_xy", 0.5, 0));
        assert_eq!((run.memorized, run.grokked, run.has_grokked), (None, None, false));
        assert_eq!(run.last.map(|p| p.epoch), Some(200));
    }

    #[test]
    fn a_diverged_run_keeps_its_milestones_but_has_no_final() {
        let run = summary(MadeRun::new("add", 0.5, 0).grokked(40, 120).diverged(180));
        assert_eq!(run.grokked.map(|p| p.epoch), Some(120));
        assert_eq!((run.last, run.diverged_epoch), (None, Some(180)));
    }

    #[test]
    fn a_collapsed_run_keeps_its_final() {
        let run = summary(MadeRun::new("add", 0.5, 0).grokked(40, 120).collapsed(160));
        assert_eq!(run.last.map(|p| p.epoch), Some(200));
        assert_eq!((run.has_grokked, run.collapsed_epoch), (true, Some(160)));
    }

    #[test]
    fn a_run_that_has_not_ended_has_no_final() {
        for state in [RunState::Running, RunState::Failed] {
            assert_eq!(summary(MadeRun::new("add", 0.5, 0).state(state)).last, None);
        }
    }
}
