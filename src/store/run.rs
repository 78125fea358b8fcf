//! One run as it lies on disk, as far as its manifest vouches for it.

use super::{
    Diagnostics, Manifest, Mark, MetricsRow, ReadError, RunState, SpectrumRow, StoreError,
    files::{CONFIG, DIAGNOSTICS, FINAL, METRICS, SPECTRA, TASK, Tail, end_file, for_each_row, read_vouched},
    manifest::{MANIFEST, read_manifest},
    tensors,
};
use crate::{
    kinds::operations::config::{RunConfig, TrainConfig},
    kinds::operations::model::ParamLayout,
    kinds::operations::task::Task,
};
use serde::de::DeserializeOwned;
use std::{
    io,
    path::{Path, PathBuf},
};

/// Limit for a checkpoint or the final parameters.
pub(super) const MAX_PARAMETER_BYTES: u64 = 64 << 30;
/// Limit for a config, which has some forty lines.
const MAX_CONFIG_BYTES: u64 = 1 << 16;

/// One run, seen as far as a budget goes.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRecord {
    /// The run's directory.
    pub dir: PathBuf,
    /// Every choice that determines its numbers, and as `train` the budget under which it is seen.
    pub config: RunConfig,
    /// How it stands under that budget.
    pub manifest: Manifest,
    /// Its evaluations, epochs increasing strictly.
    pub metrics: Vec<MetricsRow>,
    /// Its end, if it got there.
    pub end: Option<ViewEnd>,
}

/// Where a run ends under a budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewEnd {
    /// The epoch.
    pub epoch: u64,
    /// Whether the run was evaluated there. A run that went on past an end that is no multiple of `probe.every` was not:
    /// its last evaluation before it counts.
    pub is_evaluated: bool,
}

/// Reads one run under its own budget.
pub fn read_run(dir: &Path) -> Result<RunRecord, ReadError> {
    read_run_under(dir, |own| own)
}

/// Reads one run under the budget that `budget` makes of its own.
pub fn read_run_under(
    dir: &Path,
    budget: impl FnOnce(TrainConfig) -> TrainConfig,
) -> Result<RunRecord, ReadError> {
    let manifest = read_manifest(dir)?.ok_or_else(|| ReadError::Io {
        path: dir.join(MANIFEST),
        source: io::Error::new(io::ErrorKind::NotFound, "there is none"),
    })?;
    let own = manifest.budget;
    let config = match manifest.newest() {
        Some(point) => read_vouched(dir, CONFIG, point, Tail::None, MAX_CONFIG_BYTES)?,
        None => {
            let path = dir.join(CONFIG);
            super::disk::read(&path, MAX_CONFIG_BYTES).map_err(|source| ReadError::Io { path, source })?
        }
    };
    let config = parse_recipe(&config, &own)
        .map_err(|e| ReadError::Parse { path: dir.join(CONFIG), reason: e.to_string() })?;
    let mut record = RunRecord { dir: dir.to_owned(), config, manifest, metrics: Vec::new(), end: None };
    record.metrics = record.rows(METRICS)?;
    record.check()?;
    record.under(budget(own))
}

/// A config from its file, which holds the recipe, and a budget.
pub(super) fn parse_recipe(bytes: &[u8], budget: &TrainConfig) -> Result<RunConfig, toml::de::Error> {
    let mut table: toml::Table = toml::from_str(&String::from_utf8_lossy(bytes))?;
    if let Ok(budget) = toml::Value::try_from(budget) {
        table.insert("train".to_owned(), budget);
    }
    table.try_into()
}

/// The config in a run's directory, whoever vouches for it; none where there is none that can be read.
pub(super) fn recipe_in(dir: &Path, budget: &TrainConfig) -> Option<RunConfig> {
    let bytes = super::disk::read(&dir.join(CONFIG), MAX_CONFIG_BYTES).ok()?;
    parse_recipe(&bytes, budget).ok()
}

impl RunRecord {
    /// The evaluation at `epoch`.
    pub fn row_at(&self, epoch: u64) -> Option<&MetricsRow> {
        self.metrics.binary_search_by_key(&epoch, |row| row.epoch).ok().map(|i| &self.metrics[i])
    }

