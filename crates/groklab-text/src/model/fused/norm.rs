//! RMSNorm, with Gemma's gain 1 + g and without gain.

use super::{
    numbers, stored,
    vector::{dot, vectorised},
    with_numbers,
};
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};

/// x/√(mean x² + ε)·(1 + g): x, (n, d), and g, (d).
pub struct Norm {
    pub epsilon: f64,
}

/// x/√(mean x² + ε) over the last dimension.
pub struct UnitNorm {
    pub epsilon: f64,
}

/// 1/√(mean x² + ε) of a row.
#[inline(always)]
pub(super) fn inverse_rms(x: &[f32], epsilon: f64) -> f32 {
    1.0 / (dot(x, x) / x.len() as f32 + epsilon as f32).sqrt()
}

/// The gradient by a row x of unit RMS from h, that by its normalised values x·`inverse`.
#[inline(always)]
pub(super) fn unit_backward(dx: &mut [f32], x: &[f32], h: &[f32], inverse: f32) {
    let along = dot(h, x) / x.len() as f32 * inverse * inverse;
    for ((dx, x), h) in dx.iter_mut().zip(x).zip(h) {
        *dx = inverse * (h - along * x);
    }
}

fn forward(x: &[f32], gain: Option<&[f32]>, d: usize, epsilon: f64) -> Vec<f32> {
    let mut y = x.to_vec();
    vectorised(
        #[inline(always)]
        || {
            for row in y.chunks_exact_mut(d) {
                let inverse = inverse_rms(row, epsilon);
                row.iter_mut().for_each(|y| *y *= inverse);
                if let Some(gain) = gain {
                    row.iter_mut().zip(gain).for_each(|(y, g)| *y *= 1.0 + g);
                }
            }
        },
    );
    y
}

impl CustomOp2 for Norm {
    fn name(&self) -> &'static str {
        "rms-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        gain: &CpuStorage,
        gain_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, d) = x_layout.shape().dims2()?;
        let y = forward(numbers(x, x_layout)?, Some(numbers(gain, gain_layout)?), d, self.epsilon);
        Ok(stored(y, x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        gain: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (n, d) = x.dims2()?;
        let (mut dx, mut dgain, mut h) = (vec![0.0f32; n * d], vec![0.0f32; d], vec![0.0f32; d]);
        with_numbers([x, gain, dy], |[x, gain, dy]| {
            vectorised(
                #[inline(always)]
                || {
                    for ((dx, x), dy) in dx.chunks_exact_mut(d).zip(x.chunks_exact(d)).zip(dy.chunks_exact(d))
                    {
                        let inverse = inverse_rms(x, self.epsilon);
                        for i in 0..d {
                            h[i] = dy[i] * (1.0 + gain[i]);
                            dgain[i] = (dy[i] * inverse).mul_add(x[i], dgain[i]);
                        }
                        unit_backward(dx, x, &h, inverse);
                    }
                },
            );
            Ok(())
        })?;
        let dx = Tensor::from_vec(dx, (n, d), x.device())?;
        Ok((Some(dx), Some(Tensor::from_vec(dgain, d, x.device())?)))
    }
}

impl CustomOp1 for UnitNorm {
    fn name(&self) -> &'static str {
        "unit-rms-norm"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, d) = layout.shape().dims2()?;
        Ok(stored(forward(numbers(x, layout)?, None, d, self.epsilon), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let (n, d) = x.dims2()?;
        let mut dx = vec![0.0f32; n * d];
        with_numbers([x, dy], |[x, dy]| {
            vectorised(
                #[inline(always)]
                || {
                    for ((dx, x), dy) in dx.chunks_exact_mut(d).zip(x.chunks_exact(d)).zip(dy.chunks_exact(d))
                    {
                        unit_backward(dx, x, dy, inverse_rms(x, self.epsilon));
                    }
                },
            );
            Ok(())
        })?;
        Ok(Some(Tensor::from_vec(dx, (n, d), x.device())?))
    }
}
