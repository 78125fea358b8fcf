//! The files of a run's directory by name, and how they are read: as far as the manifest vouches for them.

use super::{SavePoint, StoreError, disk};
use std::path::Path;

pub(super) const CONFIG: &str = "config.toml";
pub(super) const METRICS: &str = "metrics.csv";
pub(super) const SPECTRA: &str = "spectra.csv";
pub(super) const DIAGNOSTICS: &str = "diagnostics.csv";
pub(super) const FINAL: &str = "final.safetensors";
pub(super) const CHECKPOINT: &str = "checkpoint-";

/// Limit for a table: a million evaluations take 400 MB.
pub(super) const MAX_TABLE_BYTES: u64 = 1 << 30;

/// What may lie behind the part of a file that is vouched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// Nothing: the file is whole.
    None,
    /// Rows that the manifest does not know yet.
    Rows,
}

/// The part of a file that a save point vouches for, of at most `limit` bytes.
pub(super) fn read_vouched(
    dir: &Path,
    name: &str,
    point: &SavePoint,
    tail: Tail,
    limit: u64,
) -> Result<Vec<u8>, StoreError> {
    let path = dir.join(name);
    let wrong = |reason: String| StoreError::Format { path: path.clone(), reason };
    let extent = point.files.get(name).ok_or_else(|| wrong("the manifest does not name it".into()))?;
    if extent.bytes > limit {
        return Err(wrong(format!("{} bytes in the manifest; {limit} are the most", extent.bytes)));
    }
    let (bytes, length) = disk::read_start(&path, extent.bytes).map_err(StoreError::io("read", &path))?;
    if length < extent.bytes {
        return Err(wrong(format!("cut: {length} bytes, {} were written", extent.bytes)));
    }
    if length > extent.bytes && tail == Tail::None {
        return Err(wrong(format!("damaged: {length} bytes, {} were written", extent.bytes)));
    }
    if extent.checked(&bytes).is_none() {
        return Err(wrong("damaged: its digest is not the one in the manifest".into()));
    }
    Ok(bytes)
}
