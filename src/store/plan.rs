//! `plan.csv` of an experiment's directory: the runs that were last asked for, done or not, and how far. It says which runs
//! count, and what is missing.

use super::{StoreError, disk, lock, record::parse_rows};
use crate::kinds::operations::config::{PlannedRun, TrainConfig};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, io, path::Path};

const PLAN: &str = "plan.csv";
/// The largest experiment has 100,000 runs of some hundred bytes.
const MAX_BYTES: u64 = 64 << 20;

/// One planned run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanRow {
    /// Run id, the name of its directory.
    pub run: String,
    /// Task name.
    pub task: String,
    /// Share of the table used for training.
    pub train_fraction: f64,
    /// Seed of parameters and batch order.
    pub seed: u64,
    /// Epochs at most.
    pub max_epochs: u64,
    /// Epochs to go on after the run has grokked.
    pub patience: u64,
}

impl PlanRow {
    fn of(run: &PlannedRun) -> Self {
        let TrainConfig { max_epochs, patience } = run.config.train;
        Self {
            run: run.id.clone(),
            task: run.task.name.clone(),
            train_fraction: run.config.train_fraction,
            seed: run.config.seed,
            max_epochs,
            patience,
        }
    }

    /// How far the run is to go.
    pub fn budget(&self) -> TrainConfig {
        TrainConfig { max_epochs: self.max_epochs, patience: self.patience }
    }
}

/// What a new plan does to the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanChange {
    /// Runs of the old plan that are in the new one no more.
    pub dropped: usize,
    /// Runs of both with another budget.
    pub rebudgeted: usize,
}

/// Makes `runs` the plan in `dir`, in the place of the one before.
pub fn record_plan(dir: &Path, runs: &[PlannedRun]) -> Result<PlanChange, StoreError> {
    let _lock = lock::wait_for(dir)?;
    let rows: Vec<PlanRow> = runs.iter().map(PlanRow::of).collect();
    let before = read_plan(dir)?;
    if rows == before {
        return Ok(PlanChange::default());
    }
    let budgets: BTreeMap<&str, TrainConfig> =
        rows.iter().map(|row| (row.run.as_str(), row.budget())).collect();
    let mut change = PlanChange::default();
    for row in &before {
        match budgets.get(row.run.as_str()) {
            None => change.dropped += 1,
            Some(budget) => change.rebudgeted += usize::from(*budget != row.budget()),
        }
    }
    let path = dir.join(PLAN);
    let failed = |source| StoreError::Csv { path: path.clone(), source };
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in &rows {
        writer.serialize(row).map_err(failed)?;
    }
    disk::write_atomic(&path, &writer.into_inner().map_err(|e| failed(e.into_error().into()))?)?;
    Ok(change)
}

/// The plan in `dir`; empty where none was recorded.
pub fn read_plan(dir: &Path) -> Result<Vec<PlanRow>, StoreError> {
    let path = dir.join(PLAN);
    match disk::read(&path, MAX_BYTES) {
        Ok(bytes) => parse_rows(&bytes).map_err(|e| StoreError::Format {
            reason: format!("{e}; remove the file, the next sweep writes it anew"),
            path,
        }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(StoreError::io("read", &path)(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{kinds::operations::config::Experiment, store::disk};

    #[test]
    fn a_plan_is_what_was_asked_for_last() {
        let root = tempfile::tempdir().unwrap();
        let mut plan = Experiment::find("quick").unwrap().plan(&[]).unwrap();
        assert_eq!(record_plan(root.path(), &plan).unwrap(), PlanChange::default());
        assert_eq!(record_plan(root.path(), &plan).unwrap(), PlanChange::default());
        plan[1].config.train.max_epochs += 1;
        let change = record_plan(root.path(), &plan[1..]).unwrap();
        assert_eq!(change, PlanChange { dropped: 1, rebudgeted: 1 });
        let rows = read_plan(root.path()).unwrap();
        assert_eq!(rows.len(), plan.len() - 1);
        assert_eq!((&rows[0].run, rows[0].budget()), (&plan[1].id, plan[1].config.train));
    }

    #[test]
    fn a_damaged_plan_is_named() {
        let root = tempfile::tempdir().unwrap();
        disk::write_atomic(&root.path().join(PLAN), b"run,task\na,b\n").unwrap();
        let error = read_plan(root.path()).unwrap_err().to_string();
        assert!(error.contains("plan.csv") && error.contains("remove the file"), "{error}");
    }
}
