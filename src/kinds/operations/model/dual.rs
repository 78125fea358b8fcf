//! The transformer over dual numbers: a value and its tangent, the derivative along a direction of x, the embedded tokens.
//!
//! Promises: values are those of the plain model, which stays the readable one; of the last block only what the last position
//! needs is computed. Tangents are ordinary candle operations, so that a backward pass goes through them.

use super::{PlainModel, plain::NORM_EPSILON, plain::causal_mask};
use crate::kinds::operations::config::{Activation, Norm};
use candle_core::{D, Result, Tensor};
use std::f64::consts::{FRAC_1_SQRT_2, TAU};

/// A value, and its tangent where one is asked for.
#[derive(Clone)]
pub(super) struct Dual {
    pub value: Tensor,
    pub tangent: Option<Tensor>,
}

impl Dual {
    /// Of both by a linear map.
    fn map(&self, f: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Self> {
        Ok(Self { value: f(&self.value)?, tangent: self.tangent.as_ref().map(f).transpose()? })
    }

    fn add(&self, other: &Self) -> Result<Self> {
        Ok(Self { value: (&self.value + &other.value)?, tangent: sum(&self.tangent, &other.tangent)? })
    }

    /// a·b, and ȧ·b + a·ḃ.
    fn matmul(&self, other: &Self) -> Result<Self> {
        let left = self.tangent.as_ref().map(|a| a.matmul(&other.value)).transpose()?;
        let right = other.tangent.as_ref().map(|b| self.value.matmul(b)).transpose()?;
        Ok(Self { value: self.value.matmul(&other.value)?, tangent: sum(&left, &right)? })
    }

    /// s, and s∘(ż − Σ s∘ż), s the softmax over the last dimension.
    fn softmax(&self) -> Result<Self> {
        let value = candle_nn::ops::softmax(&self.value, D::Minus1)?;
        let tangent = |z: &Tensor| &value * z.broadcast_sub(&(&value * z)?.sum_keepdim(D::Minus1)?)?;
        let tangent = self.tangent.as_ref().map(tangent).transpose()?;
        Ok(Self { value, tangent })
    }

    /// (z − mean)/σ, σ = √(variance + ε), and (ż − mean ż − n∘mean(n∘ż))/σ, n the first.
    fn normalised(&self) -> Result<Self> {
        let centred = self.value.broadcast_sub(&self.value.mean_keepdim(D::Minus1)?)?;
        let sigma = (centred.sqr()?.mean_keepdim(D::Minus1)? + NORM_EPSILON)?.sqrt()?;
        let value = centred.broadcast_div(&sigma)?;
        let tangent = |z: &Tensor| {
            let along = value.broadcast_mul(&(&value * z)?.mean_keepdim(D::Minus1)?)?;
            (z.broadcast_sub(&z.mean_keepdim(D::Minus1)?)? - along)?.broadcast_div(&sigma)
        };
        let tangent = self.tangent.as_ref().map(tangent).transpose()?;
        Ok(Self { value, tangent })
    }

    /// max(0, z), and ż where z > 0: slope 0 at 0, as in PyTorch.
    fn relu(&self) -> Result<Self> {
        let mask = self.value.gt(0.0)?.to_dtype(self.value.dtype())?;
        self.map(|z| z * &mask)
    }

    /// z·Φ(z), and (Φ(z) + z·φ(z))∘ż. Of Φ: candle's own GELU has a derivative that is right to six digits alone.
    fn gelu(&self) -> Result<Self> {
        let z = &self.value;
        let cumulative = (((z * FRAC_1_SQRT_2)?.erf()? * 0.5)? + 0.5)?;
        let tangent = |tangent: &Tensor| {
            let density = ((z.sqr()? * -0.5)?.exp()? / TAU.sqrt())?;
            (&cumulative + (z * density)?)? * tangent
        };
        Ok(Self { value: (z * &cumulative)?, tangent: self.tangent.as_ref().map(tangent).transpose()? })
    }
}

/// Of what is there.
fn sum(a: &Option<Tensor>, b: &Option<Tensor>) -> Result<Option<Tensor>> {
    match (a, b) {
        (Some(a), Some(b)) => (a + b).map(Some),
        (one, None) | (None, one) => Ok(one.clone()),
    }
}

impl PlainModel<'_> {
    /// Logits, (B, V), of embedded tokens `x`, (B, T, d).
    pub(super) fn logits_of(&self, x: &Dual) -> Result<Dual> {
        let mut h = x.clone();
        for l in 0..self.config.n_layers {
            h = self.dual_block(l, &h, l + 1 == self.config.n_layers)?;
        }
        let mut h = h.map(|h| h.squeeze(1)?.contiguous())?; // (B, d)
        if self.config.final_norm {
            h = self.dual_norm("final_norm", &h)?;
        }
        let unembedding = self.unembedding()?.t()?;
        h.map(|h| self.scaled(&h.matmul(&unembedding)?))
    }

