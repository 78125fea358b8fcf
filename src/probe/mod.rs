//! The diagnostics of a linear map and its inputs, [`groklab_probe`], and the list of those that a run records.

pub mod registry;

pub use groklab_probe::*;
