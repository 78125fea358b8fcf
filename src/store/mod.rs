//! The only place that knows files.

mod claim;
#[cfg(test)]
pub(crate) mod made;
mod read;
mod record;
mod tensors;
mod write;

pub use claim::{Claim, claim};
pub use read::{Experiment, ReadError, Results, RunRecord, read_experiment, read_results, read_run};
pub use record::{Checkpoint, Manifest, Mark, MetricsRow, Milestones, RunState, SpectrumRow, StopReason};
pub use tensors::{NamedTensor, named_tensors, read_parameters, write_safetensors};
pub use write::{FORMAT, RunWriter, StoreError, read_manifest, write_atomic, write_manifest};
