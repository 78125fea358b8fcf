//! One quantity against the epoch, over the seeds of a group.

use super::{Evaluation, RunDigest};
use crate::analysis::{CurvePoint, mean_curve};

/// `quantity` at every epoch of the curves of `runs`, epochs increasing.
///
/// Runs end at different epochs, so the mean can step where one of them leaves.
pub fn curve(runs: &[&RunDigest], quantity: impl Fn(&Evaluation) -> f64) -> Vec<CurvePoint> {
    mean_curve(runs.iter().flat_map(|run| run.curve()).map(|row| (row.epoch, quantity(row))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::made::MadeRun;

    #[test]
    fn the_mean_is_over_runs_alive_and_finite() {
        let records = [0.0, 0.03, 0.09].map(|shift| MadeRun::new("add", 0.5, 0).shift(shift));
        let diverged = MadeRun::new("add", 0.5, 3).diverged(100);
        let records: Vec<_> =
            records.iter().chain([&diverged]).map(|run| RunDigest::of(run.record()).unwrap()).collect();
        let points = curve(&records.iter().collect::<Vec<_>>(), |row| row.lar);
        let at = |epoch| *points.iter().find(|p| p.epoch == epoch).unwrap();
        let (early, late) = (at(20), at(120));
        // made-up LAR at epoch 20: 0.52 + {0, 0.03, 0.09, 0}; at 120: 0.62 + {0, 0.03, 0.09}
        assert_eq!((early.runs, late.runs), (4, 3));
        assert!((early.mean - 0.55).abs() < 1e-12 && (late.mean - 0.66).abs() < 1e-12);
        assert!((late.min - 0.62).abs() < 1e-12 && (late.max - 0.71).abs() < 1e-12);
        assert!(points.windows(2).all(|pair| pair[0].epoch < pair[1].epoch));
    }
}
