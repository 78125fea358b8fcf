//! One forward pass: parameters in their order, linear maps that are observed, attention.

use super::{
    fused,
    operations::{Rope, rms_norm, softmax, unit_rms},
};
use crate::Param;
use candle_core::{Error, Result, Tensor, Var};
use std::{iter::Zip, slice::Iter};

/// Is shown the inputs of each linear map, (B·T, inputs), by the name of its weight, in the order they are computed.
pub type Observer<'a> = &'a mut dyn FnMut(&str, &Tensor) -> Result<()>;

/// Stands behind each linear map: gets the name of its weight, its inputs, (B·T, inputs), and its outputs, (B·T, outputs),
/// and gives what goes on in their place.
pub type Tap<'a> = &'a mut dyn FnMut(&str, &Tensor, Tensor) -> Result<Tensor>;

/// A batch of B sequences of T ids on its way.
pub struct Pass<'a> {
    pub(super) params: Zip<Iter<'a, Var>, Iter<'a, Param>>,
    pub(super) tap: Tap<'a>,
    pub(super) rope: &'a Rope,
    /// Whether operations are single nodes of the graph; else ordinary ones.
    pub(super) fused: bool,
    /// Near −∞ above the diagonal: (T, T).
    pub(super) mask: Tensor,
    /// B.
    pub(super) rows: usize,
    /// T.
    pub(super) length: usize,
    /// What [`Pass::end_block`] was shown, if anyone wants it.
    pub(super) states: Option<Vec<Tensor>>,
}

impl<'a> Pass<'a> {
    /// Sequences of the batch, B.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Inputs of each sequence, T.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The next parameter of the layout.
    ///
    /// # Errors
    /// If there is none left.
    pub fn param(&mut self) -> Result<(&'a Tensor, &'a str)> {
        let (var, param) = self
            .params
            .next()
            .ok_or_else(|| Error::Msg("more parameters are taken than the layout has".into()))?;
        Ok((var.as_tensor(), &param.name))
    }

    /// The next parameter, a matrix (outputs, inputs), times x, (B·T, inputs).
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn linear(&mut self, x: &Tensor) -> Result<Tensor> {
        let (weight, name) = self.param()?;
        self.apply(weight, name, x)
    }

    /// This matrix times x.
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn apply(&mut self, weight: &Tensor, name: &str, x: &Tensor) -> Result<Tensor> {
        let y = match self.fused {
            true => x.apply_op2(weight, fused::Linear)?,
            false => x.matmul(&weight.t()?)?,
        };
        (self.tap)(name, x, y)
    }

    /// RMSNorm of x, (B·T, d), with the next parameter as gain.
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn norm(&mut self, x: &Tensor, epsilon: f64) -> Result<Tensor> {
        let (gain, _) = self.param()?;
        match self.fused {
            true => x.apply_op2(gain, fused::Norm { epsilon }),
            false => rms_norm(x, gain, epsilon),
        }
    }

    /// RMSNorm of x, (B·T, d), without gain.
    ///
    /// # Errors
    /// If the device fails.
    pub fn unit_norm(&self, x: &Tensor, epsilon: f64) -> Result<Tensor> {
        match self.fused {
            true => x.apply_op1(fused::UnitNorm { epsilon }),
            false => unit_rms(x, epsilon),
        }
    }

    /// gelu(gate) ⊙ up, GELU in its tanh form.
    ///
    /// # Errors
    /// If shapes differ.
    pub fn gated_gelu(&self, gate: &Tensor, up: &Tensor) -> Result<Tensor> {
        match self.fused {
            true => gate.apply_op2(up, fused::GatedGelu),
            false => gate.gelu()? * up,
        }
    }

    /// relu(x)².
    ///
    /// # Errors
    /// If the device fails.
    pub fn relu_squared(&self, x: &Tensor) -> Result<Tensor> {
        match self.fused {
            true => x.apply_op1(fused::ReluSquared),
            false => x.relu()?.sqr(),
        }
    }

    /// The residual stream behind a block, (B·T, d).
    pub fn end_block(&mut self, x: &Tensor) {
        if let Some(states) = &mut self.states {
            states.push(x.detach());
        }
    }

    /// Causal attention softmax(q kᵀ/√D) v of q, k and v, (B·T, H·D); gives (B·T, H·D).
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn attention(&self, [q, k, v]: [&Tensor; 3], of: Heads) -> Result<Tensor> {
        if self.fused {
            let turns = of.rotary.then(|| self.rope.turns.clone());
            let attention = fused::Attention { heads: of.count, length: self.length, turns, norm: of.norm };
            return q.contiguous()?.apply_op3(&k.contiguous()?, &v.contiguous()?, attention);
        }
        let (q, k, v) = (self.turned(q, of)?, self.turned(k, of)?, self.heads(v, of.count)?);
        let (rows, heads, length, d_head) = q.dims4()?;
        let batched = |x: &Tensor| x.reshape((rows * heads, length, d_head));
        let (q, k, v) = (batched(&q)?, batched(&k)?, batched(&v)?);
        let scores = (q.matmul(&k.transpose(1, 2)?.contiguous()?)? / (d_head as f64).sqrt())?; // (B·H, T, T)
        let mixed = softmax(&scores.broadcast_add(&self.mask)?)?.matmul(&v)?;
        let mixed = mixed.reshape((rows, heads, length, d_head))?.transpose(1, 2)?.contiguous()?;
        mixed.reshape((rows * length, heads * d_head))
    }

    /// (B·T, H·D) → (B, H, T, D), as attention compares it.
    fn turned(&self, x: &Tensor, of: Heads) -> Result<Tensor> {
        let mut x = self.heads(x, of.count)?;
        if let Some(epsilon) = of.norm {
            x = unit_rms(&x, epsilon)?;
        }
        if of.rotary { self.rope.apply(&x) } else { Ok(x) }
    }

    /// (B·T, H·D) → (B, H, T, D).
    fn heads(&self, x: &Tensor, heads: usize) -> Result<Tensor> {
        let d_head = x.dim(1)? / heads;
        x.reshape((self.rows, self.length, heads, d_head))?.transpose(1, 2)?.contiguous()
    }
}

/// Heads of an attention.
#[derive(Clone, Copy, Debug)]
pub struct Heads {
    /// H.
    pub count: usize,
    /// Whether q and k are turned by their positions.
    pub rotary: bool,
    /// ε of the RMSNorm of each head's q and k before they turn, if they have one.
    pub norm: Option<f64>,
}
