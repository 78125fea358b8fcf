//! Where a run stands: the counters, and what an evaluation means for them. The same for all kinds.

use super::{Budget, DIVERGED, End, Mark, Milestone, Milestones, Rules, StopReason};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Which rounds are evaluated. Rounds 0 and 1 and the last one always are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cadence {
    /// Every so many rounds.
    pub every: u64,
    /// Every round up to this one.
    #[serde(default)]
    pub dense_until: u64,
}

impl Cadence {
    /// Whether `epoch` is evaluated whatever the budget.
    pub fn is_due(&self, epoch: u64) -> bool {
        epoch <= 1 || epoch <= self.dense_until || epoch.is_multiple_of(self.every.max(1))
    }
}

/// How far the steps of a round got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// All of them.
    Complete,
    /// All of them, and what the run is after was reached: the round is evaluated, whatever the cadence.
    Reached,
    /// Until a loss was not finite.
    NotFinite,
    /// Until it was asked to stop; the others are still to do.
    Cut,
}

/// Where a row belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// To the trajectory, whatever the budget.
    Trajectory,
    /// To the end of a budget.
    End,
}

/// Where the time went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    /// Training steps.
    pub training: Duration,
    /// Forward passes of evaluations.
    pub evaluation: Duration,
    /// Spectra, eigenvalues and diagnostics.
    pub probe: Duration,
}

/// Where a run stands, and when it ends.
#[derive(Clone, Debug)]
pub struct Course {
    /// The round that is not yet recorded: 0 at the start, and its steps may be partly done.
    pub next_epoch: u64,
    /// Completed steps.
    pub step: u64,
    /// What happened when, at the evaluations of the trajectory.
    pub milestones: Milestones,
    /// The end of the budget, once it is evaluated.
    pub end: Option<End>,
    /// Time spent so far.
    pub clock: Clock,
    budget: Budget,
    cadence: Cadence,
    kinds: &'static [Milestone],
    rules: Rules,
}

/// What an evaluation led to.
#[derive(Clone, Debug)]
pub struct Noted {
    /// When it was.
    pub mark: Mark,
    /// Whether it is one of the trajectory, or only that of a budget's end.
    pub part: Part,
    /// The checkpoints whose spectra are recorded, each with what it belongs to: `initial`, milestones, `final`.
    pub checkpoints: Vec<(Part, &'static str)>,
}

impl Course {
    /// Of a run that begins, with the milestones that its kind has.
    pub fn new(budget: Budget, cadence: Cadence, milestones: &'static [Milestone]) -> Self {
        Self {
            next_epoch: 0,
            step: 0,
            milestones: Milestones::default(),
            end: None,
            clock: Clock::default(),
            budget,
            cadence,
            kinds: milestones,
            rules: Milestone::rules(milestones),
        }
    }

    /// Whether the round whose steps are done is evaluated.
    pub fn is_due(&self, pass: Pass) -> bool {
        self.stop_reason().is_some() || self.is_in_trajectory(pass)
    }

    fn is_in_trajectory(&self, pass: Pass) -> bool {
        matches!(pass, Pass::NotFinite | Pass::Reached) || self.cadence.is_due(self.next_epoch)
    }

    /// Whether the run ends with the round whose steps are done, and why. Only an evaluation brings a reason that was
    /// not known before it.
    pub fn stop_reason(&self) -> Option<StopReason> {
        let end = self.end.as_ref().filter(|end| end.epoch == self.next_epoch);
        let planned = || self.milestones.stop_reason(self.next_epoch, &self.budget, &self.rules);
        end.map(|end| end.stopped.clone()).or_else(planned)
    }

    /// Takes note of an evaluation of the round whose steps went as `pass` says: whether its own losses were finite, and the
    /// milestones that it sees, which need not be new.
    pub fn note(&mut self, pass: Pass, is_finite: bool, seen: &[&'static str]) -> Noted {
        let mark = Mark { epoch: self.next_epoch, step: self.step };
        let mut milestones = self.milestones.clone();
        let mut checkpoints = Vec::new();
        // what a budget's end brings to light must not change what comes after it
        let is_due = self.is_in_trajectory(pass);
        let part = if is_due { Part::Trajectory } else { Part::End };
        if mark.epoch == 0 {
            checkpoints.push((part, "initial"));
        }
        let diverged = [DIVERGED.name];
        for &name in if is_finite && pass != Pass::NotFinite { seen } else { &diverged } {
            let has_spectra = self.kinds.iter().any(|kind| kind.name == name && kind.has_spectra);
            if milestones.note(name, mark) && has_spectra {
                checkpoints.push((part, name));
            }
        }
        let stopped = milestones.stop_reason(mark.epoch, &self.budget, &self.rules);
        if is_due {
            self.milestones = milestones.clone();
        }
        if stopped.is_some() {
            checkpoints.push((Part::End, "final"));
        }
        self.end = stopped.map(|stopped| End { epoch: mark.epoch, step: mark.step, stopped, milestones });
        Noted { mark, part, checkpoints }
    }

    /// Ends the round: whether the run ends with it, and why.
    pub fn close(&mut self) -> Option<StopReason> {
        let stopped = self.stop_reason();
        self.next_epoch += 1;
        stopped
    }

    /// Round at which the run will end if nothing changes.
    pub fn expected_end(&self) -> u64 {
        self.milestones.end(&self.budget, &self.rules).0
    }

    /// The budget under which it is run.
    pub fn budget(&self) -> Budget {
        self.budget
    }
}
