//! A run on its way in one line of a terminal: name, bar, round, what is followed, time left; [`WIDTH`] columns at most.

use super::spark::{History, short, watched};
use crate::{run::Kind, sweep::Live};
use std::time::Duration;

/// Columns of a line.
pub const WIDTH: usize = 80;
/// Columns of a run's name.
pub const NAME: usize = 18;
/// Columns of its bar.
pub const BAR: usize = 8;

/// What is followed of a run, and how it went.
pub struct Followed(Vec<(&'static str, usize, History)>);

impl Followed {
    /// Nothing yet, of a run of that kind.
    pub fn new(kind: &dyn Kind) -> Self {
        Self(watched(kind).into_iter().map(|(name, place)| (name, place, History::default())).collect())
    }

    /// Takes a new evaluation.
    pub fn push(&mut self, row: &[f64]) {
        for (_, place, history) in &mut self.0 {
            history.push(row.get(*place).copied().unwrap_or(f64::NAN));
        }
    }

    /// What stands behind the bar: round, the numbers with their curves, time left; 52 columns at most.
    pub fn describe(&self, live: &Live, row: &[f64]) -> String {
        let mut text = count(live.epoch);
        for (name, place, history) in &self.0 {
            let value = short(row.get(*place).copied().unwrap_or(f64::NAN));
            text.push_str(&format!(" {name}{value} {}", history.sparkline()));
        }
        let rounds = live.expected_end.saturating_sub(live.epoch);
        format!("{text} {}", left(rounds, live.done_here, live.elapsed))
    }
}

/// The whole line without a terminal's help.
pub fn line(name: &str, live: &Live, described: &str) -> String {
    let end = live.expected_end.max(1);
    let full = (live.epoch.min(end) * BAR as u64 / end) as usize;
    format!("{name:<NAME$} {}{} {described}", "█".repeat(full), "░".repeat(BAR - full))
}

/// A round in six columns.
fn count(round: u64) -> String {
    match round {
        0..1_000_000 => format!("{round:>6}"),
        _ => format!("{:>5.1}M", (round as f64 / 1e6).min(999.9)),
    }
}

/// How long so many rounds take at the speed of those done, in six columns at most; `?` before there is a speed.
pub fn left(rounds: u64, done: u64, elapsed: Duration) -> String {
    let rate = done as f64 / elapsed.as_secs_f64().max(1e-9);
    if rate > 0.0 { brief(Duration::from_secs_f64((rounds as f64 / rate).min(1e9))) } else { "?".to_owned() }
}

/// A duration in six columns at most: `45s`, `8m39`, `2h05`, `12d03h`.
pub fn brief(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}", seconds / 60, seconds % 60),
        3600..360_000 => format!("{}h{:02}", seconds / 3600, seconds % 3600 / 60),
        360_000..8_640_000 => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3600),
        _ => "ages".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every kind there is, at numbers as long as they get, in every phase.
    #[test]
    fn a_line_of_any_kind_fits_a_terminal() {
        for kind in crate::kinds::all() {
            let columns = kind.columns().len();
            let awkward =
                [0.0, -0.123_456, -99_999.4, 99_999.9, -4.45e123, -1e-300, f64::NAN, f64::NEG_INFINITY];
            for (i, value) in awkward.into_iter().enumerate() {
                let row = vec![value; columns];
                let mut followed = Followed::new(kind);
                (0..200).for_each(|j| followed.push(&vec![f64::from(j); columns]));
                let live = Live {
                    epoch: [0, 3, 999_999, 123_456_789][i % 4],
                    done_here: [0, 1, 5, 100][i % 4],
                    max_epochs: 200_000_000,
                    expected_end: [1, 50_000, 1_000_000, 200_000_000][i % 4],
                    row: Some(&row),
                    elapsed: Duration::from_secs([0, 7, 40_000, 90_000][i % 4]),
                    is_new: true,
                };
                let line = line(&"x".repeat(NAME), &live, &followed.describe(&live, &row));
                assert!(line.chars().count() <= WIDTH, "{} {value}: {line:?}", kind.name());
                // both of the sparklines that every kind here has: the last is LAR's
                assert_eq!(line.matches(" LAR").count(), 1, "{line}");
                assert!(line.matches('█').count() >= 2, "{line}");
            }
        }
    }

    #[test]
    fn times_are_short() {
        let cases = [(0, "0s"), (59, "59s"), (519, "8m39"), (7_500, "2h05"), (1_047_600, "12d03h")];
        for (seconds, expected) in cases {
            assert_eq!(brief(Duration::from_secs(seconds)), expected);
        }
        assert!((0..40).all(|p| brief(Duration::from_secs(1 << p)).len() <= 6));
        // 10 rounds in 20 s: 100 more take 200 s
        assert_eq!(left(100, 10, Duration::from_secs(20)), "3m20");
        assert_eq!(left(100, 0, Duration::from_secs(20)), "?");
    }
}
