//! `manifest.json`, the only truth about a run's directory: what is not in it has not happened.
//!
//! It is replaced atomically, after the files it vouches for are on the disk, and carries its own digest.

use super::{StoreError, disk};
use crate::{
    kinds::operations::config::{PlannedRun, Precision, TrainConfig},
    program::Program,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, io, path::Path};

/// Name of the file.
pub const MANIFEST: &str = "manifest.json";
/// Version of the format of run directories.
pub const FORMAT: u32 = 3;
/// A manifest takes a few kilobytes; the reason of a failure may be long.
const MAX_BYTES: u64 = 1 << 20;
const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Where a milestone was first met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Epoch of the evaluation.
    pub epoch: u64,
    /// Optimiser steps done by then.
    pub step: u64,
}

/// The first evaluation at which each thing was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Milestones {
    /// Train accuracy > 99 % and validation accuracy < 50 %.
    pub memorized: Option<Mark>,
    /// Both accuracies > 99 %.
    pub grokked: Option<Mark>,
    /// A grokked run fell back: validation accuracy < 50 % after having grokked.
    pub collapsed: Option<Mark>,
    /// A loss that is not finite; the run ends here.
    pub diverged: Option<Mark>,
}

impl Milestones {
    /// Epoch at which a run with these milestones ends under a budget, if nothing else happens, and why.
    pub fn end(&self, budget: &TrainConfig) -> (u64, StopReason) {
        let patience = self.grokked.map(|m| (m.epoch.saturating_add(budget.patience), StopReason::Grokked));
        let diverged = self.diverged.map(|m| (m.epoch, StopReason::Diverged));
        // where two fall together: divergence, then patience, then the budget
        let ends = [diverged, patience, Some((budget.max_epochs, StopReason::Budget))];
        ends.into_iter().flatten().min_by_key(|(epoch, _)| *epoch).unwrap_or((0, StopReason::Budget))
    }

    /// Whether a run with these milestones ends at `epoch`, and why.
    pub fn stop_reason(&self, epoch: u64, budget: &TrainConfig) -> Option<StopReason> {
        let (end, reason) = self.end(budget);
        (epoch >= end).then_some(reason)
    }

    /// Those up to an epoch.
    pub fn until(&self, epoch: u64) -> Self {
        let until = |mark: Option<Mark>| mark.filter(|mark| mark.epoch <= epoch);
        Self {
            memorized: until(self.memorized),
            grokked: until(self.grokked),
            collapsed: until(self.collapsed),
            diverged: until(self.diverged),
        }
    }
}

/// Where a budget ended, or patience, or a divergence: what belongs to that view of the run and not to its trajectory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Last epoch.
    pub epoch: u64,
    /// Optimiser steps done by then.
    pub step: u64,
    /// Why.
    pub stopped: StopReason,
    /// Milestones up to and including this evaluation, which need not be one of the trajectory.
    pub milestones: Milestones,
}

/// Who computed a run from some epoch on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// First epoch that was computed so.
    pub from_epoch: u64,
    /// The build of groklab.
    pub program: Program,
    /// Engine and instruction set, e.g. `factored (AVX-512)` or `plain (candle, cpu)`.
    pub engine: String,
    /// How matrices were multiplied.
    pub precision: Precision,
    /// Instruction set that was found on the processor.
    pub processor: String,
}

impl Provenance {
    /// What differs from `other`, as `name: this, there that`; the epoch does not count.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let facts = |p: &Self| {
            let commit = p.program.commit.clone().unwrap_or_else(|| "unknown".to_owned());
            [
                ("groklab", p.program.version.clone()),
                ("commit", commit),
                ("features", p.program.features.join(" ")),
                ("engine", p.engine.clone()),
                ("precision", p.precision.name().to_owned()),
                ("processor", p.processor.clone()),
            ]
        };
        let pairs = facts(self).into_iter().zip(facts(other)).filter(|((_, a), (_, b))| a != b);
        pairs.map(|((name, a), (_, b))| format!("{name}: {a:?}, there {b:?}")).collect()
    }
}

/// State of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// Started, not ended.
    Running,
    /// Ended as planned, diverged runs included: their record is complete.
    Finished,
    /// Ended by an error; see `failure`.
    Failed,
}

/// Why a finished run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopReason {
    /// `train.patience` epochs after it grokked.
    Grokked,
    /// `train.max_epochs` reached.
    Budget,
    /// A loss that is not finite.
    Diverged,
}

