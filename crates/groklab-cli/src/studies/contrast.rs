//! Runs that differ in one setting, side by side: what nearly every claim is about.

use crate::analysis::general::{Run, Setting, Study};
use std::collections::BTreeMap;

/// Settings that differ in one key only, by the value of that key.
pub(super) struct Series<'a> {
    /// What they have in common and other series of the experiment have not; empty if there is no other.
    pub label: String,
    /// Value of the key, and the runs with it, by seed; values increase.
    pub arms: Vec<(f64, Vec<&'a Run>)>,
}

impl<'a> Series<'a> {
    /// What its runs are called where they stand against a claim.
    pub fn group(&self) -> String {
        if self.label.is_empty() { "all runs".to_owned() } else { self.label.clone() }
    }

    /// `what` of these runs.
    pub fn named(&self, what: &str) -> String {
        if self.label.is_empty() { what.to_owned() } else { format!("{what}, {}", self.label) }
    }

    /// The runs with that value.
    pub fn arm(&self, value: f64) -> &[&'a Run] {
        self.arms.iter().find(|(v, _)| *v == value).map_or(&[], |(_, runs)| runs)
    }
}

/// The series over `key` of an experiment.
pub(super) fn series<'a>(study: &'a Study, key: &str) -> Vec<Series<'a>> {
    let prefix = format!("{key}=");
    let mut found: Vec<Series<'a>> = Vec::new();
    for Setting { label, runs } in study.settings() {
        let rest: Vec<&str> = label.split(' ').filter(|part| !part.starts_with(&prefix)).collect();
        let label = rest.join(" ");
        let Some(value) = runs.first().and_then(|run| run.number(key)) else { continue };
        match found.iter_mut().find(|series| series.label == label) {
            Some(series) => series.arms.push((value, runs)),
            None => found.push(Series { label, arms: vec![(value, runs)] }),
        }
    }
    for series in &mut found {
        series.arms.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    }
    found
}

/// The pairs of runs of two arms with the same seed.
pub(super) fn pairs<'a>(a: &[&'a Run], b: &[&'a Run]) -> Vec<(&'a Run, &'a Run)> {
    let by_seed: BTreeMap<String, &Run> = b.iter().map(|run| (run.seed(), *run)).collect();
    a.iter().filter_map(|run| Some((*run, *by_seed.get(&run.seed())?))).collect()
}

/// Runs of the same seed whose settings differ in `key` alone, which is `a` of the first and `b` of the second, and what
/// else tells their settings from others.
pub(super) fn matched<'a>(study: &'a Study, key: &str, a: &str, b: &str) -> Vec<(String, &'a Run, &'a Run)> {
    let prefix = format!("{key}=");
    let mut found: BTreeMap<(String, String), [Option<&Run>; 2]> = BTreeMap::new();
    for Setting { label, runs } in study.settings() {
        let parts: Vec<&str> = label.split_whitespace().collect();
        let Some(value) = parts.iter().find_map(|part| part.strip_prefix(&prefix)) else { continue };
        let Some(place) = [a, b].iter().position(|wanted| *wanted == value) else { continue };
        let rest: Vec<&str> = parts.iter().filter(|part| !part.starts_with(&prefix)).copied().collect();
        for run in runs {
            found.entry((rest.join(" "), run.seed())).or_default()[place] = Some(run);
        }
    }
    let both = found.into_iter().filter_map(|((rest, _), pair)| Some((rest, pair[0]?, pair[1]?)));
    both.collect()
}

/// Slope of the second on the first of some points by least squares; none of fewer than three.
pub(super) fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let n = points.len() as f64;
    let (x, y) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let xx: f64 = points.iter().map(|p| (p.0 - x).powi(2)).sum();
    (points.len() > 2 && xx > 0.0).then(|| points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>() / xx)
}

/// Arithmetic mean; none of nothing.
pub(super) fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.into_iter().collect();
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
