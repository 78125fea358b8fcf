//! From the record of runs of any kind to numbers with intervals: milestones, settings, curves over seeds, claims.
//! Reads what [`crate::store`] has read, never trains, knows no kind and touches no file. What a paper asks of its runs is a
//! study, in `crates/groklab-cli/src/studies`.

pub mod bootstrap;
pub mod claims;
mod curve;
pub mod general;
mod range;
pub mod rank;
mod resolution;
pub mod settings;
pub mod survival;

pub use bootstrap::{Clustered, MIN_RUNS, RESAMPLES, Rmse, root_mean_square};
pub use curve::{CurvePoint, mean_curve};
pub use resolution::{EARLY_EPOCHS, Resolution};
