//! XOR clusters: two inputs decide by their product, all others tell rows apart (GrokAlign, arXiv 2506.12284).

use super::{Samples, SamplesError, error::demand};
use crate::stream::stream;
use rand::Rng;
use rand_distr::StandardNormal;
use std::ops::Range;

/// x = (±1, ±1, ±ε, …, ±ε) with all signs drawn, class by the sign of x₁x₂; what it draws is a function of (seed, row).
/// The paper has 40,000 inputs and ε = 0.05.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct XorClusters {
    /// Inputs; at least 3.
    pub width: usize,
    /// ε.
    pub epsilon: f64,
    /// Deviation of normal noise added to all inputs but the first two.
    pub noise: f64,
}

impl XorClusters {
    /// The rows numbered `rows`; label 1 is x₁x₂ = 1. Signs come from the stream `xor` of (seed, row), noise from
    /// `xor_noise`: the same rows with other noise have the same signs.
    ///
    /// # Errors
    /// [`SamplesError`] if a setting is out of range or there are no rows.
    pub fn draw(&self, seed: u64, rows: Range<u64>) -> Result<Samples, SamplesError> {
        let Self { width, epsilon, noise } = *self;
        demand(width >= 3, "width", width as f64, "XOR clusters need three inputs")?;
        demand(epsilon.is_finite(), "epsilon", epsilon, "ε is a number")?;
        demand(noise >= 0.0 && noise.is_finite(), "noise", noise, "a deviation is a number from 0 on")?;
        let (mut inputs, mut labels) = (Vec::new(), Vec::new());
        for row in rows {
            let mut generator = stream(seed, "xor", row);
            let mut sign = || if generator.random::<bool>() { 1.0 } else { -1.0 };
            let (first, second) = (sign(), sign());
            inputs.extend([first, second].map(|s: f64| s as f32));
            let mut blur = stream(seed, "xor_noise", row);
            for _ in 2..width {
                inputs.push((epsilon * sign() + noise * blur.sample::<f64, _>(StandardNormal)) as f32);
            }
            labels.push(u32::from(first * second > 0.0));
        }
        Samples::new(inputs, width, labels, 2)
    }
}
