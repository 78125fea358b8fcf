//! The spectra of W and X: the paper claims they are correlated throughout, and lie on the same directions.

use super::values;
use crate::{
    analysis::claims::{Claim, Range, Sample, judge},
    store::SpectrumRow,
    studies::grokking::{Checkpoint, Group, Point, RunSummary},
};

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

/// The share of X's energy along the ⌈k_pred⌉ first right singular vectors of W that makes them "the same directions".
const SHARED: f64 = 0.9;

/// Where a run grokked, and at its end, nine tenths of q lie on the first k_pred directions of p.
pub(super) fn same_directions(groups: &[Group<'_>]) -> Claim {
    let [_, grokked, last] = Checkpoint::ALL;
    let mut found = [(grokked, Vec::new()), (last, Vec::new())];
    for group in groups {
        let runs = group.runs.iter().zip(&group.records).filter(|(run, _)| run.has_grokked);
        for (run, record) in runs {
            // what cannot be read is left out here, and named by `verify`
            let Ok(spectra) = record.files().spectra() else { continue };
            for (checkpoint, values) in &mut found {
                let share = run.at(*checkpoint).and_then(|point| mass_in_front(&spectra, point));
                values.extend(share.map(|value| Sample { group: group.label(), value }));
            }
        }
    }
    let parts = found.map(|(checkpoint, values)| {
        judge(&format!("share of q in p's first k_pred, {}", checkpoint.name()), Range::Above(SHARED), values)
    });
    Claim::new(
        "same-directions",
        "p and q lie on the same directions once a run has grokked",
        "Fig. 2",
        parts.into(),
    )
}

/// Σ q_i over the ⌈k_pred⌉ largest p_i at that moment; none without its spectra.
fn mass_in_front(spectra: &[SpectrumRow], point: Point) -> Option<f64> {
    let rows: Vec<&SpectrumRow> = spectra.iter().filter(|row| row.epoch == point.epoch).collect();
    let count = point.k_pred.ceil();
    let is_whole = !rows.is_empty() && count.is_finite();
    // a moment with two names has its rows twice
    let first = rows.first().map(|row| &row.checkpoint);
    is_whole.then(|| {
        let own = rows.iter().filter(|row| Some(&row.checkpoint) == first && row.i as f64 <= count);
        own.map(|row| row.q).sum()
    })
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
    fn the_share_is_of_the_directions_that_k_pred_counts() {
        let row = |epoch, checkpoint: &str, i, q| SpectrumRow {
            run: "made".into(),
            checkpoint: checkpoint.into(),
            epoch,
            i,
            singular_value: 1.0,
            p: 0.25,
            q,
            covariance_eigenvalue: 0.0,
        };
        let mut rows: Vec<_> =
            [0.5, 0.3, 0.15, 0.05].iter().zip(1..).map(|(q, i)| row(40, "grokked", i, *q)).collect();
        rows.extend([0.5, 0.3, 0.15, 0.05].iter().zip(1..).map(|(q, i)| row(40, "final", i, *q)));
        rows.push(row(60, "final", 1, 1.0));
        let at = |epoch, k_pred| mass_in_front(&rows, Point { epoch, lar: 0.7, k_pred, k95: None });
        // 2.2 directions are three
        assert!((at(40, 2.2).unwrap() - 0.95).abs() < 1e-12);
        assert!((at(40, 2.0).unwrap() - 0.8).abs() < 1e-12);
        assert_eq!((at(60, 9.0), at(80, 2.0), at(40, f64::NAN)), (Some(1.0), None, None));
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
