//! Runs of any kind as tables and figures need them: where each stood at its milestones and at its end, and its curves.
//!
//! Promises: nothing here knows a kind; what is read is the columns and the milestones that the kind declares. Only curves
//! may be thinned, all in the same way: the epoch alone decides.

use super::{
    CurvePoint, Resolution, mean_curve,
    settings::{Settings, compare, flatten, variant, varying_keys},
};
use crate::{
    run::{Kind, Mark, StopReason},
    store::{Diagnostics, Manifest, Metrics, RunRecord, RunState},
};
use std::{collections::BTreeMap, path::PathBuf};
use toml::Value;

/// Keys that tell seeds apart, or change no number of what is compared.
const NO_SETTING: [&str; 5] = ["seed", "split_seed", "kind", "probe.diagnostics", "task"];
/// Numbers of all curves together that are kept.
const MOST_VALUES: usize = 16_000_000;

/// An experiment of one kind.
pub struct Study {
    /// Name of its directory.
    pub name: String,
    /// The kind of its runs.
    pub kind: &'static dyn Kind,
    /// The study that its plan names.
    pub study: Option<String>,
    /// The runs, by id.
    pub runs: Vec<Run>,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its directory.
    pub dir: PathBuf,
    /// How it stands.
    pub manifest: Manifest,
    /// Its diagnostics: of every evaluation, or where those of all runs would be too many, at the start, at the milestones
    /// and at the end.
    diagnostics: Diagnostics,
    /// The greatest value of each diagnostic, over all evaluations.
    greatest: BTreeMap<String, f64>,
    /// Its recipe by dotted key.
    settings: Settings,
    /// Its evaluations, perhaps thinned.
    pub curve: Metrics,
    /// Evaluations behind it.
    pub evaluations: usize,
    /// The evaluation at each milestone and, of a run that ended as planned, at the end (`final`).
    at: BTreeMap<String, (Mark, Vec<f64>)>,
    columns: Vec<String>,
}

/// Runs that differ in nothing but their seeds.
pub struct Setting<'a> {
    /// What tells it from the others: `key=value key=value`; empty if there is no other.
    pub label: String,
    /// The runs, by seed.
    pub runs: Vec<&'a Run>,
}

/// The start of a run as one of its checkpoints.
pub const INITIAL: &str = "initial";
/// The end of a run as one of its checkpoints.
pub const FINAL: &str = "final";

impl Run {
    /// Of a whole record; `runs` of them are to be kept at once.
    pub fn of(mut record: RunRecord, runs: usize) -> Self {
        let metrics = std::mem::take(&mut record.metrics);
        let row = |epoch| metrics.at(epoch).map(|row| (row.mark, row.values.to_vec()));
        let marks = record.manifest.milestones.iter();
        let mut at: BTreeMap<String, _> =
            marks.filter_map(|(name, mark)| Some((name.to_owned(), row(mark.epoch)?))).collect();
        at.extend(row(0).map(|row| (INITIAL.to_owned(), row)));
        let has_diverged = record.manifest.stopped.as_ref().is_some_and(StopReason::is_divergence);
        if record.is_finished() && !has_diverged {
            at.extend(metrics.last().map(|row| (FINAL.to_owned(), (row.mark, row.values.to_vec()))));
        }
        let epochs: Vec<u64> = at.values().map(|(mark, _)| mark.epoch).collect();
        let (diagnostics, greatest) = diagnostics(&record, &epochs, MOST_VALUES / runs.max(1));
        let mut settings = Settings::new();
        flatten("", &record.recipe, &mut settings);
        settings.insert("data".to_owned(), Value::String(record.manifest.data.clone()));
        let columns = metrics.columns().to_vec();
        let evaluations = metrics.len();
        let most = (MOST_VALUES / runs.max(1) / columns.len().max(1)).max(64);
        let curve = if evaluations > most {
            let mut rows: Vec<usize> = (0..evaluations).collect();
            let epochs: Vec<u64> = metrics.iter().map(|row| row.mark.epoch).collect();
            Resolution::PerDecade((most / 5).max(16) as u32).thin(&mut rows, |&i| epochs[i]);
            let mut thin = Metrics::new(columns.clone());
            let all: Vec<_> = metrics.iter().collect();
            rows.iter().for_each(|&i| thin.push(all[i].mark, all[i].values));
            thin
        } else {
            metrics
        };
        Self {
            dir: record.dir,
            manifest: record.manifest,
            diagnostics,
            greatest,
            settings,
            curve,
            evaluations,
            at,
            columns,
        }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.manifest.run
    }

