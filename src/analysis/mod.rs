//! From the record of runs to what a paper reports: milestones, RMSE with bootstrap intervals, curves over seeds.
//! Reads what [`crate::store`] has read, never trains, and touches no file.
//!
//! What counts, and what does not:
//! - *memorized* and *grokked* are taken at the evaluation that first met the definition, whatever happened later;
//! - *final* is the last evaluation of a run that ended as planned. A run that is still going, failed, or diverged
//!   (its loss was no longer finite) has no final: its last row is an accident, not a result;
//! - a *collapsed* run (it grokked and fell back) stays among the runs that grokked, and its final is what it is:
//!   leaving it out would make the agreement look better than it was. It is counted beside the table;
//! - a run that never grokked within its budget is *censored* there: it counts in every time to grok.

mod agreement;
mod bootstrap;
pub mod claims;
mod curve;
mod digest;
mod dip;
mod fourier;
pub mod general;
mod group;
pub mod paper;
mod rmse;
mod settings;
mod summary;
pub mod survival;

pub use crate::probe::{KEY_ENERGY, KeyFrequencies};
pub use agreement::{AGREES, Agreement, agreement, agreement_since_grokking, agrees_from};
pub use bootstrap::{Clustered, MIN_RUNS, RESAMPLES, Rmse, root_mean_square};
pub use curve::{CurvePoint, curve, mean_curve};
pub use digest::{Digests, Evaluation, Experiment, MOST_EVALUATIONS, Resolution, RunDigest, count_or_nan};
pub use dip::{Dip, EARLY_EPOCHS};
pub use fourier::{UnembeddingFrequencies, unembedding_frequencies};
#[cfg(any(test, feature = "made"))]
#[doc(hidden)]
pub use group::planned;
pub use group::{Group, GroupMeans, Pool, Pooling, groups, pools};
pub use rmse::{Cell, RmseRow, rmse_rows};
pub use summary::{Checkpoint, Point, RunSummary, summarize};
