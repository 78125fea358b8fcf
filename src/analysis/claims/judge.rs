//! One rule for all claims: where must a value lie, and do enough runs, and their mean, lie there?

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use super::Values;
use crate::analysis::bootstrap::{difference_interval, mean, mean_interval};

/// Fewest runs behind an answer: with five, one-sided chance agreement of all (1/32) first falls below 5 %.
pub const MIN_RUNS: usize = 5;

/// Share of the runs that must agree for a yes.
pub const MIN_SHARE: f64 = 0.9;

/// What the runs say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The whole interval lies where the claim wants it, at least [`MIN_SHARE`] of the runs agree, and in no
    /// group most runs disagree.
    Yes,
    /// The whole interval lies elsewhere, and fewer than half of the runs agree.
    No,
    /// Neither.
    Mixed,
    /// Fewer than [`MIN_RUNS`] runs.
    NotEnoughData,
}

impl Verdict {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Mixed => "mixed",
            Self::NotEnoughData => "not enough data",
        }
    }

    /// Of a claim: all its parts must hold. What is untested can still spoil a yes, never a no.
    pub fn of(parts: &[Part]) -> Self {
        let any = |verdict| parts.iter().any(|part| part.verdict == verdict);
        match (any(Self::Yes), any(Self::No), any(Self::Mixed), any(Self::NotEnoughData)) {
            (_, _, true, _) | (true, true, ..) => Self::Mixed,
            (false, true, ..) => Self::No,
            (true, false, false, false) => Self::Yes,
            (_, false, false, _) => Self::NotEnoughData,
        }
    }
}

/// Where the claim wants a value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Range {
    /// Greater.
    Above(f64),
    /// Less.
    Below(f64),
    /// Between the two, ends included.
    Within(f64, f64),
}

impl Range {
    fn contains(self, value: f64) -> bool {
        match self {
            Self::Above(bound) => value > bound,
            Self::Below(bound) => value < bound,
            Self::Within(low, high) => (low..=high).contains(&value),
        }
    }

    /// Whether nothing between `low` and `high` is in the range.
    fn misses(self, (low, high): (f64, f64)) -> bool {
        match self {
            Self::Above(bound) => high <= bound,
            Self::Below(bound) => low >= bound,
            Self::Within(least, most) => high < least || low > most,
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Above(bound) => write!(f, "> {bound}"),
            Self::Below(bound) => write!(f, "< {bound}"),
            Self::Within(low, high) => write!(f, "{low:.3} to {high:.3}"),
        }
    }
}

/// How many of the runs, or of the pairs of runs, lie in the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Agreement {
    /// So many lie in it
    pub agree: usize,
    /// of these.
    pub of: usize,
}

/// One thing that was tested for a claim.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// Which quantity of which runs.
    pub what: String,
    /// Where the claim wants it.
    pub expected: Range,
    /// Runs behind it.
    pub runs: usize,
    /// How many of them agree; none where only the whole can be compared.
    pub agreement: Option<Agreement>,
    /// Mean over runs, difference of means, or RMSE; none without runs.
    pub mean: Option<f64>,
    /// Its 95 % percentile bootstrap interval over runs; none for fewer than two.
    pub interval: Option<(f64, f64)>,
    /// Groups in which fewer than half of the runs agree.
    pub against: Vec<String>,
    /// The answer.
    pub verdict: Verdict,
}

