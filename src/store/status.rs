//! The state of the runs of an experiment: planned, running, interrupted, done, failed, diverged, damaged; each under the
//! budget of the plan.

use super::{
    Holder, Manifest, RunState, StoreError, disk, lock,
    manifest::{MANIFEST, read_manifest},
    plan::read_plan,
};
use crate::run::Budget;
use serde::Serialize;
use std::{collections::BTreeMap, path::Path};

/// Where a run is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Asked for, not begun.
    Planned,
    /// A process holds its lock.
    Running,
    /// Begun, and no process runs it: the next sweep resumes it.
    Interrupted,
    /// Ended as planned.
    Done,
    /// Ended because a loss was not finite.
    Diverged,
    /// Ended by an error; the next sweep tries again.
    Failed,
    /// Its record cannot be used.
    Damaged,
    /// It lies there, and the plan does not name it.
    Unplanned,
}

/// One run.
#[derive(Clone, Debug, Serialize)]
pub struct RunStatus {
    /// Run id.
    pub run: String,
    /// Its state.
    pub stage: Stage,
    /// Recorded epochs.
    pub epochs: u64,
    /// Epochs at most, where known.
    pub max_epochs: Option<u64>,
    /// What its rounds are called: `epoch` or `step`.
    pub round: String,
    /// Epoch at which each milestone was first seen.
    pub milestones: BTreeMap<String, u64>,
    /// Who runs it, where that can be read.
    pub holder: Option<Holder>,
    /// Why it failed, or what is damaged.
    pub reason: Option<String>,
}

/// All runs of the experiment in `dir`, planned or begun, sorted by id. Changes nothing.
pub fn status(dir: &Path) -> Result<Vec<RunStatus>, StoreError> {
    let plan = read_plan(dir)?;
    let is_planned = !plan.is_empty();
    let mut budgets: BTreeMap<String, Option<Budget>> =
        plan.into_iter().map(|row| (row.run.clone(), Some(row.budget()))).collect();
    for name in disk::names_in(dir)? {
        let path = dir.join(&name);
        if !name.starts_with('.') && path.is_dir() && path.join(MANIFEST).exists() {
            budgets.entry(name).or_insert(None);
        }
    }
    let runs = budgets.into_iter().map(|(run, budget)| {
        let path = dir.join(&run);
        let mut status = run_status(&path, run, budget);
        if is_planned && budget.is_none() && status.stage != Stage::Running {
            status.stage = Stage::Unplanned;
        }
        status
    });
    Ok(runs.collect())
}

fn run_status(dir: &Path, run: String, budget: Option<Budget>) -> RunStatus {
    let held = lock::holder(dir);
    let manifest = read_manifest(dir);
    let budget = budget.or(manifest.as_ref().ok().and_then(|m| m.as_ref()).map(|m| m.budget));
    let (stage, reason) = match (&held, &manifest) {
        (_, Err(e)) | (Err(e), _) => (Stage::Damaged, Some(e.to_string())),
        (Ok(None), Ok(Some(m))) if budget.is_some_and(|budget| m.covers(&budget)) => (done(m, budget), None),
        (Ok(Some(_)), _) => (Stage::Running, None),
        (Ok(None), Ok(None)) => (Stage::Planned, None),
        (Ok(None), Ok(Some(m))) if m.state == RunState::Failed => (Stage::Failed, m.failure.clone()),
        (Ok(None), Ok(Some(_))) => (Stage::Interrupted, None),
    };
    let manifest = manifest.ok().flatten();
    let milestones = manifest.as_ref().map(Manifest::latest_milestones).unwrap_or_default();
    RunStatus {
        run,
        stage,
        epochs: manifest.as_ref().map_or(0, |m| m.epochs),
        max_epochs: budget.map(|budget| budget.max_epochs),
        round: manifest.as_ref().map_or_else(|| "epoch".to_owned(), |m| m.round.clone()),
        milestones: milestones.iter().map(|(name, mark)| (name.to_owned(), mark.epoch)).collect(),
        holder: held.ok().flatten().flatten(),
        reason,
    }
}

fn done(manifest: &Manifest, budget: Option<Budget>) -> Stage {
    let reason = budget.map(|budget| manifest.milestones.end(&budget, &manifest.rules).1);
    if reason.is_some_and(|reason| reason.is_divergence()) { Stage::Diverged } else { Stage::Done }
}
