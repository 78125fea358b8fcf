//! Who may write a run's directory: one process at a time, by a lock of the kernel. No lock outlives its process.

use super::StoreError;
use std::{
    fs::{self, File, TryLockError},
    path::Path,
};

/// The right to write a run's directory, given back when dropped.
#[derive(Debug)]
pub struct Claim {
    _lock: File,
}

/// Claims `dir`, made if need be; none when another process holds it.
pub fn claim(dir: &Path) -> Result<Option<Claim>, StoreError> {
    fs::create_dir_all(dir).map_err(StoreError::io("create", dir))?;
    let path = dir.join(".lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(StoreError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Claim { _lock: file })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(e)) => Err(StoreError::io("lock", &path)(e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_claimed_once_until_the_claim_is_dropped() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("experiment/run");
        let first = claim(&dir).unwrap();
        assert!(first.is_some());
        assert!(claim(&dir).unwrap().is_none());
        drop(first);
        assert!(claim(&dir).unwrap().is_some());
    }
}
