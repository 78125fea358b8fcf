//! Bytes of a file, no more of them than its head declares.

use super::SamplesError;
use std::{fs::File, io::Read, path::Path};

/// Longest file taken, in bytes: 16 GiB.
const MAX_LENGTH: u64 = 1 << 34;

/// A file of the user's, read from its start on.
pub(super) struct Source<'a> {
    path: &'a Path,
    file: File,
    length: u64,
}

impl<'a> Source<'a> {
    /// Opens a regular file.
    pub fn open(path: &'a Path) -> Result<Self, SamplesError> {
        let error = |source| SamplesError::Read { path: path.to_owned(), source };
        // asked before it is opened: opening a pipe would wait for its writer
        let metadata = std::fs::metadata(path).map_err(error)?;
        let damaged = |reason: &str| SamplesError::Damaged { path: path.to_owned(), reason: reason.into() };
        if !metadata.is_file() {
            return Err(damaged("it is no regular file"));
        }
        if metadata.len() > MAX_LENGTH {
            return Err(damaged("it is longer than 16 GiB; write out the rows that are needed"));
        }
        Ok(Self { path, file: File::open(path).map_err(error)?, length: metadata.len() })
    }

    /// The next `count` bytes. Nothing is reserved for more than the file had when it was opened.
    pub fn take(&mut self, count: u64) -> Result<Vec<u8>, SamplesError> {
        if count > self.length {
            return Err(self.damaged(format!(
                "it ends {} bytes before its data do: it was cut short, or its head is wrong",
                count - self.length
            )));
        }
        let mut bytes = vec![0; count as usize];
        self.file
            .read_exact(&mut bytes)
            .map_err(|source| SamplesError::Read { path: self.path.to_owned(), source })?;
        self.length -= count;
        Ok(bytes)
    }

    /// Refuses a file that goes on.
    pub fn end(&self) -> Result<(), SamplesError> {
        match self.length {
            0 => Ok(()),
            rest => Err(self.damaged(format!("{rest} bytes follow its data"))),
        }
    }

    /// An error about this file.
    pub fn damaged(&self, reason: String) -> SamplesError {
        SamplesError::Damaged { path: self.path.to_owned(), reason }
    }
}
