//! Writes a file whole or not at all: readers see the old bytes or the new ones, never half of them.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

/// A file that could not be written; what was there before is untouched.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("cannot write {}", .path.display())]
#[diagnostic(help("is the directory writable, and is there space left?"))]
pub struct WriteFileError {
    /// The file.
    pub path: PathBuf,
    /// Why it failed.
    pub source: io::Error,
}

/// Replaces `path` by `bytes` in one step; makes the directories above it.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), WriteFileError> {
    let write = || -> io::Result<()> {
        // a bare file name has the empty path above it
        let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(dir)?;
        let mut file = tempfile::Builder::new().prefix(".groklab-").tempfile_in(dir)?;
        file.write_all(bytes)?;
        // temporary files are born private; results are for everyone
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
        }
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|source| WriteFileError { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("new/dir/runs.csv");
        write_file(&path, b"one").unwrap();
        write_file(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_refused_write_names_the_path() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("taken");
        fs::create_dir(&path).unwrap();
        assert!(write_file(&path, b"x").unwrap_err().to_string().contains("taken"));
    }
}