    /// Its seed, as text.
    pub fn seed(&self) -> String {
        self.setting("seed")
    }

    /// A setting as text; empty where it has none.
    pub fn setting(&self, key: &str) -> String {
        self.settings.get(key).map_or_else(String::new, super::settings::plain)
    }

    /// A setting as a number.
    pub fn number(&self, key: &str) -> Option<f64> {
        let value = self.settings.get(key)?;
        value.as_float().or_else(|| value.as_integer().map(|i| i as f64))
    }

    /// When it met a milestone, or ended (`final`), and was evaluated there.
    pub fn mark(&self, checkpoint: &str) -> Option<Mark> {
        self.at.get(checkpoint).map(|(mark, _)| *mark)
    }

    /// The number in a column at a milestone or at the end; none where it did not get there, or the number is not defined.
    pub fn value(&self, checkpoint: &str, column: &str) -> Option<f64> {
        let (_, values) = self.at.get(checkpoint)?;
        let i = self.columns.iter().position(|name| name == column)?;
        values.get(i).copied().filter(|value| value.is_finite())
    }

    /// A diagnostic at a milestone or at the end.
    pub fn diagnostic(&self, checkpoint: &str, column: &str) -> Option<f64> {
        self.diagnostic_at(self.mark(checkpoint)?.epoch, column)
    }

    /// A diagnostic at an evaluation.
    pub fn diagnostic_at(&self, epoch: u64, column: &str) -> Option<f64> {
        let i = self.diagnostics.columns.iter().position(|name| name == column)?;
        self.diagnostics_at(epoch)?.get(i).copied().filter(|value| value.is_finite())
    }

    /// The diagnostics of an evaluation whose names begin with `prefix`, in the order of their columns.
    pub fn diagnostic_family(&self, epoch: u64, prefix: &str) -> Vec<f64> {
        let values = self.diagnostics_at(epoch).unwrap_or_default();
        let named = self.diagnostics.columns.iter().zip(values);
        named.filter(|(name, _)| name.starts_with(prefix)).map(|(_, value)| *value).collect()
    }

    /// Names of the diagnostics that begin with `prefix`, in the order of their columns.
    pub fn diagnostic_names<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.diagnostics.columns.iter().map(String::as_str).filter(move |name| name.starts_with(prefix))
    }

    fn diagnostics_at(&self, epoch: u64) -> Option<&[f64]> {
        let at = self.diagnostics.rows.binary_search_by_key(&epoch, |(epoch, _)| *epoch).ok()?;
        Some(&self.diagnostics.rows[at].1)
    }

    /// What each diagnostic whose name begins with `prefix` gained from a checkpoint to the end.
    pub fn gains(&self, prefix: &str, since: &str) -> Vec<f64> {
        let columns = self.diagnostics.columns.iter().filter(|name| name.starts_with(prefix));
        let gain = |column: &String| Some(self.diagnostic(FINAL, column)? - self.diagnostic(since, column)?);
        columns.filter_map(gain).collect()
    }

    /// With diagnostics that no file holds.
    #[cfg(any(test, feature = "made"))]
    #[doc(hidden)]
    pub fn with_diagnostics(self, diagnostics: Diagnostics) -> Self {
        Self { diagnostics, ..self }
    }

    /// The greatest value that each diagnostic whose name begins with `prefix` had at any evaluation, by name.
    pub fn greatest(&self, prefix: &str) -> impl Iterator<Item = (&str, f64)> {
        let known = self.greatest.iter().filter(move |(name, _)| name.starts_with(prefix));
        known.map(|(name, value)| (name.as_str(), *value))
    }

    /// What became of it, in a word.
    pub fn outcome(&self) -> String {
        match (&self.manifest.state, &self.manifest.stopped) {
            (RunState::Failed, _) => "failed".to_owned(),
            (RunState::Running, _) => "not finished".to_owned(),
            (RunState::Finished, stopped) => {
                stopped.as_ref().map_or("finished", |reason| reason.name()).to_owned()
            }
        }
    }
}

