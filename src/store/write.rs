//! Writes a run directory: `config.toml` and what its kind adds to it, `manifest.json`, `metrics.csv`, `spectra.csv`,
//! `diagnostics.csv` where its config asks for one, two checkpoints while it runs, and at the end of a budget one
//! checkpoint, `final.safetensors` and what belongs to that end alone.
//!
//! The order of writes is what makes a run survive: rows are synced, then the checkpoint appears, then the manifest
//! that vouches for both is replaced, then what it no longer names is removed. A process killed between any two of
//! these leaves a directory whose manifest is true.

use super::{
    Extent, Manifest, RunState, SavePoint, SpectrumRow, StoreError,
    disk::{self, Appended},
    files::{
        CHECKPOINT, COMPRESSED, CONFIG, DIAGNOSTICS, END, FINAL, METRICS, SPECTRA, TABLES, Tail,
        check_vouched, end_file, read_vouched,
    },
    manifest::write_manifest,
    metrics::Form,
    named_tensors, snapshot, tensors, write_atomic,
};
use crate::{
    probe::Spectra,
    run::{Budget, Document, End, Layout, Mark, Part, Planned, Snapshot},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

type Files = BTreeMap<String, Extent>;

/// An open run directory. Its owner holds the directory's [`lock`](super::lock).
pub struct RunWriter {
    dir: PathBuf,
    /// State of the run, as the next [`save`](Self::save) will record it.
    pub manifest: Manifest,
    /// Files that every save point names as they are: the recipe, and the ends so far.
    kept: Files,
    form: Form,
    metrics: Appended,
    spectra: Appended,
    diagnostics: Option<Appended>,
    /// Whether the rows to come fit under the header of a table that was there before.
    fits_header: bool,
    /// What belongs to the end that the run is at, by the table it continues.
    end: BTreeMap<&'static str, Vec<u8>>,
}

/// A run resumed where it stopped.
pub struct Resumed {
    /// Its directory, the tables cut to what the manifest vouches for.
    pub writer: RunWriter,
    /// Its state.
    pub snapshot: Snapshot,
}

impl RunWriter {
    /// Starts the directory anew: what an interrupted run left there is replaced.
    pub fn create(dir: &Path, run: &dyn Planned, manifest: Manifest) -> Result<Self, StoreError> {
        disk::create_dir(dir)?;
        // first of all nothing is vouched for any more
        let manifest = Manifest { saved: Vec::new(), ..manifest };
        write_manifest(dir, &manifest)?;
        let kept = write_recipe(dir, run)?;
        let writer = Self {
            form: Form::of(run),
            metrics: Appended::create(&dir.join(METRICS))?,
            spectra: Appended::create(&dir.join(SPECTRA))?,
            diagnostics: run
                .has_diagnostics()
                .then(|| Appended::create(&dir.join(DIAGNOSTICS)))
                .transpose()?,
            fits_header: true,
            dir: dir.to_owned(),
            manifest,
            kept,
            end: BTreeMap::new(),
        };
        remove_unnamed(dir, &[])?;
        Ok(writer)
    }

    /// Opens the directory of a run at its newest save point whose files are whole; none without one. `damage` is told of
    /// each that is not.
    pub fn resume(
        dir: &Path,
        run: &dyn Planned,
        manifest: Manifest,
        layout: &Layout,
        damage: &mut dyn FnMut(&StoreError),
    ) -> Result<Option<Resumed>, StoreError> {
        for (i, point) in manifest.saved.iter().enumerate() {
            let snapshot = match read_point(dir, point, layout) {
                Ok(Some(whole)) => whole,
                Ok(None) => continue,
                Err(e) => {
                    damage(&e);
                    continue;
                }
            };
            let mut kept: Files = point.files.clone();
            kept.retain(|name, _| name == FINAL || name.starts_with(END));
            kept.extend(write_recipe(dir, run)?);
            let reopen = |name: &str| {
                let extent = point.files.get(name);
                extent.map(|extent| Appended::reopen(&dir.join(name), extent.bytes)).transpose()
            };
            let table = |name: &str| {
                Ok::<_, StoreError>(match reopen(name)? {
                    Some(table) => table,
                    // a table that came with a later groklab than the one that began the run
                    None => Appended::create(&dir.join(name))?,
                })
            };
            let mut ends = manifest.ends.clone();
            ends.retain(|end| end.epoch <= point.epochs);
            let writer = Self {
                form: Form::of(run),
                metrics: table(METRICS)?,
                spectra: table(SPECTRA)?,
                diagnostics: run.has_diagnostics().then(|| table(DIAGNOSTICS)).transpose()?,
                fits_header: false,
                dir: dir.to_owned(),
                manifest: Manifest {
                    state: RunState::Running,
                    stopped: None,
                    failure: None,
                    budget: run.budget(),
                    ends,
                    saved: manifest.saved[i..].to_vec(),
                    ..manifest.clone()
                },
                kept,
                end: BTreeMap::new(),
            };
            if manifest.state == RunState::Finished {
                // a finished run's tables have no rows behind what is vouched for; those of one that goes on may
                write_manifest(dir, &writer.manifest)?;
            }
            return Ok(Some(Resumed { writer, snapshot }));
        }
        Ok(None)
    }

    /// Appends one evaluation: a value for each column of the run's kind.
    pub fn metrics(&mut self, part: Part, mark: Mark, values: &[f64]) -> Result<(), StoreError> {
        let failed = |source| StoreError::Csv { path: self.dir.join(METRICS), source };
        let with_header = match part {
            Part::Trajectory => self.metrics.is_empty(),
            Part::End => !self.end.contains_key(METRICS),
        };
        let bytes = self.form.row(with_header, mark, values).map_err(failed)?;
        match part {
            Part::Trajectory => self.metrics.append(&bytes),
            Part::End => {
                self.end.entry(METRICS).or_default().extend(bytes);
                Ok(())
            }
        }
    }

    /// Appends the spectra of one checkpoint, n rows.
    pub fn spectra(
        &mut self,
        part: Part,
        checkpoint: &str,
        epoch: u64,
        s: &Spectra,
    ) -> Result<(), StoreError> {
        let run = self.manifest.run.clone();
        let value = |list: &[f64], i: usize| list.get(i).copied().unwrap_or(0.0);
        let rows = (0..s.p.len()).map(|i| SpectrumRow {
            run: run.clone(),
            checkpoint: checkpoint.to_owned(),
            epoch,
            i: i + 1,
            singular_value: value(&s.singular_values, i),
            p: s.p[i],
            q: s.q[i],
            covariance_eigenvalue: value(&s.covariance_eigenvalues, i),
        });
        self.append(part, SPECTRA, true, rows)
    }

    /// Appends the diagnostics of one evaluation, one value a column. Does nothing in a run whose config asks for none.
    pub fn diagnostics(
        &mut self,
        part: Part,
        epoch: u64,
        columns: &[String],
        values: &[f64],
    ) -> Result<(), StoreError> {
        let Some(table) = &self.diagnostics else { return Ok(()) };
        let is_empty = match part {
            Part::Trajectory => table.is_empty(),
            Part::End => !self.end.contains_key(DIAGNOSTICS),
        };
        if is_empty {
            self.append(part, DIAGNOSTICS, false, [("run", "epoch", columns)])?;
        } else if part == Part::Trajectory && !self.fits_header {
            check_header(&self.dir.join(DIAGNOSTICS), columns)?;
            self.fits_header = true;
        }
        let run = self.manifest.run.clone();
        self.append(part, DIAGNOSTICS, false, [(run, epoch, values)])
    }

    fn append<R: serde::Serialize>(
        &mut self,
        part: Part,
        name: &'static str,
        with_header: bool,
        rows: impl IntoIterator<Item = R>,
    ) -> Result<(), StoreError> {
        let path = self.dir.join(name);
        let table = match name {
            SPECTRA => Some(&mut self.spectra),
            _ => self.diagnostics.as_mut(),
        };
        match (part, table) {
            (Part::Trajectory, Some(table)) => {
                let header = with_header && table.is_empty();
                table.append(&csv_bytes(&path, header, rows)?)
            }
            (Part::Trajectory, None) => Ok(()),
            (Part::End, _) => {
                let bytes = self.end.entry(name).or_default();
                let header = with_header && bytes.is_empty();
                bytes.extend(csv_bytes(&path, header, rows)?);
                Ok(())
            }
        }
    }

    /// Makes everything so far last. With a snapshot the run can be resumed from here.
    pub fn save(&mut self, snapshot: Option<&Snapshot>, layout: &Layout) -> Result<(), StoreError> {
        let mut files = self.synced()?;
        files.extend(self.write_snapshot(snapshot, layout)?);
        let point = SavePoint { epochs: self.manifest.epochs, files };
        // the same moment again replaces itself
        self.manifest.saved.retain(|old| old.files.keys().ne(point.files.keys()));
        self.manifest.saved.insert(0, point);
        self.manifest.saved.truncate(2);
        write_manifest(&self.dir, &self.manifest)?;
        remove_unnamed(&self.dir, &self.manifest.saved)
    }

    /// Writes the end of a budget: what belongs to it alone, the parameters, and the state from which a larger budget goes
    /// on.
    pub fn finish(
        mut self,
        end: End,
        snapshot: Option<&Snapshot>,
        layout: &Layout,
        params: &[f32],
    ) -> Result<Manifest, StoreError> {
        let mut files = self.synced()?;
        for (name, bytes) in &self.end {
            let name = end_file(end.epoch, name);
            write_atomic(&self.dir.join(&name), bytes)?;
            files.insert(name, Extent::of(bytes));
        }
        let path = self.dir.join(FINAL);
        if let (Some(before), Some(extent)) = (self.manifest.ends.last(), files.remove(FINAL)) {
            // the parameters of the end before: its view still wants them
            let name = end_file(before.epoch, "final.safetensors");
            disk::link(&path, &self.dir.join(&name))?;
            files.insert(name, extent);
        }
        let metadata = BTreeMap::from([("run", self.manifest.run.clone())]);
        let bytes = tensors::to_bytes(&path, &named_tensors("", layout, params), &metadata)?;
        write_atomic(&path, &bytes)?;
        files.insert(FINAL.to_owned(), Extent::of(&bytes));
        files.extend(self.write_snapshot(snapshot, layout)?);
        self.manifest.state = RunState::Finished;
        self.manifest.stopped = Some(end.stopped.clone());
        self.manifest.ends.retain(|other| other.epoch != end.epoch);
        self.manifest.ends.push(end);
        self.manifest.pruned.clear();
        self.manifest.saved = vec![SavePoint { epochs: self.manifest.epochs, files }];
        write_manifest(&self.dir, &self.manifest)?;
        remove_unnamed(&self.dir, &self.manifest.saved)?;
        Ok(self.manifest)
    }

    fn write_snapshot(
        &self,
        snapshot: Option<&Snapshot>,
        layout: &Layout,
    ) -> Result<Option<(String, Extent)>, StoreError> {
        let Some(snapshot) = snapshot else { return Ok(None) };
        let name = format!("{CHECKPOINT}{:08}.safetensors", snapshot.counters.step);
        let path = self.dir.join(&name);
        let bytes = snapshot::to_bytes(snapshot, &path, layout)?;
        write_atomic(&path, &bytes)?;
        Ok(Some((name, Extent::of(&bytes))))
    }

    /// The files that every save point names, the tables on the disk as far as they are written.
    fn synced(&mut self) -> Result<Files, StoreError> {
        let mut files = self.kept.clone();
        let tables = [(METRICS, Some(&mut self.metrics)), (SPECTRA, Some(&mut self.spectra))];
        for (name, table) in tables.into_iter().chain([(DIAGNOSTICS, self.diagnostics.as_mut())]) {
            if let Some(table) = table {
                table.sync()?;
                files.insert(name.to_owned(), table.extent());
            }
        }
        Ok(files)
    }
}

/// Removes what a killed process left behind in `dir` besides the files that `manifest` names.
/// Only for the holder of the directory's lock.
pub fn tidy(dir: &Path, manifest: Option<&Manifest>) -> Result<(), StoreError> {
    disk::remove_temporaries(dir)?;
    remove_unnamed(dir, manifest.map_or(&[], |m| &m.saved))
}

/// Removes states and ends that no save point names.
pub(super) fn remove_unnamed(dir: &Path, saved: &[SavePoint]) -> Result<(), StoreError> {
    let named = |name: &String| {
        let plain = name.strip_suffix(COMPRESSED).unwrap_or(name);
        saved.iter().any(|point| point.files.contains_key(plain))
    };
    let ours = |name: &str| name == FINAL || name.starts_with(CHECKPOINT) || name.starts_with(END);
    // a published run that was begun anew
    let stale = |name: &str| name.strip_suffix(COMPRESSED).is_some_and(|plain| dir.join(plain).exists());
    for name in disk::names_in(dir)?.into_iter().filter(|name| ours(name) && !named(name) || stale(name)) {
        disk::remove(&dir.join(name))?;
    }
    Ok(())
}

/// Records in the manifest why a run ended early under a budget. A run that has no manifest yet has nothing to record; of
/// one that got to its end before something failed, the end is what counts.
pub fn record_failure(dir: &Path, budget: &Budget, reason: &str) -> Result<(), StoreError> {
    let Some(manifest) = super::read_manifest(dir)? else { return Ok(()) };
    if manifest.state == RunState::Finished && manifest.covers(budget) {
        return Ok(());
    }
    let failed = Manifest { state: RunState::Failed, failure: Some(reason.to_owned()), ..manifest };
    write_manifest(dir, &failed)
}

/// The recipe as it lies in `config.toml`, with its kind unless that is the first there was.
pub(super) fn recipe_text(path: &Path, run: &dyn Planned) -> Result<String, StoreError> {
    let mut table = run.recipe();
    let kind = run.kind().name();
    if kind != "operations" {
        table.insert("kind".to_owned(), kind.into());
    }
    let failed = |e: toml::ser::Error| StoreError::Format { path: path.to_owned(), reason: e.to_string() };
    toml::to_string(&table).map_err(failed)
}

/// Writes what is learned and how; files that are there already stay.
fn write_recipe(dir: &Path, run: &dyn Planned) -> Result<Files, StoreError> {
    let config = Document { name: CONFIG, text: recipe_text(&dir.join(CONFIG), run)? };
    let mut files = Files::new();
    for Document { name, text } in [config].into_iter().chain(run.documents()) {
        let path = dir.join(name);
        if disk::read(&path, text.len() as u64).ok().as_deref() != Some(text.as_bytes()) {
            write_atomic(&path, text.as_bytes())?;
        }
        files.insert(name.to_owned(), Extent::of(text.as_bytes()));
    }
    Ok(files)
}

/// The state at a save point, whose tables are whole too; none when it has no checkpoint.
fn read_point(dir: &Path, point: &SavePoint, layout: &Layout) -> Result<Option<Snapshot>, StoreError> {
    let Some(name) = point.files.keys().find(|name| name.starts_with(CHECKPOINT)) else { return Ok(None) };
    let checkpoint = read_vouched(dir, name, point, Tail::None, snapshot::max_bytes(layout))?;
    let snapshot = snapshot::parse(&dir.join(name), &checkpoint, layout)?;
    for table in TABLES.iter().filter(|table| point.files.contains_key(**table)) {
        check_vouched(dir, table, point, Tail::Rows)?;
    }
    Ok(Some(snapshot))
}

/// That a table of diagnostics has these columns: of a group of them another version of this program may have fewer or more.
fn check_header(path: &Path, columns: &[String]) -> Result<(), StoreError> {
    let failed = |source| StoreError::Csv { path: path.to_owned(), source };
    let mut reader = csv::Reader::from_path(path).map_err(failed)?;
    let header = reader.headers().map_err(failed)?;
    if header.iter().skip(2).eq(columns) {
        return Ok(());
    }
    let reason = format!(
        "the run was begun with {} diagnostics and would go on with {}, as another version of groklab has them; go on with that \
         version, or remove the run's directory to run it again",
        header.len().saturating_sub(2),
        columns.len()
    );
    Err(StoreError::Format { path: path.to_owned(), reason })
}

fn csv_bytes<R: serde::Serialize>(
    path: &Path,
    with_header: bool,
    rows: impl IntoIterator<Item = R>,
) -> Result<Vec<u8>, StoreError> {
    let failed = |source| StoreError::Csv { path: path.to_owned(), source };
    let mut writer = csv::WriterBuilder::new().has_headers(with_header).from_writer(Vec::new());
    for row in rows {
        writer.serialize(row).map_err(failed)?;
    }
    writer.into_inner().map_err(|e| failed(e.into_error().into()))
}