/// `manifest.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the format of the run directory.
    pub format: u32,
    /// Run id.
    pub run: String,
    /// Name of the task.
    pub task: String,
    /// SHA-256 of the task's table.
    pub task_digest: String,
    /// Symbols of the task: rows of the unembedding.
    pub n_symbols: usize,
    /// Training rows.
    pub train_rows: usize,
    /// Validation rows.
    pub val_rows: usize,
    /// Scalars in the model.
    pub parameters: usize,
    /// Who computed it: the first process, and each later one that differs from the one before it.
    pub provenance: Vec<Provenance>,
    /// How far the run was last asked to go.
    pub budget: TrainConfig,
    /// Its state under that budget.
    pub state: RunState,
    /// Why it ended.
    pub stopped: Option<StopReason>,
    /// The error of a failed run.
    pub failure: Option<String>,
    /// Last completed epoch.
    pub epochs: u64,
    /// Completed optimiser steps.
    pub steps: u64,
    /// What happened when, at the evaluations of the trajectory.
    pub milestones: Milestones,
    /// Where budgets ended, by epoch.
    pub ends: Vec<End>,
    /// Files that `groklab prune` removed; what the run can no longer do without them is said there.
    pub pruned: Vec<String>,
    /// Wall-clock time of training, evaluation and probing together. Runs side by side on one device share their
    /// seconds, and each has them whole.
    pub wall_seconds: f64,
    /// Part of it spent on evaluation (forward passes over all rows).
    pub evaluation_seconds: f64,
    /// Part of it spent on probes (spectra, eigenvalues).
    pub probe_seconds: f64,
    /// Where the run can be resumed, newest first: two at most; one, the end, of a finished run.
    pub saved: Vec<SavePoint>,
    /// SHA-256 of this file with zeros in the place of these 64 digits.
    pub digest: String,
}

/// A moment whose files are known to be whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavePoint {
    /// Completed and recorded epochs.
    pub epochs: u64,
    /// Each file and its extent at that moment; the tables of an unfinished run may have grown since.
    pub files: BTreeMap<String, Extent>,
}

/// The first bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extent {
    /// How many.
    pub bytes: u64,
    /// Their SHA-256.
    pub sha256: String,
}

impl Extent {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self { bytes: bytes.len() as u64, sha256: disk::sha256(bytes) }
    }

    /// The part of a file that this vouches for, if the file still has it.
    pub fn checked<'a>(&self, file: &'a [u8]) -> Option<&'a [u8]> {
        let part = file.get(..usize::try_from(self.bytes).ok()?)?;
        (disk::sha256(part) == self.sha256).then_some(part)
    }
}

/// A manifest that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// Made by another version.
    #[error("run directories of format {found} are not known here (this groklab knows format {FORMAT})")]
    Format {
        /// Its version.
        found: u64,
    },
    /// Not a manifest at all.
    #[error("not a manifest: {0}")]
    Json(#[from] serde_json::Error),
    /// It names what cannot be a file of a run.
    #[error("it names the file {0:?}, which no run has")]
    Name(String),
    /// It says of itself that it was something else.
    #[error("damaged or edited: its digest says so")]
    Digest,
}

impl Manifest {
    /// Of a run that begins: the rows of its split are (training, validation).
    pub fn fresh(run: &PlannedRun, split: (usize, usize), parameters: usize, by: Provenance) -> Self {
        Self {
            format: FORMAT,
            run: run.id.clone(),
            task: run.task.name.clone(),
            task_digest: run.task.digest(),
            n_symbols: run.task.n_symbols,
            train_rows: split.0,
            val_rows: split.1,
            parameters,
            provenance: vec![by],
            budget: run.config.train,
            state: RunState::Running,
            stopped: None,
            failure: None,
            epochs: 0,
            steps: 0,
            milestones: Milestones::default(),
            ends: Vec::new(),
            pruned: Vec::new(),
            wall_seconds: 0.0,
            evaluation_seconds: 0.0,
            probe_seconds: 0.0,
            saved: Vec::new(),
            digest: String::new(),
        }
    }

