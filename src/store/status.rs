//! How the runs of an experiment stand: planned, running, waiting to be taken up, done, failed, diverged, damaged.

use super::{
    Holder, Manifest, RunState, StopReason, StoreError, claim, disk,
    manifest::{MANIFEST, read_manifest},
    plan::read_plan,
};
use serde::Serialize;
use std::{collections::BTreeMap, path::Path};

/// Where a run is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Asked for, not begun.
    Planned,
    /// A process is at it.
    Running,
    /// Begun, and no process is at it: the next sweep takes it up.
    Interrupted,
    /// Ended as planned.
    Done,
    /// Ended because a loss was not finite.
    Diverged,
    /// Ended by an error; the next sweep tries again.
    Failed,
    /// Its record cannot be used.
    Damaged,
}

/// One run.
#[derive(Clone, Debug, Serialize)]
pub struct RunStatus {
    /// Run id.
    pub run: String,
    /// How it stands.
    pub stage: Stage,
    /// Recorded epochs.
    pub epochs: u64,
    /// Epochs at most, where known.
    pub max_epochs: Option<u64>,
    /// Epoch at which it was first seen to have memorized.
    pub memorized: Option<u64>,
    /// Epoch at which it was first seen to have grokked.
    pub grokked: Option<u64>,
    /// Who is at it, where that can be read.
    pub holder: Option<Holder>,
    /// Why it failed, or what is damaged.
    pub reason: Option<String>,
}

/// All runs of the experiment in `dir`, planned or begun, sorted by id. Changes nothing.
pub fn status(dir: &Path) -> Result<Vec<RunStatus>, StoreError> {
    let mut runs: BTreeMap<String, RunStatus> = read_plan(dir)?
        .into_iter()
        .map(|row| {
            let planned = RunStatus {
                run: row.run.clone(),
                stage: Stage::Planned,
                epochs: 0,
                max_epochs: Some(row.max_epochs),
                memorized: None,
                grokked: None,
                holder: None,
                reason: None,
            };
            (row.run, planned)
        })
        .collect();
    for name in disk::names_in(dir)? {
        let path = dir.join(&name);
        let is_run = path.join(MANIFEST).exists() || runs.contains_key(&name);
        if name.starts_with('.') || !path.is_dir() || !is_run {
            continue;
        }
        let max_epochs = runs.get(&name).and_then(|run| run.max_epochs);
        runs.insert(name.clone(), run_status(&path, name, max_epochs));
    }
    Ok(runs.into_values().collect())
}

fn run_status(dir: &Path, run: String, max_epochs: Option<u64>) -> RunStatus {
    let held = claim::holder(dir);
    let manifest = read_manifest(dir);
    let (stage, reason) = match (&held, &manifest) {
        (_, Err(e)) | (Err(e), _) => (Stage::Damaged, Some(e.to_string())),
        (Ok(Some(_)), _) => (Stage::Running, None),
        (Ok(None), Ok(None)) => (Stage::Planned, None),
        (Ok(None), Ok(Some(m))) => (stage(m), m.failure.clone()),
    };
    let manifest = manifest.ok().flatten();
    let milestones = manifest.as_ref().map(|m| m.milestones).unwrap_or_default();
    RunStatus {
        run,
        stage,
        epochs: manifest.as_ref().map_or(0, |m| m.epochs),
        max_epochs,
        memorized: milestones.memorized.map(|m| m.epoch),
        grokked: milestones.grokked.map(|m| m.epoch),
        holder: held.ok().flatten().flatten(),
        reason,
    }
}

fn stage(manifest: &Manifest) -> Stage {
    match (manifest.state, manifest.stopped) {
        (RunState::Finished, Some(StopReason::Diverged)) => Stage::Diverged,
        (RunState::Finished, _) => Stage::Done,
        (RunState::Failed, _) => Stage::Failed,
        (RunState::Running, _) => Stage::Interrupted,
    }
}
