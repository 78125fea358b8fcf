//! Binary operations: `x ∘ y = z` for a table of symbols, learned by a small transformer (Power et al., arXiv 2201.02177).

pub mod columns;
pub mod config;
pub mod data;
pub mod engine;
mod kind;
pub mod lockstep;
pub mod milestones;
pub mod model;
pub mod optim;
pub mod task;
pub mod train;

pub use kind::{Operations, task_of};
