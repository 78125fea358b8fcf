//! The only place that knows files.

mod record;

pub use record::{Manifest, Mark, MetricsRow, Milestones, RunState, StopReason};
