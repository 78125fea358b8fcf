//! What the paper claims of the log-alignment ratio alone.

use std::collections::BTreeMap;

use super::{paper_values, values};
use crate::analysis::claims::{Claim, Range, judge, judge_difference, judge_mostly};
use crate::{
    analysis::bootstrap::Sample,
    studies::grokking::{Checkpoint, Group, RunSummary, paper::Reference},
};

/// ½ ± this is "about ½": the paper's own five-seed means lie within 0.023 of it.
const ABOUT: f64 = 0.025;

/// The paper's border between runs that grokked and runs that did not.
const THRESHOLD: f64 = 0.65;

/// LAR ≈ ½ at initialisation: at epoch 0 it lies in 0.475 … 0.525.
pub(super) fn half_at_start(groups: &[Group<'_>]) -> Claim {
    let about = |lars| judge("LAR at epoch 0", Range::Within(0.5 - ABOUT, 0.5 + ABOUT), lars);
    let at_start = values(groups, |_, record| record.row_at(0).map(|row| row.lar));
    Claim::new(
        "lar-half-at-start",
        "LAR is about ½ before training",
        "Fig. 1",
        vec![about(at_start).beside(&about(paper_values(groups, |paper| paper.lar_epoch0)))],
    )
}

/// LAR grows from memorized to grokked, run by run, and from there to the end in the mean: in the paper's own figure 28 runs of
/// 37 end above where they grokked.
pub(super) fn climbs(groups: &[Group<'_>]) -> Claim {
    let lar = |run: &RunSummary, checkpoint| run.at(checkpoint).map(|point| point.lar);
    let grown = |from, to| {
        values(groups, move |run, _| Some(lar(run, to)? - lar(run, from)?).filter(|_| run.has_grokked))
    };
    let [memorized, grokked, last] = Checkpoint::ALL;
    let above = Range::Above(0.0);
    let first = |grown| judge("LAR grokked − LAR memorized", above, grown);
    let second = |grown| judge_mostly("LAR final − LAR grokked, of the mean", above, grown);
    let paper_first = paper_values(groups, |paper| Some(paper.lar_grokked? - paper.lar_memorized?));
    let paper_second = paper_values(groups, |paper| Some(paper.lar_final? - paper.lar_grokked?));
    Claim::new(
        "lar-climbs",
        "LAR memorized < LAR grokked < LAR final",
        "Fig. 1",
        vec![
            first(grown(memorized, grokked)).beside(&first(paper_first)),
            second(grown(grokked, last)).beside(&second(paper_second)),
        ],
    )
}

/// Ends of runs that may be compared, by whether they grokked, and the paper's means of their groups.
#[derive(Default)]
struct Family<'a> {
    grokked: Vec<Sample>,
    never: Vec<Sample>,
    papers: BTreeMap<String, &'a Reference>,
}

/// Within a family of tasks (the same operands, the same share of the table, the same settings), runs that never grok end
/// at a lower LAR than runs that grok: of means, and of nine in ten pairs of runs. A family with only one kind of run is
/// not tested.
pub(super) fn no_grok_ends_lower(groups: &[Group<'_>]) -> Claim {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for group in groups {
        let label = group.label();
        for (run, record) in group.runs.iter().zip(&group.records) {
            let Some(last) = run.last else { continue };
            // the digest of a table tells tasks apart, which are what a family joins
            let settings = group.variant.split(' ').filter(|setting| !setting.contains(".table="));
            let operands = format!("{} symbols", record.manifest().size("n_symbols"));
            let fraction = format!("f{}", group.train_fraction);
            let family: Vec<&str> = [&*operands, &*fraction].into_iter().chain(settings).collect();
            let family = families.entry(family.join(" ").trim_end().to_owned()).or_default();
            let sample = Sample { group: label.clone(), value: last.lar };
            if run.has_grokked {
                family.grokked.push(sample)
            } else {
                family.never.push(sample)
            }
            family.papers.extend(group.paper.as_ref().map(|paper| (label.clone(), paper)));
        }
    }
    let both = |(_, family): &(&String, &Family)| !family.grokked.is_empty() && !family.never.is_empty();
    let parts = families.iter().filter(both).map(|(name, Family { grokked, never, papers })| {
        let what = format!("LAR final, grokked − never, {name} ({} and {} runs)", grokked.len(), never.len());
        let paper = |has_grokked: bool| -> Vec<Sample> {
            let of = papers.iter().filter(|(_, paper)| paper.grokked_epoch_mean.is_some() == has_grokked);
            of.filter_map(|(label, paper)| Some(Sample { group: label.clone(), value: paper.lar_final? }))
                .collect()
        };
        let above = Range::Above(0.0);
        judge_difference(&what, above, grokked, never).beside(&judge_difference(
            &what,
            above,
            &paper(true),
            &paper(false),
        ))
    });
    Claim::new(
        "no-grok-ends-lower",
        "runs that never grok end at a lower LAR than runs that do",
        "Fig. 1, 3",
        parts.collect(),
    )
}

/// A LAR of 0.65 parts the ends of runs that grokked (above) from those of runs that did not (below).
pub(super) fn threshold(groups: &[Group<'_>]) -> Claim {
    let finals = |grokked| {
        values(groups, move |run, _| run.last.filter(|_| run.has_grokked == grokked).map(|last| last.lar))
    };
    let papers = |grokked| {
        paper_values(groups, move |paper| {
            paper.lar_final.filter(|_| paper.grokked_epoch_mean.is_some() == grokked)
        })
    };
    let above = |lars| judge("LAR final, grokked", Range::Above(THRESHOLD), lars);
    let below = |lars| judge("LAR final, never grokked", Range::Below(THRESHOLD), lars);
    Claim::new(
        "threshold-0.65",
        "a LAR of 0.65 at the end tells runs that grokked from runs that did not",
        "Fig. 1, 3",
        vec![
            above(finals(true)).beside(&above(papers(true))),
            below(finals(false)).beside(&below(papers(false))),
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
        store::{RunRecord, made::MadeRun},
        studies::grokking::groups,
    };

    // made-up runs have LAR 0.5 + epoch/1000 + shift: 0.54 at 40, 0.62 at 120, 0.7 at 200
    fn add(seed: u64) -> MadeRun {
        MadeRun::new("add", 0.5, seed)
    }

    fn answer(claim: fn(&[Group<'_>]) -> Claim, runs: Vec<RunRecord>) -> Claim {
        claim(&groups(&study("study", runs)))
    }

    fn five(run: impl Fn(u64) -> RunRecord) -> Vec<RunRecord> {
        (0..5).map(run).collect()
    }

    #[test]
    fn about_one_half_means_within_a_fortieth() {
        let started = |shift: [f64; 5]| {
            answer(half_at_start, five(|seed| add(seed).shift(shift[seed as usize]).record())).verdict
        };
        assert_eq!(started([0.0, 0.01, -0.01, 0.02, 0.0]), Verdict::Yes);
        assert_eq!(started([0.04, 0.05, -0.01, 0.06, 0.03]), Verdict::Mixed);
        assert_eq!(started([0.04, 0.05, 0.03, 0.06, 0.03]), Verdict::No);
    }

    #[test]
    fn both_steps_of_the_climb_are_tested_run_by_run() {
        let climbing = answer(climbs, five(|seed| add(seed).grokked(40, 120).record()));
        assert_eq!(climbing.verdict, Verdict::Yes);
        let means: Vec<f64> = climbing.parts.iter().map(|part| part.mean.unwrap()).collect();
        assert!((means[0] - 0.08).abs() < 1e-12 && (means[1] - 0.08).abs() < 1e-12, "{means:?}");
        let falling = |row: &mut crate::store::made::MadeRow| row.lar = 1.0 - row.lar;
        assert_eq!(answer(climbs, five(|s| with(&add(s).grokked(40, 120), falling))).verdict, Verdict::No);
        let at_last = |row: &mut crate::store::made::MadeRow| {
            if row.epoch == 200 {
                row.lar = 0.55
            }
        };
        let fallen = answer(climbs, five(|s| with(&add(s).grokked(40, 120), at_last)));
        assert_eq!(fallen.verdict, Verdict::Mixed);
        assert_eq!(fallen.parts[1].verdict, Verdict::No);
        // four of five end above: enough of the mean
        let lower = |row: &mut crate::store::made::MadeRow| {
            if row.epoch == 200 && row.seed == 0 {
                row.lar = 0.6
            }
        };
        let mostly = answer(climbs, five(|s| with(&add(s).grokked(40, 120), lower)));
        assert_eq!((mostly.verdict, mostly.parts[1].agreement.unwrap().agree), (Verdict::Yes, 4));
        // runs that never grok say nothing, their final is no end of a climb
        assert_eq!(answer(climbs, five(|s| add(s).memorized(40).record())).parts[1].runs, 0);
    }

    #[test]
    fn ends_are_compared_within_a_family() {
        let never = |seed: u64, shift| MadeRun::new("x3_xy", 0.5, seed).memorized(40).shift(shift).record();
        let runs = |shift: f64| -> Vec<RunRecord> {
            (0..5).flat_map(|s| [add(s).grokked(40, 120).record(), never(s, shift)]).collect()
        };
        let lower = answer(no_grok_ends_lower, runs(-0.05));
        assert_eq!((lower.verdict, lower.parts.len()), (Verdict::Yes, 1));
        assert!((lower.parts[0].mean.unwrap() - 0.05).abs() < 1e-12);
        assert_eq!(answer(no_grok_ends_lower, runs(0.05)).verdict, Verdict::No);
        let mut apart = runs(-0.05);
        let adds = apart.iter_mut().filter(|run| run.manifest.data == "add");
        adds.for_each(|run| run.manifest.sizes = [("n_symbols".to_owned(), 120)].into());
        let apart = answer(no_grok_ends_lower, apart);
        assert_eq!((apart.verdict, apart.parts.len()), (Verdict::NotEnoughData, 0));
        let few = answer(no_grok_ends_lower, runs(-0.05)[..8].to_vec());
        assert_eq!((few.verdict, few.parts[0].runs), (Verdict::NotEnoughData, 8));
    }

    #[test]
    fn families_have_equal_fractions() {
        // runs that never grok at 10 % of the table are not held against runs that grok at 30 %
        let never = |seed: u64| MadeRun::new("add", 0.1, seed).memorized(40).shift(-0.05).record();
        let grokked = |seed: u64| MadeRun::new("add", 0.3, seed).grokked(40, 120).record();
        let apart = answer(no_grok_ends_lower, [five(never), five(grokked)].concat());
        assert_eq!((apart.verdict, apart.parts.len()), (Verdict::NotEnoughData, 0));
        let also = |seed: u64| MadeRun::new("sub", 0.1, seed).grokked(40, 120).record();
        let both = answer(no_grok_ends_lower, [five(never), five(grokked), five(also)].concat());
        assert_eq!((both.verdict, both.parts.len(), both.parts[0].runs), (Verdict::Yes, 1, 10));
    }

    #[test]
    fn the_threshold_is_tested_from_both_sides() {
        let never = |shift: f64| move |seed| add(seed + 5).memorized(40).shift(shift).record();
        let both = |shift| [five(|s| add(s).grokked(40, 120).record()), five(never(shift))].concat();
        assert_eq!(answer(threshold, both(-0.1)).verdict, Verdict::Yes);
        // the paper's own points: never grokked, and above all the same
        let crack = answer(threshold, both(-0.04));
        assert_eq!((crack.verdict, crack.parts[1].verdict), (Verdict::Mixed, Verdict::No));
        assert_eq!(answer(threshold, five(never(-0.1))).verdict, Verdict::NotEnoughData);
    }
}
