//! The only place that knows files.

mod record;
mod tensors;
mod write;

pub use record::{Checkpoint, Manifest, Mark, MetricsRow, Milestones, RunState, SpectrumRow, StopReason};
pub use tensors::{NamedTensor, named_tensors, read_parameters, write_safetensors};
pub use write::{FORMAT, RunWriter, StoreError, read_manifest, write_atomic, write_manifest};
