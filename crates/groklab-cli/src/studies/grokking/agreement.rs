//! How far k_pred lies from k95 while runs train: where does k_pred ≈ k95 begin to hold?

use std::collections::BTreeMap;

use super::{Evaluation, RunDigest};

/// k_pred is taken to agree with k95 where their root mean square relative difference is at most this.
pub const AGREES: f64 = 0.25;
/// Places in a decade of time since grokking.
const PER_DECADE: f64 = 20.0;

/// Agreement over runs at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    /// The time: an epoch, or an epoch as a multiple of the run's own grokking epoch.
    pub at: f64,
    /// Runs behind it.
    pub runs: usize,
    /// √ mean (k_pred − k95)².
    pub rmse: f64,
    /// √ mean ((k_pred − k95) / k95)².
    pub relative: f64,
}

/// The squares of a run's errors by its own grokking epoch: means of absolute and relative ones at each step of a
/// twentieth of a decade. Empty if it never grokked.
pub(super) type OwnErrors = Vec<(i64, (f64, f64))>;

/// Agreement at every epoch of the curves of `runs`, over the runs alive at it.
pub fn agreement(runs: &[&RunDigest]) -> Vec<Agreement> {
    let mut sums: BTreeMap<u64, Sum> = BTreeMap::new();
    for (epoch, error) in runs.iter().flat_map(|run| errors(run.curve())) {
        sums.entry(epoch).or_default().add(error);
    }
    sums.into_iter().filter_map(|(epoch, sum)| sum.agreement(epoch as f64)).collect()
}

/// Of a run with these evaluations that grokked at that epoch.
pub(super) fn own_errors(rows: &[Evaluation], grokked: Option<u64>) -> OwnErrors {
    let mut own: BTreeMap<i64, Sum> = BTreeMap::new();
    if let Some(grokked) = grokked.filter(|epoch| *epoch > 0) {
        for (epoch, error) in errors(rows).filter(|(epoch, _)| *epoch > 0) {
            let decades = (epoch as f64 / grokked as f64).log10();
            own.entry((PER_DECADE * decades).floor() as i64).or_default().add(error);
        }
    }
    own.into_iter().map(|(step, sum)| (step, sum.means())).collect()
}

/// Agreement by epoch ÷ own grokking epoch, over those of `runs` that grokked, in steps of a twentieth of a decade.
/// Each run counts once a step, with the mean of its squares.
pub fn agreement_since_grokking(runs: &[&RunDigest]) -> Vec<Agreement> {
    let mut sums: BTreeMap<i64, Sum> = BTreeMap::new();
    for (step, means) in runs.iter().flat_map(|run| &run.own_errors) {
        sums.entry(*step).or_default().add(*means);
    }
    let middle = |step: i64| 10_f64.powf((step as f64 + 0.5) / PER_DECADE);
    sums.into_iter().filter_map(|(step, sum)| sum.agreement(middle(step))).collect()
}

/// The first time from which on k_pred agrees with k95, to the end of `points`; none if it does not at the end.
pub fn agrees_from(points: &[Agreement]) -> Option<f64> {
    points.iter().rev().take_while(|point| point.relative <= AGREES).last().map(|point| point.at)
}

/// Squares of the absolute and the relative error of a run, epoch by epoch, where they are finite.
fn errors(rows: &[Evaluation]) -> impl Iterator<Item = (u64, (f64, f64))> {
    let both = |row: &Evaluation| Some((row.epoch, row.k_pred, f64::from(row.k95?)));
    rows.iter().filter_map(both).filter(|(_, k_pred, _)| k_pred.is_finite()).map(|(epoch, k_pred, k95)| {
        let square = (k_pred - k95).powi(2);
        (epoch, (square, square / (k95 * k95)))
    })
}

#[derive(Default)]
struct Sum {
    count: usize,
    absolute: f64,
    relative: f64,
}

