//! One run as it lies on disk, as far as its manifest vouches for it.

use super::{
    Diagnostics, Manifest, Metrics, MetricsRow, ReadError, RunState, SpectrumRow, StoreError,
    files::{
        CONFIG, DIAGNOSTICS, FINAL, METRICS, SPECTRA, Tail, end_file, for_each_row, read_metrics,
        read_vouched,
    },
    manifest::{MANIFEST, read_manifest},
    tensors,
};
use crate::run::{Budget, Cadence, Layout};
use serde::de::DeserializeOwned;
use std::{
    io,
    path::{Path, PathBuf},
};
use toml::Table;

/// Limit for a checkpoint or the final parameters.
pub(super) const MAX_PARAMETER_BYTES: u64 = 64 << 30;
/// Limit for a config, which has some forty lines.
const MAX_CONFIG_BYTES: u64 = 1 << 16;
/// Limit for what a run's directory says of its data.
const MAX_DOCUMENT_BYTES: u64 = 1 << 26;

/// One run, seen as far as a budget goes.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRecord {
    /// The run's directory.
    pub dir: PathBuf,
    /// Every choice that determines its numbers: `config.toml`.
    pub recipe: Table,
    /// How it stands under the budget under which it is seen, which is in it.
    pub manifest: Manifest,
    /// Its evaluations, epochs increasing strictly.
    pub metrics: Metrics,
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
pub fn read_run_under(dir: &Path, budget: impl FnOnce(Budget) -> Budget) -> Result<RunRecord, ReadError> {
    read_run_as(dir, false, budget)
}

/// The same, of a run on its way with what it wrote since it was last saved if `is_ahead`.
pub(super) fn read_run_as(
    dir: &Path,
    is_ahead: bool,
    budget: impl FnOnce(Budget) -> Budget,
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
    let recipe = toml::from_str(&String::from_utf8_lossy(&config))
        .map_err(|e: toml::de::Error| ReadError::Parse { path: dir.join(CONFIG), reason: e.to_string() })?;
    let mut record =
        RunRecord { dir: dir.to_owned(), recipe, manifest, metrics: Metrics::default(), end: None };
    if let Some(point) = record.manifest.newest() {
        let tail = tail(&record.manifest);
        record.metrics = read_metrics(dir, METRICS, &record.manifest.run, point, tail)?;
    }
    if is_ahead && record.manifest.state == RunState::Running {
        record.metrics = ahead(dir, &record.manifest.run, record.metrics);
    }
    record.check()?;
    record.under(budget(own))
}

/// All whole rows of the evaluations in `dir`, or `vouched` where they cannot be read or are fewer: a process may be at them.
fn ahead(dir: &Path, run: &str, vouched: Metrics) -> Metrics {
    let Ok(mut bytes) = super::disk::read(&dir.join(METRICS), MAX_DOCUMENT_BYTES) else { return vouched };
    bytes.truncate(bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1));
    let found = Metrics::parse(run, &bytes).ok().filter(|found| found.len() > vouched.len());
    found.unwrap_or(vouched)
}

/// The recipe in a run's directory, whoever vouches for it; none where there is none that can be read.
pub(super) fn recipe_in(dir: &Path) -> Option<Table> {
    let bytes = super::disk::read(&dir.join(CONFIG), MAX_CONFIG_BYTES).ok()?;
    toml::from_str(&String::from_utf8_lossy(&bytes)).ok()
}

impl RunRecord {
    /// The evaluation at `epoch`.
    pub fn row_at(&self, epoch: u64) -> Option<MetricsRow<'_>> {
        self.metrics.at(epoch)
    }

    /// When it is evaluated.
    pub fn cadence(&self) -> Cadence {
        let probe = self.recipe.get("probe").cloned();
        let read = probe.and_then(|probe| probe.try_into().ok());
        read.unwrap_or(Cadence { every: 1, dense_until: 0 })
    }

    /// Whether the run came to its end under the budget.
    pub fn is_finished(&self) -> bool {
        self.manifest.state == RunState::Finished
    }

    /// A small file of its directory by name, as text; none if the manifest names none.
    pub fn document(&self, name: &str) -> Result<Option<String>, ReadError> {
        let Some(point) = self.manifest.newest().filter(|point| point.files.contains_key(name)) else {
            return Ok(None);
        };
        let bytes = read_vouched(&self.dir, name, point, Tail::None, MAX_DOCUMENT_BYTES)?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
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
    pub fn final_parameters(&self, layout: &Layout) -> Result<Option<Vec<f32>>, StoreError> {
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

    /// The evaluation that belongs to the end under the budget; none where there is none.
    pub(super) fn end_metrics(&self, name: &str) -> Result<Metrics, ReadError> {
        let (Some(end), Some(point)) = (self.end, self.manifest.newest()) else {
            return Ok(Metrics::default());
        };
        let name = end_file(end.epoch, name);
        match point.files.contains_key(&name) {
            true => Ok(read_metrics(&self.dir, &name, &self.manifest.run, point, Tail::None)?),
            false => Ok(Metrics::default()),
        }
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
        let mut before = None;
        for row in self.metrics.iter() {
            let epoch = row.mark.epoch;
            if let Some(before) = before.filter(|before| epoch <= *before) {
                return wrong(format!("{METRICS} goes back from epoch {before} to {epoch}"));
            }
            before = Some(epoch);
        }
        // the manifest of an unfinished run may be ahead of its metrics by the rows not yet written out
        if !self.is_finished() {
            return Ok(());
        }
        let (epochs, marks) = (self.manifest.epochs, &self.manifest.milestones);
        let Some(last) = before else {
            return wrong(format!("the run is finished, but {METRICS} has no row"));
        };
        let ends = || wrong(format!("the run finished at epoch {epochs}, but {METRICS} ends at {last}"));
        if last > epochs {
            return ends();
        }
        if self.manifest.end_at(epochs).is_none() {
            return wrong(format!("the run finished at epoch {epochs}, but the manifest has no such end"));
        }
        let diverged = marks.diverged();
        let is_due = self.cadence().is_due(epochs) || diverged.is_some_and(|mark| mark.epoch == epochs);
        if is_due && last != epochs {
            return ends();
        }
        // a loss that is not finite may end a run between two evaluations
        let seen = marks.iter().filter(|(_, mark)| Some(*mark) != diverged);
        for (name, mark) in seen {
            if self.row_at(mark.epoch).is_none() {
                let epoch = mark.epoch;
                return wrong(format!(
                    "{name} at epoch {epoch} in the manifest, but {METRICS} has no such epoch"
                ));
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
