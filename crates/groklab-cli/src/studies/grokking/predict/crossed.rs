//! Split or start: where each of several splits was run with each of several seeds, whose is the scatter of grokking epochs?

use rand::seq::SliceRandom;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use std::collections::BTreeSet;

use super::early::Subject;
use crate::analysis::rank::PERMUTATIONS;

const SEED: u64 = 1935;
/// Values of either seed at least.
const LEAST: usize = 3;

/// A share of the sum of squares of ln(grokking epoch), and how often chance makes as large a one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    /// Of 1.
    pub share: f64,
    /// Two-sided for what has no direction: (1 + as large) / (1 + all).
    pub p: f64,
}

/// What was found in a crossing of seeds.
#[derive(Clone, Debug, PartialEq)]
pub struct Crossed {
    /// Splits and starts.
    pub seeds: (usize, usize),
    /// Cells that did not grok.
    pub censored: usize,
    /// Between splits, between starts; none if a cell did not grok, or all took as long.
    pub shares: Option<(Share, Share)>,
}

/// Whether runs share splits, so that they are no group of independent runs.
pub fn is_crossed(runs: &[Subject]) -> bool {
    runs.iter().map(|run| run.seeds.1).collect::<BTreeSet<_>>().len() < runs.len()
}

impl Crossed {
    /// Of runs of which each split has each start once, three or more of either.
    pub fn of(runs: &[Subject]) -> Option<Self> {
        let starts: Vec<u64> =
            runs.iter().map(|run| run.seeds.0).collect::<BTreeSet<_>>().into_iter().collect();
        let splits: Vec<u64> =
            runs.iter().map(|run| run.seeds.1).collect::<BTreeSet<_>>().into_iter().collect();
        let cell = |split: u64, start: u64| runs.iter().find(|run| run.seeds == (start, split));
        let cells: Vec<Vec<&Subject>> = splits
            .iter()
            .map(|split| starts.iter().map(|start| cell(*split, *start)).collect::<Option<_>>())
            .collect::<Option<_>>()?;
        let is_whole = splits.len().min(starts.len()) >= LEAST && runs.len() == splits.len() * starts.len();
        let censored = runs.iter().filter(|run| !run.life.ended).count();
        let logs: Vec<Vec<f64>> =
            cells.iter().map(|row| row.iter().map(|run| run.life.time.ln()).collect()).collect();
        let shares = || {
            let turned: Vec<Vec<f64>> =
                (0..starts.len()).map(|i| logs.iter().map(|row| row[i]).collect()).collect();
            Some((share(&logs)?, share(&turned)?))
        };
        is_whole.then(|| Self {
            seeds: (splits.len(), starts.len()),
            censored,
            shares: if censored == 0 { shares() } else { None },
        })
    }
}

/// Of the rows: Σ n (row mean − mean)² over Σ (value − mean)². Chance deals the values of each column out anew.
fn share(rows: &[Vec<f64>]) -> Option<Share> {
    let (height, width) = (rows.len(), rows[0].len());
    let mean = rows.iter().flatten().sum::<f64>() / (height * width) as f64;
    let total: f64 = rows.iter().flatten().map(|value| (value - mean).powi(2)).sum();
    let between = |rows: &[Vec<f64>]| -> f64 {
        rows.iter().map(|row| (row.iter().sum::<f64>() / width as f64 - mean).powi(2) * width as f64).sum()
    };
    if total <= 1e-12 {
        return None;
    }
    let seen = between(rows);
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let mut columns: Vec<Vec<f64>> = (0..width).map(|i| rows.iter().map(|row| row[i]).collect()).collect();
    let mut as_large = 0;
    for _ in 0..PERMUTATIONS {
        columns.iter_mut().for_each(|column| column.shuffle(&mut rng));
        let dealt: Vec<Vec<f64>> =
            (0..height).map(|j| columns.iter().map(|column| column[j]).collect()).collect();
        as_large += usize::from(between(&dealt) >= seen * (1.0 - 1e-12));
    }
    Some(Share { share: seen / total, p: (1 + as_large) as f64 / (1 + PERMUTATIONS) as f64 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{analysis::survival::Lifetime, studies::grokking::predict::early::MOMENTS};

    fn crossing(epoch: impl Fn(u64, u64) -> f64) -> Vec<Subject> {
        let run = |(split, start)| Subject {
            seeds: (start, split),
            life: Lifetime { time: epoch(split, start), ended: true },
            early: [None; MOMENTS.len()],
        };
        (0..4).flat_map(|split| (0..3).map(move |start| (split, start))).map(run).collect()
    }

    #[test]
    fn what_the_split_decides_is_told_from_what_the_start_decides() {
        // ln epoch = split + start / 10: sums of squares 3·5 and 4·0.02
        let runs = crossing(|split, start| (split as f64 + 0.1 * start as f64).exp());
        let found = Crossed::of(&runs).unwrap();
        assert_eq!((found.seeds, found.censored), ((4, 3), 0));
        let (split, start) = found.shares.unwrap();
        assert!((split.share - 15.0 / 15.08).abs() < 1e-12, "{split:?}");
        assert!((start.share - 0.08 / 15.08).abs() < 1e-12, "{start:?}");
        // all columns in one order: 4! of the (4!)³ dealings, 1 in 576; all rows in one: 3! of the (3!)⁴, 1 in 216
        assert!((split.p - 1.0 / 576.0).abs() < 4.0 * (1.0 / 576.0_f64 / 9_999.0).sqrt() + 2e-4, "{split:?}");
        assert!((start.p - 1.0 / 216.0).abs() < 4.0 * (1.0 / 216.0_f64 / 9_999.0).sqrt() + 2e-4, "{start:?}");
    }

    #[test]
    fn a_hole_or_a_run_that_did_not_grok_leaves_nothing_to_compute() {
        let mut runs = crossing(|split, start| 100.0 + (10 * split + start) as f64);
        assert!(is_crossed(&runs));
        assert_eq!(Crossed::of(&runs[1..]), None);
        runs[0].life.ended = false;
        let found = Crossed::of(&runs).unwrap();
        assert_eq!((found.censored, found.shares), (1, None));
        let own: Vec<Subject> = runs.iter().step_by(3).cloned().collect();
        assert!(!is_crossed(&own));
        assert_eq!(Crossed::of(&crossing(|_, _| 100.0)).unwrap().shares, None);
    }
}
