//! Percentile bootstrap intervals: of a root mean square error, a mean, a difference of means; over runs, as in the
//! paper, and beside it over tasks and the seeds of each. `docs/statistics.md` says what each of them covers.

use std::collections::BTreeMap;

use rand::Rng;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use serde::Serialize;

/// Resamples behind an interval, as in the paper.
pub const RESAMPLES: usize = 10_000;

/// Fewest runs behind an interval, and behind an answer: with five, one-sided chance agreement of all (1/32) first
/// falls below 5 %. Below it the runs themselves are shown.
pub const MIN_RUNS: usize = 5;

/// One seed for every interval: the same runs always give the same number, and no cell depends on another.
const SEED: u64 = 2605_28975;

/// A number of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// What it shares with other runs of its pool: task, fraction and settings.
    pub group: String,
    /// The number.
    pub value: f64,
}

/// A 95 % interval over tasks and seeds, and how many groups of runs are behind it, at least two.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[allow(missing_docs)] // the names are the documentation
pub struct Clustered {
    pub low: f64,
    pub high: f64,
    pub groups: usize,
}

/// RMSE over runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Rmse {
    /// Runs behind it.
    pub runs: usize,
    /// √ mean (k95 − k_pred)².
    pub rmse: f64,
    /// mean (k95 − k_pred): on which side of it k95 lies.
    pub mean: f64,
    /// Half of the 95 % percentile bootstrap interval over runs; none for fewer than [`MIN_RUNS`].
    pub half_ci: Option<f64>,
    /// The interval over tasks and seeds; none for fewer than [`MIN_RUNS`], or where all runs are of one group.
    pub clustered: Option<Clustered>,
    /// k95 − k_pred of each run where there are too few for an interval; else empty.
    pub errors: Vec<f64>,
}

impl Rmse {
    /// Of the errors of runs, finite all; none without runs.
    pub fn of(errors: &[Sample]) -> Option<Self> {
        let squares = Clusters::of(errors.iter().map(|s| (s.group.as_str(), s.value * s.value)));
        let values: Vec<f64> = errors.iter().map(|sample| sample.value).collect();
        let half_ci = squares.interval(f64::sqrt).map(|(low, high)| 0.5 * (high - low));
        Some(Self {
            runs: values.len(),
            rmse: root_mean_square(&values)?,
            mean: mean(&values),
            half_ci,
            clustered: squares.clustered(f64::sqrt),
            errors: if half_ci.is_some() { Vec::new() } else { values },
        })
    }
}

/// √ mean of squares; none without values.
pub fn root_mean_square(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| (values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64).sqrt())
}

/// Arithmetic mean.
pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Values of runs, and which of them are of one group.
pub(super) struct Clusters {
    /// In the order given.
    values: Vec<f64>,
    /// The same by group.
    groups: Vec<Vec<f64>>,
}

