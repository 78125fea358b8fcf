//! The paper's claims, each tested on our own runs: yes, no, mixed, or not enough data, with the numbers.
//!
//! One claim a function, one rule for all of them ([`Verdict`]), thresholds fixed before any of our results were
//! looked at. `docs/claims.md` says the same in prose, with what each test cannot see.

mod correlation;
mod dimension;
mod dip;
mod grok;
mod judge;
mod lar;

use serde::Serialize;

pub use grok::{PAPER_BUDGET, TimeToGrok, times_to_grok};
pub use judge::{Agreement, MIN_RUNS, MIN_SHARE, Part, Range, Verdict};

use super::{Group, groups};
use crate::store::Experiment;

/// A claim of the paper and what our runs say to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Claim {
    /// A name that stays.
    pub id: &'static str,
    /// What is claimed.
    pub statement: &'static str,
    /// Where the paper (arXiv 2605.28975) shows it.
    pub source: &'static str,
    /// The answer, from those of the parts: see [`Verdict::of`].
    pub verdict: Verdict,
    /// What was tested; empty if nothing could be.
    pub parts: Vec<Part>,
}

impl Claim {
    fn new(id: &'static str, statement: &'static str, source: &'static str, parts: Vec<Part>) -> Self {
        let verdict = Verdict::of(&parts);
        Self { id, statement, source, verdict, parts }
    }
}

/// Every claim, in the order in which a run would meet it.
pub fn claims(experiment: &Experiment) -> Vec<Claim> {
    let groups = groups(experiment);
    vec![
        lar::half_at_start(&groups),
        dip::early_dip(&groups),
        lar::climbs(&groups),
        dimension::k95_above_k_pred(&groups),
        dimension::k_pred_becomes_k95(&groups),
        dimension::table_1(&experiment.name, &groups),
        lar::no_grok_ends_lower(&groups),
        lar::threshold(&groups),
        correlation::p_and_q_correlate(&groups),
        grok::which_grok(&groups),
    ]
}

/// One value a run, under the name of its group; runs without the value are left out.
type Values = Vec<(String, f64)>;

/// `value` of every run of every group, by its one line and its whole record.
fn values(
    groups: &[Group<'_>],
    value: impl Fn(&super::RunSummary, &crate::store::RunRecord) -> Option<f64>,
) -> Values {
    let runs =
        groups.iter().flat_map(|group| group.runs.iter().zip(&group.records).map(move |run| (group, run)));
    runs.filter_map(|(group, (run, record))| Some((label(group), value(run, record)?))).collect()
}

/// A group in a few characters: `add-f0.5 data.batch_size=64`.
fn label(group: &Group<'_>) -> String {
    format!("{}-f{} {}", group.task, group.train_fraction, group.variant).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{MetricsRow, RunRecord, made::MadeRun};

    /// An experiment of changed made-up runs.
    pub(super) fn study(name: &str, runs: Vec<RunRecord>) -> Experiment {
        Experiment { name: name.into(), runs, ..Default::default() }
    }

    /// The made-up run with every row changed.
    pub(super) fn with(run: &MadeRun, change: impl Fn(&mut MetricsRow)) -> RunRecord {
        let mut record = run.record();
        record.metrics.iter_mut().for_each(change);
        record
    }

    #[test]
    fn every_claim_is_answered_for_any_results_and_names_are_unique() {
        let empty = claims(&study("none", Vec::new()));
        assert!(empty.iter().all(|claim| claim.verdict == Verdict::NotEnoughData), "{empty:?}");
        let ids: std::collections::BTreeSet<_> = empty.iter().map(|claim| claim.id).collect();
        assert_eq!(ids.len(), empty.len());
        let diverged = study("one", vec![MadeRun::new("add", 0.5, 0).diverged(0).record()]);
        assert!(claims(&diverged).iter().all(|claim| claim.verdict == Verdict::NotEnoughData));
    }

    #[test]
    fn a_group_is_named_by_what_sets_it_apart() {
        let runs = [64, 512].map(|rows| MadeRun::new("add", 0.5, 0).batch_size(rows).record()).to_vec();
        let study = study("batch", runs);
        let labels: Vec<_> = groups(&study).iter().map(label).collect();
        assert_eq!(labels, ["add-f0.5 data.batch_size=64", "add-f0.5 data.batch_size=512"]);
    }
}
