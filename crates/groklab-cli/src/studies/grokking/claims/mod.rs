//! The paper's claims, each tested on our own runs: yes, no, mixed, or not enough data, with the numbers.
//!
//! One claim a function, one rule for all of them ([`Verdict`](crate::analysis::claims::Verdict)), thresholds fixed before any of our results were
//! looked at. Settings are answered each by itself unless they are asked to be pooled; what compares settings, the dip by
//! batch size, is answered for all batch sizes together. `docs/claims.md` says the same in prose, with what each test cannot see.

mod correlation;
mod course;
mod dimension;
mod dip;
mod grok;
mod lar;
mod overhead;
mod sigma;

pub use grok::times_to_grok;

use super::{Group, Pool, paper::Reference};
use crate::analysis::claims::{Answers, Claim, Sample};

/// The answers of each of the pools of an experiment. If these differ in the batch size, what compares batch sizes comes
/// first, with answers of its own for each set of other settings.
pub fn answers(pools: &[Pool<'_>]) -> Vec<Answers> {
    let by_batch = dip::across_batch_sizes(pools);
    let is_compared = !by_batch.is_empty();
    let compared = by_batch.into_iter().map(|(setting, groups)| Answers {
        setting,
        pooled: Vec::new(),
        runs: groups.iter().map(|group| group.runs.len()).sum(),
        claims: dip::compared(&groups),
        time_to_grok: Vec::new(),
    });
    let alone = pools.iter().map(|pool| Answers {
        setting: pool.setting.clone(),
        pooled: pool.pooled.clone(),
        runs: pool.runs().count(),
        claims: claims(pool)
            .into_iter()
            .filter(|claim| !(is_compared && dip::IDS.contains(&claim.id)))
            .collect(),
        time_to_grok: times_to_grok(&pool.groups),
    });
    compared.chain(alone).collect()
}

/// Every claim, in the order in which a run would meet it.
fn claims(pool: &Pool<'_>) -> Vec<Claim> {
    let groups = &pool.groups;
    vec![
        lar::half_at_start(groups),
        dip::early_dip(groups),
        dip::deeper_at_larger_ratios(groups),
        course::returns(groups),
        course::rises(groups),
        lar::climbs(groups),
        course::stays_in_range(groups),
        sigma::grows(groups),
        dimension::k95_above_k_pred(groups),
        dimension::k95_falls(groups),
        dimension::k_pred_becomes_k95(groups),
        dimension::table_1(pool),
        lar::no_grok_ends_lower(groups),
        lar::threshold(groups),
        correlation::p_and_q_correlate(groups),
        correlation::same_directions(groups),
        grok::which_grok(groups),
        overhead::overhead(groups),
    ]
}

/// `value` of every run of every group, by its one line and its digest; runs without the value are left out.
fn values(
    groups: &[Group<'_>],
    value: impl Fn(&super::RunSummary, &super::RunDigest) -> Option<f64>,
) -> Vec<Sample> {
    let mut samples = Vec::new();
    for group in groups {
        let label = group.label();
        let values = group.runs.iter().zip(&group.records).filter_map(|(run, record)| value(run, record));
        samples.extend(values.map(|value| Sample { group: label.clone(), value }));
    }
    samples
}

/// `value` of the paper's own points for these groups: each a mean over five seeds.
fn paper_values(groups: &[Group<'_>], value: impl Fn(&Reference) -> Option<f64>) -> Vec<Sample> {
    let sample =
        |group: &Group<'_>| Some(Sample { group: group.label(), value: value(group.paper.as_ref()?)? });
    groups.iter().filter_map(sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::{
            EARLY_EPOCHS, MIN_RUNS, RESAMPLES,
            claims::{MIN_SHARE, Range, Verdict},
        },
        render::table::thousands,
        store::{
            RunRecord,
            made::{self, MadeRow, MadeRun},
        },
        studies::grokking::{
            Experiment, Pooling, groups,
            paper::{BUDGET, PATIENCE, with_tables},
            planned, pools,
        },
    };

    /// An experiment of changed made-up runs.
    pub(super) fn study(name: &str, runs: Vec<RunRecord>) -> Experiment {
        planned(name, with_tables(runs))
    }

    /// The made-up run with every row changed.
    pub(super) fn with(run: &MadeRun, change: impl Fn(&mut MadeRow)) -> RunRecord {
        let mut rows = run.rows();
        rows.iter_mut().for_each(change);
        RunRecord { metrics: made::metrics(&rows), ..run.record() }
    }

    fn answered(experiment: &Experiment, pooling: Pooling) -> Vec<Answers> {
        answers(&pools(experiment, &groups(experiment), pooling))
    }

    #[test]
    fn every_claim_is_answered_for_any_results_and_names_are_unique() {
        let diverged = study("one", vec![MadeRun::new("add", 0.5, 0).diverged(0).record()]);
        let [one] = &answered(&diverged, Pooling::PerSetting)[..] else { panic!("one pool") };
        assert!(one.claims.iter().all(|claim| claim.verdict == Verdict::NotEnoughData), "{one:?}");
        let ids: std::collections::BTreeSet<_> = one.claims.iter().map(|claim| claim.id).collect();
        assert_eq!(ids.len(), one.claims.len());
        assert!(answered(&study("none", Vec::new()), Pooling::PerSetting).is_empty());
    }

    /// The ranges in a cell of the document: `> 0, twice; < 0.25, twice`.
    fn documented(cell: &str) -> Vec<Range> {
        let number =
            |text: &str| text.trim().parse::<f64>().unwrap_or_else(|_| panic!("{text:?} in {cell:?}"));
        let mut ranges = Vec::new();
        for part in cell.split(';') {
            let (range, times) = part.split_once(',').unwrap_or((part, "once"));
            let range = match range.trim().split_once(' ') {
                Some((">", least)) => Range::Above(number(least)),
                Some(("<", most)) => Range::Below(number(most)),
                _ => {
                    let (low, high) = range.split_once('…').unwrap_or_else(|| panic!("{cell:?}"));
                    Range::Within(number(low), number(high))
                }
            };
            let times =
                ["once", "twice", "three times", "four times"].iter().position(|t| *t == times.trim());
            ranges.extend(std::iter::repeat_n(range, times.unwrap() + 1));
        }
        ranges
    }

    /// docs/claims.md says what the code does: the ids in its order, a range for each statement, and the numbers of its rule.
    #[test]
    fn the_thresholds_of_the_document_are_those_of_the_code() {
        // runs that grok and runs that never do, of one family: every statement can be tested
        let runs = (0..5).flat_map(|seed| {
            [
                MadeRun::new("add", 0.5, seed).grokked(40, 120).record(),
                MadeRun::new("x3_xy", 0.5, seed).memorized(60).record(),
            ]
        });
        let study = study("study", runs.collect());
        let [answers] = &answered(&study, Pooling::PerSetting)[..] else { panic!("one pool") };
        let document = include_str!("../../../../../../docs/claims.md");
        let table = document.split("| id | claim |").nth(1).unwrap();
        let rows: Vec<Vec<&str>> = table
            .lines()
            .skip(2)
            .take_while(|line| line.starts_with('|'))
            .map(|line| line.replace("\\|", "¦").leak().trim_matches('|').split('|').map(str::trim).collect())
            .collect();
        let ids: Vec<&str> = rows.iter().map(|row| row[0].trim_matches('`')).collect();
        assert_eq!(ids, answers.claims.iter().map(|claim| claim.id).collect::<Vec<_>>());
        for (row, claim) in rows.iter().zip(&answers.claims).filter(|(row, _)| row[0] != "`table-1`") {
            let ranges: Vec<Range> = claim.parts.iter().map(|part| part.expected).collect();
            assert_eq!(documented(row[3]), ranges, "{}", claim.id);
        }
        // what the rule and the table say of numbers
        let text = document.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in [
            format!("**not enough data**: fewer than {MIN_RUNS} runs"),
            format!("at least {:.0} % of the runs do", 100.0 * MIN_SHARE),
            format!("percentile bootstrap, {} resamples", thousands(RESAMPLES)),
            format!("up to epoch {}, batch ≥ {}", EARLY_EPOCHS, dip::LARGE),
            format!("the same, batch ≤ {}", dip::SMALL),
            format!("as in the paper within {} epochs", thousands(BUDGET as usize)),
            format!("stopped {} epochs later", thousands(PATIENCE as usize)),
        ] {
            assert!(text.contains(&words), "docs/claims.md does not say {words:?}");
        }
    }

    #[test]
    fn settings_answer_each_for_itself_and_batch_sizes_are_compared_once() {
        let runs: Vec<_> = [64, 512]
            .iter()
            .flat_map(|rows| (0..3).map(|seed| MadeRun::new("add", 0.5, seed).batch_size(*rows).record()))
            .collect();
        let study = study("batch", runs);
        let apart = answered(&study, Pooling::PerSetting);
        let settings: Vec<_> = apart.iter().map(|a| (&*a.setting, a.runs, a.claims.len())).collect();
        let expected = [
            ("all values of data.batch_size", 6, 2),
            ("data.batch_size=64", 3, 16),
            ("data.batch_size=512", 3, 16),
        ];
        assert_eq!(settings, expected);
        // three runs each are not enough; six pooled ones would be
        let start =
            |answers: &Answers| answers.claims.iter().find(|c| c.id == "lar-half-at-start").unwrap().verdict;
        assert_eq!(start(&apart[1]), Verdict::NotEnoughData);
        let together = answered(&study, Pooling::All);
        assert_eq!((together.len(), together[0].pooled.len()), (1, 2));
        assert_eq!(start(&together[0]), Verdict::Yes);
    }
}
