//! The network and its loss.

use groklab_vectors::mlp::{Init, Loss};
use serde::{Deserialize, Serialize};

/// The network: f(x) = c·(W_L relu(… relu(W₁x + b₁) …) + b_L).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// L, weight matrices.
    pub depth: usize,
    /// Width of the hidden layers.
    pub width: usize,
    /// Biases in every layer.
    pub biases: bool,
    /// One output, whose sign tells two classes apart, rather than one a class.
    pub single_output: bool,
    /// How the parameters begin.
    pub init: InitName,
    /// Factor on the initial parameters.
    pub init_scale: f64,
    /// c, the factor of the output.
    pub output_scale: f64,
    /// What is made small.
    pub loss: LossName,
}

/// Initial parameters; see [`Init`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InitName {
    /// U(±1/√fan_in).
    Uniform,
    /// N(0, 2/fan_in), in the last layer N(0, 1/fan_in).
    He,
    /// Two layers in balance, one output.
    Balanced,
}

/// The loss; see [`Loss`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // the names are the documentation
pub enum LossName {
    CrossEntropy,
    Mse,
    Logistic,
}

impl ModelConfig {
    /// Distribution of the initial parameters.
    pub fn init(&self) -> Init {
        let scale = self.init_scale as f32;
        match self.init {
            InitName::Uniform => Init::Uniform { scale },
            InitName::He => Init::He { scale },
            InitName::Balanced => Init::Balanced { scale },
        }
    }

    /// The loss.
    pub fn loss(&self) -> Loss {
        match self.loss {
            LossName::CrossEntropy => Loss::CrossEntropy,
            LossName::Mse => Loss::Mse,
            LossName::Logistic => Loss::Logistic,
        }
    }

    /// Widths from inputs to outputs.
    pub fn widths(&self, inputs: usize, classes: usize) -> Vec<usize> {
        let outputs = if self.single_output { 1 } else { classes };
        let hidden = std::iter::repeat_n(self.width, self.depth.saturating_sub(1));
        [inputs].into_iter().chain(hidden).chain([outputs]).collect()
    }
}