impl Study {
    /// Its settings, in the order of the values that differ.
    pub fn settings(&self) -> Vec<Setting<'_>> {
        let mut settings: Vec<Settings> = self.runs.iter().map(|run| run.settings.clone()).collect();
        for flat in &mut settings {
            flat.retain(|key, _| !NO_SETTING.contains(&key.as_str()));
        }
        let varying = varying_keys(&settings);
        let mut found: Vec<(Vec<&Value>, Setting<'_>)> = Vec::new();
        for (run, flat) in self.runs.iter().zip(&settings) {
            let (values, label) = variant(flat, &varying);
            match found.iter_mut().find(|(_, setting)| setting.label == label) {
                Some((_, setting)) => setting.runs.push(run),
                None => found.push((values, Setting { label, runs: vec![run] })),
            }
        }
        found.sort_by(|(a, _), (b, _)| compare(a, b));
        found.into_iter().map(|(_, setting)| setting).collect()
    }

    /// Whether curves lack some of the evaluations.
    pub fn thinned(&self) -> Option<String> {
        let [kept, all] = [|run: &Run| run.curve.len(), |run: &Run| run.evaluations]
            .map(|count: fn(&Run) -> usize| self.runs.iter().map(count).sum::<usize>());
        (kept < all).then(|| {
            let round = self.kind.round();
            format!(
                "curves of {} show {kept} of {all} evaluations, spread evenly over the logarithm of the {round}",
                self.name
            )
        })
    }
}

impl Setting<'_> {
    /// A column over time: mean and range over the runs evaluated at each round.
    pub fn curve(&self, column: &str) -> Vec<CurvePoint> {
        let runs = self.runs.iter().filter_map(|run| run.curve.column(column));
        mean_curve(runs.flatten().map(|(mark, value)| (mark.epoch, value)))
    }

    /// The numbers in a column at a milestone or at the end, of the runs that got there.
    pub fn values(&self, checkpoint: &str, column: &str) -> Vec<f64> {
        self.runs.iter().filter_map(|run| run.value(checkpoint, column)).collect()
    }
}

/// The diagnostics of a run, or at these epochs alone where there are more than `most` values, and the greatest of each at any
/// epoch. What cannot be read is missing.
fn diagnostics(record: &RunRecord, epochs: &[u64], most: usize) -> (Diagnostics, BTreeMap<String, f64>) {
    let Ok(Some(mut table)) = record.diagnostics() else { return Default::default() };
    let mut greatest = BTreeMap::new();
    for (i, column) in table.columns.iter().enumerate() {
        let finite = table.rows.iter().map(|(_, values)| values[i]).filter(|value| value.is_finite());
        greatest.extend(finite.max_by(f64::total_cmp).map(|value| (column.clone(), value)));
    }
    if table.rows.len() * table.columns.len() > most {
        table.rows.retain(|(epoch, _)| epochs.contains(epoch));
    }
    table.rows.sort_by_key(|(epoch, _)| *epoch);
    (table, greatest)
}

/// The median; NaN of nothing.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}
