//! Grokking on binary operations: *A Training-Time Diagnostic for Generalization via the Log-Alignment Ratio*
//! (arXiv 2605.28975), its claims, tables, figures and numbers. Milestones, RMSE with bootstrap intervals, curves over seeds.
//!
//! What counts, and what does not:
//! - *memorized* and *grokked* are taken at the evaluation that first met the definition, whatever happened later;
//! - *final* is the last evaluation of a run that ended as planned. A run that is still going, failed, or diverged
//!   (its loss was no longer finite) has no final: its last row is an accident, not a result;
//! - a *collapsed* run (it grokked and fell back) stays among the runs that grokked, and its final is what it is:
//!   leaving it out would make the agreement look better than it was. It is counted beside the table;
//! - a run that never grokked within its budget is *censored* there: it counts in every time to grok.

/// The paper.
pub const PAPER: &str = "arXiv 2605.28975";

mod agreement;
pub mod claims;
mod course;
pub mod csv;
mod curve;
mod digest;
mod dip;
pub mod figures;
mod fourier;
mod group;
pub mod json;
pub mod paper;
pub mod predict;
mod rmse;
mod summary;
pub mod tables;
pub mod times;

pub use crate::probe::{KEY_ENERGY, KeyFrequencies};
pub use agreement::{AGREES, Agreement, agreement, agreement_since_grokking, agrees_from};
pub use course::Course;
pub use curve::curve;
pub use digest::{Digests, Evaluation, Experiment, MOST_EVALUATIONS, RunDigest, count_or_nan};
pub use dip::{Dip, EARLY_EPOCHS};
pub use fourier::{UnembeddingFrequencies, unembedding_frequencies};
#[cfg(test)]
pub(crate) use group::planned;
pub use group::{Group, GroupMeans, Pool, Pooling, groups, pools};
pub use rmse::{Cell, RmseRow, rmse_rows};
pub use summary::{Checkpoint, Point, RunSummary, summarize};
