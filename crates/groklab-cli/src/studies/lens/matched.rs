//! Spectra of two runs where their validation losses are equal, and what divergences noise alone makes.
//!
//! Levels are the quantiles 0, ¼, ½, ¾ and 1 of all logged losses, of both runs and after the first step, that lie where the
//! losses of both overlap; at each level stands the logged evaluation of either run that is nearest to it. Pairs whose losses
//! differ by more than 2 % are dropped, and a pair that two levels share counts once.

use super::toy::{Logged, Toy, logged, spectrum};
use crate::studies::contrast::mean;
use crate::{analysis::general::Run, probe::jensen_shannon};

/// The levels, as quantiles.
const QUANTILES: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];
/// By how much losses that count as equal may differ, of their mean.
const TOLERANCE: f64 = 0.02;

/// Two evaluations at equal validation loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// Mean of both losses.
    pub loss: f64,
    /// Steps of either run.
    pub steps: (u64, u64),
    /// Jensen–Shannon divergence of the trace-normalised spectra, nats.
    pub js: f64,
    /// The mean of what two disjoint sample sets of either run make there (`activation.js_floor`).
    pub sampling: f64,
}

/// The matched pairs of two runs, losses increasing.
pub fn pairs(a: &Run, b: &Run) -> Vec<Pair> {
    let (rows_a, rows_b) = (logged(a), logged(b));
    let range = |rows: &[Logged]| {
        rows.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), row| {
            (low.min(row.loss), high.max(row.loss))
        })
    };
    let ((low_a, high_a), (low_b, high_b)) = (range(&rows_a), range(&rows_b));
    let (low, high) = (low_a.max(low_b), high_a.min(high_b));
    let mut losses: Vec<f64> = rows_a.iter().chain(&rows_b).map(|row| row.loss).collect();
    losses.retain(|loss| (low..=high).contains(loss));
    losses.sort_by(f64::total_cmp);
    let mut found: Vec<Pair> = Vec::new();
    for quantile in QUANTILES {
        let Some(level) = quantile_of(&losses, quantile) else { continue };
        let (Some(x), Some(y)) = (nearest(&rows_a, level), nearest(&rows_b, level)) else { continue };
        let (loss, steps) = ((x.loss + y.loss) / 2.0, (x.step, y.step));
        if (x.loss - y.loss).abs() > TOLERANCE * loss || found.iter().any(|pair| pair.steps == steps) {
            continue;
        }
        let js = jensen_shannon(&spectrum(a, x.step), &spectrum(b, y.step));
        let floor = |run: &Run, step| run.diagnostic_at(step, "activation.js_floor").unwrap_or(f64::NAN);
        let sampling = (floor(a, x.step) + floor(b, y.step)) / 2.0;
        if js.is_finite() {
            found.push(Pair { loss, steps, js, sampling });
        }
    }
    found
}

/// Of values in ascending order, between two of them in proportion.
fn quantile_of(sorted: &[f64], quantile: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let at = quantile * last as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    Some(low + at.fract() * (high - low))
}

/// The evaluation whose loss is nearest, of equals the first.
pub fn nearest(rows: &[Logged], level: f64) -> Option<Logged> {
    rows.iter().copied().min_by(|a, b| (a.loss - level).abs().total_cmp(&(b.loss - level).abs()))
}

/// Mean divergence over the matched pairs of two runs.
pub fn divergence(a: &Run, b: &Run) -> Option<f64> {
    mean(pairs(a, b).iter().map(|pair| pair.js))
}

/// The mean divergence over that of two sample sets of one model.
pub fn over_sampling(a: &Run, b: &Run) -> Option<f64> {
    let pairs = pairs(a, b);
    Some(mean(pairs.iter().map(|pair| pair.js))? / mean(pairs.iter().map(|pair| pair.sampling))?)
}

/// The divergence of two seeds: mean over all pairs of runs that differ in nothing else.
pub fn seed_floor(runs: &[&Toy]) -> Option<f64> {
    mean(seed_pairs(runs).into_iter().filter_map(|(a, b)| divergence(a, b)))
}

/// All pairs of runs of different seeds.
pub fn seed_pairs<'a>(runs: &[&Toy<'a>]) -> Vec<(&'a Run, &'a Run)> {
    let later = |i: usize| runs[i + 1..].iter().map(move |b| (runs[i].run, b.run));
    (0..runs.len()).flat_map(later).filter(|(a, b)| a.seed() != b.seed()).collect()
}
