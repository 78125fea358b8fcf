//! One file a command; the only place that prints.

pub mod plot;
pub mod table;
