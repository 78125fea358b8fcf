//! `manifest.json`, the only truth about a run's directory: what is not in it has not happened.
//!
//! It is replaced atomically, after the files it vouches for are on the disk, and carries its own digest.

use super::{StoreError, disk};
use crate::{
    program::Program,
    run::{Budget, End, Milestone, Milestones, Planned, Rules, Stop, StopReason},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, io, path::Path};

/// Name of the file.
pub const MANIFEST: &str = "manifest.json";
/// Version of the format of run directories.
pub const FORMAT: u32 = 4;
/// The format before it, which is read as well.
const BEFORE: u32 = 3;
/// A manifest takes a few kilobytes; the reason of a failure may be long.
const MAX_BYTES: u64 = 1 << 20;
const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

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
    /// How matrices were multiplied: `f32` or `tf32`.
    pub precision: String,
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
                ("precision", p.precision.clone()),
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

/// `manifest.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the format of the run directory.
    pub format: u32,
    /// Run id.
    pub run: String,
    /// Its kind.
    pub kind: String,
    /// What a round is called: `epoch` or `step`.
    pub round: String,
    /// Name of what is learned.
    pub data: String,
    /// SHA-256 of it.
    pub data_digest: String,
    /// Sizes of it: symbols, training rows, validation rows, …
    pub sizes: BTreeMap<String, usize>,
    /// The milestones that end the run.
    pub rules: Rules,
    /// Scalars in the model.
    pub parameters: usize,
    /// Who computed it: the first process, and each later one that differs from the one before it.
    pub provenance: Vec<Provenance>,
    /// How far the run was last asked to go.
    pub budget: Budget,
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
    /// Of a run that begins.
    pub fn fresh(run: &dyn Planned, parameters: usize, by: Provenance) -> Self {
        let (kind, data) = (run.kind(), run.data());
        Self {
            format: FORMAT,
            run: run.id().to_owned(),
            kind: kind.name().to_owned(),
            round: kind.round().to_owned(),
            data: data.name,
            data_digest: data.digest,
            sizes: data.sizes.into_iter().map(|(name, size)| (name.to_owned(), size)).collect(),
            rules: Milestone::rules(kind.milestones()),
            parameters,
            provenance: vec![by],
            budget: run.budget(),
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
        let manifest: Self = match u32::try_from(found) {
            Ok(FORMAT) => serde_json::from_slice(bytes)?,
            Ok(BEFORE) => serde_json::from_value(upgraded(serde_json::from_slice(bytes)?))?,
            _ => return Err(ManifestError::Format { found }),
        };
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

    /// A size of what is learned, by name; 0 where it has none.
    pub fn size(&self, name: &str) -> usize {
        self.sizes.get(name).copied().unwrap_or(0)
    }

    /// The moment the tables can be read up to.
    pub fn newest(&self) -> Option<&SavePoint> {
        self.saved.first()
    }

    /// Whether what is recorded reaches the end of that budget: a smaller one never shortens a run.
    pub fn covers(&self, budget: &Budget) -> bool {
        self.newest().is_some_and(|point| {
            point.epochs >= self.milestones.until(point.epochs).end(budget, &self.rules).0
        })
    }

    /// The end at that epoch, if there was one.
    pub fn end_at(&self, epoch: u64) -> Option<&End> {
        self.ends.iter().find(|end| end.epoch == epoch)
    }

    /// Milestones as its last end or, while it goes on, its trajectory has them.
    pub fn latest_milestones(&self) -> Milestones {
        let end = self.end_at(self.epochs).filter(|_| self.state == RunState::Finished);
        end.map_or_else(|| self.milestones.clone(), |end| end.milestones.clone())
    }

    /// Who computed it last.
    pub fn engine(&self) -> &str {
        self.provenance.last().map_or("", |by| by.engine.as_str())
    }
}

/// The fields of format 3, which knew one kind of run, as those of this one.
fn upgraded(mut old: serde_json::Value) -> serde_json::Value {
    if let Some(fields) = old.as_object_mut() {
        fields.insert("format".into(), FORMAT.into());
        fields.insert("kind".into(), "operations".into());
        fields.insert("round".into(), "epoch".into());
        fields.insert(
            "rules".into(),
            serde_json::json!({ "grokked": Stop::AfterPatience, "diverged": Stop::AtOnce }),
        );
        let sizes = ["n_symbols", "train_rows", "val_rows"];
        let sizes: serde_json::Map<_, _> =
            sizes.iter().filter_map(|&name| fields.remove_entry(name)).collect();
        fields.insert("sizes".into(), sizes.into());
        for (before, now) in [("task", "data"), ("task_digest", "data_digest")] {
            if let Some(value) = fields.remove(before) {
                fields.insert(now.into(), value);
            }
        }
    }
    old
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
        for found in [0, 1, 2, 5, u64::MAX] {
            let text = format!("{{\"format\": {found}, \"future\": [1, 2]}}");
            match Manifest::parse(text.as_bytes()) {
                Err(ManifestError::Format { found: told }) => assert_eq!(told, found),
                other => panic!("{other:?}"),
            }
        }
    }
}
