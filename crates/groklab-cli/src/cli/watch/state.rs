//! How the runs of a directory stand at this moment: what the page that follows asks for every other second.

use super::super::progress::{
    line::brief,
    spark::{History, watched},
};
use crate::{
    kinds,
    store::{Limits, RunRecord, RunStatus, Stage, StoreError, read_results, status},
};
use serde::Serialize;
use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    time::Duration,
};

/// All of it.
#[derive(Clone, Debug, Serialize)]
pub struct State {
    /// Changes with everything that the page shows.
    pub version: String,
    /// Runs, planned or begun.
    pub runs: usize,
    /// Those that came to their end.
    pub ended: usize,
    /// Those that failed, or are damaged.
    pub failed: usize,
    /// Those on their way.
    pub live: Vec<LiveRun>,
}

/// A run on its way.
#[derive(Clone, Debug, Serialize)]
pub struct LiveRun {
    /// Its experiment.
    pub experiment: String,
    /// Its id.
    pub run: String,
    /// What its rounds are called.
    pub round: String,
    /// Its last evaluation.
    pub at: u64,
    /// Rounds at most.
    pub most: Option<u64>,
    /// Time left at most, by the speed up to its last save.
    pub left: Option<String>,
    /// The numbers that are followed.
    pub followed: Vec<Followed>,
}

/// A number that is followed.
#[derive(Clone, Debug, Serialize)]
pub struct Followed {
    /// Its short name.
    pub name: &'static str,
    /// Its last value, for people.
    pub value: String,
    /// How it went, in eight characters.
    pub curve: String,
}

impl State {
    /// Of a run, an experiment, or a directory of experiments.
    pub fn of(dir: &Path) -> Result<Self, StoreError> {
        let mut hasher = DefaultHasher::new();
        let mut state = Self { version: String::new(), runs: 0, ended: 0, failed: 0, live: Vec::new() };
        for (experiment, runs) in experiments(dir)? {
            for run in runs {
                let place = experiment.join(&run.run);
                let length = fs::metadata(place.join("metrics.csv")).map_or(0, |found| found.len());
                (&experiment, &run.run, run.stage as u8, run.epochs, length).hash(&mut hasher);
                state.runs += 1;
                match run.stage {
                    Stage::Done | Stage::Diverged => state.ended += 1,
                    Stage::Failed | Stage::Damaged => state.failed += 1,
                    Stage::Running => state.live.push(LiveRun::of(&experiment, &place, &run)),
                    Stage::Planned | Stage::Interrupted | Stage::Unplanned => {}
                }
            }
        }
        state.version = format!("{:016x}", hasher.finish());
        Ok(state)
    }
}

impl LiveRun {
    fn of(experiment: &Path, dir: &Path, status: &RunStatus) -> Self {
        let name = experiment.file_name().map(|name| name.to_string_lossy().into_owned());
        let mut live = Self {
            experiment: name.unwrap_or_default(),
            run: status.run.clone(),
            round: status.round.clone(),
            at: status.epochs,
            most: status.max_epochs,
            left: None,
            followed: Vec::new(),
        };
        let limits = Limits { is_ahead: true, ..Limits::default() };
        let read = read_results(dir, limits).ok();
        // between two renames it may not be readable: the next time
        let run = read.as_ref().and_then(|read| read.experiments.first()?.runs.first());
        if let Some(run) = run {
            live.look(run);
        }
        live
    }

    fn look(&mut self, run: &RunRecord) {
        self.at = run.metrics.last().map_or(self.at, |row| row.mark.epoch.max(self.at));
        let m = &run.manifest;
        let rounds = self.most.map(|most| most.saturating_sub(self.at));
        self.left = rounds.filter(|_| m.epochs > 0 && m.wall_seconds > 0.0).map(|rounds| {
            brief(Duration::from_secs_f64((rounds as f64 * m.wall_seconds / m.epochs as f64).min(1e9)))
        });
        let Ok(kind) = kinds::of(run) else { return };
        for (name, place) in watched(kind) {
            let column = kind.columns()[place];
            let mut history = History::default();
            run.metrics.iter().for_each(|row| history.push(row.get(column.name)));
            let Some(last) = run.metrics.last() else { continue };
            let value = column.unit.show(last.get(column.name));
            self.followed.push(Followed { name, value, curve: history.sparkline() });
        }
    }
}

/// Each experiment that `dir` is or holds, with its runs.
fn experiments(dir: &Path) -> Result<Vec<(PathBuf, Vec<RunStatus>)>, StoreError> {
    // an absolute path has a name even where "." was asked for
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    if let (true, Some(parent), Some(name)) =
        (dir.join("manifest.json").is_file(), dir.parent(), dir.file_name())
    {
        let mut runs = status(parent)?;
        runs.retain(|run| name == run.run.as_str());
        return Ok(vec![(parent.to_owned(), runs)]);
    }
    let runs = status(&dir)?;
    if !runs.is_empty() {
        return Ok(vec![(dir, runs)]);
    }
    let mut below: Vec<PathBuf> = fs::read_dir(&dir)
        .map_err(|source| StoreError::Io { action: "read", path: dir.clone(), source })?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect();
    below.sort();
    let mut found = Vec::new();
    for path in below {
        let runs = status(&path)?;
        if !runs.is_empty() {
            found.push((path, runs));
        }
    }
    Ok(found)
}
