//! Taking over a run that another experiment under the same results directory has, so that no epoch is computed twice.
//!
//! Promises: the other directory is only read, under its lock; what is taken over is what its manifest vouches for, and is
//! vouched for here only once all of it is there.

use super::{
    Manifest, SavePoint, StoreError, disk,
    files::{TABLES, Tail, check_vouched, is_parameters, read_vouched},
    lock,
    manifest::{read_manifest, write_manifest},
    run::recipe_in,
};
use crate::run::Planned;
use std::path::{Path, PathBuf};

/// A run that was taken over.
#[derive(Clone, Debug)]
pub struct Adopted {
    /// Where it was.
    pub from: PathBuf,
    /// Its manifest, now also the one here.
    pub manifest: Manifest,
}

/// Takes the run into its directory `dir` from the experiment under `results` that has most of it, if that is more than
/// what is here (`recorded` epochs; none where nothing is). Only for the holder of `dir`'s lock. An experiment in which a
/// process runs it now, or in which it is damaged, is passed over.
pub fn adopt(
    dir: &Path,
    results: &Path,
    run: &dyn Planned,
    recorded: Option<u64>,
) -> Result<Option<Adopted>, StoreError> {
    let mut found: Vec<(u64, PathBuf)> = Vec::new();
    for name in disk::names_in(results).unwrap_or_default() {
        let other = results.join(name).join(run.id());
        if other == dir {
            continue;
        }
        if let Some(epochs) =
            epochs_to_take(&other, run).filter(|epochs| recorded.is_none_or(|r| *epochs > r))
        {
            found.push((epochs, other));
        }
    }
    // the one with most of it; of equals the first by name
    found.sort_by(|(a, _), (b, _)| b.cmp(a));
    for (_, other) in found {
        let Ok(Some(_shared)) = lock::share(&other) else { continue };
        if let Ok(Some(manifest)) = take(&other, dir) {
            return Ok(Some(Adopted { from: other, manifest }));
        }
    }
    Ok(None)
}

/// Recorded epochs of a run there that can go on from its end; none if it is not this run.
fn epochs_to_take(other: &Path, run: &dyn Planned) -> Option<u64> {
    let manifest = read_manifest(other).ok()??;
    let is_it = manifest.run == run.id() && differences(other, run).is_empty();
    manifest.newest().filter(|_| is_it).map(|point| point.epochs)
}

/// The keys in which the recipe in `dir` differs from the planned one, each with both values; empty too where there is none
/// that can be read.
pub fn differences(dir: &Path, run: &dyn Planned) -> Vec<String> {
    recipe_in(dir).map_or_else(Vec::new, |found| run.differences(&found))
}

/// Copies what the newest save point of `from` names; none if that is damaged.
fn take(from: &Path, to: &Path) -> Result<Option<Manifest>, StoreError> {
    let Some(manifest) = read_manifest(from)? else { return Ok(None) };
    let Some(point) = manifest.newest().cloned() else { return Ok(None) };
    for name in point.files.keys() {
        let is_table = TABLES.contains(&name.as_str());
        if check_vouched(from, name, &point, if is_table { Tail::Rows } else { Tail::None }).is_err() {
            return Ok(None);
        }
    }
    for name in point.files.keys() {
        copy(from, to, name, &point)?;
    }
    let manifest = Manifest { saved: vec![point], ..manifest };
    write_manifest(to, &manifest)?;
    Ok(Some(manifest))
}

fn copy(from: &Path, to: &Path, name: &str, point: &SavePoint) -> Result<(), StoreError> {
    // tables are written into, the others are replaced as a whole: those can be one file with two names
    if !is_parameters(name) {
        let tail = if TABLES.contains(&name) { Tail::Rows } else { Tail::None };
        return disk::write_atomic(&to.join(name), &read_vouched(from, name, point, tail, u64::MAX)?);
    }
    disk::link(&from.join(name), &to.join(name))
}
