//! Reads finished and unfinished runs back from disk, trusting only what the manifest vouches for: what is damaged
//! is named and left out, and never stops the reading of the others.
//!
//! A run is a directory with `config.toml`, `manifest.json` and `metrics.csv`; an experiment is a directory of runs.

#[cfg(test)]
mod tests;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    Diagnostics, Manifest, Mark, MetricsRow, RunState, SavePoint, SpectrumRow, StoreError,
    files::{CONFIG, DIAGNOSTICS, FINAL, MAX_TABLE_BYTES, METRICS, SPECTRA, Tail, read_vouched},
    manifest::{MANIFEST, read_manifest},
    tensors,
};
use crate::{config::RunConfig, model::ParamLayout};

/// Limit for a checkpoint or the final parameters.
const MAX_PARAMETER_BYTES: u64 = 64 << 30;
/// Limit for a config, which has some forty lines.
const MAX_CONFIG_BYTES: u64 = 1 << 16;

/// One run as it lies on disk.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRecord {
    /// The run's directory.
    pub dir: PathBuf,
    /// Every choice that determines its numbers.
    pub config: RunConfig,
    /// How it stands.
    pub manifest: Manifest,
    /// Its evaluations, epochs increasing strictly.
    pub metrics: Vec<MetricsRow>,
}

/// The runs of one directory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Experiment {
    /// Name of the directory.
    pub name: String,
    /// Readable runs, sorted by run id.
    pub runs: Vec<RunRecord>,
}

/// Everything found under a directory.
#[derive(Debug, Default)]
pub struct Results {
    /// Experiments with at least one readable run, sorted by name.
    pub experiments: Vec<Experiment>,
    /// What could not be read.
    pub damaged: Vec<ReadError>,
}

/// A run, or a directory of runs, that cannot be read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ReadError {
    /// The directory does not exist or is a file.
    #[error("no directory {}", .dir.display())]
    #[diagnostic(help(
        "name an existing directory, such as results/quick, or make one with `groklab quick`"
    ))]
    NoDirectory {
        /// What was asked for.
        dir: PathBuf,
    },
    /// The directory holds no run.
    #[error("no run in {}", .dir.display())]
    #[diagnostic(help(
        "a run is a directory with {CONFIG}, {MANIFEST} and {METRICS}; name a run, an experiment or the directory above it, or make one with `groklab quick`"
    ))]
    NoRuns {
        /// What was asked for.
        dir: PathBuf,
    },
    /// There are runs, none of them readable.
    #[error("no readable run in {}", .dir.display())]
    #[diagnostic(help(
        "the damaged runs are named above; remove their directories and run the experiment again"
    ))]
    NothingReadable {
        /// What was asked for.
        dir: PathBuf,
        /// What is wrong with each run.
        #[related]
        damaged: Vec<ReadError>,
    },
    /// A file or directory that cannot be read.
    #[error("cannot read {}", .path.display())]
    #[diagnostic(help(
        "a run needs {CONFIG}, {MANIFEST} and {METRICS}; remove the run's directory to run it again"
    ))]
    Io {
        /// What was opened.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A file is not what the manifest says, or the manifest itself is damaged.
    #[error(transparent)]
    #[diagnostic(help(
        "`groklab verify` names all that is damaged; remove the run's directory to run it again, or take it from a backup"
    ))]
    Damaged(#[from] StoreError),
    /// A whole file that does not parse.
    #[error("{}: {reason}", .path.display())]
    #[diagnostic(help(
        "written by another version of groklab? use that one, or remove the run's directory to run it again"
    ))]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
    /// The files of a run contradict each other.
    #[error("{}: {what}", .dir.display())]
    #[diagnostic(help("the record cannot be trusted; remove the run's directory to run it again"))]
    Inconsistent {
        /// The run's directory.
        dir: PathBuf,
        /// The contradiction.
        what: String,
    },
}

impl RunRecord {
    /// The evaluation at `epoch`.
    pub fn row_at(&self, epoch: u64) -> Option<&MetricsRow> {
        self.metrics.binary_search_by_key(&epoch, |row| row.epoch).ok().map(|i| &self.metrics[i])
    }

    /// Whether the run came to an end of its own.
    pub fn is_finished(&self) -> bool {
        self.manifest.state == RunState::Finished
    }

