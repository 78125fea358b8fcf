//! What can be wrong with the data that a config asks for.

use groklab_vectors::{mlp::ModelError, samples::SamplesError};

/// Data that a run cannot have.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub(super) enum DataError {
    /// A file, or a setting of drawn rows.
    #[error(transparent)]
    #[diagnostic(help("data.source names a directory of IDX files after `idx:`, or two files after `npy:`"))]
    Samples(#[from] SamplesError),
    /// Other contents than those that were promised.
    #[error("the contents of {source_text} have the SHA-256 {found}, not {wanted}")]
    #[diagnostic(help(
        "the files were changed since the run began, or are others: restore them, name them with data.source, or leave data.digest empty to begin another run"
    ))]
    Changed {
        /// As in the config.
        source_text: String,
        /// What they are.
        found: String,
        /// What they should be.
        wanted: String,
    },
    /// A split that the rows do not allow.
    #[error(
        "data.train_rows = {train} and data.val_rows = {val} want more than {name} has: {rows} rows to train with, {val_rows} to validate with"
    )]
    #[diagnostic(help("lower data.train_rows or data.val_rows; both sides need at least one row"))]
    Rows {
        /// The source.
        name: &'static str,
        /// Rows wanted.
        train: usize,
        /// The same for validation.
        val: usize,
        /// Rows there are.
        rows: usize,
        /// What would be left.
        val_rows: usize,
    },
    /// A network whose outputs cannot say the classes.
    #[error("{name} has {classes} classes, and model.single_output = {single} tells {told} apart")]
    #[diagnostic(help("set model.single_output and model.loss to what the classes need"))]
    Classes {
        /// The source.
        name: &'static str,
        /// Its classes.
        classes: usize,
        /// As in the config.
        single: bool,
        /// In words.
        told: &'static str,
    },
    /// A network too large.
    #[error(transparent)]
    #[diagnostic(help("lower model.width or model.depth"))]
    Model(#[from] ModelError),
}
