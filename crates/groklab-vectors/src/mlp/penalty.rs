//! The Jacobian term of GrokAlign (arXiv 2506.12284): λ·R, R = mean_i √max(C‖v_iᵀJ(x_i)‖², 1e-8).
//!
//! J(x), (C, d), is the derivative of the outputs by the inputs. With v uniform on the unit sphere of R^C the mean of
//! C‖vᵀJ‖² over v is ‖J‖²_F: R estimates the mean Frobenius norm.
//!
//! Exact, and without a second derivative: with g_i = J_iᵀv_i and û_i = √C g_i/‖g_i‖ held constant, R and its gradient
//! are those of mean_i ⟨v_i, J_i û_i⟩. In a ReLU network J_i û_i is a pass of tangents through fixed masks, so
//! ∂R/∂W_l = g_lᵀ t_{l−1}, with cotangents g_L = c·v, g_{l−1} = (g_l W_l)∘D_{l−1} and tangents t_0 = û/rows,
//! t_l = (t_{l−1} W_lᵀ)∘D_l; biases have none.

use super::ModelError;
use crate::stream::stream;
use rand::Rng;
use rand_distr::StandardNormal;

/// Under this the square of a row's norm counts as a constant: no direction can be told.
pub const FLOOR: f64 = 1e-8;

/// The Jacobian term of a loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Penalty {
    /// λ, from 0 on.
    pub strength: f64,
    /// `None`: λ·R. A level: λ·|R − level|, which draws R towards it from both sides.
    pub level: Option<f64>,
}

impl Penalty {
    /// What R adds to the loss.
    pub fn value(&self, mean_norm: f64) -> f64 {
        self.strength * self.level.map_or(mean_norm, |level| (mean_norm - level).abs())
    }

    /// Derivative of that by R; 0 at the level itself.
    pub fn slope(&self, mean_norm: f64) -> f64 {
        let side = match self.level {
            None => 1.0,
            Some(level) if mean_norm > level => 1.0,
            Some(level) if mean_norm < level => -1.0,
            Some(_) => 0.0,
        };
        self.strength * side
    }

    pub(super) fn check(&self) -> Result<(), ModelError> {
        let fits = |v: f64| v >= 0.0 && v.is_finite();
        let refuse = |name, value| Err(ModelError::Setting { name, value, wanted: "a number from 0 on" });
        match self.level {
            _ if !fits(self.strength) => refuse("strength of the Jacobian term", self.strength),
            Some(level) if !fits(level) => refuse("level of the Jacobian term", level),
            _ => Ok(()),
        }
    }
}

/// Fills `directions`, (rows, outputs), with directions uniform on the unit sphere, from the stream `jacobian` of
/// (seed, step): computed, not remembered.
pub fn directions(seed: u64, step: u64, outputs: usize, directions: &mut [f32]) {
    let mut generator = stream(seed, "jacobian", step);
    for v in directions.chunks_exact_mut(outputs.max(1)) {
        let mut norm = 0.0;
        // all zero: practically never, but no direction
        while norm == 0.0 {
            v.iter_mut().for_each(|v| *v = generator.sample(StandardNormal));
            norm = v.iter().map(|v| v * v).sum::<f32>().sqrt();
        }
        v.iter_mut().for_each(|v| *v /= norm);
    }
}
