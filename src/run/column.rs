//! One column of a run's `metrics.csv`, as data: everything that names, explains or writes it asks here.

/// A column of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// As in files: `train_loss`.
    pub name: &'static str,
    /// What its numbers are.
    pub unit: Unit,
    /// Definition, with formula and source.
    pub about: &'static str,
}

/// What the numbers of a column are; decides how they are written and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A pure number, such as a ratio; `NaN` where it is not defined.
    Number,
    /// Natural units of information.
    Nats,
    /// A share from 0 to 1.
    Share,
    /// A whole number; an empty field where there is none.
    Count,
}

impl Unit {
    /// As in documentation and axes; empty for pure numbers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Number => "",
            Self::Nats => "nats",
            Self::Share => "share",
            Self::Count => "count",
        }
    }

    /// A value for people.
    pub fn show(self, value: f64) -> String {
        match self {
            Self::Number if value.is_finite() && (value.abs() >= 1000.0) => format!("{value:.0}"),
            Self::Number => format!("{value:.3}"),
            Self::Nats => format!("{value:.4}"),
            Self::Share => format!("{:.1} %", 100.0 * value),
            Self::Count if value.is_nan() => "–".to_owned(),
            Self::Count => format!("{value:.0}"),
        }
    }
}
