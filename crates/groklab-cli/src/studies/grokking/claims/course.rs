//! What the paper claims of LAR over a whole run: it returns above one half after the dip, rises, and stays within bounds.

use super::{paper_values, values};
use crate::{
    analysis::{
        claims::{Claim, Range, judge},
        rank::kendall,
    },
    studies::grokking::{EARLY_EPOCHS, Group, paper::Reference},
};

/// The end of a run lies in this range,
const ENDS: (f64, f64) = (0.60, 0.72);
/// and everything in this one.
const STAYS: (f64, f64) = (0.3, 0.8);
/// Nine pairs of evaluations in ten rise: τ = 0.9 − 0.1.
const STEADY: f64 = 0.8;

/// LAR is above ½ at epoch 40 and from then on.
pub(super) fn returns(groups: &[Group<'_>]) -> Claim {
    let at = |lars| judge("LAR at epoch 40", Range::Above(0.5), lars);
    let since = |lars| judge("least LAR since epoch 40", Range::Above(0.5), lars);
    let paper_since = |paper: &Reference| {
        let later = paper.lars().into_iter().filter(|(epoch, _)| *epoch >= EARLY_EPOCHS as f64);
        later.map(|(_, lar)| lar).min_by(f64::total_cmp)
    };
    Claim::new(
        "lar-returns",
        "after the dip LAR comes back above ½ and stays there",
        "Fig. 1",
        vec![
            at(values(groups, |_, run| run.course.after_early))
                .beside(&at(paper_values(groups, |paper| paper.lar_epoch40))),
            since(values(groups, |_, run| run.course.least_after_early))
                .beside(&since(paper_values(groups, paper_since))),
        ],
    )
}

/// From epoch 20 to grokking LAR rises steadily: Kendall's τ of LAR and epoch, of each run that grokked.
pub(super) fn rises(groups: &[Group<'_>]) -> Claim {
    let steadily = |taus| judge("τ of LAR and epoch, from 20 to grokking", Range::Above(STEADY), taus);
    let of_paper = |paper: &Reference| {
        let grokked = paper.grokked_epoch_mean?;
        let between = paper.lars().into_iter().filter(|(epoch, _)| *epoch >= 20.0 && *epoch <= grokked);
        let (epochs, lars): (Vec<f64>, Vec<f64>) = between.unzip();
        if lars.len() < 3 { None } else { kendall(&epochs, &lars) }
    };
    Claim::new(
        "lar-rises",
        "after the dip LAR rises steadily until a run groks",
        "Fig. 1",
        vec![
            steadily(values(groups, |_, run| run.course.rise))
                .beside(&steadily(paper_values(groups, of_paper))),
        ],
    )
}

/// LAR ends in 0.60 … 0.72, and no evaluation lies outside 0.3 … 0.8.
pub(super) fn stays_in_range(groups: &[Group<'_>]) -> Claim {
    let ends = |lars| judge("LAR final", Range::Within(ENDS.0, ENDS.1), lars);
    let least = |lars| judge("least LAR of a run", Range::Above(STAYS.0), lars);
    let most = |lars| judge("greatest LAR of a run", Range::Below(STAYS.1), lars);
    let of_paper = |pick: fn(f64, f64) -> f64| {
        paper_values(groups, move |paper| paper.lars().into_iter().map(|(_, lar)| lar).reduce(pick))
    };
    Claim::new(
        "lar-range",
        "LAR ends between 0.60 and 0.72, and lies between 0.3 and 0.8 throughout",
        "Fig. 1",
        vec![
            ends(values(groups, |run, _| run.last.map(|last| last.lar)))
                .beside(&ends(paper_values(groups, |paper| paper.lar_final))),
            least(values(groups, |_, run| run.course.range.map(|(least, _)| least)))
                .beside(&least(of_paper(f64::min))),
            most(values(groups, |_, run| run.course.range.map(|(_, most)| most)))
                .beside(&most(of_paper(f64::max))),
        ],
    )
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

    /// Five runs that memorize at 40 and grok at 120, with this LAR by epoch.
    fn five(claim: fn(&[Group<'_>]) -> Claim, lar: fn(u64) -> f64) -> Claim {
        let set = |row: &mut MadeRow| row.lar = lar(row.epoch);
        let runs = (0..5).map(|seed| with(&MadeRun::new("add", 0.5, seed).grokked(40, 120), set));
        claim(&groups(&study("study", runs.collect())))
    }

    fn verdicts(claim: &Claim) -> Vec<Verdict> {
        claim.parts.iter().map(|part| part.verdict).collect()
    }

    #[test]
    fn above_one_half_is_asked_for_at_epoch_40_and_after() {
        use Verdict::{No, Yes};
        let back = five(returns, |epoch| if epoch < 20 { 0.3 } else { 0.6 });
        assert_eq!(verdicts(&back), [Yes, Yes]);
        let again = five(returns, |epoch| if epoch == 100 { 0.2 } else { 0.6 });
        assert_eq!((again.verdict, verdicts(&again)), (Verdict::Mixed, vec![Yes, No]));
        assert_eq!(five(returns, |_| 0.4).verdict, No);
    }

    #[test]
    fn a_rise_is_steady_if_nine_pairs_in_ten_go_up() {
        let rising = five(rises, |epoch| 0.5 + 0.001 * epoch as f64);
        assert_eq!((rising.verdict, rising.parts[0].mean), (Verdict::Yes, Some(1.0)));
        // the paper's means for x + y: .584 .610 at 20 and 40, memorized at 40, .677 grokked
        let paper = rising.parts[0].of_paper.unwrap();
        assert_eq!((paper.agreement.of, paper.mean), (1, Some(1.0)));
        assert_eq!(five(rises, |epoch| 0.9 - 0.001 * epoch as f64).verdict, Verdict::No);
        // of 20 … 120 five fall after one: ten pairs of fifteen rise
        let broken = five(rises, |epoch| if epoch == 20 { 0.9 } else { 0.5 + 0.001 * epoch as f64 });
        assert!((broken.parts[0].mean.unwrap() - 5.0 / 15.0).abs() < 1e-12);
        assert_eq!(broken.verdict, Verdict::No);
    }

    #[test]
    fn the_end_and_everything_before_have_their_ranges() {
        use Verdict::{No, Yes};
        let inside = five(stays_in_range, |epoch| 0.5 + 0.001 * epoch as f64);
        assert_eq!(verdicts(&inside), [Yes, Yes, Yes]);
        let high = five(stays_in_range, |epoch| if epoch == 60 { 0.85 } else { 0.75 });
        assert_eq!(verdicts(&high), [No, Yes, No]);
        let low = five(stays_in_range, |epoch| if epoch == 1 { 0.25 } else { 0.65 });
        assert_eq!(verdicts(&low), [Yes, No, Yes]);
    }
}
