//! The only place that knows files.

mod adopt;
mod disk;
mod error;
#[cfg(test)]
pub(crate) mod faults;
mod files;
mod lock;
#[cfg(any(test, feature = "made"))]
#[doc(hidden)]
#[allow(clippy::unwrap_used, missing_docs, reason = "for tests")]
pub mod made;
mod manifest;
mod metrics;
mod plan;
mod prune;
mod publish;
mod read;
mod record;
mod run;
mod snapshot;
mod status;
mod tensors;
mod view;
mod write;

pub use adopt::{Adopted, adopt, differences};
#[cfg(test)]
pub(crate) use disk::Op;
pub use disk::{write_atomic, write_output};
pub use error::StoreError;
pub use lock::{Holder, Lock, lock};
pub use manifest::{Extent, FORMAT, Manifest, ManifestError, Provenance, RunState, SavePoint, read_manifest};
pub use metrics::{Metrics, MetricsRow, metrics_csv};
pub use plan::{PlanChange, PlanRow, read_plan, record_plan};
pub use prune::{Pruned, Pruning, prune};
pub use publish::{Published, publish};
pub use read::{
    Experiment, Limits, Listed, ListedRun, Listing, ReadError, Results, list_results, read_experiment,
    read_results, run_directories,
};
pub use record::{Diagnostics, SpectrumRow, parse_rows};
pub use run::{RunRecord, ViewEnd, read_run, verify_run};
pub use snapshot::{parse as parse_snapshot, to_bytes as snapshot_bytes};
pub use status::{RunStatus, Stage, status};
pub use tensors::{NamedTensor, named_tensors, read_parameters, to_bytes as safetensors_bytes};
pub use write::{Resumed, RunWriter, record_failure, tidy};
