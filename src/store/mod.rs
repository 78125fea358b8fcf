//! The only place that knows files.

#[cfg(test)]
pub(crate) mod made;
mod read;
mod record;
mod write_file;

pub use read::{Experiment, ReadError, Results, RunRecord, read_experiment, read_results, read_run};
pub use record::{Manifest, Mark, MetricsRow, Milestones, RunState, StopReason};
pub use write_file::{WriteFileError, write_file};