    /// The files of a run must tell one story: milestones have their evaluation, no evaluation is repeated.
    fn check(self) -> Result<Self, ReadError> {
        let wrong = |what: String| ReadError::Inconsistent { dir: self.dir.clone(), what };
        for (i, row) in self.metrics.iter().enumerate() {
            if row.run != self.manifest.run {
                return Err(wrong(format!(
                    "row {} of {METRICS} belongs to run {:?}, the manifest to {:?}",
                    i + 1,
                    row.run,
                    self.manifest.run
                )));
            }
            if i > 0 && row.epoch <= self.metrics[i - 1].epoch {
                return Err(wrong(format!(
                    "{METRICS} goes back from epoch {} to {}",
                    self.metrics[i - 1].epoch,
                    row.epoch
                )));
            }
        }
        // the manifest of an unfinished run may be ahead of its metrics by the rows not yet written out
        if self.is_finished() {
            let marks = self.manifest.milestones;
            let missing = |mark: Option<Mark>| mark.filter(|m| self.row_at(m.epoch).is_none());
            let Some(last) = self.metrics.last() else {
                return Err(wrong(format!("the run is finished, but {METRICS} has no row")));
            };
            if marks.diverged.is_none() && last.epoch != self.manifest.epochs {
                return Err(wrong(format!(
                    "the run finished at epoch {}, but {METRICS} ends at {}",
                    self.manifest.epochs, last.epoch
                )));
            }
            // a loss that is not finite may end a run between two evaluations
            for (name, mark) in
                [("memorized", marks.memorized), ("grokked", marks.grokked), ("collapsed", marks.collapsed)]
            {
                if let Some(mark) = missing(mark) {
                    return Err(wrong(format!(
                        "{name} at epoch {} in the manifest, but {METRICS} has no such epoch",
                        mark.epoch
                    )));
                }
            }
        }
        Ok(self)
    }
}

/// Reads one run, as far as its manifest vouches for it.
pub fn read_run(dir: &Path) -> Result<RunRecord, ReadError> {
    let parse = |name: &str, reason: String| ReadError::Parse { path: dir.join(name), reason };
    let manifest = read_manifest(dir)?.ok_or_else(|| ReadError::Io {
        path: dir.join(MANIFEST),
        source: io::Error::new(io::ErrorKind::NotFound, "there is none"),
    })?;
    let (config, metrics) = match manifest.newest() {
        Some(point) => (
            read_vouched(dir, CONFIG, point, Tail::None, MAX_CONFIG_BYTES)?,
            read_table(dir, METRICS, &manifest, point)?,
        ),
        None => {
            let path = dir.join(CONFIG);
            let config = super::disk::read(&path, MAX_CONFIG_BYTES);
            (config.map_err(|source| ReadError::Io { path, source })?, Vec::new())
        }
    };
    let config = toml::from_str(&String::from_utf8_lossy(&config))
        .map_err(|e: toml::de::Error| parse(CONFIG, e.to_string()))?;
    let metrics = parse_rows(&metrics).map_err(|e| parse(METRICS, e.to_string()))?;
    RunRecord { dir: dir.to_owned(), config, manifest, metrics }.check()
}

impl RunRecord {
    /// The spectra of its checkpoints: n rows each.
    pub fn spectra(&self) -> Result<Vec<SpectrumRow>, ReadError> {
        let Some(point) = self.manifest.newest() else { return Ok(Vec::new()) };
        let bytes = read_table(&self.dir, SPECTRA, &self.manifest, point)?;
        parse_rows(&bytes)
            .map_err(|e| ReadError::Parse { path: self.dir.join(SPECTRA), reason: e.to_string() })
    }

    /// Its diagnostics, one row an evaluation; none where it keeps none.
    pub fn diagnostics(&self) -> Result<Option<Diagnostics>, ReadError> {
        let Some(point) = self.manifest.newest().filter(|point| point.files.contains_key(DIAGNOSTICS)) else {
            return Ok(None);
        };
        let bytes = read_table(&self.dir, DIAGNOSTICS, &self.manifest, point)?;
        Diagnostics::parse(&bytes)
            .map(Some)
            .map_err(|e| ReadError::Parse { path: self.dir.join(DIAGNOSTICS), reason: e.to_string() })
    }

