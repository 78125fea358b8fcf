//! Percentile bootstrap intervals over runs: of a root mean square error, a mean, a difference of means.

use rand::Rng;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

/// Resamples behind an interval, as in the paper.
pub const RESAMPLES: usize = 10_000;

/// One seed for every interval: the same runs always give the same number, and no cell depends on another.
const SEED: u64 = 2605_28975;

/// RMSE over runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rmse {
    /// Runs behind it.
    pub runs: usize,
    /// √ mean (k95 − k_pred)².
    pub rmse: f64,
    /// Half of the 95 % percentile bootstrap interval; none for a single run, which tells nothing about spread.
    pub half_ci: Option<f64>,
}

/// RMSE of the first against the second of each pair, finite all; none without pairs.
pub fn rmse(pairs: &[(f64, f64)]) -> Option<Rmse> {
    if pairs.is_empty() {
        return None;
    }
    let squares: Vec<f64> = pairs.iter().map(|(a, b)| (a - b).powi(2)).collect();
    let (low, high) = interval(|rng| resampled_mean(&squares, rng).sqrt());
    Some(Rmse {
        runs: squares.len(),
        rmse: mean(&squares).sqrt(),
        half_ci: (squares.len() > 1).then_some(0.5 * (high - low)),
    })
}

/// Arithmetic mean.
pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// 95 % interval of the mean of `values`, of which there is at least one.
pub(super) fn mean_interval(values: &[f64]) -> (f64, f64) {
    let (low, high) = interval(|rng| resampled_mean(values, rng));
    // rounding must not carry a mean beyond what it is a mean of
    let [least, most] = [f64::min, f64::max].map(|pick| values.iter().copied().fold(values[0], pick));
    (low.clamp(least, most), high.clamp(least, most))
}

/// 95 % interval of mean(a) − mean(b), each resampled by itself; neither is empty.
pub(super) fn difference_interval(a: &[f64], b: &[f64]) -> (f64, f64) {
    interval(|rng| resampled_mean(a, rng) - resampled_mean(b, rng))
}

/// The 2.5 % and 97.5 % quantiles of `statistic` over the resamples; it may be infinite, not NaN.
pub(super) fn interval(mut statistic: impl FnMut(&mut ChaCha8Rng) -> f64) -> (f64, f64) {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let mut resampled: Vec<f64> = (0..RESAMPLES).map(|_| statistic(&mut rng)).collect();
    resampled.sort_by(f64::total_cmp);
    (quantile(&resampled, 0.025), quantile(&resampled, 0.975))
}

/// Mean of as many draws with replacement as there are values.
fn resampled_mean(values: &[f64], rng: &mut ChaCha8Rng) -> f64 {
    let n = values.len();
    (0..n).map(|_| values[rng.random_range(0..n)]).sum::<f64>() / n as f64
}

/// Quantile of sorted values, linear between neighbours (Hyndman & Fan's type 7, NumPy's default).
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * (sorted.len() - 1) as f64;
    let low = sorted[at.floor() as usize];
    let high = sorted[at.ceil() as usize];
    // two equal infinities have no difference
    if low == high { low } else { low + (high - low) * at.fract() }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// Made by `tests/oracle/bootstrap.py` (NumPy).
    #[derive(Deserialize)]
    struct Oracle {
        pairs: Vec<(f64, f64)>,
        rmse: f64,
        half_ci_mean: f64,
        half_ci_sd: f64,
        quantile_of: Vec<f64>,
        quantiles: Vec<(f64, f64)>,
    }

    fn oracle() -> Oracle {
        serde_json::from_str(include_str!("../../tests/oracle/bootstrap.json")).unwrap()
    }

    #[test]
    fn rmse_and_interval_agree_with_numpy() {
        let oracle = oracle();
        let ours = rmse(&oracle.pairs).unwrap();
        assert_eq!(ours.runs, oracle.pairs.len());
        assert!((ours.rmse - oracle.rmse).abs() < 1e-12);
        // an interval of 10,000 resamples is itself random: 4 of its standard deviations, measured over 400 repetitions
        assert!((ours.half_ci.unwrap() - oracle.half_ci_mean).abs() < 4.0 * oracle.half_ci_sd);
    }

    #[test]
    fn quantiles_are_numpys() {
        let oracle = oracle();
        for (q, expected) in oracle.quantiles {
            assert!((quantile(&oracle.quantile_of, q) - expected).abs() < 1e-12, "{q}");
        }
    }

    #[test]
    fn equal_residuals_leave_no_interval() {
        let ours = rmse(&[(3.0, 1.0), (7.0, 9.0), (0.0, 2.0)]).unwrap();
        assert_eq!((ours.rmse, ours.half_ci), (2.0, Some(0.0)));
    }

    #[test]
    fn many_runs_give_the_interval_of_the_normal_law() {
        // squares r² = 1 or 9 in equal numbers: mean m = 5, sd 4; delta method: half = 1.96·sd/√n / (2√m)
        let n = 4000;
        let pairs: Vec<_> = (0..n).map(|i| (if i % 2 == 0 { 1.0 } else { 3.0 }, 0.0)).collect();
        let half = 1.959_964 * 4.0 / f64::from(n).sqrt() / (2.0 * 5_f64.sqrt());
        let ours = rmse(&pairs).unwrap();
        assert!((ours.rmse - 5_f64.sqrt()).abs() < 1e-12);
        // a 2.5 % quantile of 10,000 normal draws has a standard error of 2.67 % of the sd, the half-width
        // of two of them 1.9 %, that is 0.96 % of 1.96 sd: 4 of these
        assert!((ours.half_ci.unwrap() / half - 1.0).abs() < 4.0 * 0.0096);
    }

    #[test]
    fn one_run_has_no_interval_and_none_has_no_number() {
        assert_eq!(rmse(&[(5.0, 2.0)]), Some(Rmse { runs: 1, rmse: 3.0, half_ci: None }));
        assert_eq!(rmse(&[]), None);
    }
}