/// The rule, for one value a run. Values that are not finite belong to broken runs and do not count.
pub(super) fn judge(what: &str, expected: Range, values: Values) -> Part {
    let values: Values = values.into_iter().filter(|(_, value)| value.is_finite()).collect();
    let mut groups: BTreeMap<&str, Agreement> = BTreeMap::new();
    for (group, value) in &values {
        let entry = groups.entry(group).or_insert(Agreement { agree: 0, of: 0 });
        entry.of += 1;
        entry.agree += usize::from(expected.contains(*value));
    }
    let against =
        groups.iter().filter(|(_, a)| 2 * a.agree < a.of).map(|(group, _)| (*group).to_owned()).collect();
    let agreement = Agreement { agree: groups.values().map(|a| a.agree).sum(), of: values.len() };
    let numbers: Vec<f64> = values.iter().map(|(_, value)| *value).collect();
    let part = Part {
        what: what.to_owned(),
        expected,
        runs: numbers.len(),
        agreement: Some(agreement),
        mean: (!numbers.is_empty()).then(|| mean(&numbers)),
        interval: (numbers.len() > 1).then(|| mean_interval(&numbers)),
        against,
        verdict: Verdict::NotEnoughData,
    };
    if numbers.len() < MIN_RUNS { part } else { part.decided() }
}

/// The rule for two sets of runs: mean(a) − mean(b), and every pair of one of each must agree.
pub(super) fn judge_difference(what: &str, expected: Range, a: &[f64], b: &[f64]) -> Part {
    let (a, b) = (finite(a), finite(b));
    let pairs = a.iter().flat_map(|x| b.iter().map(move |y| x - y));
    let agreement =
        Agreement { agree: pairs.filter(|d| expected.contains(*d)).count(), of: a.len() * b.len() };
    let both = !a.is_empty() && !b.is_empty();
    let part = Part {
        what: what.to_owned(),
        expected,
        runs: a.len() + b.len(),
        agreement: Some(agreement),
        mean: both.then(|| mean(&a) - mean(&b)),
        interval: (both && a.len() + b.len() > 2).then(|| difference_interval(&a, &b)),
        against: Vec::new(),
        verdict: Verdict::NotEnoughData,
    };
    if a.len().min(b.len()) < MIN_RUNS { part } else { part.decided() }
}

fn finite(values: &[f64]) -> Vec<f64> {
    values.iter().copied().filter(|value| value.is_finite()).collect()
}

