//! Numbers in six characters, and how they went in eight.

use crate::run::Kind;

const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Characters of a sparkline.
const WIDTH: usize = 8;
/// Values that a history keeps: it is halved when it is full, so that it spans the whole run.
const MOST: usize = 128;

/// Values over time.
#[derive(Clone, Debug, Default)]
pub struct History {
    values: Vec<f64>,
    /// Every so many values are kept.
    stride: usize,
    skipped: usize,
}

impl History {
    /// Takes the next value.
    pub fn push(&mut self, value: f64) {
        self.stride = self.stride.max(1);
        self.skipped += 1;
        if self.skipped < self.stride {
            return;
        }
        self.skipped = 0;
        self.values.push(value);
        if self.values.len() == MOST {
            let mut i = 0;
            self.values.retain(|_| {
                i += 1;
                i % 2 == 1
            });
            self.stride *= 2;
        }
    }

    /// The values as bars from the least to the greatest; means where they are more than there is room for.
    pub fn sparkline(&self) -> String {
        let finite: Vec<f64> = self.values.iter().copied().filter(|value| value.is_finite()).collect();
        let low = finite.iter().copied().fold(f64::INFINITY, f64::min);
        let high = finite.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let places = finite.len().min(WIDTH);
        let bar = |i: usize| {
            let part = &finite[i * finite.len() / places..(i + 1) * finite.len() / places];
            let mean = part.iter().sum::<f64>() / part.len() as f64;
            let place = if high > low { (mean - low) / (high - low) } else { 0.0 };
            LEVELS[((place * 8.0) as usize).min(7)]
        };
        let bars: String = (0..places).map(bar).collect();
        format!("{bars:<WIDTH$}")
    }
}

/// The two numbers that are followed in one line: the last of the accuracies, or of the first headline, and LAR where there is
/// one. Name, column, and its place in a row.
pub fn watched(kind: &dyn Kind) -> Vec<(&'static str, usize)> {
    let headline = kind.headline();
    let accuracy = headline.iter().find(|h| h.name == "accuracy").or(headline.first());
    let lar = headline.iter().find(|h| h.name == "LAR");
    let place = |name: &str| kind.columns().iter().position(|column| column.name == name);
    let found = accuracy.into_iter().chain(lar).filter_map(|h| {
        let short = if h.name == "accuracy" { "acc" } else { h.name };
        Some((short, place(h.columns.last()?)?))
    });
    let mut found: Vec<_> = found.collect();
    found.dedup_by_key(|(_, place)| *place);
    found
}

/// A number in six characters.
pub fn short(value: f64) -> String {
    match value.abs() {
        _ if value.is_nan() => "     –".to_owned(),
        // no exponent of three digits has room beside a sign
        size if size < 1e-99 => " 0.000".to_owned(),
        size if size > 1e99 => if value > 0.0 { "   inf" } else { "  -inf" }.to_owned(),
        size if !(1e-3..99_999.5).contains(&size) => format!("{value:>6.0e}"),
        size if size >= 100.0 => format!("{value:>6.0}"),
        size if size >= 10.0 => format!("{value:>6.2}"),
        _ => format!("{value:>6.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparkline_spans_the_whole_run_and_has_one_width() {
        let mut history = History::default();
        assert_eq!(history.sparkline().chars().count(), WIDTH);
        (0..3).for_each(|i| history.push(f64::from(i)));
        assert_eq!(history.sparkline(), "▁▅█     ");
        (3..5000).for_each(|i| history.push(f64::from(i)));
        let line = history.sparkline();
        assert!(history.values.len() < MOST && line.starts_with('▁') && line.ends_with('█'), "{line}");
        let mut broken = History::default();
        broken.push(f64::NAN);
        assert_eq!(broken.sparkline().trim(), "");
    }

    #[test]
    fn numbers_of_any_size_take_six_characters() {
        for value in [
            0.0,
            0.5,
            -0.25,
            12.345,
            231.276,
            99999.0,
            -99999.9,
            4.45e12,
            1e-10,
            -1e-10,
            -4e123,
            -1e-300,
            f64::NAN,
            f64::NEG_INFINITY,
        ] {
            assert_eq!(short(value).chars().count(), 6, "{value}: {:?}", short(value));
        }
    }
}
