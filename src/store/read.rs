//! Reads directories of runs back from disk, trusting only what the manifests vouch for: what is damaged is named and left
//! out, and never stops the reading of the others.
//!
//! A run is a directory with `config.toml`, `manifest.json` and `metrics.csv`; an experiment is a directory of runs. Where a
//! `plan.csv` lies beside the runs, those that it names count, each as far as its planned budget goes; elsewhere all runs
//! count, each as far as it got.

#[cfg(test)]
mod tests;

use super::{
    RunRecord, StoreError,
    files::{CONFIG, METRICS},
    manifest::MANIFEST,
    plan::{PlanRow, read_plan},
    run::read_run_under,
};
use crate::{config::TrainConfig, task::TaskError};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The runs of one directory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Experiment {
    /// Name of the directory.
    pub name: String,
    /// The runs that count, as far as they are readable, sorted by run id.
    pub runs: Vec<RunRecord>,
    /// Whether a plan says which runs count.
    pub is_planned: bool,
    /// Runs that lie there and are not in the plan: left out.
    pub unplanned: Vec<String>,
}

/// How far runs are looked at, where that is not what their plan or their own manifest says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Instead of `train.max_epochs`.
    pub max_epochs: Option<u64>,
    /// Instead of `train.patience`.
    pub patience: Option<u64>,
}

impl Limits {
    fn of(self, budget: TrainConfig) -> TrainConfig {
        TrainConfig {
            max_epochs: self.max_epochs.unwrap_or(budget.max_epochs),
            patience: self.patience.unwrap_or(budget.patience),
        }
    }
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
    /// The task file of a run.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Task {
        /// What is wrong with it.
        source: Box<TaskError>,
    },
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

/// Reads an experiment: the runs directly in `dir` that count. What could not be read comes beside it.
pub fn read_experiment(dir: &Path, limits: Limits) -> (Experiment, Vec<ReadError>) {
    let mut experiment = Experiment { name: name_of(dir), ..Experiment::default() };
    let mut damaged = Vec::new();
    let plan = read_plan(dir).unwrap_or_else(|error| {
        damaged.push(error.into());
        Vec::new()
    });
    experiment.is_planned = !plan.is_empty();
    let children = subdirectories(dir).unwrap_or_else(|error| {
        damaged.push(error);
        Vec::new()
    });
    for child in children.iter().filter(|child| is_run(child)) {
        let name = name_of(child);
        let planned = plan.iter().find(|row| row.run == name).map(PlanRow::budget);
        if experiment.is_planned && planned.is_none() {
            experiment.unplanned.push(name);
            continue;
        }
        match read_run_under(child, |own| limits.of(planned.unwrap_or(own))) {
            Ok(run) => experiment.runs.push(run),
            Err(error) => damaged.push(error),
        }
    }
    experiment.runs.sort_by(|a, b| a.manifest.run.cmp(&b.manifest.run));
    (experiment, damaged)
}

/// The directories of all runs in or below `dir` (a run, an experiment, or a directory of experiments), planned or not.
pub fn run_directories(dir: &Path) -> Result<Vec<PathBuf>, ReadError> {
    let real = real(dir)?;
    if is_run(&real) {
        return Ok(vec![real]);
    }
    let mut found = Vec::new();
    for child in subdirectories(&real)? {
        match is_run(&child) {
            true => found.push(child),
            false => found.extend(subdirectories(&child)?.into_iter().filter(|child| is_run(child))),
        }
    }
    if found.is_empty() { Err(ReadError::NoRuns { dir: dir.into() }) } else { Ok(found) }
}

fn real(dir: &Path) -> Result<PathBuf, ReadError> {
    // an absolute path has a name even where "." was asked for
    dir.canonicalize().ok().filter(|d| d.is_dir()).ok_or(ReadError::NoDirectory { dir: dir.into() })
}

/// Reads what `dir` is: a run, an experiment, or a directory of experiments.
///
/// Errors when there is no directory, no run, or no run that can be read.
pub fn read_results(dir: &Path, limits: Limits) -> Result<Results, ReadError> {
    let real = real(dir)?;
    let mut results = Results::default();
    if is_run(&real) {
        // asked for by name: it counts, planned or not, as far as its experiment goes where it is planned
        let parent = real.parent().unwrap_or(&real);
        let plan = read_plan(parent).unwrap_or_default();
        let planned = plan.iter().find(|row| row.run == name_of(&real)).map(PlanRow::budget);
        match read_run_under(&real, |own| limits.of(planned.unwrap_or(own))) {
            Ok(run) => {
                let (name, is_planned) = (name_of(parent), planned.is_some());
                results.experiments.push(Experiment {
                    name,
                    runs: vec![run],
                    is_planned,
                    unplanned: Vec::new(),
                });
            }
            Err(error) => results.damaged.push(error),
        }
    } else {
        let below = subdirectories(&real)?;
        let experiments = std::iter::once(&real).chain(below.iter().filter(|child| !is_run(child)));
        for experiment in experiments {
            let (experiment, mut damaged) = read_experiment(experiment, limits);
            results.damaged.append(&mut damaged);
            if !experiment.runs.is_empty() || !experiment.unplanned.is_empty() {
                results.experiments.push(experiment);
            }
        }
    }
    results.experiments.sort_by(|a, b| a.name.cmp(&b.name));
    match (results.experiments.iter().all(|e| e.runs.is_empty()), results.damaged.is_empty()) {
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
