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
    run::read_run_as,
};
use crate::run::Budget;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// The runs of one directory.
#[derive(Clone, Debug, PartialEq)]
pub struct Experiment<R = RunRecord> {
    /// Name of the directory.
    pub name: String,
    /// The runs that count, as far as they are readable, sorted by run id.
    pub runs: Vec<R>,
    /// Whether a plan says which runs count.
    pub is_planned: bool,
    /// Runs that lie there and are not in the plan: left out.
    pub unplanned: Vec<String>,
}

impl<R> Default for Experiment<R> {
    fn default() -> Self {
        Self { name: String::new(), runs: Vec::new(), is_planned: false, unplanned: Vec::new() }
    }
}

/// How far runs are looked at, where that is not what their plan or their own manifest says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Instead of `train.max_epochs`.
    pub max_epochs: Option<u64>,
    /// Instead of `train.patience`.
    pub patience: Option<u64>,
    /// Evaluations that a run on its way has written since it was last saved too, for which nothing vouches yet.
    pub is_ahead: bool,
}

impl Limits {
    fn of(self, budget: Budget) -> Budget {
        Budget {
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
    /// What a run learns, from the files in its directory.
    #[error("{}: {reason}", .dir.display())]
    #[diagnostic(help("{help}"))]
    Data {
        /// The run's directory.
        dir: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// What to do.
        help: String,
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

/// What lies under a directory, to be read run by run.
#[derive(Debug, Default)]
pub struct Listing {
    /// Experiments with at least one run, sorted by name.
    pub experiments: Vec<Listed>,
    /// What could not be looked into.
    pub damaged: Vec<ReadError>,
}

/// The runs of one directory.
#[derive(Debug, Default)]
pub struct Listed {
    /// Name of the directory.
    pub name: String,
    /// Those that count, sorted by id, which is the name of their directory.
    pub runs: Vec<ListedRun>,
    /// Whether a plan says which runs count.
    pub is_planned: bool,
    /// Runs that lie there and are not in the plan: left out.
    pub unplanned: Vec<String>,
    /// The study that its plan names.
    pub study: Option<String>,
}

/// A run to be read.
#[derive(Debug)]
pub struct ListedRun {
    dir: PathBuf,
    planned: Option<Budget>,
    limits: Limits,
}

impl ListedRun {
    /// Reads it, as far as it is to be looked at.
    pub fn read(&self) -> Result<RunRecord, ReadError> {
        read_run_as(&self.dir, self.limits.is_ahead, |own| self.limits.of(self.planned.unwrap_or(own)))
    }
}

impl Listed {
    fn of(dir: &Path, limits: Limits, damaged: &mut Vec<ReadError>) -> Self {
        let plan = read_plan(dir).unwrap_or_else(|error| {
            damaged.push(error.into());
            Vec::new()
        });
        let budgets: BTreeMap<&str, Budget> =
            plan.iter().map(|row| (row.run.as_str(), row.budget())).collect();
        let children = subdirectories(dir).unwrap_or_else(|error| {
            damaged.push(error);
            Vec::new()
        });
        let is_planned = !plan.is_empty();
        let study = plan.iter().find_map(|row| row.study.clone());
        let mut listed = Self { name: name_of(dir), is_planned, study, ..Self::default() };
        for child in children.into_iter().filter(|child| is_run(child)) {
            let planned = budgets.get(name_of(&child).as_str()).copied();
            match listed.is_planned && planned.is_none() {
                true => listed.unplanned.push(name_of(&child)),
                false => listed.runs.push(ListedRun { dir: child, planned, limits }),
            }
        }
        listed
    }

    /// Reads all of its runs; what cannot be read goes to `damaged`.
    fn read(self, damaged: &mut Vec<ReadError>) -> Experiment {
        let Self { name, runs, is_planned, unplanned, .. } = self;
        let mut experiment = Experiment { name, is_planned, unplanned, ..Experiment::default() };
        for run in &runs {
            match run.read() {
                Ok(run) => experiment.runs.push(run),
                Err(error) => damaged.push(error),
            }
        }
        experiment.runs.sort_by(|a, b| a.manifest.run.cmp(&b.manifest.run));
        experiment
    }
}

/// Reads an experiment: the runs directly in `dir` that count. What could not be read comes beside it.
pub fn read_experiment(dir: &Path, limits: Limits) -> (Experiment, Vec<ReadError>) {
    let mut damaged = Vec::new();
    let listed = Listed::of(dir, limits, &mut damaged);
    (listed.read(&mut damaged), damaged)
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

/// What `dir` is: a run, an experiment, or a directory of experiments. No run is read yet.
///
/// Errors when there is no directory or no run.
pub fn list_results(dir: &Path, limits: Limits) -> Result<Listing, ReadError> {
    let real = real(dir)?;
    let mut listing = Listing::default();
    if is_run(&real) {
        // asked for by name: it counts, planned or not, as far as its experiment goes where it is planned
        let parent = real.parent().unwrap_or(&real);
        let plan = read_plan(parent).unwrap_or_default();
        let planned = plan.iter().find(|row| row.run == name_of(&real)).map(PlanRow::budget);
        let (name, is_planned) = (name_of(parent), planned.is_some());
        let runs = vec![ListedRun { dir: real, planned, limits }];
        let study = plan.iter().find_map(|row| row.study.clone());
        listing.experiments.push(Listed { name, runs, is_planned, unplanned: Vec::new(), study });
        return Ok(listing);
    }
    let below = subdirectories(&real)?;
    for experiment in std::iter::once(&real).chain(below.iter().filter(|child| !is_run(child))) {
        let listed = Listed::of(experiment, limits, &mut listing.damaged);
        if !listed.runs.is_empty() || !listed.unplanned.is_empty() {
            listing.experiments.push(listed);
        }
    }
    listing.experiments.sort_by(|a, b| a.name.cmp(&b.name));
    match (listing.experiments.iter().all(|listed| listed.runs.is_empty()), listing.damaged.is_empty()) {
        (true, true) => Err(ReadError::NoRuns { dir: dir.into() }),
        (true, false) => Err(ReadError::NothingReadable { dir: dir.into(), damaged: listing.damaged }),
        _ => Ok(listing),
    }
}

/// Reads what `dir` is: a run, an experiment, or a directory of experiments.
///
/// Errors when there is no directory, no run, or no run that can be read.
pub fn read_results(dir: &Path, limits: Limits) -> Result<Results, ReadError> {
    let Listing { experiments, mut damaged } = list_results(dir, limits)?;
    let read = experiments.into_iter().map(|listed| listed.read(&mut damaged));
    let experiments: Vec<Experiment> =
        read.filter(|e| !e.runs.is_empty() || !e.unplanned.is_empty()).collect();
    if experiments.iter().all(|experiment| experiment.runs.is_empty()) {
        return Err(ReadError::NothingReadable { dir: dir.into(), damaged });
    }
    Ok(Results { experiments, damaged })
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
