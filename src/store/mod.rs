//! The only place that knows files.

mod claim;
mod disk;
mod error;
#[cfg(test)]
pub(crate) mod faults;
mod files;
#[cfg(test)]
pub(crate) mod made;
mod manifest;
mod plan;
mod read;
mod record;
mod snapshot;
mod status;
mod tensors;
mod write;

pub use claim::{Claim, Holder, claim};
#[cfg(test)]
pub(crate) use disk::Op;
pub use disk::write_atomic;
pub use error::StoreError;
pub use manifest::{
    Extent, FORMAT, Manifest, ManifestError, Mark, Milestones, RunState, SavePoint, StopReason, read_manifest,
};
pub use plan::{PlanRow, read_plan, record_plan};
pub use read::{
    Experiment, ReadError, Results, RunRecord, parse_rows, read_experiment, read_results, read_run,
    verify_run,
};
pub use record::{Checkpoint, Diagnostics, MetricsRow, SpectrumRow, count_or_nan};
pub use snapshot::{Counters, Snapshot};
pub use status::{RunStatus, Stage, status};
pub use tensors::{NamedTensor, named_tensors, read_parameters, write_safetensors};
pub use write::{Resumed, RunWriter, record_failure, tidy};
