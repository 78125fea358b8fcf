//! One forward pass: parameters in their order, linear maps that are observed, attention.

use super::operations::{Rope, softmax};
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
        (self.tap)(name, x, x.matmul(&weight.t()?)?)
    }

    /// The residual stream behind a block, (B·T, d).
    pub fn end_block(&mut self, x: &Tensor) {
        if let Some(states) = &mut self.states {
            states.push(x.detach());
        }
    }

    /// (B·T, H·D) → (B, H, T, D).
    ///
    /// # Errors
    /// If heads do not divide the width.
    pub fn heads(&self, x: &Tensor, heads: usize) -> Result<Tensor> {
        let d_head = x.dim(1)? / heads;
        x.reshape((self.rows, self.length, heads, d_head))?.transpose(1, 2)?.contiguous()
    }

    /// Turned by its positions.
    ///
    /// # Errors
    /// If the last dimension is not that of a head.
    pub fn rotate(&self, x: &Tensor) -> Result<Tensor> {
        self.rope.apply(x)
    }

    /// Causal attention softmax(q kᵀ/√D) v of q, k and v, (B, H, T, D); gives (B·T, H·D).
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn attention(&self, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        let (rows, heads, length, d_head) = q.dims4()?;
        let batched = |x: &Tensor| x.reshape((rows * heads, length, d_head));
        let (q, k, v) = (batched(q)?, batched(k)?, batched(v)?);
        let scores = (q.matmul(&k.transpose(1, 2)?.contiguous()?)? / (d_head as f64).sqrt())?; // (B·H, T, T)
        let mixed = softmax(&scores.broadcast_add(&self.mask)?)?.matmul(&v)?;
        let mixed = mixed.reshape((rows, heads, length, d_head))?.transpose(1, 2)?.contiguous()?;
        mixed.reshape((rows * length, heads * d_head))
    }
}
