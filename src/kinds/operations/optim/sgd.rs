//! SGD with momentum and decoupled weight decay over one flat buffer (Sutskever et al. 2013, without Nesterov's look-ahead;
//! PyTorch's convention: the learning rate multiplies the velocity, not the gradient that enters it).

use super::{OptimError, Optimizer, pieces};
use crate::{kinds::operations::config::OptimConfig, kinds::operations::model::ParamLayout};
use std::ops::Range;

/// v ← β₁v + g,  θ ← θ(1 − lr·λ) − lr·v. Without momentum (β₁ = 0) it has no state.
pub struct Sgd {
    momentum: f32,
    weight_decay: f64,
    pieces: Vec<(Range<usize>, bool)>,
    velocity: Vec<f32>,
}

impl Sgd {
    /// With `beta1` as momentum.
    pub fn new(config: &OptimConfig, layout: &ParamLayout) -> Self {
        let has_state = config.beta1 != 0.0;
        Self {
            momentum: config.beta1 as f32,
            weight_decay: config.weight_decay,
            pieces: pieces(config.decay, layout),
            velocity: vec![0.0; if has_state { layout.len() } else { 0 }],
        }
    }
}

impl Optimizer for Sgd {
    fn step(&mut self, params: &mut [f32], grads: &[f32], lr: f64) -> Result<(), OptimError> {
        let (rate, decayed) = (lr as f32, (1.0 - lr * self.weight_decay) as f32);
        for (range, is_decayed) in &self.pieces {
            let keep = if *is_decayed { decayed } else { 1.0 };
            let pairs = params[range.clone()].iter_mut().zip(&grads[range.clone()]);
            match self.velocity.get_mut(range.clone()) {
                Some(velocity) if !velocity.is_empty() => {
                    for ((p, &g), v) in pairs.zip(velocity) {
                        *v = self.momentum * *v + g;
                        *p = *p * keep - rate * *v;
                    }
                }
                _ => pairs.for_each(|(p, &g)| *p = *p * keep - rate * g),
            }
        }
        Ok(())
    }

    fn slots(&self) -> Option<Vec<(&'static str, &[f32])>> {
        let has_state = !self.velocity.is_empty();
        Some(has_state.then_some(("velocity", self.velocity.as_slice())).into_iter().collect())
    }

    fn slots_mut(&mut self) -> Option<Vec<(&'static str, &mut [f32])>> {
        let has_state = !self.velocity.is_empty();
        Some(has_state.then_some(("velocity", self.velocity.as_mut_slice())).into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        kinds::operations::config::{Decay, OptimizerName, Preset},
        kinds::operations::optim::CandleOptimizer,
    };

    fn layout() -> ParamLayout {
        let mut model = Preset::Paper.config("add", 0.5, 0).model;
        (model.d_model, model.d_mlp, model.n_heads) = (8, 12, 2);
        ParamLayout::new(&model, 7)
    }

    fn config(momentum: f64, decay: Decay) -> OptimConfig {
        OptimConfig {
            name: OptimizerName::Sgd,
            beta1: momentum,
            weight_decay: 0.3,
            decay,
            ..Preset::Paper.config("add", 0.5, 0).optim
        }
    }

    #[test]
    fn a_hundred_steps_equal_candle_optimisers_sgd() {
        let layout = layout();
        for (momentum, decay) in [(0.0, Decay::All), (0.9, Decay::All), (0.9, Decay::Matrices)] {
            let config = config(momentum, decay);
            let mut ours = Sgd::new(&config, &layout);
            let mut theirs = CandleOptimizer::new(&config, &layout).unwrap();
            let mut a: Vec<f32> = (0..layout.len()).map(|i| (i as f32).sin()).collect();
            let mut b = a.clone();
            for step in 0..100 {
                let grads: Vec<f32> = (0..layout.len()).map(|i| ((i * 7 + step) as f32).cos()).collect();
                ours.step(&mut a, &grads, 0.01).unwrap();
                theirs.step(&mut b, &grads, 0.01).unwrap();
                let worst = a.iter().zip(&b).map(|(x, y)| (x - y).abs()).fold(0f32, f32::max);
                assert!(worst < 2e-6, "momentum {momentum}, {decay:?}, step {step}: {worst}");
            }
        }
    }

    #[test]
    fn a_constant_gradient_moves_by_the_sum_of_a_geometric_series() {
        let layout = layout();
        let mut optimizer = Sgd::new(&OptimConfig { weight_decay: 0.0, ..config(0.5, Decay::All) }, &layout);
        let mut params = vec![0.0f32; layout.len()];
        for _ in 0..3 {
            optimizer.step(&mut params, &vec![1.0; layout.len()], 0.25).unwrap();
        }
        // velocities 1, 1.5, 1.75; all exact in binary
        assert!(params.iter().all(|&p| p == -0.25 * 4.25));
        let slots = optimizer.slots().unwrap();
        assert!(slots.len() == 1 && slots[0].0 == "velocity" && slots[0].1.iter().all(|&v| v == 1.75));
        assert!(Sgd::new(&config(0.0, Decay::All), &layout).slots().unwrap().is_empty());
    }
}
