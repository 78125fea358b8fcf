//! Decoders in ordinary candle operations that all have a backward pass: Gemma-2 blocks, [`Transformer`], and the toy of
//! Spectral Lens, [`LensModel`]; [`SampleGradients`] of either.
//!
//! Of Gemma-2: x ← embed·√d; in each block x ← x + RMS(attn(RMS(x))), x ← x + RMS(mlp(RMS(x))); logits = unembed(RMS(x)).
//!
//! | part | here |
//! |---|---|
//! | RMSNorm | x/√(mean x² + ε)·(1 + g), g = 0 at the start |
//! | attention | causal, over all positions before; rotary q and k; scale 1/√d_head; no biases, no soft-cap |
//! | MLP | W_down( gelu_tanh(W_gate x) ⊙ W_up x ) |
//!
//! In f32 on the CPU each operation is one node of the graph (`fused`); in f64, on other devices and for [`Decoder::plain`] it is made
//! of ordinary operations of candle, which define it. candle-nn's own norms, softmax and rotary embedding cut gradients without
//! an error, so none of them is used, and a gradient that is missing or not finite is an error here.

mod architecture;
mod decoder;
mod fused;
mod gemma;
mod init;
mod lens;
#[cfg(test)]
mod lens_tests;
mod operations;
mod pass;
mod samples;
#[cfg(test)]
mod tests;

pub use architecture::{AnyConfig, Architecture};
pub use decoder::{Decoder, Transformer};
pub use gemma::TextConfig;
pub use init::initial_parameters;
pub use lens::{LensConfig, LensModel, Stage};
pub use operations::{Rope, cross_entropy, log_alignment, rms_norm};
pub use pass::{Heads, Observer, Pass, Tap};
pub use samples::{Factors, SampleGradients, sample_factors, sample_gradients};

/// A model that cannot be made or run as asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// An unknown preset.
    #[error("no preset {name:?}; there are {known}")]
    Preset {
        /// What was asked for.
        name: String,
        /// Those there are.
        known: &'static str,
    },
    /// Switches that contradict each other.
    #[error(
        "a head that begins at zero must be the model's own: tied to the embedding, all of it would be zero and stay so"
    )]
    ZeroHead,
    /// A parameter that is not there, or is not of the kind that is asked for.
    #[error("{name}: {expected}")]
    NoSuchMap {
        /// What was asked for.
        name: String,
        /// What can be.
        expected: &'static str,
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

/// Whether sizes are sizes, and heads can be rotated.
fn check_sizes(sizes: &[(&'static str, usize)], d_model: usize, heads: usize) -> Result<(), ModelError> {
    if let Some(&(size, _)) = sizes.iter().find(|(_, value)| *value == 0) {
        return Err(ModelError::Zero { size });
    }
    if !d_model.is_multiple_of(2 * heads) {
        return Err(ModelError::Heads { d_model, heads });
    }
    Ok(())
}
