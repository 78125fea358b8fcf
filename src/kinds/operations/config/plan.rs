//! An experiment to its runs: tasks × fractions × grid × seeds.
//!
//! Promises: whatever the file asks for, a plan of at most [`MAX_RUNS`](super::experiment::MAX_RUNS) runs with different
//! ids comes out, each with a config that passes its checks and rows on both sides of the split; or an error at a place
//! of the file.

use super::experiment::{Experiment, ExperimentError};
use super::place::Where;
use super::{ConfigError, RunConfig, overrides};
use crate::kinds::operations::task::{Task, TaskError, clipped};
use std::{collections::BTreeSet, sync::Arc};
use toml::Value;

/// Rows of the tables of all its tasks together at most: they are in memory at once.
const MAX_TABLE_ROWS: usize = 1 << 22;
/// Keys that an experiment has a list for.
const LISTED: [(&str, &str); 2] = [("seed", "seeds"), ("train_fraction", "train_fractions")];

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

impl Experiment {
    /// All runs: tasks, then fractions, then the grid, seeds innermost. `extra` keys win over the file's.
    pub fn plan(&self, extra: &[(String, Value)]) -> Result<Vec<PlannedRun>, ExperimentError> {
        let set: Vec<_> = self.spec.set.iter().flat_map(|(k, v)| flatten(k, v)).collect();
        let grid = self.grid_configs(&set, extra)?;
        let keys = set.iter().chain(extra).map(|(key, _)| key).chain(self.spec.grid.keys());
        let split_is_set = keys.into_iter().any(|key| key == "split_seed");
        let tasks = self.tasks()?;

        let mut runs = Vec::with_capacity(self.n_runs());
        let mut ids = BTreeSet::new();
        for (name, task) in self.spec.tasks.iter().zip(&tasks) {
            let digest = task.digest();
            for &train_fraction in &self.spec.train_fractions {
                for choices in &grid {
                    for &seed in &self.spec.seeds {
                        let split_seed = if split_is_set { choices.split_seed } else { seed };
                        let task_name = name.clone();
                        let config = RunConfig {
                            task: task_name,
                            train_fraction,
                            seed,
                            split_seed,
                            ..choices.clone()
                        };
                        let id = config.run_id(&task.name, &digest);
                        if !ids.insert(id.clone()) {
                            let problem = format!("the experiment plans the run {} twice", clipped(&id, 160));
                            let remedy = "remove the repeated task, fraction, seed or grid value";
                            return Err(self.fault(Where::section("grid"), &problem, remedy));
                        }
                        runs.push(PlannedRun { id, config, task: task.clone() });
                    }
                }
            }
        }
        Ok(runs)
    }

    /// The config of every combination of the grid, checked; task, fraction and seeds are still to be set.
    fn grid_configs(
        &self,
        set: &[(String, Value)],
        extra: &[(String, Value)],
    ) -> Result<Vec<RunConfig>, ExperimentError> {
        let grid = &self.spec.grid;
        for (key, list) in LISTED {
            let place = if grid.contains_key(key) { Where::key("grid", key) } else { Where::key("set", key) };
            if grid.contains_key(key) || set.iter().any(|(k, _)| k == key) {
                let problem = format!("`{key}` cannot be set here");
                return Err(self.fault(place, &problem, &format!("write it into the list `{list}`")));
            }
        }
        if let Some(key) = grid.keys().find(|key| key.starts_with("train.")) {
            let problem =
                format!("`{key}` cannot be in a grid: a budget makes no other run, only a longer one");
            let remedy = "write the largest into [set]; `groklab table --max-epochs N` looks at less of it";
            return Err(self.fault(Where::key("grid", key), &problem, remedy));
        }
        if let Some((key, _)) = extra.iter().find(|(key, _)| grid.contains_key(key)) {
            let remedy = "leave the option out, or take the key out of the grid";
            return Err(self.fault(Where::key("grid", key), "an option sets this key too", remedy));
        }
        let start = self.spec.preset.config("", 0.5, 0);
        let base = overrides::merge(&start, set).map_err(|error| self.config_fault(error, &[]))?;
        // each value alone first: a fault in the last one shows before a long grid is expanded
        for (key, values) in grid {
            for (i, value) in values.iter().enumerate() {
                let alone = [(key.clone(), value.clone())];
                overrides::merge(&base, &alone).map_err(|error| self.config_fault(error, &[(key, i)]))?;
            }
        }
        let combinations = grid.values().map(Vec::len).product();
        (0..combinations)
            .map(|number| {
                let row = self.combination(number);
                let values = row.iter().map(|&(key, i)| (key.to_owned(), grid[key][i].clone()));
                let overrides: Vec<_> = values.chain(extra.iter().cloned()).collect();
                let config = overrides::merge(&base, &overrides);
                let checked = config.and_then(|config| config.check().map(|()| config));
                checked.map_err(|error| self.config_fault(error, &row))
            })
            .collect()
    }

    /// Which item of each grid key the combination of that number has; the last key counts fastest.
    fn combination(&self, mut number: usize) -> Vec<(&str, usize)> {
        let mut row: Vec<_> =
            self.spec.grid.iter().map(|(key, values)| (key.as_str(), values.len())).collect();
        for (_, slot) in row.iter_mut().rev() {
            let length = *slot;
            *slot = number % length;
            number /= length;
        }
        row
    }

    /// The tasks, each with rows on both sides of every split.
    fn tasks(&self) -> Result<Vec<Arc<Task>>, ExperimentError> {
        let mut rows = 0;
        let mut tasks = Vec::new();
        for (i, name) in self.spec.tasks.iter().enumerate() {
            let place = Where::section("tasks").item(i);
            let task = Task::find(name).map_err(|error| match error {
                TaskError::At(_) => ExperimentError::Task(error),
                _ => self.reported(place, &error),
            })?;
            rows += task.equations.len();
            if rows > MAX_TABLE_ROWS {
                let problem = format!("the tables up to this task have {rows} rows");
                let remedy = format!("split the experiment: {MAX_TABLE_ROWS} rows are the most for one");
                return Err(self.fault(place, &problem, &remedy));
            }
            for (i, &fraction) in self.spec.train_fractions.iter().enumerate() {
                overrides::check_split(task.equations.len(), fraction)
                    .map_err(|error| self.reported(Where::section("train_fractions").item(i), &error))?;
            }
            tasks.push(Arc::new(task));
        }
        Ok(tasks)
    }

    /// A config error at the grid value or at the key of `set` that it is about.
    fn config_fault(&self, error: ConfigError, row: &[(&str, usize)]) -> ExperimentError {
        for key in error.keys() {
            let in_grid = row.iter().find(|(k, _)| *k == key).map(|&(k, i)| Where::key("grid", k).item(i));
            let place = in_grid.unwrap_or(Where::key("set", key));
            if place.locate(&self.text).is_some() {
                return self.reported(place, &error);
            }
        }
        // it was not the file that said so, but the command line
        ExperimentError::Config(error)
    }
}

/// `[set.optim] beta2 = 0.9` and `[set] "optim.beta2" = 0.9` mean the same.
fn flatten(key: &str, value: &Value) -> Vec<(String, Value)> {
    match value {
        Value::Table(inner) => inner.iter().flat_map(|(k, v)| flatten(&format!("{key}.{k}"), v)).collect(),
        _ => vec![(key.to_owned(), value.clone())],
    }
}
