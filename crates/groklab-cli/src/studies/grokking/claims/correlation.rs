//! The spectra of W and X: the paper claims they are correlated throughout.

use super::values;
use crate::analysis::claims::{Claim, Range, judge};
use crate::studies::grokking::{Checkpoint, Group, RunSummary};

/// "Near 1" is above this.
const NEAR_1: f64 = 0.9;

/// Pearson's correlation of p and q exceeds 0.9 at memorized, grokked and final, and at every evaluation from the
/// first of these milestones on. Of a run that has reached none, nothing is claimed.
pub(super) fn p_and_q_correlate(groups: &[Group<'_>]) -> Claim {
    let at = |checkpoint| {
        values(groups, move |run, record| {
            let point = run.at(checkpoint).filter(|_| first_milestone(run).is_some())?;
            record.row_at(point.epoch).map(|row| row.pearson)
        })
    };
    let mut parts: Vec<_> = Checkpoint::ALL
        .into_iter()
        .map(|checkpoint| {
            judge(&format!("corr(p, q) {}", checkpoint.name()), Range::Above(NEAR_1), at(checkpoint))
        })
        .collect();
    parts.push(judge(
        "least corr(p, q) since the first milestone",
        Range::Above(NEAR_1),
        values(groups, |run, record| record.least_pearson.filter(|_| first_milestone(run).is_some())),
    ));
    Claim::new("p-q-correlate", "corr(p, q) is near 1 throughout", "Fig. 2, 21, 22", parts)
}

/// The epoch at which it memorized, or grokked without having memorized.
fn first_milestone(run: &RunSummary) -> Option<u64> {
    run.memorized.or(run.grokked).map(|point| point.epoch)
}

#[cfg(test)]
mod tests {
    use super::{
        super::tests::{study, with},
        *,
    };
    use crate::{
        analysis::claims::Verdict,
        store::made::{MadeRow, MadeRun},
        studies::grokking::groups,
    };

    fn answer(runs: u64, pearson: impl Fn(&MadeRow) -> f64) -> Claim {
        let runs = (0..runs).map(|seed| {
            with(&MadeRun::new("add", 0.5, seed).grokked(40, 120), |row| row.pearson = pearson(row))
        });
        p_and_q_correlate(&groups(&study("study", runs.collect())))
    }

    #[test]
    fn near_one_is_above_nine_tenths_everywhere_after_memorization() {
        assert_eq!(answer(5, |row| if row.epoch < 40 { 0.1 } else { 0.95 }).verdict, Verdict::Yes);
        assert_eq!(answer(5, |_| 0.8).verdict, Verdict::No);
        assert_eq!(answer(4, |_| 0.95).verdict, Verdict::NotEnoughData);
    }

    #[test]
    fn a_run_without_a_milestone_says_nothing() {
        let runs = (0..5).map(|seed| MadeRun::new("add", 0.5, seed).record()).collect();
        let claim = p_and_q_correlate(&groups(&study("study", runs)));
        assert!(claim.parts.iter().all(|part| part.runs == 0));
    }

    #[test]
    fn a_dip_between_the_milestones_is_seen() {
        let claim = answer(5, |row| if row.epoch == 80 { 0.5 } else { 0.95 });
        assert_eq!(claim.verdict, Verdict::Mixed);
        let verdicts: Vec<_> = claim.parts.iter().map(|part| part.verdict).collect();
        assert_eq!(verdicts, [Verdict::Yes, Verdict::Yes, Verdict::Yes, Verdict::No]);
    }
}
