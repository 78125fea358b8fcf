//! First parameters.

use super::{Mlp, ModelError};
use crate::stream::stream;
use rand::Rng;
use rand_distr::StandardNormal;

/// How parameters are drawn, with the stream `init` of (seed, layer).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Init {
    /// U(−1/√fan_in, 1/√fan_in), weights and biases, times a scale: PyTorch's `nn.Linear`, enlarged.
    Uniform {
        /// The scale; 1 is PyTorch's.
        scale: f32,
    },
    /// N(0, 2/fan_in), in the last layer N(0, 1/fan_in), times a scale; biases 0 (He et al. 2015).
    He {
        /// The scale; 1 is He's.
        scale: f32,
    },
    /// Two layers and one output in balance: rows w_j ~ N(0, 1/d)·h^(−¼), a_j = ±‖w_j‖ with half the neurons each sign,
    /// times a scale; biases 0. The first half is positive.
    Balanced {
        /// The scale of both layers.
        scale: f32,
    },
}

impl Init {
    /// Draws the parameters of `mlp`, in its layout.
    ///
    /// # Errors
    /// [`ModelError`] if the scale is not finite, or the balanced start is asked of another network than it is for.
    pub fn draw(self, mlp: &Mlp, seed: u64) -> Result<Vec<f32>, ModelError> {
        let (Self::Uniform { scale } | Self::He { scale } | Self::Balanced { scale }) = self;
        if !scale.is_finite() {
            let wanted = "a scale is a finite number";
            return Err(ModelError::Setting { name: "initial scale", value: scale.into(), wanted });
        }
        if matches!(self, Self::Balanced { .. }) && (mlp.layers() != 2 || mlp.outputs() != 1) {
            let reason = format!("a balanced start wants two layers and one output, not {:?}", mlp.widths());
            return Err(ModelError::Network(reason));
        }
        let mut params = vec![0.0; mlp.parameters()];
        for l in 0..mlp.layers() {
            let mut generator = stream(seed, "init", l as u64);
            let fan_in = mlp.widths()[l] as f32;
            let is_last = l + 1 == mlp.layers();
            match self {
                Self::Uniform { .. } => {
                    let end = mlp.bias(l).unwrap_or(mlp.weight(l)).end;
                    let bound = scale / fan_in.sqrt();
                    let part = &mut params[mlp.weight(l).start..end];
                    part.iter_mut().for_each(|p| *p = bound * (2.0 * generator.random::<f32>() - 1.0));
                }
                Self::He { .. } => {
                    let deviation = scale * (if is_last { 1.0 } else { 2.0 } / fan_in).sqrt();
                    let part = &mut params[mlp.weight(l)];
                    part.iter_mut().for_each(|p| *p = deviation * generator.sample::<f32, _>(StandardNormal));
                }
                Self::Balanced { .. } if !is_last => {
                    let deviation = scale / fan_in.sqrt() / (mlp.widths()[1] as f32).sqrt().sqrt();
                    let part = &mut params[mlp.weight(l)];
                    part.iter_mut().for_each(|p| *p = deviation * generator.sample::<f32, _>(StandardNormal));
                }
                Self::Balanced { .. } => {
                    let (first, a) = (mlp.weight(0), mlp.weight(1).start);
                    for (j, at) in first.step_by(mlp.inputs()).enumerate() {
                        let row = &params[at..at + mlp.inputs()];
                        let norm = row.iter().map(|w| w * w).sum::<f32>().sqrt();
                        params[a + j] = if 2 * j < mlp.widths()[1] { norm } else { -norm };
                    }
                }
            }
        }
        Ok(params)
    }
}
