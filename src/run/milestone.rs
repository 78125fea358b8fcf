//! What can happen to a run, and when it ends: data that a kind owns.

use serde::{Deserialize, Deserializer, Serialize};
use std::{borrow::Cow, collections::BTreeMap};

/// Something that may happen to a run of a kind; the first evaluation that sees it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Milestone {
    /// As in files: `grokked`.
    pub name: &'static str,
    /// When it counts as seen.
    pub about: &'static str,
    /// Whether the full spectra are kept then.
    pub has_spectra: bool,
    /// Whether it ends the run.
    pub stop: Stop,
}

/// Whether a milestone ends a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stop {
    /// It does not.
    Never,
    /// `train.patience` rounds later.
    AfterPatience,
    /// There.
    AtOnce,
}

/// A loss that is not finite: every kind has it, and every run ends by it.
pub const DIVERGED: Milestone = Milestone {
    name: "diverged",
    about: "a loss that is not finite; the run ends there",
    has_spectra: false,
    stop: Stop::AtOnce,
};

/// The milestones that end a run, by name, as manifests keep them.
pub type Rules = BTreeMap<String, Stop>;

impl Milestone {
    /// Those of them that end a run, and divergence.
    pub fn rules(milestones: &[Self]) -> Rules {
        let stops = milestones.iter().chain([&DIVERGED]).filter(|milestone| milestone.stop != Stop::Never);
        stops.map(|milestone| (milestone.name.to_owned(), milestone.stop)).collect()
    }
}

/// Where a milestone was first met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Round of the evaluation: an epoch; of kinds without epochs a step.
    pub epoch: u64,
    /// Optimiser steps done by then.
    pub step: u64,
}

/// The first evaluation at which each thing was seen, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Milestones(BTreeMap<Cow<'static, str>, Mark>);

impl<'de> Deserialize<'de> for Milestones {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        // formats up to 3 name what was not seen, with null
        let marks = BTreeMap::<String, Option<Mark>>::deserialize(from)?;
        let seen = marks.into_iter().filter_map(|(name, mark)| Some((Cow::Owned(name), mark?)));
        Ok(Self(seen.collect()))
    }
}

/// This file, for [`meanings`](super::meanings): [`Budget`] is a part of most configs.
pub const BUDGET_SOURCE: &str = include_str!("milestone.rs");

/// How far a trajectory is followed. It changes no number of the trajectory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Rounds at most.
    pub max_epochs: u64,
    /// Rounds to go on after a milestone that asks for patience.
    pub patience: u64,
}

/// Why a run ended: the name of a milestone, or `budget`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StopReason(Cow<'static, str>);

impl StopReason {
    /// The budget was spent.
    pub const BUDGET: Self = Self(Cow::Borrowed("budget"));

    /// The milestone of that name.
    pub fn milestone(name: impl Into<Cow<'static, str>>) -> Self {
        Self(name.into())
    }

    /// As in files.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// Whether it ended because a loss was not finite: it cannot go on.
    pub fn is_divergence(&self) -> bool {
        self.0 == DIVERGED.name
    }
}

/// Where a budget ended, or patience, or a divergence: what belongs to that view of the run and not to its trajectory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Last round.
    pub epoch: u64,
    /// Optimiser steps done by then.
    pub step: u64,
    /// Why.
    pub stopped: StopReason,
    /// Milestones up to and including this evaluation, which need not be one of the trajectory.
    pub milestones: Milestones,
}

impl Milestones {
    /// When that milestone was met, if it was.
    pub fn get(&self, name: &str) -> Option<Mark> {
        self.0.get(name).copied()
    }

    /// When a loss was not finite.
    pub fn diverged(&self) -> Option<Mark> {
        self.get(DIVERGED.name)
    }