    /// From the bytes of a file. Checks the version first, then the digest, then the rest.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        #[derive(Deserialize)]
        struct Version {
            format: u64,
        }
        let found = serde_json::from_slice::<Version>(bytes)?.format;
        if found != u64::from(FORMAT) {
            return Err(ManifestError::Format { found });
        }
        let manifest: Self = serde_json::from_slice(bytes)?;
        let text = std::str::from_utf8(bytes).map_err(|_| ManifestError::Digest)?;
        let at = digits(text).ok_or(ManifestError::Digest)?;
        let blank = [&text[..at], ZEROS, text.get(at + ZEROS.len()..).unwrap_or_default()].concat();
        if disk::sha256(blank.as_bytes()) != manifest.digest {
            return Err(ManifestError::Digest);
        }
        let names = manifest.saved.iter().flat_map(|point| point.files.keys());
        if let Some(name) = names.into_iter().find(|name| !is_file_name(name)) {
            return Err(ManifestError::Name(name.chars().take(100).collect()));
        }
        Ok(manifest)
    }

    /// The bytes of the file, digest included.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ManifestError> {
        let mut text = serde_json::to_string_pretty(&Self { digest: ZEROS.to_owned(), ..self.clone() })?;
        text.push('\n');
        if let Some(at) = digits(&text) {
            let digest = disk::sha256(text.as_bytes());
            text.replace_range(at..at + ZEROS.len(), &digest);
        }
        Ok(text.into_bytes())
    }

    /// The moment the tables can be read up to.
    pub fn newest(&self) -> Option<&SavePoint> {
        self.saved.first()
    }

    /// Whether what is recorded reaches the end of that budget: a smaller one never shortens a run.
    pub fn covers(&self, budget: &TrainConfig) -> bool {
        self.newest().is_some_and(|point| point.epochs >= self.milestones.until(point.epochs).end(budget).0)
    }

    /// The end at that epoch, if there was one.
    pub fn end_at(&self, epoch: u64) -> Option<&End> {
        self.ends.iter().find(|end| end.epoch == epoch)
    }

    /// Milestones as its last end or, while it goes on, its trajectory has them.
    pub fn latest_milestones(&self) -> Milestones {
        let end = self.end_at(self.epochs).filter(|_| self.state == RunState::Finished);
        end.map_or(self.milestones, |end| end.milestones)
    }

    /// Who computed it last.
    pub fn engine(&self) -> &str {
        self.provenance.last().map_or("", |by| by.engine.as_str())
    }
}

/// Whether it can only mean a file in the run's own directory.
fn is_file_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !name.is_empty() && !name.starts_with('.') && name.chars().all(plain)
}

/// Where the digits of the digest, the last field, begin.
fn digits(text: &str) -> Option<usize> {
    const KEY: &str = "\"digest\": \"";
    text.rfind(KEY).map(|at| at + KEY.len())
}

/// The manifest of a run directory, if there is one.
pub fn read_manifest(dir: &Path) -> Result<Option<Manifest>, StoreError> {
    let path = dir.join(MANIFEST);
    match disk::read(&path, MAX_BYTES) {
        Ok(bytes) => {
            Manifest::parse(&bytes).map(Some).map_err(|source| StoreError::Manifest { path, source })
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(StoreError::io("read", &path)(e)),
    }
}

/// Replaces the manifest of a run directory.
pub(super) fn write_manifest(dir: &Path, manifest: &Manifest) -> Result<(), StoreError> {
    let path = dir.join(MANIFEST);
    let bytes = manifest.to_bytes().map_err(|source| StoreError::Manifest { path: path.clone(), source })?;
    disk::write_atomic(&path, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::made::MadeRun;

    #[test]
    fn a_manifest_comes_back_as_written() {
        let manifest = MadeRun::new("add", 0.5, 0).grokked(40, 120).manifest();
        let read = Manifest::parse(&manifest.to_bytes().unwrap()).unwrap();
        assert_eq!(Manifest { digest: String::new(), ..read }, manifest);
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_noticed() {
        let bytes = MadeRun::new("add", 0.5, 0).grokked(40, 120).manifest().to_bytes().unwrap();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                assert!(Manifest::parse(&damaged).is_err(), "bit {bit} of byte {at}");
            }
            assert!(Manifest::parse(&bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn another_format_is_refused_by_its_number_whatever_else_it_holds() {
        for found in [0, 1, 2, 4, u64::MAX] {
            let text = format!("{{\"format\": {found}, \"future\": [1, 2]}}");
            match Manifest::parse(text.as_bytes()) {
                Err(ManifestError::Format { found: told }) => assert_eq!(told, found),
                other => panic!("{other:?}"),
            }
        }
    }
}
