//! What sets one model apart from another: its parameters, and the way of a batch through them.

use super::{ModelError, Pass, TextConfig, lens::LensConfig};
use crate::Layout;
use candle_core::{Result, Tensor};

/// Sizes and wiring of a decoder. [`Decoder`](super::Decoder) does the rest.
pub trait Architecture {
    /// Whether the sizes fit together.
    ///
    /// # Errors
    /// If they do not.
    fn check(&self) -> std::result::Result<(), ModelError>;

    /// All parameters in the order in which [`Self::forward`] takes them; matrices are (outputs, inputs).
    fn layout(&self) -> Layout;

    /// Number of ids, V.
    fn vocabulary(&self) -> usize;

    /// Most inputs of a sequence.
    fn sequence(&self) -> usize;

    /// Width of the residual stream, d.
    fn width(&self) -> usize;

    /// Width of a head, an even number.
    fn d_head(&self) -> usize;

    /// Base of the rotary frequencies.
    fn rope_base(&self) -> f64;

    /// Name of the matrix that makes logits.
    fn unembedding(&self) -> &'static str;

    /// Parameters before the first step; each has a stream of its own name.
    fn initial_parameters(&self, seed: u64) -> Vec<f32>;

    /// Logits, (B·T, V), of ids, (B·T).
    ///
    /// # Errors
    /// If an operation fails.
    fn forward(&self, pass: &mut Pass, ids: &Tensor) -> Result<Tensor>;
}

/// Any model of this crate, chosen when the program runs.
#[derive(Clone, Debug, PartialEq)]
pub enum AnyConfig {
    /// Gemma-2 blocks.
    Gemma(TextConfig),
    /// The toy of Spectral Lens.
    Lens(LensConfig),
}

impl AnyConfig {
    fn inner(&self) -> &dyn Architecture {
        match self {
            Self::Gemma(config) => config,
            Self::Lens(config) => config,
        }
    }
}

impl Architecture for AnyConfig {
    fn check(&self) -> std::result::Result<(), ModelError> {
        self.inner().check()
    }

    fn layout(&self) -> Layout {
        self.inner().layout()
    }

    fn vocabulary(&self) -> usize {
        self.inner().vocabulary()
    }

    fn sequence(&self) -> usize {
        self.inner().sequence()
    }

    fn width(&self) -> usize {
        self.inner().width()
    }

    fn d_head(&self) -> usize {
        self.inner().d_head()
    }

    fn rope_base(&self) -> f64 {
        self.inner().rope_base()
    }

    fn unembedding(&self) -> &'static str {
        self.inner().unembedding()
    }

    fn initial_parameters(&self, seed: u64) -> Vec<f32> {
        self.inner().initial_parameters(seed)
    }

    fn forward(&self, pass: &mut Pass, ids: &Tensor) -> Result<Tensor> {
        self.inner().forward(pass, ids)
    }
}