    /// Whether the run came to its end under the budget.
    pub fn is_finished(&self) -> bool {
        self.manifest.state == RunState::Finished
    }

    /// What it learns, from the files in its own directory.
    pub fn task(&self) -> Result<Task, ReadError> {
        let path = self.dir.join(TASK);
        let missing = || ReadError::Io { path: path.clone(), source: io::ErrorKind::NotFound.into() };
        let point = self.manifest.newest().ok_or_else(missing)?;
        let text = read_vouched(&self.dir, TASK, point, Tail::None, MAX_CONFIG_BYTES)?;
        let task = Task::from_str(&self.manifest.task, &String::from_utf8_lossy(&text), &path)
            .map_err(|source| ReadError::Task { source: Box::new(source) })?;
        if task.digest() != self.manifest.task_digest {
            let what = format!("{TASK} is not the task that the manifest names");
            return Err(ReadError::Inconsistent { dir: self.dir.clone(), what });
        }
        Ok(task)
    }

    /// The spectra of its checkpoints: n rows each.
    pub fn spectra(&self) -> Result<Vec<SpectrumRow>, ReadError> {
        let mut rows: Vec<SpectrumRow> = self.rows(SPECTRA)?;
        rows.retain(|row| row.epoch <= self.manifest.epochs);
        rows.extend(self.end_rows::<SpectrumRow>(SPECTRA)?);
        Ok(rows)
    }

    /// Its diagnostics, one row an evaluation; none where it keeps none.
    pub fn diagnostics(&self) -> Result<Option<Diagnostics>, ReadError> {
        let Some(point) = self.manifest.newest() else { return Ok(None) };
        let end = self.end.map(|end| end_file(end.epoch, DIAGNOSTICS));
        let mut table: Option<Diagnostics> = None;
        for (name, tail) in [(Some(DIAGNOSTICS.to_owned()), Tail::Rows), (end, Tail::None)] {
            let Some(name) = name.filter(|name| point.files.contains_key(name)) else { continue };
            let bytes = read_vouched(&self.dir, &name, point, tail, u64::MAX)?;
            let part = Diagnostics::parse(&bytes)
                .map_err(|e| ReadError::Parse { path: self.dir.join(&name), reason: e.to_string() })?;
            match &mut table {
                Some(table) => table.rows.extend(part.rows),
                None => table = Some(part),
            }
        }
        if let Some(table) = &mut table {
            table.rows.retain(|(epoch, _)| *epoch <= self.manifest.epochs);
        }
        Ok(table)
    }

    /// Its parameters at the end, one flat buffer in the order of `layout`; none while it has not got there, and where
    /// they are not kept.
    pub fn final_parameters(&self, layout: &ParamLayout) -> Result<Option<Vec<f32>>, StoreError> {
        let (Some(end), Some(point)) = (self.end, self.manifest.newest()) else { return Ok(None) };
        let name = match self.manifest.ends.last() {
            Some(last) if last.epoch == end.epoch => FINAL.to_owned(),
            _ => end_file(end.epoch, FINAL),
        };
        if !point.files.contains_key(&name) {
            return Ok(None);
        }
        let bytes = read_vouched(&self.dir, &name, point, Tail::None, MAX_PARAMETER_BYTES)?;
        tensors::parse_parameters(&self.dir.join(&name), &bytes, "", layout).map(Some)
    }

    /// All vouched rows of a table of the trajectory.
    fn rows<R: DeserializeOwned>(&self, name: &str) -> Result<Vec<R>, ReadError> {
        let mut rows = Vec::new();
        if let Some(point) = self.manifest.newest() {
            for_each_row(&self.dir, name, point, tail(&self.manifest), |row| rows.push(row))?;
        }
        Ok(rows)
    }

    /// The rows that belong to the end under the budget; none where there are none.
    pub(super) fn end_rows<R: DeserializeOwned>(&self, name: &str) -> Result<Vec<R>, ReadError> {
        let mut rows = Vec::new();
        if let (Some(end), Some(point)) = (self.end, self.manifest.newest()) {
            let name = end_file(end.epoch, name);
            if point.files.contains_key(&name) {
                for_each_row(&self.dir, &name, point, Tail::None, |row| rows.push(row))?;
            }
        }
        Ok(rows)
    }

