//! The commands of `groklab`, one file each; the only place that prints.

pub mod tasks;
