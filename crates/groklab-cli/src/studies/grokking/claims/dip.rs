//! The early dip of the log-alignment ratio, which the paper finds at large batches only.

use std::collections::{BTreeMap, BTreeSet};

use super::values;
use crate::analysis::claims::{Claim, Range, judge, judge_order};
use crate::studies::grokking::{Group, Pool, RunDigest};

/// Names of the claims that compare batch sizes.
pub(super) const IDS: [&str; 2] = ["early-dip", "dip-by-ratio"];

/// What it compares.
const KEY: &str = "data.batch_size";

/// A dip is a fall of LAR by this much below its value at epoch 0: a quarter of the paper's at batch 512 (0.22).
const DEPTH: f64 = 0.05;

/// From this many rows on a batch is large; the paper's is 512.
pub(super) const LARGE: usize = 512;

/// Up to this many it is small: in the paper's Fig. 9 batches of 8 and 2 do not dip, one of 32 does by 0.055.
pub(super) const SMALL: usize = 8;

/// LAR falls by 0.05 or more below its initial value within 40 epochs if, and only if, the batch is large
/// (512 rows and more; 8 and fewer are small, what lies between is not judged).
///
/// Only runs evaluated at every one of these epochs count: between sparse evaluations a dip can hide. One that is
/// over within the first epoch, as a small batch's would be, cannot be seen at all.
pub(super) fn early_dip(groups: &[Group<'_>]) -> Claim {
    let depths = |belongs: fn(usize) -> bool| {
        values(groups, move |_, record| {
            record.dip.map(|dip| dip.depth).filter(|_| belongs(record.config().data.batch_size))
        })
    };
    Claim::new(
        IDS[0],
        "LAR dips early in training at large batches, and at small ones it does not",
        "App. B.5, Fig. 9",
        vec![
            judge("depth of the dip, batch ≥ 512", Range::Above(DEPTH), depths(|rows| rows >= LARGE)),
            judge("depth of the dip, batch ≤ 8", Range::Below(DEPTH), depths(|rows| rows <= SMALL)),
        ],
    )
}

/// The larger the batch beside the training rows, the deeper LAR goes in its first ten epochs: Kendall's τ of the share of the
/// training rows in a batch and the least LAR of epochs 0 to 10, over all runs evaluated at each of these.
pub(super) fn deeper_at_larger_ratios(groups: &[Group<'_>]) -> Claim {
    let point = |run: &RunDigest| {
        let rows = run.manifest().size("train_rows") as f64;
        let batch = (run.config().data.batch_size as f64).min(rows);
        Some((batch / rows, run.course.dip_floor?))
    };
    let points: Vec<(f64, f64)> =
        groups.iter().flat_map(|group| &group.records).filter_map(|run| point(run)).collect();
    Claim::new(
        IDS[1],
        "the larger the batch beside the data set, the lower LAR goes at first",
        "Fig. 9b",
        vec![judge_order(
            "τ of batch / training rows and the least LAR of epochs 0 to 10",
            Range::Below(0.0),
            &points,
        )],
    )
}

/// What compares batch sizes.
pub(super) fn compared(groups: &[Group<'_>]) -> Vec<Claim> {
    vec![early_dip(groups), deeper_at_larger_ratios(groups)]
}

/// The groups that differ in nothing but the batch size, task and fraction, under the settings that they share. Nothing if
/// the pools do not differ in the batch size.
pub(super) fn across_batch_sizes<'a>(pools: &[Pool<'a>]) -> Vec<(String, Vec<Group<'a>>)> {
    let mut shared: BTreeMap<String, Vec<Group<'a>>> = BTreeMap::new();
    let mut sizes = BTreeSet::new();
    for pool in pools {
        let settings = pool.setting.split_whitespace();
        let (size, others): (Vec<&str>, Vec<&str>) =
            settings.partition(|setting| setting.split('=').next() == Some(KEY));
        sizes.extend(size);
        let name = [&[&*format!("all values of {KEY}")], &others[..]].concat().join(" ");
        shared.entry(name).or_default().extend(pool.groups.iter().cloned());
    }
    if sizes.is_empty() { Vec::new() } else { shared.into_iter().collect() }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::study, *};
    use crate::{
        analysis::claims::Verdict,
        store::{
            RunRecord,
            made::{self, MadeRow, MadeRun},
        },
        studies::grokking::{EARLY_EPOCHS, groups},
    };

    /// Evaluated at every early epoch, LAR 0.5 but for epoch 4.
    fn dipping(rows: usize, seed: u64, depth: f64) -> RunRecord {
        let run = MadeRun::new("add", 0.5, seed).batch_size(rows);
        let row = &run.rows()[0];
        let lar = |epoch| if epoch == 4 { 0.5 - depth } else { 0.5 };
        let rows: Vec<_> =
            (0..=EARLY_EPOCHS).map(|epoch| MadeRow { epoch, lar: lar(epoch), ..row.clone() }).collect();
        RunRecord { metrics: made::metrics(&rows), ..run.record() }
    }

    fn answer(runs: Vec<RunRecord>) -> Claim {
        early_dip(&groups(&study("batch-dip", runs)))
    }

    fn both(large: f64, small: f64) -> Vec<RunRecord> {
        (0..5).flat_map(|seed| [dipping(512, seed, large), dipping(8, seed, small)]).collect()
    }

    #[test]
    fn a_dip_at_large_batches_only_is_a_yes() {
        let claim = answer(both(0.2, 0.01));
        assert_eq!(claim.verdict, Verdict::Yes);
        assert!((claim.parts[0].mean.unwrap() - 0.2).abs() < 1e-12);
        assert_eq!(answer(both(0.01, 0.2)).verdict, Verdict::No);
        assert_eq!(answer(both(0.2, 0.2)).verdict, Verdict::Mixed);
    }

    #[test]
    fn the_floor_is_ordered_by_the_share_of_the_rows_in_a_batch() {
        let runs = |depth: fn(usize) -> f64| -> Vec<RunRecord> {
            let of = |rows: usize| (0..3).map(move |seed| dipping(rows, seed, depth(rows)));
            [32, 128, 512, 2048].into_iter().flat_map(of).collect()
        };
        let answer = |runs| deeper_at_larger_ratios(&groups(&study("batch-dip", runs)));
        let deeper = answer(runs(|rows| 0.02 * (rows as f64).log2()));
        assert_eq!(
            (deeper.verdict, deeper.parts[0].runs, deeper.parts[0].mean),
            (Verdict::Yes, 12, Some(-1.0))
        );
        assert_eq!(answer(runs(|rows| 0.2 - 0.01 * (rows as f64).log2())).verdict, Verdict::No);
        let sparse = (0..5).map(|seed| MadeRun::new("add", 0.5, seed).record()).collect();
        assert_eq!(answer(sparse).verdict, Verdict::NotEnoughData);
    }

    #[test]
    fn sparse_evaluations_and_middling_batches_do_not_count() {
        let mut runs: Vec<_> = (0..5).map(|seed| MadeRun::new("add", 0.5, seed).record()).collect();
        runs.extend([64, 128].into_iter().flat_map(|rows| (0..5).map(move |seed| dipping(rows, seed, 0.2))));
        let claim = answer(runs);
        assert_eq!(claim.verdict, Verdict::NotEnoughData);
        assert!(claim.parts.iter().all(|part| part.runs == 0));
    }
}
