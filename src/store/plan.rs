//! `plan.csv` of an experiment's directory: the runs that were asked for, done or not. It lets anyone say what is missing.

use super::{StoreError, claim, disk, read::parse_rows};
use crate::config::PlannedRun;
use serde::{Deserialize, Serialize};
use std::{io, path::Path};

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
}

/// Adds `runs` to the plan in `dir`; those already in it stay where they are.
pub fn record_plan(dir: &Path, runs: &[PlannedRun]) -> Result<(), StoreError> {
    let _lock = claim::wait_for(dir)?;
    let mut rows = read_plan(dir)?;
    let known: std::collections::BTreeSet<String> = rows.iter().map(|row| row.run.clone()).collect();
    let before = rows.len();
    rows.extend(runs.iter().filter(|run| !known.contains(&run.id)).map(|run| PlanRow {
        run: run.id.clone(),
        task: run.task.name.clone(),
        train_fraction: run.config.train_fraction,
        seed: run.config.seed,
        max_epochs: run.config.train.max_epochs,
    }));
    if rows.len() == before {
        return Ok(());
    }
    let path = dir.join(PLAN);
    let failed = |source| StoreError::Csv { path: path.clone(), source };
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in &rows {
        writer.serialize(row).map_err(failed)?;
    }
    disk::write_atomic(&path, &writer.into_inner().map_err(|e| failed(e.into_error().into()))?)
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
    use crate::{config::Experiment, store::disk};

    #[test]
    fn a_plan_grows_and_repeats_nothing() {
        let root = tempfile::tempdir().unwrap();
        let plan = Experiment::find("quick").unwrap().plan(&[]).unwrap();
        record_plan(root.path(), &plan[1..]).unwrap();
        record_plan(root.path(), &plan).unwrap();
        let ids = |rows: Vec<PlanRow>| rows.into_iter().map(|row| row.run).collect::<Vec<_>>();
        let expected: Vec<String> = plan[1..].iter().chain(&plan[..1]).map(|run| run.id.clone()).collect();
        assert_eq!(ids(read_plan(root.path()).unwrap()), expected);
    }

    #[test]
    fn a_damaged_plan_is_named() {
        let root = tempfile::tempdir().unwrap();
        disk::write_atomic(&root.path().join(PLAN), b"run,task\na,b\n").unwrap();
        let error = read_plan(root.path()).unwrap_err().to_string();
        assert!(error.contains("plan.csv") && error.contains("remove the file"), "{error}");
    }
}
