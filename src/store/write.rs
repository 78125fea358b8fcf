//! Writes a run directory: `config.toml`, `manifest.json`, `metrics.csv`, `spectra.csv`, `diagnostics.csv` where its
//! config asks for one, two checkpoints while it runs, `final.safetensors` when it is done.
//!
//! The order of writes is what makes a run survive: rows are synced, then the checkpoint appears, then the manifest
//! that vouches for both is replaced, then what it no longer names is removed. A process killed between any two of
//! these leaves a directory whose manifest is true.

use super::{
    Checkpoint, Extent, Manifest, MetricsRow, RunState, SavePoint, Snapshot, SpectrumRow, StoreError,
    disk::{self, Appended},
    files::{CHECKPOINT, CONFIG, DIAGNOSTICS, FINAL, MAX_TABLE_BYTES, METRICS, SPECTRA, Tail, read_vouched},
    manifest::write_manifest,
    named_tensors, tensors, write_atomic,
};
use crate::{config::RunConfig, model::ParamLayout, probe::Spectra};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// An open run directory. Its owner holds the directory's [`claim`](super::claim).
pub struct RunWriter {
    dir: PathBuf,
    /// How the run stands, as the next [`save`](Self::save) will record it.
    pub manifest: Manifest,
    config: Extent,
    metrics: Appended,
    spectra: Appended,
    diagnostics: Option<Appended>,
}

/// A run taken up where it stopped.
pub struct Resumed {
    /// Its directory, the tables cut to what the manifest vouches for.
    pub writer: RunWriter,
    /// Its state.
    pub snapshot: Snapshot,
}

impl RunWriter {
    /// Starts the directory anew: what an interrupted run left there is replaced.
    pub fn create(dir: &Path, config: &RunConfig, manifest: Manifest) -> Result<Self, StoreError> {
        disk::create_dir(dir)?;
        // first of all nothing is vouched for any more
        let manifest = Manifest { saved: Vec::new(), ..manifest };
        write_manifest(dir, &manifest)?;
        let diagnoses = diagnoses(config);
        let config = write_config(dir, config)?;
        let writer = Self {
            metrics: Appended::create(&dir.join(METRICS))?,
            spectra: Appended::create(&dir.join(SPECTRA))?,
            diagnostics: diagnoses.then(|| Appended::create(&dir.join(DIAGNOSTICS))).transpose()?,
            dir: dir.to_owned(),
            manifest,
            config,
        };
        disk::remove(&dir.join(FINAL))?;
        remove_unnamed_checkpoints(dir, &[])?;
        Ok(writer)
    }

    /// Opens the directory of an unfinished run at its newest save point whose files are whole; none without one.
    /// `damage` is told of each that is not.
    pub fn resume(
        dir: &Path,
        config: &RunConfig,
        manifest: Manifest,
        layout: &ParamLayout,
        damage: &mut dyn FnMut(&StoreError),
    ) -> Result<Option<Resumed>, StoreError> {
        for (i, point) in manifest.saved.iter().enumerate() {
            let (tables, snapshot) = match read_point(dir, point, layout) {
                Ok(Some(whole)) => whole,
                Ok(None) => continue,
                Err(e) => {
                    damage(&e);
                    continue;
                }
            };
            let diagnoses = diagnoses(config);
            let config = write_config(dir, config)?;
            let path = dir.join(DIAGNOSTICS);
            let diagnostics = match &tables.diagnostics {
                Some(kept) if diagnoses => Some(Appended::reopen(&path, kept)?),
                // begun by a groklab without diagnostics: they are recorded from here on
                None if diagnoses => Some(Appended::create(&path)?),
                _ => None,
            };
            let writer = Self {
                metrics: Appended::reopen(&dir.join(METRICS), &tables.metrics)?,
                spectra: Appended::reopen(&dir.join(SPECTRA), &tables.spectra)?,
                diagnostics,
                dir: dir.to_owned(),
                manifest: Manifest {
                    state: RunState::Running,
                    failure: None,
                    saved: manifest.saved[i..].to_vec(),
                    ..manifest
                },
                config,
            };
            return Ok(Some(Resumed { writer, snapshot }));
        }
        Ok(None)
    }

