//! The non-linearities of the MLPs: gelu_tanh(gate) ⊙ up, and relu(x)².

use super::{
    numbers, stored,
    vector::{exp, vectorised},
    with_numbers,
};
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};

/// gelu(gate) ⊙ up with GELU's tanh form, x/2·(1 + tanh u) = x·σ(2u), u = √(2/π)(x + 0.044715 x³).
pub struct GatedGelu;

/// 2√(2/π)
const TWICE: f32 = 1.595_769;
const CUBIC: f32 = 0.044_715;

/// σ(2u) of x.
#[inline(always)]
fn share(x: f32) -> f32 {
    1.0 / (1.0 + exp(-TWICE * x * (CUBIC * x).mul_add(x, 1.0)))
}

impl CustomOp2 for GatedGelu {
    fn name(&self) -> &'static str {
        "gated-gelu"
    }

    fn cpu_fwd(
        &self,
        gate: &CpuStorage,
        gate_layout: &Layout,
        up: &CpuStorage,
        up_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (gate, up) = (numbers(gate, gate_layout)?, numbers(up, up_layout)?);
        let mut y = up.to_vec();
        vectorised(
            #[inline(always)]
            || y.iter_mut().zip(gate).for_each(|(y, x)| *y *= x * share(*x)),
        );
        Ok(stored(y, gate_layout.shape().clone()))
    }

    fn bwd(
        &self,
        gate: &Tensor,
        up: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let n = gate.elem_count();
        let (mut dgate, mut dup) = (vec![0.0f32; n], vec![0.0f32; n]);
        with_numbers([gate, up, dy], |[gate, up, dy]| {
            vectorised(
                #[inline(always)]
                || {
                    let inputs = gate.iter().zip(up).zip(dy);
                    for ((dgate, dup), ((&x, up), dy)) in dgate.iter_mut().zip(&mut dup).zip(inputs) {
                        let s = share(x);
                        let slope = TWICE * (3.0 * CUBIC * x).mul_add(x, 1.0);
                        *dup = dy * x * s;
                        *dgate = dy * up * (x * slope * (1.0 - s)).mul_add(s, s);
                    }
                },
            );
            Ok(())
        })?;
        let tensor = |values| Tensor::from_vec(values, gate.shape(), gate.device());
        Ok((Some(tensor(dgate)?), Some(tensor(dup)?)))
    }
}

/// relu(x)².
pub struct ReluSquared;

impl CustomOp1 for ReluSquared {
    fn name(&self) -> &'static str {
        "relu-squared"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = numbers(x, layout)?;
        let mut y = vec![0.0f32; x.len()];
        vectorised(
            #[inline(always)]
            || y.iter_mut().zip(x).for_each(|(y, x)| *y = if *x < 0.0 { 0.0 } else { x * x }),
        );
        Ok(stored(y, layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let mut dx = vec![0.0f32; x.elem_count()];
        with_numbers([x, dy], |[x, dy]| {
            vectorised(
                #[inline(always)]
                || {
                    for ((dx, x), dy) in dx.iter_mut().zip(x).zip(dy) {
                        *dx = if *x < 0.0 { 0.0 } else { 2.0 * x * dy };
                    }
                },
            );
            Ok(())
        })?;
        Ok(Some(Tensor::from_vec(dx, x.shape(), x.device())?))
    }
}
