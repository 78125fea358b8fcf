//! The early dip of the log-alignment ratio, which the paper finds at large batches only.

use super::{
    Claim,
    judge::{Range, judge},
    values,
};
use crate::{analysis::Group, store::RunRecord};

/// A dip is a fall of LAR by this much below its value at epoch 0: a quarter of the paper's at batch 512 (0.22).
const DEPTH: f64 = 0.05;

/// The dip lies in these first epochs.
const EARLY: u64 = 40;

/// From this many rows on a batch is large; the paper's is 512.
const LARGE: usize = 512;

/// Up to this many it is small.
const SMALL: usize = 64;

/// LAR falls by 0.05 or more below its initial value within 40 epochs if, and only if, the batch is large
/// (512 rows and more; 64 and fewer are small, what lies between is not judged).
///
/// Only runs evaluated at every one of these epochs count: between sparse evaluations a dip can hide. One that is
/// over within the first epoch, as a small batch's would be, cannot be seen at all.
pub(super) fn early_dip(groups: &[Group<'_>]) -> Claim {
    let depths = |belongs: fn(usize) -> bool| {
        values(groups, move |_, record| depth(record).filter(|_| belongs(record.config.data.batch_size)))
    };
    Claim::new(
        "early-dip",
        "LAR dips early in training at large batches, and at small ones it does not",
        "App. B.5, Fig. 9",
        vec![
            judge("depth of the dip, batch ≥ 512", Range::Above(DEPTH), depths(|rows| rows >= LARGE)),
            judge("depth of the dip, batch ≤ 64", Range::Below(DEPTH), depths(|rows| rows <= SMALL)),
        ],
    )
}

/// LAR at epoch 0 less its least value in the early epochs, at least 0; none unless each of them was evaluated.
fn depth(record: &RunRecord) -> Option<f64> {
    let early: Vec<f64> = (0..=EARLY).map_while(|epoch| record.row_at(epoch)).map(|row| row.lar).collect();
    let least = early.iter().copied().fold(f64::INFINITY, f64::min);
    (early.len() as u64 == EARLY + 1).then(|| early[0] - least)
}

#[cfg(test)]
mod tests {
    use super::{super::tests::study, *};
    use crate::{
        analysis::{claims::Verdict, groups},
        store::made::MadeRun,
    };

    /// Evaluated at every epoch up to 40, LAR 0.5 but for epoch 4.
    fn dipping(rows: usize, seed: u64, depth: f64) -> RunRecord {
        let mut record = MadeRun::new("add", 0.5, seed).batch_size(rows).record();
        let row = record.metrics[0].clone();
        record.metrics = (0..=EARLY)
            .map(|epoch| {
                let lar = if epoch == 4 { 0.5 - depth } else { 0.5 };
                crate::store::MetricsRow { epoch, lar, ..row.clone() }
            })
            .collect();
        record
    }

    fn answer(runs: Vec<RunRecord>) -> Claim {
        early_dip(&groups(&study("batch-dip", runs)))
    }

    fn both(large: f64, small: f64) -> Vec<RunRecord> {
        (0..5).flat_map(|seed| [dipping(512, seed, large), dipping(64, seed, small)]).collect()
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
    fn sparse_evaluations_and_middling_batches_do_not_count() {
        let mut runs: Vec<_> = (0..5).map(|seed| MadeRun::new("add", 0.5, seed).record()).collect();
        runs.extend((0..5).map(|seed| dipping(128, seed, 0.2)));
        let claim = answer(runs);
        assert_eq!(claim.verdict, Verdict::NotEnoughData);
        assert!(claim.parts.iter().all(|part| part.runs == 0));
    }
}
