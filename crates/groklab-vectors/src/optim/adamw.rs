//! AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101), as PyTorch's `AdamW`; decay on every parameter.
//!
//! θ ← θ(1 − lr·λ);  m ← β₁m + (1−β₁)g;  v ← β₂v + (1−β₂)g²;  θ ← θ − lr·m̂/(√v̂ + ε),  m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ)

use super::Optimizer;
use crate::mlp::ModelError;

/// AdamW with its state in the open.
#[derive(Clone, Debug, PartialEq)]
pub struct AdamW {
    /// β₁ and β₂.
    pub betas: [f64; 2],
    /// ε.
    pub epsilon: f64,
    /// λ, decoupled.
    pub weight_decay: f64,
    m: Vec<f32>,
    v: Vec<f32>,
    steps: u64,
}

impl AdamW {
    /// PyTorch's β₁ = 0.9, β₂ = 0.999 and ε = 1e-8, for so many `parameters`.
    pub fn new(weight_decay: f64, parameters: usize) -> Self {
        let zeros = vec![0.0; parameters];
        Self { betas: [0.9, 0.999], epsilon: 1e-8, weight_decay, m: zeros.clone(), v: zeros, steps: 0 }
    }
}

impl Optimizer for AdamW {
    fn step(&mut self, params: &mut [f32], grads: &[f32], lr: f64) -> Result<(), ModelError> {
        super::check(params, grads, self.m.len())?;
        self.steps += 1;
        let [beta1, beta2] = self.betas;
        let t = self.steps as f64;
        let keep = (1.0 - lr * self.weight_decay) as f32;
        let scale = (lr / (1.0 - beta1.powf(t))) as f32;
        let root = (1.0 / (1.0 - beta2.powf(t)).sqrt()) as f32;
        let (rest1, rest2, epsilon) = ((1.0 - beta1) as f32, (1.0 - beta2) as f32, self.epsilon as f32);
        let (beta1, beta2) = (beta1 as f32, beta2 as f32);
        for (((p, &g), m), v) in params.iter_mut().zip(grads).zip(&mut self.m).zip(&mut self.v) {
            *m = beta1 * *m + rest1 * g;
            *v = beta2 * *v + rest2 * (g * g);
            *p = *p * keep - scale * *m / (v.sqrt() * root + epsilon);
        }
        Ok(())
    }

    fn slots(&self) -> Vec<(&'static str, &[f32])> {
        vec![("m", &self.m), ("v", &self.v)]
    }

    fn slots_mut(&mut self) -> Vec<(&'static str, &mut [f32])> {
        vec![("m", &mut self.m), ("v", &mut self.v)]
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn set_steps(&mut self, steps: u64) {
        self.steps = steps;
    }
}