    /// (B, T, d), of the last block (B, 1, d).
    fn dual_block(&self, l: usize, h: &Dual, is_last: bool) -> Result<Dual> {
        let read = |h: &Dual| {
            if is_last { h.map(|h| h.narrow(1, h.dim(1)? - 1, 1)?.contiguous()) } else { Ok(h.clone()) }
        };
        let norm = |i: usize, h: &Dual| self.dual_norm(&format!("blocks.{l}.norm{i}"), h);
        let attended = |h: &Dual| self.dual_attention(l, &read(h)?, h);
        match self.config.norm {
            Norm::Pre => {
                let h = read(h)?.add(&attended(&norm(1, h)?)?)?;
                h.add(&self.dual_mlp(l, &norm(2, &h)?)?)
            }
            Norm::Post => {
                let h = norm(1, &read(h)?.add(&attended(h)?)?)?;
                norm(2, &h.add(&self.dual_mlp(l, &h)?)?)
            }
            Norm::None => {
                let h = read(h)?.add(&attended(h)?)?;
                h.add(&self.dual_mlp(l, &h)?)
            }
        }
    }

    /// What the positions of `from`, (B, R, d), take from `h`, (B, T, d): all of them, R = T, or the last, R = 1.
    fn dual_attention(&self, l: usize, from: &Dual, h: &Dual) -> Result<Dual> {
        let (n_heads, d_head) = (self.config.n_heads, self.config.d_head());
        let (b, r, d) = from.value.dims3()?;
        let heads = |name: &str, h: &Dual| {
            let name = format!("blocks.{l}.attn.{name}");
            self.dual_linear(&name, h)?.map(|h| {
                let t = h.dim(1)?;
                let split = h.reshape((b, t, n_heads, d_head))?.transpose(1, 2)?.contiguous()?;
                split.reshape((b * n_heads, t, d_head)) // (B·H, R or T, d_head)
            })
        };
        let (q, k, v) = (heads("q", from)?, heads("k", h)?, heads("v", h)?);
        let mut scores = q.matmul(&k.map(|k| k.t()?.contiguous())?)?.map(|s| s / (d_head as f64).sqrt())?;
        if r > 1 {
            // the last position sees all
            scores.value = scores.value.broadcast_add(&causal_mask(r, &scores.value)?)?;
        }
        let mixed = scores.softmax()?.matmul(&v)?; // (B·H, R, d_head)
        let mixed = mixed
            .map(|m| m.reshape((b, n_heads, r, d_head))?.transpose(1, 2)?.contiguous()?.reshape((b, r, d)))?;
        self.dual_linear(&format!("blocks.{l}.attn.o"), &mixed)
    }

    fn dual_mlp(&self, l: usize, h: &Dual) -> Result<Dual> {
        let hidden = self.dual_linear(&format!("blocks.{l}.mlp.up"), h)?;
        let hidden = match self.config.activation {
            Activation::Gelu => hidden.gelu()?,
            Activation::Relu => hidden.relu()?,
        };
        self.dual_linear(&format!("blocks.{l}.mlp.down"), &hidden)
    }

    /// h Wᵀ + b, and ḣ Wᵀ.
    fn dual_linear(&self, name: &str, h: &Dual) -> Result<Dual> {
        let weight = self.get(&format!("{name}.weight"))?.t()?; // (in, out)
        let mut out = h.map(|h| {
            let (b, t, width) = h.dims3()?;
            h.reshape((b * t, width))?.matmul(&weight)?.reshape((b, t, ()))
        })?;
        if self.config.bias {
            out.value = out.value.broadcast_add(self.get(&format!("{name}.bias"))?)?;
        }
        Ok(out)
    }

    fn dual_norm(&self, name: &str, h: &Dual) -> Result<Dual> {
        let (gain, shift) = (self.get(&format!("{name}.weight"))?, self.get(&format!("{name}.bias"))?);
        let mut out = h.normalised()?.map(|n| n.broadcast_mul(gain))?;
        out.value = out.value.broadcast_add(shift)?;
        Ok(out)
    }
}
