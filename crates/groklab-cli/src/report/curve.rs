//! Numbers and curves as the JSON of the report has them: five significant digits, `null` where not finite, whole
//! numbers in strides.

use serde::Serialize;

use crate::analysis::CurvePoint;

/// Significant digits of a number: a plot is some 500 points high.
const DIGITS: usize = 5;

/// A value an evaluation.
pub(super) type Column = Vec<Option<f64>>;

/// A mean over runs, with its range where it has one.
#[derive(Serialize)]
pub(super) struct CurveData {
    /// Epochs, or whatever the curve lies over, as (first, step, count).
    epochs: Vec<[u64; 3]>,
    mean: Column,
    #[serde(flatten)]
    range: Option<RangeData>,
}

#[derive(Serialize)]
struct RangeData {
    min: Column,
    max: Column,
    runs: Vec<usize>,
}

impl CurveData {
    pub(super) fn of(points: &[CurvePoint]) -> Self {
        let column = |value: fn(&CurvePoint) -> f64| points.iter().map(|p| rounded(value(p))).collect();
        let range = || RangeData {
            min: column(|point| point.min),
            max: column(|point| point.max),
            runs: points.iter().map(|point| point.runs).collect(),
        };
        Self {
            epochs: strides(points.iter().map(|point| point.epoch)),
            mean: column(|point| point.mean),
            range: points.iter().any(|point| point.runs > 1).then(range),
        }
    }
}

/// `value` with [`DIGITS`] significant digits; none if it is not finite.
pub(super) fn rounded(value: f64) -> Option<f64> {
    if !value.is_finite() {
        return None;
    }
    format!("{value:.*e}", DIGITS - 1).parse().ok()
}

/// Increasing numbers as (first, step, count): evaluations come at regular distances, few of which differ.
pub(super) fn strides(numbers: impl Iterator<Item = u64>) -> Vec<[u64; 3]> {
    let mut out: Vec<[u64; 3]> = Vec::new();
    for number in numbers {
        match out.last_mut() {
            Some([first, step, count]) if *count == 1 => (*step, *count) = (number - *first, 2),
            Some([first, step, count]) if number == *first + *step * *count => *count += 1,
            _ => out.push([number, 1, 1]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_hold_every_number() {
        let cases: [&[u64]; 6] =
            [&[], &[7], &[0, 1, 20, 40, 60], &[0, 1, 2, 3, 23, 43, 50], &[5, 9, 10], &[0, 20, 40, 41, 42]];
        for numbers in cases {
            let triples = strides(numbers.iter().copied());
            let back: Vec<u64> =
                triples.iter().flat_map(|[first, step, n]| (0..*n).map(move |i| first + i * step)).collect();
            assert_eq!(back, numbers);
        }
        assert_eq!(strides([0, 1, 20, 40, 60].into_iter()), [[0, 1, 2], [20, 20, 3]]);
    }

    #[test]
    fn rounding_keeps_five_digits_and_drops_what_is_not_finite() {
        let x = 1.617_283_948;
        assert_eq!(
            [rounded(2.0 * x), rounded(-2e-7 * x), rounded(1234567.0)],
            [3.2346, -3.2346e-7, 1234600.0].map(Some)
        );
        assert_eq!([rounded(0.0), rounded(f64::NAN), rounded(f64::INFINITY)], [Some(0.0), None, None]);
    }
}
