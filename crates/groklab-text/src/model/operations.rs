//! RMSNorm, rotary embedding, softmax and cross-entropy, of operations that candle can take back.

use candle_core::{D, DType, Device, Result, Tensor};
use std::sync::Arc;

/// x/√(mean x² + ε)·(1 + gain) over the last dimension (Zhang & Sennrich 2019, arXiv 1910.07467, with Gemma's 1 + g).
///
/// # Errors
/// If shapes do not fit.
pub fn rms_norm(x: &Tensor, gain: &Tensor, epsilon: f64) -> Result<Tensor> {
    unit_rms(x, epsilon)?.broadcast_mul(&(gain + 1.0)?)
}

/// The same without gain.
pub(super) fn unit_rms(x: &Tensor, epsilon: f64) -> Result<Tensor> {
    let mean_square = x.sqr()?.mean_keepdim(D::Minus1)?; // (…, 1)
    x.broadcast_div(&(mean_square + epsilon)?.sqrt()?)
}

/// Softmax over the last dimension.
pub(super) fn softmax(x: &Tensor) -> Result<Tensor> {
    // the shift changes nothing, so nothing flows through it
    let shifted = x.broadcast_sub(&x.detach().max_keepdim(D::Minus1)?)?;
    let exp = shifted.exp()?;
    exp.broadcast_div(&exp.sum_keepdim(D::Minus1)?)
}

/// Mean of `−ln softmax(logits)[target]` in nats: logits (N, V), targets (N) of ids.
///
/// # Errors
/// If shapes do not fit.
pub fn cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let shifted = logits.broadcast_sub(&logits.detach().max_keepdim(1)?)?;
    let log_sum = shifted.exp()?.sum_keepdim(1)?.log()?; // (N, 1)
    let chosen = shifted.gather(&targets.unsqueeze(1)?, 1)?; // (N, 1)
    (log_sum - chosen)?.mean_all()
}

/// LAR of W, (V, d), for its inputs X, (N, d), and Z = X Wᵀ: 1 + log_d( ‖Z‖ / (‖X‖·‖W‖) ) (arXiv 2605.28975), a scalar with
/// gradients; −∞ if Z is zero.
///
/// # Errors
/// If the device fails.
pub fn log_alignment(x: &Tensor, z: &Tensor, w: &Tensor) -> Result<Tensor> {
    let log_norm = |a: &Tensor| a.sqr()?.sum_all()?.log()? * 0.5;
    let log_share = ((log_norm(z)? - log_norm(x)?)? - log_norm(w)?)?;
    (log_share / (w.dim(D::Minus1)? as f64).ln())? + 1.0
}

/// Rotary position embedding (Su et al. 2021, arXiv 2104.09864), halves rotated: channels i and i + D/2 of position t turn
/// by the angle t·base^(−2i/D).
#[derive(Clone, Debug)]
pub struct Rope {
    cos: Tensor,
    sin: Tensor,
    /// Cosine and sine of position t and channel i at t·D/2 + i.
    pub(super) turns: Arc<[(f32, f32)]>,
}

impl Rope {
    /// For positions 0 … `positions` − 1 and heads of `d_head` channels, an even number.
    ///
    /// # Errors
    /// If the device fails.
    pub fn new(positions: usize, d_head: usize, base: f64, dtype: DType, device: &Device) -> Result<Self> {
        let half = d_head / 2;
        let angles: Vec<f64> = (0..positions)
            .flat_map(|t| (0..half).map(move |i| t as f64 * base.powf(-2.0 * i as f64 / d_head as f64)))
            .collect();
        let table = |of: fn(f64) -> f64| {
            let values: Vec<f64> = angles.iter().map(|&angle| of(angle)).collect();
            Tensor::from_vec(values, (positions, half), &Device::Cpu)?.to_dtype(dtype)?.to_device(device)
        };
        let turns = angles.iter().map(|angle| (angle.cos() as f32, angle.sin() as f32)).collect();
        Ok(Self { cos: table(f64::cos)?, sin: table(f64::sin)?, turns })
    }

    /// Of x, (…, T, D), with T at most the number of positions.
    ///
    /// # Errors
    /// If shapes do not fit.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let (positions, half) = (x.dim(D::Minus2)?, x.dim(D::Minus1)? / 2);
        let (cos, sin) = (self.cos.narrow(0, 0, positions)?, self.sin.narrow(0, 0, positions)?);
        let (a, b) = (x.narrow(D::Minus1, 0, half)?, x.narrow(D::Minus1, half, half)?);
        let first = (a.broadcast_mul(&cos)? - b.broadcast_mul(&sin)?)?;
        let second = (b.broadcast_mul(&cos)? + a.broadcast_mul(&sin)?)?;
        Tensor::cat(&[first, second], D::Minus1)
    }
}
