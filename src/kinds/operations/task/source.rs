//! Reading a text file that a user named, which may be anything.
//!
//! Promises: only regular files are opened, so nothing blocks; no more than the limit is read.

use super::error::{Fault, TaskError};
use crate::excerpt::Span;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// Limit for a task file, bytes: far more than its few lines, and little enough for the TOML parser.
pub(crate) const MAX_TASK_BYTES: u64 = 64 << 10;
/// Limit for a table: 2^20 rows of three numbers of five digits take 18 MiB.
pub(crate) const MAX_TABLE_BYTES: u64 = 24 << 20;

/// The content of a regular file of at most `limit` bytes, as text without a NUL.
pub(crate) fn read(path: &Path, limit: u64) -> Result<String, TaskError> {
    let failed = |reason| TaskError::Read { path: path.to_owned(), reason };
    let metadata = fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        let kind = if metadata.is_dir() { "a directory" } else { "a pipe, socket or device" };
        return Err(TaskError::NotAFile { path: path.to_owned(), kind });
    }
    let too_large = |bytes| TaskError::TooLarge { path: path.to_owned(), bytes, limit };
    if metadata.len() > limit {
        return Err(too_large(metadata.len()));
    }
    // the length told beforehand may be wrong: a file can grow, and those of /proc say 0
    let mut bytes = Vec::with_capacity(metadata.len() as usize + 4);
    File::open(path).map_err(failed)?.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(too_large(bytes.len() as u64));
    }
    let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let mut bytes = error.into_bytes(); // in place: a table may be large
        bytes.truncate(valid);
        let mut text = String::from_utf8(bytes).unwrap_or_default();
        text.push(char::REPLACEMENT_CHARACTER);
        let span = Span::new(valid, text.len());
        TaskError::at(path, &text, span.fault(Fault::NotUtf8 { utf16 }))
    })?;
    match text.find('\0') {
        Some(nul) => Err(TaskError::at(path, &text, Span::new(nul, nul + 1).fault(Fault::Nul))),
        None => Ok(text),
    }
}

/// `text` without the byte order mark that some editors put in front.
pub(crate) fn without_bom(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}
