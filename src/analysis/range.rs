//! Where a claim wants a number.

use serde::Serialize;
use std::fmt;

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
    /// Whether `value` is in the range.
    pub(super) fn contains(self, value: f64) -> bool {
        match self {
            Self::Above(bound) => value > bound,
            Self::Below(bound) => value < bound,
            Self::Within(low, high) => (low..=high).contains(&value),
        }
    }

    /// Whether nothing between `low` and `high` is in the range.
    pub(super) fn misses(self, (low, high): (f64, f64)) -> bool {
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