    /// Appends one evaluation.
    pub fn metrics(&mut self, row: &MetricsRow) -> Result<(), StoreError> {
        append(&mut self.metrics, [row])
    }

    /// Appends the spectra of one checkpoint, n rows.
    pub fn spectra(&mut self, checkpoint: Checkpoint, epoch: u64, s: &Spectra) -> Result<(), StoreError> {
        let run = &self.manifest.run;
        let value = |list: &[f64], i: usize| list.get(i).copied().unwrap_or(0.0);
        let rows = (0..s.p.len()).map(|i| SpectrumRow {
            run: run.clone(),
            checkpoint,
            epoch,
            i: i + 1,
            singular_value: value(&s.singular_values, i),
            p: s.p[i],
            q: s.q[i],
            covariance_eigenvalue: value(&s.covariance_eigenvalues, i),
        });
        append(&mut self.spectra, rows)
    }

    /// Appends the diagnostics of one evaluation, one value a column. Does nothing in a run whose config asks for none.
    pub fn diagnostics(&mut self, epoch: u64, columns: &[String], values: &[f64]) -> Result<(), StoreError> {
        let Some(table) = &mut self.diagnostics else { return Ok(()) };
        if table.is_empty() {
            append_record(table, ("run", "epoch", columns))?;
        }
        append_record(table, (&self.manifest.run, epoch, values))
    }

    /// Makes everything so far last. With a snapshot the run can be taken up from here.
    pub fn save(&mut self, snapshot: Option<&Snapshot>, layout: &ParamLayout) -> Result<(), StoreError> {
        let mut files = self.synced_tables()?;
        if let Some(snapshot) = snapshot {
            let name = format!("{CHECKPOINT}{:08}.safetensors", snapshot.counters.step);
            let path = self.dir.join(&name);
            let bytes = snapshot.to_bytes(&path, layout)?;
            write_atomic(&path, &bytes)?;
            files.insert(name, Extent::of(&bytes));
        }
        let point = SavePoint { epochs: self.manifest.epochs, files };
        // the same moment again replaces itself
        self.manifest.saved.retain(|old| old.files.keys().ne(point.files.keys()));
        self.manifest.saved.insert(0, point);
        self.manifest.saved.truncate(2);
        write_manifest(&self.dir, &self.manifest)?;
        remove_unnamed_checkpoints(&self.dir, &self.manifest.saved)
    }

    /// Writes the final parameters and the manifest of a finished run.
    pub fn finish(mut self, layout: &ParamLayout, params: &[f32]) -> Result<Manifest, StoreError> {
        let mut files = self.synced_tables()?;
        let metadata = BTreeMap::from([("run", self.manifest.run.clone())]);
        let path = self.dir.join(FINAL);
        let bytes = tensors::to_bytes(&path, &named_tensors("", layout, params), &metadata)?;
        write_atomic(&path, &bytes)?;
        files.insert(FINAL.to_owned(), Extent::of(&bytes));
        self.manifest.state = RunState::Finished;
        self.manifest.saved = vec![SavePoint { epochs: self.manifest.epochs, files }];
        write_manifest(&self.dir, &self.manifest)?;
        remove_unnamed_checkpoints(&self.dir, &self.manifest.saved)?;
        Ok(self.manifest)
    }

    fn synced_tables(&mut self) -> Result<BTreeMap<String, Extent>, StoreError> {
        self.metrics.sync()?;
        self.spectra.sync()?;
        let mut files = BTreeMap::from([
            (CONFIG.to_owned(), self.config.clone()),
            (METRICS.to_owned(), self.metrics.extent()),
            (SPECTRA.to_owned(), self.spectra.extent()),
        ]);
        if let Some(diagnostics) = &mut self.diagnostics {
            diagnostics.sync()?;
            files.insert(DIAGNOSTICS.to_owned(), diagnostics.extent());
        }
        Ok(files)
    }
}

