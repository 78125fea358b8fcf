//! What can be wrong with a corpus. Messages name the file or setting, what is wrong with it, and what to do.

use std::{io, path::PathBuf};

/// A corpus that cannot be used as asked. Nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CorpusError {
    /// A file or folder could not be read or written.
    #[error("{}: failed to {action}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// Bytes that are no text.
    #[error(
        "{}: not UTF-8 at byte {offset}; convert it first, as with `iconv -t UTF-8`, or leave it out of the folder",
        path.display()
    )]
    NotUtf8 {
        /// The file.
        path: PathBuf,
        /// Bytes before it that are text.
        offset: usize,
    },
    /// A file without content.
    #[error("{}: empty; give a text, or leave the file out of the folder", path.display())]
    EmptyFile {
        /// The file.
        path: PathBuf,
    },
    /// A folder without files.
    #[error("{}: no files in this folder, hidden ones aside; put UTF-8 text files there", path.display())]
    EmptyFolder {
        /// The folder.
        path: PathBuf,
    },
    /// Nothing to predict.
    #[error(
        "{name}: all {count} tokens are the same, so there is nothing to learn; give a text with two tokens or more"
    )]
    OneToken {
        /// What the tokens are of.
        name: String,
        /// How many there are.
        count: usize,
    },
    /// Fewer tokens than asked for.
    #[error(
        "{name}: {found} tokens, but {wanted} are needed ({why}); give more text, or shorten what is asked for"
    )]
    TooShort {
        /// What the tokens are of.
        name: String,
        /// How many there are.
        found: usize,
        /// How many it would take.
        wanted: usize,
        /// For what.
        why: String,
    },
    /// The text has fewer pairs worth merging than a vocabulary needs.
    #[error(
        "{name}: a vocabulary of {wanted} was asked for, but every pair that occurs twice is merged at {found}; \
         ask for {found} or fewer, or give more text"
    )]
    VocabularyTooLarge {
        /// What the vocabulary is of.
        name: String,
        /// Tokens asked for.
        wanted: usize,
        /// Tokens that the text supports.
        found: usize,
    },
    /// A setting outside its range.
    #[error("{setting} = {value}: must be {expected}")]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What was given.
        value: String,
        /// What is taken.
        expected: String,
    },
    /// A tokenizer that cannot be trained, read or applied.
    #[error("{name}: {reason}")]
    Tokenizer {
        /// The file, or what the tokenizer is of.
        name: String,
        /// What the `tokenizers` crate says.
        reason: String,
    },
}

impl CorpusError {
    pub(crate) fn setting(setting: &'static str, value: impl ToString, expected: impl ToString) -> Self {
        Self::Setting { setting, value: value.to_string(), expected: expected.to_string() }
    }
}
