//! Time to an event that some runs never reach: the product-limit estimator (Kaplan & Meier 1958,
//! doi:10.1080/01621459.1958.10501452) and its median.

use rand::Rng;

use super::bootstrap::interval;

/// How long a run was watched, and whether the event ended the watch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lifetime {
    /// When the event came, or when the watch ended without it.
    pub time: f64,
    /// Whether the event came.
    pub ended: bool,
}

/// The estimated share that is still without the event just after each time at which one came, times increasing.
///
/// Who is censored at the time of an event is counted among those at risk of it.
pub fn survival(lives: &[Lifetime]) -> Vec<(f64, f64)> {
    let mut lives = lives.to_vec();
    lives.sort_by(|a, b| a.time.total_cmp(&b.time));
    let mut at_risk = lives.len();
    let mut share = 1.0;
    let mut steps = Vec::new();
    for same in lives.chunk_by(|a, b| a.time == b.time) {
        let ended = same.iter().filter(|life| life.ended).count();
        if ended > 0 {
            share *= 1.0 - ended as f64 / at_risk as f64;
            steps.push((same[0].time, share));
        }
        at_risk -= same.len();
    }
    steps
}

/// The first time at which no more than half are without the event; none if that never comes.
pub fn median(lives: &[Lifetime]) -> Option<f64> {
    // a product such as ¾·⅔ may end a rounding above ½
    survival(lives).into_iter().find(|(_, share)| *share <= 0.5 + 1e-12).map(|(time, _)| time)
}

/// 95 % percentile bootstrap interval of the median over `lives`, not empty; an end beyond all events is none.
pub fn median_interval(lives: &[Lifetime]) -> (Option<f64>, Option<f64>) {
    let n = lives.len();
    let (low, high) = interval(|rng| {
        let drawn: Vec<Lifetime> = (0..n).map(|_| lives[rng.random_range(0..n)]).collect();
        median(&drawn).unwrap_or(f64::INFINITY)
    });
    let reached = |time: f64| time.is_finite().then_some(time);
    (reached(low), reached(high))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// Made by `tests/oracle/survival.py` (lifelines).
    #[derive(Deserialize)]
    struct Case {
        times: Vec<f64>,
        ended: Vec<bool>,
        survival: Vec<(f64, f64)>,
        median: Option<f64>,
    }

    fn lives(times: &[f64], ended: &[bool]) -> Vec<Lifetime> {
        times.iter().zip(ended).map(|(time, ended)| Lifetime { time: *time, ended: *ended }).collect()
    }

    #[test]
    fn curves_and_medians_are_those_of_lifelines() {
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../../tests/oracle/survival.json")).unwrap();
        assert!(cases.iter().any(|case| case.median.is_none()), "one case never gets there");
        for case in cases {
            let lives = lives(&case.times, &case.ended);
            let ours = survival(&lives);
            assert_eq!(ours.len(), case.survival.len());
            for ((time, share), (expected_time, expected)) in ours.into_iter().zip(case.survival) {
                assert!(time == expected_time && (share - expected).abs() < 1e-12, "{time}: {share}");
            }
            assert_eq!(median(&lives), case.median);
        }
    }

    #[test]
    fn the_leukemia_trial_of_freireich_and_others_has_its_published_curve() {
        // 6-mercaptopurine, weeks in remission, + censored (Freireich et al. 1963; in most textbooks):
        // 6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+
        let ended = [6.0, 6.0, 6.0, 7.0, 10.0, 13.0, 16.0, 22.0, 23.0];
        let watched = [6.0, 9.0, 10.0, 11.0, 17.0, 19.0, 20.0, 25.0, 32.0, 32.0, 34.0, 35.0];
        let all = [lives(&ended, &[true; 9]), lives(&watched, &[false; 12])].concat();
        let published = [
            (6.0, 0.857),
            (7.0, 0.807),
            (10.0, 0.753),
            (13.0, 0.690),
            (16.0, 0.627),
            (22.0, 0.538),
            (23.0, 0.448),
        ];
        let curve = survival(&all);
        assert_eq!(curve.len(), published.len());
        for ((time, share), (week, printed)) in curve.into_iter().zip(published) {
            assert!(time == week && (share - printed).abs() < 0.0006, "{time}: {share}");
        }
        assert_eq!(median(&all), Some(23.0));
    }

    #[test]
    fn an_interval_may_be_open_above() {
        let all_ended = lives(&[1.0, 2.0, 3.0, 4.0, 5.0], &[true; 5]);
        let (low, high) = median_interval(&all_ended);
        assert!(low.unwrap() < 3.0 && high.unwrap() > 3.0);
        let half = lives(&[1.0, 2.0, 3.0, 9.0, 9.0], &[true, true, true, false, false]);
        let (low, high) = median_interval(&half);
        assert!(low.is_some() && high.is_none(), "{low:?} {high:?}");
        assert_eq!(median_interval(&lives(&[9.0; 3], &[false; 3])), (None, None));
    }
}
