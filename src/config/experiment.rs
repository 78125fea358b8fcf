//! Experiment files: a named study as a grid of runs.
//!
//! ```toml
//! title = "x + y at four training fractions"
//! preset = "paper"                      # or "power"
//! tasks = ["add"]
//! train_fractions = [0.05, 0.1, 0.2, 0.3]
//! seeds = [0, 1, 2, 3, 4]
//! [set]                                 # config keys for every run
//! "train.patience" = 2000
//! [grid]                                # every combination of these
//! "data.batch_size" = [128, 512]
//! ```

use super::{ConfigError, Preset, RunConfig, apply_overrides};
use crate::task::{Task, TaskError, read_text};
use miette::{NamedSource, SourceSpan};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};
use toml::{Table, Value};

/// The experiments that come with the program: (name, file).
pub const SHIPPED_EXPERIMENTS: [(&str, &str); 4] = [
    ("binary-ops", include_str!("../../experiments/binary-ops.toml")),
    ("add-fractions", include_str!("../../experiments/add-fractions.toml")),
    ("batch-dip", include_str!("../../experiments/batch-dip.toml")),
    ("quick", include_str!("../../experiments/quick.toml")),
];

/// Limit for an experiment file, bytes.
const MAX_BYTES: u64 = 1 << 20;
/// Runs of one experiment at most.
const MAX_RUNS: usize = 100_000;

/// A study: tasks × fractions × grid × seeds.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// Name of the file without its ending; names the results directory.
    pub name: String,
    /// One line for people.
    pub title: String,
    spec: Spec,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    title: String,
    #[serde(default)]
    preset: Preset,
    tasks: Vec<String>,
    train_fractions: Vec<f64>,
    seeds: Vec<u64>,
    #[serde(default)]
    set: Table,
    #[serde(default)]
    grid: BTreeMap<String, Vec<Value>>,
}

/// One run of a plan.
#[derive(Clone, Debug)]
pub struct PlannedRun {
    /// Name of its directory.
    pub id: String,
    /// All its choices.
    pub config: RunConfig,
    /// What it learns.
    pub task: Arc<Task>,
}

impl PlannedRun {
    /// The run of `config` on `task`.
    pub fn new(config: RunConfig, task: Arc<Task>) -> Self {
        Self { id: config.run_id(&task.name, &task.digest()), config, task }
    }
}

/// An experiment that cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ExperimentError {
    /// The file cannot be read.
    #[error("cannot read the experiment {path}")]
    #[diagnostic(help("experiments that come with the program: {}", shipped_names()))]
    Read {
        /// Path as given.
        path: String,
        /// Why.
        source: TaskError,
    },
    /// Not TOML, or not an experiment.
    #[error("{message}")]
    #[diagnostic(help(
        "an experiment has title, tasks, train_fractions, seeds and, if wanted, preset, [set] and [grid]"
    ))]
    Parse {
        /// What is wrong.
        message: String,
        /// The file's text.
        #[source_code]
        text: NamedSource<String>,
        /// Where.
        #[label("here")]
        span: Option<SourceSpan>,
    },
    /// A list with nothing in it.
    #[error("the experiment {name} has no {what}")]
    #[diagnostic(help("give at least one"))]
    Empty {
        /// Experiment.
        name: String,
        /// Which list.
        what: String,
    },
    /// Two runs would be the same.
    #[error("the experiment {name} plans the run {run} twice")]
    #[diagnostic(help("remove the repeated task, fraction, seed or grid value"))]
    Repeated {
        /// Experiment.
        name: String,
        /// Run id.
        run: String,
    },
    /// A grid without end.
    #[error("the experiment {name} plans {runs} runs; {MAX_RUNS} are the most")]
    #[diagnostic(help("split it into several files"))]
    TooMany {
        /// Experiment.
        name: String,
        /// Size of the grid.
        runs: usize,
    },
    /// A config key or value.
    #[error("in the experiment {name}")]
    Config {
        /// Experiment.
        name: String,
        /// What is wrong.
        #[source]
        #[diagnostic_source]
        source: ConfigError,
    },
    /// A task.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Task(#[from] TaskError),
}

fn shipped_names() -> String {
    SHIPPED_EXPERIMENTS.map(|(name, _)| name).join(", ")
}

impl Experiment {
    /// By path (`experiments/quick.toml`) or by the name of a shipped one (`quick`).
    pub fn find(name_or_path: &str) -> Result<Self, ExperimentError> {
        let path = Path::new(name_or_path);
        let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or(name_or_path);
        let shipped = SHIPPED_EXPERIMENTS.iter().find(|(name, _)| *name == name_or_path);
        if let Some((name, text)) = shipped {
            return Self::parse(name, name_or_path, text);
        }
        let text = read_text(path, MAX_BYTES)
            .map_err(|source| ExperimentError::Read { path: name_or_path.to_owned(), source })?;
        Self::parse(stem, name_or_path, &text)
    }

