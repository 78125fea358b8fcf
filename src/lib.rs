//! groklab: a laboratory for grokking and training-time diagnostics.
#![warn(missing_docs)]

pub mod analysis;
pub mod cli;
pub mod config;
pub mod engine;
pub mod model;
pub mod probe;
pub mod render;
pub mod store;
pub mod task;
