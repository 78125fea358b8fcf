//! Pre-training of small language models with nothing hidden.
//!
//! - [`optim`]: Adam, AdamW and Muon over one flat buffer, their state named and in the open; clipping, schedules.
//! - `model`, with the feature `candle`: Gemma-2 blocks and the toy of Spectral Lens in differentiable candle operations, and
//!   the gradients of each sample's own loss.
//!
//! `examples/train_lm_small.rs` is a whole training with the log-alignment ratio beside the losses,
//! `examples/train_lens_small.rs` one of the toy with the spectra of its activations and gradients.

mod layout;
#[cfg(feature = "candle")]
pub mod model;
pub mod optim;

pub use layout::{Layout, Param, Role};
