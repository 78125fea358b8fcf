//! Stochastic gradient descent with momentum and coupled decay, as PyTorch's `SGD` without dampening and Nesterov.
//!
//! g ← g + λθ;  m ← μm + g;  θ ← θ − lr·m. PyTorch's first m is g itself, which is the same from m = 0.

use super::Optimizer;
use crate::mlp::ModelError;

/// SGD with its state in the open.
#[derive(Clone, Debug, PartialEq)]
pub struct Sgd {
    /// μ; 0 is plain descent.
    pub momentum: f32,
    /// λ, coupled: added to the gradient, and so into the momentum.
    pub weight_decay: f32,
    parameters: usize,
    /// m; empty without momentum.
    momenta: Vec<f32>,
    steps: u64,
}

impl Sgd {
    /// For so many `parameters`.
    pub fn new(momentum: f32, weight_decay: f32, parameters: usize) -> Self {
        let momenta = vec![0.0; if momentum == 0.0 { 0 } else { parameters }];
        Self { momentum, weight_decay, parameters, momenta, steps: 0 }
    }
}

impl Optimizer for Sgd {
    fn step(&mut self, params: &mut [f32], grads: &[f32], lr: f64) -> Result<(), ModelError> {
        super::check(params, grads, self.parameters)?;
        let (lr, decay, momentum) = (lr as f32, self.weight_decay, self.momentum);
        if self.momenta.is_empty() {
            params.iter_mut().zip(grads).for_each(|(p, g)| *p -= lr * (g + decay * *p));
        } else {
            for ((p, g), m) in params.iter_mut().zip(grads).zip(&mut self.momenta) {
                *m = momentum * *m + (g + decay * *p);
                *p -= lr * *m;
            }
        }
        self.steps += 1;
        Ok(())
    }

    fn slots(&self) -> Vec<(&'static str, &[f32])> {
        if self.momenta.is_empty() { vec![] } else { vec![("momentum", &self.momenta)] }
    }

    fn slots_mut(&mut self) -> Vec<(&'static str, &mut [f32])> {
        if self.momenta.is_empty() { vec![] } else { vec![("momentum", &mut self.momenta)] }
    }

    fn steps(&self) -> u64 {
        self.steps
    }

    fn set_steps(&mut self, steps: u64) {
        self.steps = steps;
    }
}
