//! Who may write a run's directory: one process at a time, by a lock of the kernel. No lock outlives its process.

use super::{StoreError, disk};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, TryLockError},
    io::{self, Write},
    path::Path,
    thread,
    time::Duration,
};

const LOCK_FILE: &str = ".lock";

/// The right to write a run's directory, given back when dropped.
#[derive(Debug)]
pub struct Lock {
    lock: File,
}

impl Drop for Lock {
    /// Closing would do, but for a child process that another thread is just starting: it holds the file until it runs
    /// its program.
    fn drop(&mut self) {
        let _ = self.lock.unlock();
    }
}

/// Who holds a lock, as it says in the lock file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Name of the machine.
    pub host: String,
    /// Number of the process.
    pub pid: u32,
}

/// Locks `dir`, made if need be; none when another process holds it.
pub fn lock(dir: &Path) -> Result<Option<Lock>, StoreError> {
    disk::create_dir(dir)?;
    let path = dir.join(LOCK_FILE);
    let mut file = open(&path, File::options().create(true).truncate(false).read(true).write(true))
        .map_err(StoreError::io("open", &path))?;
    // `status` looks at locks by holding them for a moment
    for wait in [5, 20, 0] {
        match file.try_lock() {
            Ok(()) => {
                // only for people to read: a disk that is full will be noticed by what matters
                let holder = Holder {
                    host: gethostname::gethostname().to_string_lossy().into_owned(),
                    pid: std::process::id(),
                };
                let _ = file.set_len(0);
                let _ = file.write_all(&serde_json::to_vec(&holder).unwrap_or_default());
                return Ok(Some(Lock { lock: file }));
            }
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(wait)),
            Err(TryLockError::Error(e)) => return Err(StoreError::io("lock", &path)(e)),
        }
    }
    Ok(None)
}

/// Whether a process holds `dir`, and which, as far as it can be told.
pub(super) fn holder(dir: &Path) -> Result<Option<Option<Holder>>, StoreError> {
    let path = dir.join(LOCK_FILE);
    let file = match open(&path, File::options().read(true)) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(StoreError::io("open", &path)(e)),
    };
    match file.try_lock_shared() {
        Ok(()) => {
            let _ = file.unlock();
            Ok(None)
        }
        Err(TryLockError::WouldBlock) => {
            let text = disk::read(&path, 4096).unwrap_or_default();
            Ok(Some(serde_json::from_slice(&text).ok()))
        }
        Err(TryLockError::Error(e)) => Err(StoreError::io("lock", &path)(e)),
    }
}

/// The right to read `dir` while nobody writes there; none when a process does.
pub(super) fn share(dir: &Path) -> Result<Option<Lock>, StoreError> {
    let path = dir.join(LOCK_FILE);
    let file = open(&path, File::options().read(true)).map_err(StoreError::io("open", &path))?;
    match file.try_lock_shared() {
        Ok(()) => Ok(Some(Lock { lock: file })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(e)) => Err(StoreError::io("lock", &path)(e)),
    }
}

/// Waits for the lock of `dir`, for as long as it takes to change a file there.
pub(super) fn wait_for(dir: &Path) -> Result<Lock, StoreError> {
    disk::create_dir(dir)?;
    let path = dir.join(LOCK_FILE);
    let locked = || -> io::Result<File> {
        let file = open(&path, File::options().create(true).truncate(false).write(true))?;
        file.lock()?;
        Ok(file)
    };
    locked().map(|lock| Lock { lock }).map_err(StoreError::io("lock", &path))
}

/// Opens a lock file; a pipe in its place would block.
fn open(path: &Path, options: &fs::OpenOptions) -> io::Result<File> {
    match fs::metadata(path) {
        Ok(there) if !there.is_file() => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
        }
        _ => options.open(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_locked_once_until_the_lock_is_dropped() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("experiment/run");
        let first = lock(&dir).unwrap();
        assert!(first.is_some());
        assert!(lock(&dir).unwrap().is_none());
        assert_eq!(holder(&dir).unwrap().flatten().map(|h| h.pid), Some(std::process::id()));
        drop(first);
        assert_eq!(holder(&dir).unwrap(), None);
        assert!(lock(&dir).unwrap().is_some());
    }
}