    fn parse(name: &str, origin: &str, text: &str) -> Result<Self, ExperimentError> {
        let spec: Spec = toml::from_str(text).map_err(|e| ExperimentError::Parse {
            message: e.message().to_owned(),
            span: e.span().map(Into::into),
            text: NamedSource::new(origin, text.to_owned()),
        })?;
        let lists = [
            ("tasks", spec.tasks.is_empty()),
            ("train_fractions", spec.train_fractions.is_empty()),
            ("seeds", spec.seeds.is_empty()),
        ];
        let empty_grid = spec.grid.iter().find(|(_, v)| v.is_empty()).map(|(k, _)| k.clone());
        let empty = lists.iter().find(|(_, e)| *e).map(|(what, _)| (*what).to_owned()).or(empty_grid);
        if let Some(what) = empty {
            return Err(ExperimentError::Empty { name: name.to_owned(), what });
        }
        let sizes = [spec.tasks.len(), spec.train_fractions.len(), spec.seeds.len()];
        let runs = spec.grid.values().map(Vec::len).chain(sizes).fold(1usize, usize::saturating_mul);
        if runs > MAX_RUNS {
            return Err(ExperimentError::TooMany { name: name.to_owned(), runs });
        }
        Ok(Self { name: name.to_owned(), title: spec.title.clone(), spec })
    }

    /// All runs: tasks, then fractions, then the grid, seeds innermost. `extra` keys win over the file's.
    pub fn plan(&self, extra: &[(String, Value)]) -> Result<Vec<PlannedRun>, ExperimentError> {
        let mut grid: Vec<Vec<(String, Value)>> = vec![Vec::new()];
        for (key, values) in &self.spec.grid {
            grid = grid
                .iter()
                .flat_map(|row| values.iter().map(|v| [&row[..], &[(key.clone(), v.clone())]].concat()))
                .collect();
        }
        let set: Vec<_> = self.spec.set.iter().flat_map(|(k, v)| flatten(k, v)).collect();
        let mut runs = Vec::new();
        let mut ids = BTreeSet::new();
        for name in &self.spec.tasks {
            let task = Arc::new(Task::find(name)?);
            for &fraction in &self.spec.train_fractions {
                for row in &grid {
                    for &seed in &self.spec.seeds {
                        let overrides = [&set[..], row, extra].concat();
                        let config =
                            apply_overrides(&self.spec.preset.config(name, fraction, seed), &overrides)
                                .map_err(|source| ExperimentError::Config {
                                    name: self.name.clone(),
                                    source,
                                })?;
                        let run = PlannedRun::new(config, task.clone());
                        if !ids.insert(run.id.clone()) {
                            return Err(ExperimentError::Repeated { name: self.name.clone(), run: run.id });
                        }
                        runs.push(run);
                    }
                }
            }
        }
        Ok(runs)
    }
}

/// `[set.optim] beta2 = 0.9` and `[set] "optim.beta2" = 0.9` mean the same.
fn flatten(key: &str, value: &Value) -> Vec<(String, Value)> {
    match value {
        Value::Table(inner) => inner.iter().flat_map(|(k, v)| flatten(&format!("{key}.{k}"), v)).collect(),
        _ => vec![(key.to_owned(), value.clone())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_experiments_have_the_papers_sizes() {
        for (name, runs) in [("binary-ops", 60), ("add-fractions", 20)] {
            let plan = Experiment::find(name).unwrap().plan(&[]).unwrap();
            assert_eq!(plan.len(), runs, "{name}");
            assert!(
                plan.iter().all(|r| r.config.train.max_epochs == 50_000 && r.config.train.patience == 2_000)
            );
        }
        for name in ["batch-dip", "quick"] {
            assert!(!Experiment::find(name).unwrap().plan(&[]).unwrap().is_empty());
        }
    }

    #[test]
    fn a_grid_is_expanded_with_seeds_innermost() {
        let text = r#"
            title = "t"
            tasks = ["add", "sub"]
            train_fractions = [0.5]
            seeds = [4, 5]
            [set.optim]
            beta2 = 0.9
            [grid]
            "data.batch_size" = [64, 128]
        "#;
        let plan = Experiment::parse("t", "t.toml", text).unwrap().plan(&[]).unwrap();
        let got: Vec<_> =
            plan.iter().map(|r| (r.config.task.as_str(), r.config.data.batch_size, r.config.seed)).collect();
        assert_eq!(got[..4], [("add", 64, 4), ("add", 64, 5), ("add", 128, 4), ("add", 128, 5)]);
        assert_eq!(got.len(), 8);
        assert!(plan.iter().all(|r| r.config.optim.beta2 == 0.9 && r.config.split_seed == r.config.seed));
    }

    #[test]
    fn mistakes_are_named() {
        let fails = |text: &str| match Experiment::parse("t", "t.toml", text).and_then(|e| e.plan(&[])) {
            Ok(_) => panic!("accepted: {text}"),
            Err(e) => e.to_string(),
        };
        let base = "title = \"t\"\ntasks = [\"add\"]\ntrain_fractions = [0.5]\n";
        assert!(fails(&format!("{base}seeds = [1, 1]")).contains("twice"));
        assert!(fails(&format!("{base}seeds = []")).contains("no seeds"));
        assert!(fails(&format!("{base}seeds = [1]\ncolour = 3")).contains("colour"));
        assert!(fails(&format!("{base}seeds = [1]\n[grid]\nseed = []")).contains("no seed"));
        assert!(fails(base).contains("seeds"));
    }
}
