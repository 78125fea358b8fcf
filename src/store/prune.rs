//! Giving disk space back: what a finished run keeps only so that it can go on, and on request all but its tables.
//!
//! Promises: the manifest stops naming a file before the file goes, so a directory verifies at every moment; what was
//! removed is said there.

use super::{
    Manifest, RunState, StoreError, disk,
    files::{CHECKPOINT, FINAL},
    lock,
    manifest::{read_manifest, write_manifest},
    write::tidy,
};
use std::path::Path;

/// What to remove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pruning {
    /// The state of the end: without it a larger budget begins anew.
    States,
    /// All parameters too: without them there are no key frequencies and nothing to probe.
    AllButTables,
}

/// What was done to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pruned {
    /// So many files, of so many bytes together, are gone.
    Removed {
        /// Files.
        files: usize,
        /// Bytes, as far as no other experiment has the same file.
        bytes: u64,
    },
    /// It has not finished: it needs its state.
    Unfinished,
    /// A process runs it.
    Running,
}

/// Removes from a finished run's directory.
pub fn prune(dir: &Path, pruning: Pruning) -> Result<Pruned, StoreError> {
    let Some(_lock) = lock::lock(dir)? else { return Ok(Pruned::Running) };
    let Some(mut manifest) = read_manifest(dir)?.filter(|m| m.state == RunState::Finished) else {
        return Ok(Pruned::Unfinished);
    };
    let goes = |name: &str| {
        name.starts_with(CHECKPOINT) || pruning == Pruning::AllButTables && name.ends_with(FINAL)
    };
    let mut bytes = 0;
    let mut gone: Vec<String> = Vec::new();
    for point in &mut manifest.saved {
        point.files.retain(|name, extent| {
            let stays = !goes(name);
            if !stays && !gone.contains(name) {
                gone.push(name.clone());
                bytes += if disk::names_of(&dir.join(name)) > 1 { 0 } else { extent.bytes };
            }
            stays
        });
    }
    if gone.is_empty() {
        return Ok(Pruned::Removed { files: 0, bytes: 0 });
    }
    let files = gone.len();
    manifest.pruned.append(&mut gone);
    write_manifest(dir, &Manifest { digest: String::new(), ..manifest.clone() })?;
    tidy(dir, Some(&manifest))?;
    Ok(Pruned::Removed { files, bytes })
}
