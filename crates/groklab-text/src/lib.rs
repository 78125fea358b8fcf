//! Pre-training of small language models with nothing hidden.
//!
//! - [`optim`]: Adam, AdamW and Muon over one flat buffer, their state named and in the open; clipping, schedules.
//! - `model`, with the feature `candle`: Gemma-2 blocks in differentiable candle operations.
//!
//! `examples/train_lm_small.rs` is a whole training with the log-alignment ratio beside the losses.

mod layout;
#[cfg(feature = "candle")]
pub mod model;
pub mod optim;

pub use layout::{Layout, Param, Role};
