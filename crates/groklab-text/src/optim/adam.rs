//! Adam (Kingma & Ba 2015, arXiv 1412.6980) and AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101).
//!
//! θ ← θ·(1 − lr·λ);  m ← β₁m + (1−β₁)g;  v ← β₂v + (1−β₂)g²;  θ ← θ − lr·m̂/(√v̂ + ε),  m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ)
//!
//! λ = 0 is Adam, anything else AdamW. The numbers of a step are computed in f64 and rounded to f32 once.

use super::{OptimError, Optimizer, check_lengths};
use crate::{Layout, Param};
use std::ops::Range;

/// Which parameters decay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decay {
    /// All with two dimensions; gains do not.
    Matrices,
    /// All.
    All,
}

/// Settings of Adam.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamConfig {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// ε, added to the root.
    pub epsilon: f64,
    /// Decoupled weight decay λ, times the learning rate.
    pub weight_decay: f64,
    /// Which parameters it takes.
    pub decay: Decay,
}

impl AdamConfig {
    /// As in the study of the log-alignment ratio (arXiv 2605.28975): β 0.95 and 0.999, ε 1e-8, no decay.
    pub const LAR: Self =
        Self { beta1: 0.95, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0, decay: Decay::Matrices };

    /// As in the toy of Spectral Lens (arXiv 2605.05683): β 0.9 and 0.999, ε 1e-8, no decay.
    pub const LENS: Self = Self { beta1: 0.9, ..Self::LAR };
}

/// Adam, or with decay AdamW.
#[derive(Clone, Debug)]
pub struct Adam {
    config: AdamConfig,
    /// Parameters it moves, each with whether it decays; the moments lie in the same order without gaps.
    pieces: Vec<(Range<usize>, bool)>,
    length: usize,
    m: Vec<f32>,
    v: Vec<f32>,
    t: u64,
}

impl Adam {
    /// For all parameters of a layout, moments at zero.
    pub fn new(config: AdamConfig, layout: &Layout) -> Self {
        Self::of(config, layout, |_| true)
    }

    /// For those that are `taken`; the others stay as they are.
    pub fn of(config: AdamConfig, layout: &Layout, taken: impl Fn(&Param) -> bool) -> Self {
        let pieces: Vec<_> = layout
            .iter()
            .filter(|param| taken(param))
            .map(|param| (param.range.clone(), config.decay == Decay::All || param.shape.len() >= 2))
            .collect();
        let count = pieces.iter().map(|(range, _)| range.len()).sum();
        Self { config, pieces, length: layout.len(), m: vec![0.0; count], v: vec![0.0; count], t: 0 }
    }
}

impl Optimizer for Adam {
    fn step(&mut self, params: &mut [f32], grads: &[f32], lr: f64) -> Result<(), OptimError> {
        check_lengths(params, grads, self.length)?;
        self.t += 1;
        let AdamConfig { beta1, beta2, epsilon, weight_decay, .. } = self.config;
        let t = self.t as f64;
        let scale = (lr / (1.0 - beta1.powf(t))) as f32;
        let root = (1.0 / (1.0 - beta2.powf(t)).sqrt()) as f32;
        let (rest1, rest2) = ((1.0 - beta1) as f32, (1.0 - beta2) as f32);
        let (beta1, beta2, epsilon) = (beta1 as f32, beta2 as f32, epsilon as f32);
        let mut at = 0;
        for (range, decays) in &self.pieces {
            let keep = if *decays { (1.0 - lr * weight_decay) as f32 } else { 1.0 };
            let state = at..at + range.len();
            at = state.end;
            let moments = self.m[state.clone()].iter_mut().zip(&mut self.v[state]);
            for ((p, &g), (m, v)) in params[range.clone()].iter_mut().zip(&grads[range.clone()]).zip(moments)
            {
                *m = beta1 * *m + rest1 * g;
                *v = beta2 * *v + rest2 * (g * g);
                *p = *p * keep - scale * *m / (v.sqrt() * root + epsilon);
            }
        }
        Ok(())
    }

    fn steps(&self) -> u64 {
        self.t
    }

    fn set_steps(&mut self, steps: u64) {
        self.t = steps;
    }

    fn slots(&self) -> Vec<(&'static str, &[f32])> {
        vec![("m", &self.m), ("v", &self.v)]
    }

    fn slots_mut(&mut self) -> Vec<(&'static str, &mut [f32])> {
        vec![("m", &mut self.m), ("v", &mut self.v)]
    }
}
