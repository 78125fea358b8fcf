//! A decoder of Gemma-2 blocks, in ordinary candle operations that all have a backward pass.
//!
//! x ← embed·√d; in each block x ← x + RMS(attn(RMS(x))), x ← x + RMS(mlp(RMS(x))); logits = unembed(RMS(x)).
//!
//! | part | here |
//! |---|---|
//! | RMSNorm | x/√(mean x² + ε)·(1 + g), g = 0 at the start |
//! | attention | causal, over all positions before; rotary q and k; scale 1/√d_head; no biases, no soft-cap |
//! | MLP | W_down( gelu_tanh(W_gate x) ⊙ W_up x ) |
//!
//! candle-nn's own norms, softmax and rotary embedding cut gradients without an error, so none of them is used, and a
//! gradient that is missing or not finite is an error here.

mod config;
mod init;
mod operations;
#[cfg(test)]
mod tests;
mod transformer;

pub use config::TextConfig;
pub use init::initial_parameters;
pub use operations::{Rope, cross_entropy, rms_norm};
pub use transformer::{Observer, Transformer};

/// A model that cannot be made or run as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// An unknown preset.
    #[error("no preset {name:?}; there are lm-small, lm-medium")]
    Preset {
        /// What was asked for.
        name: String,
    },
    /// A size of nothing.
    #[error("{size} = 0: must be 1 or more")]
    Zero {
        /// Which.
        size: &'static str,
    },
    /// Heads that cannot be rotated.
    #[error(
        "d_model = {d_model} with {heads} heads: each head needs a whole, even number of channels, for halves are rotated"
    )]
    Heads {
        /// Width.
        d_model: usize,
        /// Heads.
        heads: usize,
    },
    /// Buffers or ids that do not fit the model.
    #[error("{what}: {found}, expected {expected}")]
    Mismatch {
        /// Which.
        what: &'static str,
        /// What was given.
        found: usize,
        /// What fits.
        expected: String,
    },
    /// A gradient that did not come.
    #[error("{name} has no gradient: an operation on its way to the loss has no backward pass")]
    NoGradient {
        /// The parameter.
        name: String,
    },
    /// A training that diverged.
    #[error("the gradient of {name} holds {value}: the training has diverged; lower the learning rate")]
    NotFinite {
        /// The parameter.
        name: String,
        /// NaN or infinity.
        value: f64,
    },
    /// A tensor operation failed.
    #[error("candle: {0}")]
    Candle(#[from] candle_core::Error),
}