impl Clusters {
    pub(super) fn of<'a>(values: impl Iterator<Item = (&'a str, f64)>) -> Self {
        let mut groups: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        let values = values.inspect(|(group, value)| groups.entry(group).or_default().push(*value));
        let values = values.map(|(_, value)| value).collect();
        Self { values, groups: groups.into_values().collect() }
    }

    pub(super) fn values(&self) -> &[f64] {
        &self.values
    }

    /// 95 % interval of `of` the mean over runs; none for fewer than [`MIN_RUNS`].
    pub(super) fn interval(&self, of: fn(f64) -> f64) -> Option<(f64, f64)> {
        let enough = self.values.len() >= MIN_RUNS;
        enough.then(|| self.within(of, interval(|rng| of(resampled_mean(&self.values, rng)))))
    }

    /// The same over tasks and seeds: as many groups as there are are drawn with replacement, and of each as many of its
    /// runs as it has (the two-stage bootstrap; Davison & Hinkley 1997, §3.8). None for runs of one group.
    pub(super) fn clustered(&self, of: fn(f64) -> f64) -> Option<Clustered> {
        let enough = self.values.len() >= MIN_RUNS && self.groups.len() > 1;
        enough.then(|| {
            let (low, high) = self.within(of, interval(|rng| of(self.two_stage_mean(rng))));
            Clustered { low, high, groups: self.groups.len() }
        })
    }

    /// Rounding must not carry a mean beyond what it is a mean of.
    fn within(&self, of: fn(f64) -> f64, (low, high): (f64, f64)) -> (f64, f64) {
        let [least, most] =
            [f64::min, f64::max].map(|pick| of(self.values.iter().copied().fold(self.values[0], pick)));
        (low.clamp(least, most), high.clamp(least, most))
    }

    fn two_stage_mean(&self, rng: &mut ChaCha8Rng) -> f64 {
        let (mut sum, mut count) = (0.0, 0);
        for _ in 0..self.groups.len() {
            let group = &self.groups[rng.random_range(0..self.groups.len())];
            sum += (0..group.len()).map(|_| group[rng.random_range(0..group.len())]).sum::<f64>();
            count += group.len();
        }
        sum / count as f64
    }
}

/// 95 % interval of mean(a) − mean(b) over runs, each side resampled by itself; none if either has fewer than
/// [`MIN_RUNS`].
pub(super) fn difference_interval(a: &Clusters, b: &Clusters) -> Option<(f64, f64)> {
    let enough = a.values.len().min(b.values.len()) >= MIN_RUNS;
    enough.then(|| interval(|rng| resampled_mean(&a.values, rng) - resampled_mean(&b.values, rng)))
}

