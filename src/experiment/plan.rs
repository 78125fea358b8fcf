//! An experiment to its runs: the kind's lists × cases × grid × seeds.
//!
//! Promises: whatever the file asks for, a plan of at most [`MAX_RUNS`](super::MAX_RUNS) runs with different ids comes out,
//! each with a config that passes the checks of its kind; or an error at a place of the file.

use super::{Experiment, ExperimentError, Where};
use crate::{
    excerpt::clipped,
    run::{self, PlanError, Planned, Planner},
};
use std::{collections::BTreeSet, sync::Arc};
use toml::{Table, Value};

/// Which item of which list a run has: (list, config key, item).
type Row<'a> = Vec<(Where<'a>, &'a str, usize)>;

impl Experiment {
    /// All runs: the kind's lists, then the cases, then the grid, seeds innermost. `extra` keys win over the file's.
    pub fn plan(&self, extra: &[(String, Value)]) -> Result<Vec<Arc<dyn Planned>>, ExperimentError> {
        let set: Vec<_> = self.spec.set.iter().flat_map(|(k, v)| flatten(k, v)).collect();
        let grid = self.grid_configs(&set, extra)?;
        let all_set_it = set.iter().chain(extra).any(|(key, _)| key == "split_seed");
        let mut planner = self.kind.planner();
        let mut runs = Vec::with_capacity(self.n_runs());
        let mut ids = BTreeSet::new();
        for listed in self.listed() {
            for (choices, combination) in &grid {
                // a case that sets it does not set it for the others
                let split_is_set = all_set_it || combination.iter().any(|(_, key, _)| *key == "split_seed");
                for (i, &seed) in self.spec.seeds.iter().enumerate() {
                    let mut row = listed.clone();
                    row.extend(combination.iter().cloned());
                    row.push((Where::section("seeds"), "seed", i));
                    let config = self.config(choices, &listed, seed, split_is_set)?;
                    let planned = self.planned(planner.as_mut(), &config, &row)?;
                    if !ids.insert(planned.id().to_owned()) {
                        let problem =
                            format!("the experiment plans the run {} twice", clipped(planned.id(), 160));
                        let remedy = "remove the repeated task, fraction, seed, case or grid value";
                        return Err(self.fault(Where::section("grid"), &problem, remedy));
                    }
                    runs.push(planned);
                }
            }
        }
        Ok(runs)
    }

    fn planned(
        &self,
        planner: &mut dyn Planner,
        config: &Table,
        row: &Row,
    ) -> Result<Arc<dyn Planned>, ExperimentError> {
        self.kind.check(config).map_err(|error| self.plan_fault(error.into(), row))?;
        planner.plan(config).map_err(|error| self.plan_fault(error, row))
    }