    /// Its parameters at the end, one flat buffer in the order of `layout`; none while it has not ended.
    pub fn final_parameters(&self, layout: &ParamLayout) -> Result<Option<Vec<f32>>, StoreError> {
        let Some(point) = self.manifest.newest().filter(|point| point.files.contains_key(FINAL)) else {
            return Ok(None);
        };
        let bytes = read_vouched(&self.dir, FINAL, point, Tail::None, MAX_PARAMETER_BYTES)?;
        tensors::parse_parameters(&self.dir.join(FINAL), &bytes, "", layout).map(Some)
    }
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

/// The rows of a table.
pub fn parse_rows<R: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<Vec<R>, csv::Error> {
    csv::Reader::from_reader(bytes).deserialize().collect()
}

/// The vouched part of a table, which is all of it once the run is finished.
fn read_table(dir: &Path, name: &str, manifest: &Manifest, point: &SavePoint) -> Result<Vec<u8>, StoreError> {
    let tail = if manifest.state == RunState::Finished { Tail::None } else { Tail::Rows };
    read_vouched(dir, name, point, tail, MAX_TABLE_BYTES)
}

/// Everything that is wrong with the files of a run; nothing when each is what the manifest says.
/// The older save point of an unfinished run is looked at too.
pub fn verify_run(dir: &Path) -> Vec<ReadError> {
    let manifest = match read_run(dir) {
        Ok(run) => run.manifest,
        Err(e) => return vec![e],
    };
    let mut damage: Vec<ReadError> = Vec::new();
    for point in &manifest.saved {
        for name in point.files.keys() {
            let is_table = [METRICS, SPECTRA, DIAGNOSTICS].contains(&name.as_str());
            let read = match is_table {
                true => read_table(dir, name, &manifest, point),
                false => read_vouched(dir, name, point, Tail::None, MAX_PARAMETER_BYTES),
            };
            if let Err(e) = read {
                damage.push(e.into());
            }
        }
    }
    if manifest.state == RunState::Finished
        && !manifest.newest().is_some_and(|point| point.files.contains_key(FINAL))
    {
        let what = format!("the run is finished, but its manifest does not name {FINAL}");
        damage.push(ReadError::Inconsistent { dir: dir.to_owned(), what });
    }
    damage
}

/// Reads every run directly in `dir`, sorted by run id, and says what could not be read.
pub fn read_experiment(dir: &Path) -> (Vec<RunRecord>, Vec<ReadError>) {
    let (mut runs, mut damaged) = (Vec::new(), Vec::new());
    match subdirectories(dir) {
        Err(error) => damaged.push(error),
        Ok(children) => {
            for child in children.iter().filter(|child| is_run(child)) {
                match read_run(child) {
                    Ok(run) => runs.push(run),
                    Err(error) => damaged.push(error),
                }
            }
        }
    }
    runs.sort_by(|a, b| a.manifest.run.cmp(&b.manifest.run));
    (runs, damaged)
}

/// Reads what `dir` is: a run, an experiment, or a directory of experiments.
///
/// Errors when there is no directory, no run, or no run that can be read.
pub fn read_results(dir: &Path) -> Result<Results, ReadError> {
    // an absolute path has a name even where "." was asked for
    let real =
        dir.canonicalize().ok().filter(|d| d.is_dir()).ok_or(ReadError::NoDirectory { dir: dir.into() })?;
    let mut results = Results::default();
    if is_run(&real) {
        let name = real.parent().map(name_of).unwrap_or_default();
        match read_run(&real) {
            Ok(run) => results.experiments.push(Experiment { name, runs: vec![run] }),
            Err(error) => results.damaged.push(error),
        }
    } else {
        let below = subdirectories(&real)?;
        let experiments = std::iter::once(&real).chain(below.iter().filter(|child| !is_run(child)));
        for experiment in experiments {
            let (runs, mut damaged) = read_experiment(experiment);
            results.damaged.append(&mut damaged);
            if !runs.is_empty() {
                results.experiments.push(Experiment { name: name_of(experiment), runs });
            }
        }
    }
    results.experiments.sort_by(|a, b| a.name.cmp(&b.name));
    match (results.experiments.is_empty(), results.damaged.is_empty()) {
        (true, true) => Err(ReadError::NoRuns { dir: dir.into() }),
        (true, false) => Err(ReadError::NothingReadable { dir: dir.into(), damaged: results.damaged }),
        _ => Ok(results),
    }
}

fn is_run(dir: &Path) -> bool {
    [CONFIG, MANIFEST, METRICS].iter().any(|file| dir.join(file).is_file())
}

fn name_of(dir: &Path) -> String {
    dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The directories in `dir`, sorted; hidden ones (half-made or locked) are none of ours.
fn subdirectories(dir: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let io = |source| ReadError::Io { path: dir.to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.is_dir() && !name_of(&path).starts_with('.') {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