/// Removes what a killed process left behind in `dir` besides the files that `manifest` names.
/// Only for the holder of the directory's claim.
pub fn tidy(dir: &Path, manifest: Option<&Manifest>) -> Result<(), StoreError> {
    disk::remove_temporaries(dir)?;
    remove_unnamed_checkpoints(dir, manifest.map_or(&[], |m| &m.saved))
}

fn remove_unnamed_checkpoints(dir: &Path, saved: &[SavePoint]) -> Result<(), StoreError> {
    let named = |name: &String| saved.iter().any(|point| point.files.contains_key(name));
    for name in disk::names_in(dir)? {
        if name.starts_with(CHECKPOINT) && !named(&name) {
            disk::remove(&dir.join(name))?;
        }
    }
    Ok(())
}

/// Records in the manifest why a run ended early. A run that has no manifest yet has nothing to record.
pub fn record_failure(dir: &Path, reason: &str) -> Result<(), StoreError> {
    let Some(manifest) = super::read_manifest(dir)? else { return Ok(()) };
    let failed = Manifest { state: RunState::Failed, failure: Some(reason.to_owned()), ..manifest };
    write_manifest(dir, &failed)
}

fn write_config(dir: &Path, config: &RunConfig) -> Result<Extent, StoreError> {
    let path = dir.join(CONFIG);
    let text = toml::to_string(config)
        .map_err(|e| StoreError::Format { path: path.clone(), reason: e.to_string() })?;
    if disk::read(&path, text.len() as u64).ok().as_deref() != Some(text.as_bytes()) {
        write_atomic(&path, text.as_bytes())?;
    }
    Ok(Extent::of(text.as_bytes()))
}

/// Whether the run keeps a `diagnostics.csv`.
fn diagnoses(config: &RunConfig) -> bool {
    !config.probe.diagnostics.is_empty()
}

/// The tables as a save point vouches for them.
struct Tables {
    metrics: Vec<u8>,
    spectra: Vec<u8>,
    diagnostics: Option<Vec<u8>>,
}

/// The tables and the state at a save point; none when it has no checkpoint.
fn read_point(
    dir: &Path,
    point: &SavePoint,
    layout: &ParamLayout,
) -> Result<Option<(Tables, Snapshot)>, StoreError> {
    let Some(name) = point.files.keys().find(|name| name.starts_with(CHECKPOINT)) else { return Ok(None) };
    let checkpoint = read_vouched(dir, name, point, Tail::None, Snapshot::max_bytes(layout))?;
    let snapshot = Snapshot::parse(&dir.join(name), &checkpoint, layout)?;
    let table = |name| read_vouched(dir, name, point, Tail::Rows, MAX_TABLE_BYTES);
    let diagnostics = point.files.contains_key(DIAGNOSTICS).then(|| table(DIAGNOSTICS)).transpose()?;
    Ok(Some((Tables { metrics: table(METRICS)?, spectra: table(SPECTRA)?, diagnostics }, snapshot)))
}

fn append<R: serde::Serialize>(
    table: &mut Appended,
    rows: impl IntoIterator<Item = R>,
) -> Result<(), StoreError> {
    let has_headers = table.is_empty();
    rows_to(table, csv::WriterBuilder::new().has_headers(has_headers), rows)
}

fn rows_to<R: serde::Serialize>(
    table: &mut Appended,
    format: &csv::WriterBuilder,
    rows: impl IntoIterator<Item = R>,
) -> Result<(), StoreError> {
    let failed = |source| StoreError::Csv { path: table.path().to_owned(), source };
    let mut writer = format.from_writer(Vec::new());
    for row in rows {
        writer.serialize(row).map_err(failed)?;
    }
    let bytes = writer.into_inner().map_err(|e| failed(e.into_error().into()))?;
    table.append(&bytes)
}

/// One row without names of columns.
fn append_record(table: &mut Appended, row: impl serde::Serialize) -> Result<(), StoreError> {
    rows_to(table, csv::WriterBuilder::new().has_headers(false), [row])
}