    /// Every combination of the kind's own lists, the first list slowest.
    fn listed(&self) -> Vec<Row<'_>> {
        let mut rows: Vec<Row> = vec![Vec::new()];
        for (list, key) in self.kind.lists() {
            let length = self.items(list).len();
            rows = rows
                .into_iter()
                .flat_map(|row| {
                    (0..length).map(move |i| {
                        let mut row = row.clone();
                        row.push((Where::section(list), *key, i));
                        row
                    })
                })
                .collect();
        }
        rows
    }

    fn items(&self, list: &str) -> &[Value] {
        self.spec.lists.get(list).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// `choices` with the items of the lists and the seed.
    fn config(
        &self,
        choices: &Table,
        listed: &Row,
        seed: u64,
        split_is_set: bool,
    ) -> Result<Table, ExperimentError> {
        let mut config = choices.clone();
        for (place, key, i) in listed {
            let value = match (config.get(*key), &self.items(place.section)[*i]) {
                (Some(Value::Float(_)), Value::Integer(whole)) => Value::Float(*whole as f64),
                (_, value) => value.clone(),
            };
            config.insert((*key).to_owned(), value);
            self.kind.types(&config).map_err(|reason| {
                self.fault(place.item(*i), &clipped(&reason, 200), "write a value of its type")
            })?;
        }
        // seeds are below 2^63
        let seed = Value::Integer(seed as i64);
        if config.contains_key("split_seed") && !split_is_set {
            config.insert("split_seed".to_owned(), seed.clone());
        }
        config.insert("seed".to_owned(), seed);
        Ok(config)
    }

    /// The config of every combination of the grid, and which; lists and seeds are still to be set.
    fn grid_configs(
        &self,
        set: &[(String, Value)],
        extra: &[(String, Value)],
    ) -> Result<Vec<(Table, Row<'_>)>, ExperimentError> {
        let grid = &self.spec.grid;
        for (list, key) in self.kind.lists().iter().chain(&[("seeds", "seed")]) {
            // what has no default is no key at all: that error comes later and says so
            if *key == "task" {
                continue;
            }
            let place =
                if grid.contains_key(*key) { Where::key("grid", key) } else { Where::key("set", key) };
            if grid.contains_key(*key) || set.iter().any(|(k, _)| k == key) {
                let problem = format!("`{key}` cannot be set here");
                return Err(self.fault(place, &problem, &format!("write it into the list `{list}`")));
            }
        }
        self.check_cases(extra)?;
        if let Some(key) = grid.keys().find(|key| key.starts_with("train.")) {
            let problem =
                format!("`{key}` cannot be in a grid: a budget makes no other run, only a longer one");
            let remedy = "write the largest into [set]; `groklab table --max-epochs N` looks at less of it";
            return Err(self.fault(Where::key("grid", key), &problem, remedy));
        }
        if let Some((key, _)) = set.iter().find(|(key, _)| grid.contains_key(key)) {
            let remedy = "take it out of [set]: the grid gives it its values";
            return Err(self.fault(Where::key("grid", key), "[set] sets this key too", remedy));
        }
        if let Some((key, _)) = extra.iter().find(|(key, _)| grid.contains_key(key)) {
            let remedy = "leave the option out, or take the key out of the grid";
            return Err(self.fault(Where::key("grid", key), "an option sets this key too", remedy));
        }
        let start: Table = toml::from_str(self.preset.toml).map_err(|e| {
            let problem = format!("the preset {} is none: {}", self.preset.name, e.message());
            self.fault(
                Where::section("preset"),
                &problem,
                "this is a mistake of the program: please report it",
            )
        })?;
        let put = |config: &Table, settings: &[(String, Value)], row: &Row| {
            run::set(self.kind, config, settings).map_err(|error| self.plan_fault(error.into(), row))
        };
        let base = put(&start, set, &Vec::new())?;
        let mut bases = Vec::new();
        for (i, case) in self.cases.iter().enumerate() {
            let row: Row = case.iter().map(|(key, _)| (Where::key("cases", key), key.as_str(), i)).collect();
            bases.push((put(&base, case, &row)?, row));
        }
        if bases.is_empty() {
            bases.push((base.clone(), Vec::new()));
        }
        // each value alone first: a fault in the last one shows before a long grid is expanded
        for (key, values) in grid {
            for (i, value) in values.iter().enumerate() {
                put(&base, &[(key.clone(), value.clone())], &vec![(Where::key("grid", key), key, i)])?;
            }
        }
        let combinations = grid.values().map(Vec::len).product();
        let mut configs = Vec::with_capacity(bases.len() * combinations);
        for (base, case) in &bases {
            for number in 0..combinations {
                let row = self.combination(number);
                let values = row.iter().map(|&(_, key, i)| (key.to_owned(), grid[key][i].clone()));
                let settings: Vec<_> = values.chain(extra.iter().cloned()).collect();
                let row: Row = case.iter().chain(&row).cloned().collect();
                configs.push((put(base, &settings, &row)?, row));
            }
        }
        Ok(configs)
    }

    /// Cases may set what no list, no grid and no option sets.
    fn check_cases(&self, extra: &[(String, Value)]) -> Result<(), ExperimentError> {
        for (i, (key, _)) in
            self.cases.iter().enumerate().flat_map(|(i, case)| case.iter().map(move |c| (i, c)))
        {
            let fault = |problem: &str, remedy: &str| {
                Err(self.fault(Where::key("cases", key).item(i), problem, remedy))
            };
            if let Some((list, _)) =
                self.kind.lists().iter().chain(&[("seeds", "seed")]).find(|(_, k)| k == key)
            {
                return fault(
                    &format!("`{key}` cannot be set here"),
                    &format!("write it into the list `{list}`"),
                );
            }
            if self.spec.grid.contains_key(key) {
                return fault("a case sets this key too", "take it out of the grid, or out of the cases");
            }
            if extra.iter().any(|(k, _)| k == key) {
                return fault(
                    "an option sets this key too",
                    "leave the option out, or take the key out of the cases",
                );
            }
        }
        Ok(())
    }

    /// Which item of each grid key the combination of that number has; the last key counts fastest.
    fn combination(&self, mut number: usize) -> Row<'_> {
        let grid = self.spec.grid.iter();
        let mut row: Row =
            grid.map(|(key, values)| (Where::key("grid", key), key.as_str(), values.len())).collect();
        for (_, _, slot) in row.iter_mut().rev() {
            let length = *slot;
            *slot = number % length;
            number /= length;
        }
        row
    }

    /// An error of the kind at the item of a list, at the grid value or at the key of `set` that it is about.
    fn plan_fault(&self, error: PlanError, row: &Row) -> ExperimentError {
        // it shows a place of its own, in another file
        if error.inner().source_code().is_some() {
            return ExperimentError::Plan(error);
        }
        let keys = match &error {
            PlanError::Config(error) => error.keys(),
            PlanError::Data { key, .. } => vec![*key],
        };
        for key in keys {
            let listed = row.iter().find(|(_, k, _)| *k == key).map(|&(place, _, i)| place.item(i));
            let place = listed.unwrap_or(Where::key("set", key));
            if place.locate(&self.text).is_some() {
                return self.reported(place, error.inner());
            }
        }
        // it was not the file that said so, but the command line
        match error {
            PlanError::Config(error) => ExperimentError::Config(error),
            error => ExperimentError::Plan(error),
        }
    }
}

/// `[set.optim] beta2 = 0.9` and `[set] "optim.beta2" = 0.9` mean the same.
pub(super) fn flatten(key: &str, value: &Value) -> Vec<(String, Value)> {
    match value {
        Value::Table(inner) => inner.iter().flat_map(|(k, v)| flatten(&format!("{key}.{k}"), v)).collect(),
        _ => vec![(key.to_owned(), value.clone())],
    }
}
