//! The transformer: its ordered parameters, their initial values, and the plain, readable reference in candle operations.

mod init;
mod layout;
mod plain;

pub use init::initial_parameters;
pub use layout::{N_CTX, Param, ParamKind, ParamLayout};
pub use plain::{NORM_EPSILON, Output, PlainModel, Seen, sinusoidal_positions, tensors};
