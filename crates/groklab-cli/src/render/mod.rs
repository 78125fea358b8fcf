//! Pure renderers: what [`crate::analysis`] found in, bytes of a table, a figure, a report or an export out; and the
//! batch script of `slurm`.
//! The same input gives the same bytes; no file is read or written, no font of the system is used.

pub mod claims;
pub mod figure;
pub mod general;
pub mod json;
#[cfg(feature = "parquet")]
pub mod parquet;
pub mod pooled;
pub mod slurm;
pub mod table;
pub mod tensorboard;