/// The same over tasks and seeds; none if the runs of each side are of one group.
pub(super) fn clustered_difference(a: &Clusters, b: &Clusters) -> Option<Clustered> {
    let groups = a.groups.len() + b.groups.len();
    let enough = a.values.len().min(b.values.len()) >= MIN_RUNS && groups > 2;
    enough.then(|| {
        let (low, high) = interval(|rng| a.two_stage_mean(rng) - b.two_stage_mean(rng));
        Clustered { low, high, groups }
    })
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
        tasks: Vec<usize>,
        rmse: f64,
        half_ci_mean: f64,
        half_ci_sd: f64,
        clustered_low: (f64, f64),
        clustered_high: (f64, f64),
        quantile_of: Vec<f64>,
        quantiles: Vec<(f64, f64)>,
    }

    fn oracle() -> Oracle {
        serde_json::from_str(include_str!("../../tests/oracle/bootstrap.json")).unwrap()
    }

    /// `errors[i]` of a run of group `i / size`.
    fn samples(errors: &[f64], size: usize) -> Vec<Sample> {
        let sample = |(i, error): (usize, &f64)| Sample { group: format!("{}", i / size), value: *error };
        errors.iter().enumerate().map(sample).collect()
    }

    #[test]
    fn rmse_and_both_intervals_agree_with_numpy() {
        let oracle = oracle();
        let errors: Vec<Sample> = oracle
            .pairs
            .iter()
            .zip(&oracle.tasks)
            .map(|((k95, k_pred), task)| Sample { group: format!("task {task}"), value: k95 - k_pred })
            .collect();
        let ours = Rmse::of(&errors).unwrap();
        assert_eq!((ours.runs, ours.errors.len()), (oracle.pairs.len(), 0));
        assert!((ours.rmse - oracle.rmse).abs() < 1e-12);
        // an interval of 10,000 resamples is itself random: 4 of its standard deviations, measured over 400 repetitions
        assert!((ours.half_ci.unwrap() - oracle.half_ci_mean).abs() < 4.0 * oracle.half_ci_sd);
        let clustered = ours.clustered.unwrap();
        assert_eq!(clustered.groups, 1 + oracle.tasks.iter().max().unwrap());
        for (end, (mean, sd)) in
            [(clustered.low, oracle.clustered_low), (clustered.high, oracle.clustered_high)]
        {
            assert!((end - mean).abs() < 4.0 * sd, "{end}, not {mean}");
        }
        assert!(0.5 * (clustered.high - clustered.low) > 1.2 * ours.half_ci.unwrap(), "tasks differ here");
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
        let ours = Rmse::of(&samples(&[2.0, -2.0, -2.0, 2.0, 2.0, -2.0], 3)).unwrap();
        assert_eq!((ours.rmse, ours.half_ci), (2.0, Some(0.0)));
        assert_eq!(ours.clustered, Some(Clustered { low: 2.0, high: 2.0, groups: 2 }));
    }

    #[test]
    fn many_runs_give_the_interval_of_the_normal_law() {
        // squares r² = 1 or 9 in equal numbers: mean m = 5, sd 4; delta method: half = 1.96·sd/√n / (2√m)
        let n = 4000;
        let errors: Vec<f64> = (0..n).map(|i| if i % 2 == 0 { 1.0 } else { 3.0 }).collect();
        let half = |sd: f64| 1.959_964 * sd / (2.0 * 5_f64.sqrt());
        let ours = Rmse::of(&samples(&errors, n)).unwrap();
        assert!((ours.rmse - 5_f64.sqrt()).abs() < 1e-12);
        // a 2.5 % quantile of 10,000 normal draws has a standard error of 2.67 % of the sd, the half-width
        // of two of them 1.9 %, that is 0.96 % of 1.96 sd: 4 of these
        let near = |found: f64, expected: f64| (found / expected - 1.0).abs() < 4.0 * 0.0096;
        assert!(near(ours.half_ci.unwrap(), half(4.0 / f64::sqrt(n as f64))));
        assert_eq!(ours.clustered, None, "one group");
        // groups of four, half of them with squares 1 1 1 9, half with 1 9 9 9: group means 3 and 7, within a group a
        // variance of 12. The mean over G groups drawn, 4 runs drawn of each, has the variance (4 + 12/4)/G
        let errors: Vec<f64> =
            (0..n).map(|i| if i % 4 == 0 || (i / 4 % 2 == 0 && i % 4 < 3) { 1.0 } else { 3.0 }).collect();
        let clustered = Rmse::of(&samples(&errors, 4)).unwrap().clustered.unwrap();
        let sd = (7.0 / (n as f64 / 4.0)).sqrt();
        assert!(near(0.5 * (clustered.high - clustered.low), half(sd)), "{clustered:?}");
    }

    #[test]
    fn fewer_than_five_runs_have_their_errors_and_no_interval() {
        let one = Rmse::of(&samples(&[3.0], 1)).unwrap();
        assert_eq!((one.runs, one.rmse, one.half_ci, one.clustered), (1, 3.0, None, None));
        let four = Rmse::of(&samples(&[3.0, -1.0, 2.0, 0.5], 2)).unwrap();
        assert_eq!((four.half_ci, four.clustered, four.errors), (None, None, vec![3.0, -1.0, 2.0, 0.5]));
        let five = Rmse::of(&samples(&[3.0, -1.0, 2.0, 0.5, 1.0], 2)).unwrap();
        assert!(five.half_ci.is_some() && five.clustered.is_some() && five.errors.is_empty());
        assert_eq!(Rmse::of(&[]), None);
    }

    #[test]
    fn sides_of_a_difference_need_five_runs_each() {
        let clusters = |values: &'static [f64]| Clusters::of(values.iter().map(|value| ("g", *value)));
        let five = clusters(&[5.0, 6.0, 7.0, 8.0, 9.0]);
        assert!(difference_interval(&five, &five).is_some());
        assert_eq!(clustered_difference(&five, &five), None, "one group each");
        assert_eq!(difference_interval(&five, &clusters(&[1.0, 2.0, 3.0, 4.0])), None);
    }
}