impl Sum {
    fn add(&mut self, (absolute, relative): (f64, f64)) {
        self.count += 1;
        self.absolute += absolute;
        self.relative += relative;
    }

    fn means(&self) -> (f64, f64) {
        (self.absolute / self.count as f64, self.relative / self.count as f64)
    }

    fn agreement(self, at: f64) -> Option<Agreement> {
        let (absolute, relative) = self.means();
        (self.count > 0).then(|| Agreement {
            at,
            runs: self.count,
            rmse: absolute.sqrt(),
            relative: relative.sqrt(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{
        RunRecord,
        made::{self, MadeRow, MadeRun},
    };

    /// A run that grokked at epoch `grokked`, with (epoch, k_pred, k95).
    fn run(grokked: Option<u64>, rows: &[(u64, f64, u32)]) -> RunDigest {
        let made = MadeRun::new("add", 0.5, 0);
        let made = match grokked {
            Some(grokked) => made.grokked(1, grokked),
            None => made.memorized(1),
        };
        let row = &made.rows()[0];
        let with = |&(epoch, k_pred, k95): &(u64, f64, u32)| MadeRow {
            epoch,
            k_pred,
            k95: Some(k95).filter(|&k95| k95 > 0),
            ..row.clone()
        };
        let rows: Vec<_> = rows.iter().map(with).collect();
        RunDigest::of(RunRecord { metrics: made::metrics(&rows), ..made.record() }).unwrap()
    }

    #[test]
    fn rmse_at_an_epoch_is_over_the_runs_alive_and_finite() {
        let runs = [
            run(Some(10), &[(0, 50.0, 10), (20, 13.0, 10)]),
            run(Some(10), &[(0, 10.0, 40), (20, f64::NAN, 10)]),
            run(Some(10), &[(0, 80.0, 0)]),
        ];
        let points = agreement(&runs.iter().collect::<Vec<_>>());
        // √((40² + 30²)/2) and √((4² + 0.75²)/2)
        let expected = [(0.0, 2, 1250_f64.sqrt(), 8.281_25_f64.sqrt()), (20.0, 1, 3.0, 0.3)];
        assert_eq!(points.len(), expected.len());
        for (point, (at, runs, rmse, relative)) in points.iter().zip(expected) {
            assert_eq!((point.at, point.runs), (at, runs));
            assert!((point.rmse - rmse).abs() < 1e-12 && (point.relative - relative).abs() < 1e-12);
        }
    }

    #[test]
    fn time_since_grokking_is_in_multiples_of_the_runs_own_grokking_epoch() {
        // both at twice their grokking epoch; the second is there twice (2.00 and 2.02) and counts once
        let runs = [
            run(Some(100), &[(200, 14.0, 10)]),
            run(Some(1000), &[(2000, 12.0, 10), (2020, 10.0, 10)]),
            run(None, &[(20, 1.0, 100)]),
        ];
        let points = agreement_since_grokking(&runs.iter().collect::<Vec<_>>());
        assert_eq!(points.len(), 1);
        assert_eq!(points[0].runs, 2);
        // means of squares 16 and (4 + 0)/2
        assert!((points[0].rmse - 9_f64.sqrt()).abs() < 1e-12);
        assert!((points[0].at / 2.0).log10().abs() < 1.0 / PER_DECADE);
    }

    #[test]
    fn agreement_begins_where_it_lasts_to_the_end() {
        let points = |relative: &[f64]| -> Vec<Agreement> {
            let point = |(i, r): (usize, &f64)| Agreement { at: i as f64, runs: 1, rmse: 1.0, relative: *r };
            relative.iter().enumerate().map(point).collect()
        };
        assert_eq!(agrees_from(&points(&[0.9, 0.1, 0.5, 0.2, 0.1])), Some(3.0));
        assert_eq!(agrees_from(&points(&[0.1, 0.1])), Some(0.0));
        assert_eq!(agrees_from(&points(&[0.1, 0.9])), None);
        assert_eq!(agrees_from(&[]), None);
    }
}
