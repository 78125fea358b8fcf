//! The transformer: its ordered parameters, their initial values, the plain, readable reference in candle operations, and its
//! Jacobian.

mod alignment;
#[cfg(test)]
mod alignment_tests;
mod dual;
mod init;
mod jacobian;
#[cfg(test)]
mod jacobian_tests;
mod layout;
mod plain;

pub use init::initial_parameters;
pub use jacobian::{Jacobian, WithTerm};
pub use layout::{Param, ParamKind, ParamLayout};
pub use plain::{NORM_EPSILON, Output, PlainModel, Seen, sinusoidal_positions, tensors};