    /// The files of a run must tell one story: milestones have their evaluation, no evaluation is repeated.
    fn check(&self) -> Result<(), ReadError> {
        let wrong = |what: String| Err(ReadError::Inconsistent { dir: self.dir.clone(), what });
        for (i, row) in self.metrics.iter().enumerate() {
            if row.run != self.manifest.run {
                let (found, run) = (&row.run, &self.manifest.run);
                return wrong(format!(
                    "row {} of {METRICS} belongs to run {found:?}, the manifest to {run:?}",
                    i + 1
                ));
            }
            if i > 0 && row.epoch <= self.metrics[i - 1].epoch {
                let (before, after) = (self.metrics[i - 1].epoch, row.epoch);
                return wrong(format!("{METRICS} goes back from epoch {before} to {after}"));
            }
        }
        // the manifest of an unfinished run may be ahead of its metrics by the rows not yet written out
        if self.is_finished() {
            let (epochs, marks) = (self.manifest.epochs, self.manifest.milestones);
            let Some(last) = self.metrics.last() else {
                return wrong(format!("the run is finished, but {METRICS} has no row"));
            };
            if last.epoch > epochs {
                return wrong(format!(
                    "the run finished at epoch {epochs}, but {METRICS} ends at {}",
                    last.epoch
                ));
            }
            if self.manifest.end_at(epochs).is_none() {
                return wrong(format!(
                    "the run finished at epoch {epochs}, but the manifest has no such end"
                ));
            }
            let due =
                self.config.probe.is_due(epochs) || marks.diverged.is_some_and(|mark| mark.epoch == epochs);
            if due && last.epoch != epochs {
                return wrong(format!(
                    "the run finished at epoch {epochs}, but {METRICS} ends at {}",
                    last.epoch
                ));
            }
            let missing = |mark: Option<Mark>| mark.filter(|m| self.row_at(m.epoch).is_none());
            // a loss that is not finite may end a run between two evaluations
            let named =
                [("memorized", marks.memorized), ("grokked", marks.grokked), ("collapsed", marks.collapsed)];
            for (name, mark) in named {
                if let Some(mark) = missing(mark) {
                    let epoch = mark.epoch;
                    return wrong(format!(
                        "{name} at epoch {epoch} in the manifest, but {METRICS} has no such epoch"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// The vouched part of a table is all of it once the run is finished.
pub(super) fn tail(manifest: &Manifest) -> Tail {
    if manifest.state == RunState::Finished { Tail::None } else { Tail::Rows }
}

impl Diagnostics {
    fn parse(bytes: &[u8]) -> Result<Self, csv::Error> {
        let mut reader = csv::Reader::from_reader(bytes);
        let columns = reader.headers()?.iter().skip(2).map(str::to_owned).collect();
        let rows = reader.deserialize().map(|row| {
            let (_run, epoch, values): (String, u64, Vec<f64>) = row?;
            Ok((epoch, values))
        });
        Ok(Self { columns, rows: rows.collect::<Result<_, csv::Error>>()? })
    }
}

/// Everything that is wrong with the files of a run; nothing when each is what the manifest says.
/// The older save point of an unfinished run is looked at too.
pub fn verify_run(dir: &Path) -> Vec<ReadError> {
    let manifest = match read_run(dir).and_then(|_| Ok(read_manifest(dir)?)) {
        Ok(Some(manifest)) => manifest,
        Ok(None) => return Vec::new(),
        Err(e) => return vec![e],
    };
    let mut damage: Vec<ReadError> = Vec::new();
    for point in &manifest.saved {
        for name in point.files.keys() {
            let is_table = super::files::TABLES.contains(&name.as_str());
            let tail = if is_table { tail(&manifest) } else { Tail::None };
            if let Err(e) = super::files::check_vouched(dir, name, point, tail) {
                damage.push(e.into());
            }
        }
    }
    let has_final = manifest.newest().is_some_and(|point| point.files.contains_key(FINAL));
    if manifest.state == RunState::Finished && !has_final && !manifest.pruned.iter().any(|name| name == FINAL)
    {
        let what = format!("the run is finished, but its manifest does not name {FINAL}");
        damage.push(ReadError::Inconsistent { dir: dir.to_owned(), what });
    }
    damage
}
