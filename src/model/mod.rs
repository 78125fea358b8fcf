//! The transformer: its ordered parameters, their initial values, and the plain, readable reference in candle operations.

mod layout;

pub use layout::{N_CTX, Param, ParamKind, ParamLayout};
