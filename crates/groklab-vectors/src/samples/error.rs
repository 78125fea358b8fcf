//! What can be wrong with samples, and what to do about it.

use std::{io, path::PathBuf};

/// Samples that cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SamplesError {
    /// The file cannot be read.
    #[error("failed to read {}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file contradicts its format.
    #[error("{} is damaged or of another kind: {reason}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do if that is known.
        reason: String,
    },
    /// Inputs and labels that do not make samples.
    #[error("these are no samples: {0}")]
    Unfit(String),
    /// A label that is no class.
    #[error("the label of row {row} is {label}; {wanted}")]
    Label {
        /// The row, from 0.
        row: usize,
        /// What stands there.
        label: f64,
        /// What may stand there.
        wanted: String,
    },
    /// An input that is no number.
    #[error("input {column} of row {row} is {value}; remove the row or fill it in")]
    NotFinite {
        /// The row, from 0.
        row: usize,
        /// The column, from 0.
        column: usize,
        /// NaN or an infinity.
        value: f64,
    },
    /// A setting outside its range.
    #[error("{name} = {value}: {wanted}")]
    Setting {
        /// Its name.
        name: &'static str,
        /// Its value.
        value: f64,
        /// What may stand there.
        wanted: &'static str,
    },
}

/// Refuses a setting unless `holds`.
pub(super) fn demand(
    holds: bool,
    name: &'static str,
    value: f64,
    wanted: &'static str,
) -> Result<(), SamplesError> {
    if holds { Ok(()) } else { Err(SamplesError::Setting { name, value, wanted }) }
}
