//! How uneven the spectra of W and X are: the paper claims that σ_p and σ_q are least when a run has memorized and greatest at
//! its end.

use super::values;
use crate::{
    analysis::claims::{Claim, Range, judge, judge_mostly},
    studies::grokking::{Checkpoint, Evaluation, Group, RunDigest, RunSummary},
};

/// A standard deviation of an evaluation.
type Sigma = fn(&Evaluation) -> f64;

/// Of runs that memorized and grokked: σ is less when memorized than at the other two, run by run; and at the end greater than at
/// the other two, in the mean.
pub(super) fn grows(groups: &[Group<'_>]) -> Claim {
    let of = |sigma: Sigma, number: fn([f64; 3]) -> f64| {
        values(groups, move |run, record| three(run, record, sigma).map(number))
    };
    let both: [(&str, Sigma); 2] = [("σ_p", |row| row.sigma_p), ("σ_q", |row| row.sigma_q)];
    let parts = both.map(|(name, sigma)| {
        [
            judge(
                &format!("{name}, lesser of grokked and final − memorized"),
                Range::Above(0.0),
                of(sigma, |[memorized, grokked, last]| grokked.min(last) - memorized),
            ),
            judge_mostly(
                &format!("{name}, final − greater of memorized and grokked, of the mean"),
                Range::Above(0.0),
                of(sigma, |[memorized, grokked, last]| last - memorized.max(grokked)),
            ),
        ]
    });
    Claim::new(
        "sigma-grows",
        "σ_p and σ_q are smallest when memorized and largest at the end",
        "Fig. 2, 21, 22",
        parts.into_iter().flatten().collect(),
    )
}

/// σ when memorized, grokked and at the end, of a run that came to all of them.
fn three(run: &RunSummary, record: &RunDigest, sigma: Sigma) -> Option<[f64; 3]> {
    let at = |checkpoint| record.row_at(run.at(checkpoint)?.epoch).map(sigma);
    let [memorized, grokked, last] = Checkpoint::ALL.map(at);
    Some([memorized?, grokked?, last?])
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

    fn answer(sigma: fn(u64) -> f64) -> Claim {
        let set = |row: &mut MadeRow| {
            row.sigma_p = sigma(row.epoch);
            row.sigma_q = 2.0 * sigma(row.epoch);
        };
        let runs = (0..5).map(|seed| with(&MadeRun::new("add", 0.5, seed).grokked(40, 120), set));
        grows(&groups(&study("study", runs.collect())))
    }

    #[test]
    fn the_least_and_the_greatest_have_their_places() {
        use Verdict::{No, Yes};
        let parts = |claim: &Claim| claim.parts.iter().map(|part| part.verdict).collect::<Vec<_>>();
        let rising = answer(|epoch| 0.01 + 0.0001 * epoch as f64);
        assert_eq!((rising.verdict, rising.parts[2].runs), (Yes, 5));
        // 0.014 at 40, 0.022 at 120: σ_q is twice that
        assert!((rising.parts[0].mean.unwrap() - 0.008).abs() < 1e-12);
        assert!((rising.parts[2].mean.unwrap() - 0.016).abs() < 1e-12);
        assert_eq!(answer(|epoch| 0.1 - 0.0001 * epoch as f64).verdict, No);
        // greatest when grokked
        let humped = answer(|epoch| if epoch == 120 { 0.09 } else { 0.01 + 0.0001 * epoch as f64 });
        assert_eq!(parts(&humped), [Yes, No, Yes, No]);
    }
}