    /// All that were met, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Mark)> {
        self.0.iter().map(|(name, mark)| (name.as_ref(), *mark))
    }

    /// Takes note of a milestone; whether it is the first time.
    pub fn note(&mut self, name: impl Into<Cow<'static, str>>, mark: Mark) -> bool {
        let name = name.into();
        let is_new = !self.0.contains_key(&name);
        self.0.entry(name).or_insert(mark);
        is_new
    }

    /// Round at which a run with these milestones ends under a budget, if nothing else happens, and why.
    pub fn end(&self, budget: &Budget, rules: &Rules) -> (u64, StopReason) {
        let met = rules.iter().filter_map(|(name, stop)| {
            let epoch = self.get(name)?.epoch;
            let end = match stop {
                Stop::Never => return None,
                Stop::AfterPatience => epoch.saturating_add(budget.patience),
                Stop::AtOnce => epoch,
            };
            Some((end, *stop, StopReason::milestone(name.clone())))
        });
        let ends = met.chain([(budget.max_epochs, Stop::Never, StopReason::BUDGET)]);
        // where several fall together: what ends at once, then patience, then the budget
        let first = ends.min_by_key(|(epoch, stop, _)| (*epoch, std::cmp::Reverse(*stop)));
        first.map_or((0, StopReason::BUDGET), |(epoch, _, reason)| (epoch, reason))
    }

    /// Whether a run with these milestones ends at `epoch`, and why.
    pub fn stop_reason(&self, epoch: u64, budget: &Budget, rules: &Rules) -> Option<StopReason> {
        let (end, reason) = self.end(budget, rules);
        (epoch >= end).then_some(reason)
    }

    /// Those up to an epoch.
    pub fn until(&self, epoch: u64) -> Self {
        let kept = self.0.iter().filter(|(_, mark)| mark.epoch <= epoch);
        Self(kept.map(|(name, mark)| (name.clone(), *mark)).collect())
    }
}

impl<N: Into<Cow<'static, str>>> FromIterator<(N, Mark)> for Milestones {
    fn from_iter<I: IntoIterator<Item = (N, Mark)>>(marks: I) -> Self {
        Self(marks.into_iter().map(|(name, mark)| (name.into(), mark)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(marks: &[(&'static str, u64)]) -> Milestones {
        marks.iter().map(|&(name, epoch)| (name, Mark { epoch, step: 10 * epoch })).collect()
    }

    #[test]
    fn a_run_ends_by_what_comes_first_and_of_equals_by_the_more_urgent() {
        let rules: Rules =
            [("learnt", Stop::AfterPatience), ("diverged", Stop::AtOnce), ("target", Stop::AtOnce)]
                .map(|(name, stop)| (name.to_owned(), stop))
                .into();
        let budget = Budget { max_epochs: 100, patience: 20 };
        let end = |marks: &[(&'static str, u64)]| {
            let (epoch, reason) = met(marks).end(&budget, &rules);
            (epoch, reason.name().to_owned())
        };
        assert_eq!(end(&[]), (100, "budget".to_owned()));
        assert_eq!(end(&[("learnt", 30)]), (50, "learnt".to_owned()));
        assert_eq!(end(&[("learnt", 80)]), (100, "learnt".to_owned()));
        assert_eq!(end(&[("learnt", 30), ("diverged", 50)]), (50, "diverged".to_owned()));
        assert_eq!(end(&[("learnt", 30), ("target", 60)]), (50, "learnt".to_owned()));
        assert_eq!(end(&[("unruled", 3)]), (100, "budget".to_owned()));
    }

    #[test]
    fn the_first_time_counts_and_null_is_none() {
        let mut milestones = met(&[("a", 3)]);
        assert!(!milestones.note("a", Mark { epoch: 9, step: 9 }));
        assert!(milestones.note("b", Mark { epoch: 9, step: 9 }));
        assert_eq!(milestones.get("a").map(|mark| mark.epoch), Some(3));
        assert_eq!(milestones.until(5), met(&[("a", 3)]));
        let old: Milestones = serde_json::from_str(r#"{"a":{"epoch":3,"step":30},"b":null}"#).unwrap();
        assert_eq!(old, met(&[("a", 3)]));
    }
}