impl Part {
    /// With the answer that its numbers give.
    fn decided(mut self) -> Self {
        let (Some((low, high)), Some(Agreement { agree, of })) = (self.interval, self.agreement) else {
            return self;
        };
        let inside = self.expected.contains(low) && self.expected.contains(high);
        let share = agree as f64 / of as f64;
        self.verdict = if inside && share >= MIN_SHARE && self.against.is_empty() {
            Verdict::Yes
        } else if self.expected.misses((low, high)) && share < 0.5 {
            Verdict::No
        } else {
            Verdict::Mixed
        };
        self
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    /// Made by `tests/oracle/claims.py` (SciPy's percentile bootstrap).
    #[derive(Deserialize)]
    struct Oracle {
        a: Vec<f64>,
        b: Vec<f64>,
        mean: f64,
        difference: f64,
        mean_interval: Interval,
        difference_interval: Interval,
    }

    /// Ends of an interval of 10,000 resamples: mean and standard deviation over 200 repetitions.
    #[derive(Deserialize)]
    struct Interval {
        low: (f64, f64),
        high: (f64, f64),
    }

    fn one_group(values: &[f64]) -> Values {
        values.iter().map(|value| ("g".to_owned(), *value)).collect()
    }

    #[test]
    fn means_and_intervals_agree_with_scipy() {
        let oracle: Oracle = serde_json::from_str(include_str!("../../../tests/oracle/claims.json")).unwrap();
        let one = judge("", Range::Above(0.0), one_group(&oracle.a));
        let two = judge_difference("", Range::Above(0.0), &oracle.a, &oracle.b);
        let cases =
            [(one, oracle.mean, oracle.mean_interval), (two, oracle.difference, oracle.difference_interval)];
        for (part, mean, interval) in cases {
            let (low, high) = part.interval.unwrap();
            assert!((part.mean.unwrap() - mean).abs() < 1e-12);
            // 4 standard deviations of such an interval's own noise
            assert!((low - interval.low.0).abs() < 4.0 * interval.low.1, "{low}");
            assert!((high - interval.high.0).abs() < 4.0 * interval.high.1, "{high}");
        }
    }

    #[test]
    fn the_rule_says_yes_no_mixed_and_too_little() {
        let above = |values: &[f64]| judge("", Range::Above(0.0), one_group(values)).verdict;
        assert_eq!(above(&[1.0, 2.0, 3.0, 2.0, 1.0]), Verdict::Yes);
        assert_eq!(above(&[-1.0, -2.0, -3.0, -2.0, -1.0]), Verdict::No);
        assert_eq!(above(&[1.0, -2.0, 3.0, -2.0, 1.0]), Verdict::Mixed);
        assert_eq!(above(&[1.0, 2.0, 3.0, 2.0]), Verdict::NotEnoughData);
        assert_eq!(above(&[1.0, 2.0, 3.0, 2.0, f64::NAN]), Verdict::NotEnoughData);
        // the interval is above 0, but one in five disagrees
        assert_eq!(above(&[9.0, 9.0, 9.0, 9.0, -0.1]), Verdict::Mixed);
        // a mean far below 0 made by one run of five is no no
        assert_eq!(above(&[0.1, 0.1, 0.1, 0.1, -99.0]), Verdict::Mixed);
        let within = |value| judge("", Range::Within(0.4, 0.6), one_group(&[value; 5])).verdict;
        assert_eq!(
            [0.5, 0.4, 0.6, 0.39, 0.61].map(within),
            [Verdict::Yes, Verdict::Yes, Verdict::Yes, Verdict::No, Verdict::No]
        );
    }

    #[test]
    fn a_task_of_its_own_mind_spoils_a_yes_and_is_named() {
        let mut values: Values = (0..57).map(|i| (format!("task{}", i % 10), 1.0)).collect();
        values.extend([("odd".to_owned(), -0.01), ("odd".to_owned(), -0.01), ("odd".to_owned(), 0.01)]);
        let part = judge("", Range::Above(0.0), values);
        assert_eq!(part.agreement, Some(Agreement { agree: 58, of: 60 }));
        assert_eq!((part.verdict, part.against), (Verdict::Mixed, vec!["odd".to_owned()]));
    }

    #[test]
    fn two_sets_need_five_runs_each_and_nine_pairs_of_ten() {
        let high = [5.0, 6.0, 7.0, 8.0, 9.0];
        let verdict = |a: &[f64], b: &[f64]| judge_difference("", Range::Above(0.0), a, b).verdict;
        assert_eq!(verdict(&high, &[1.0, 2.0, 3.0, 4.0, 4.5]), Verdict::Yes);
        assert_eq!(verdict(&[1.0, 2.0, 3.0, 4.0, 4.5], &high), Verdict::No);
        assert_eq!(verdict(&high, &[1.0, 2.0, 3.0, 4.0]), Verdict::NotEnoughData);
        // 18 of 25 pairs
        assert_eq!(verdict(&high, &[1.0, 2.0, 3.0, 7.5, 8.5]), Verdict::Mixed);
    }

    #[test]
    fn a_claim_holds_when_all_its_parts_do() {
        let part = |verdict| Part { verdict, ..judge("", Range::Above(0.0), Vec::new()) };
        let of = |verdicts: &[Verdict]| Verdict::of(&verdicts.iter().map(|v| part(*v)).collect::<Vec<_>>());
        use Verdict::{Mixed, No, NotEnoughData, Yes};
        assert_eq!(of(&[Yes, Yes]), Yes);
        assert_eq!(of(&[No, No]), No);
        assert_eq!(of(&[No, NotEnoughData]), No);
        assert_eq!(of(&[Yes, NotEnoughData]), NotEnoughData);
        assert_eq!(of(&[]), NotEnoughData);
        assert_eq!(of(&[Yes, No, NotEnoughData]), Mixed);
        assert_eq!(of(&[Mixed, NotEnoughData]), Mixed);
    }
}
