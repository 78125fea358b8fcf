//! AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101) over one flat buffer: decay, both moments and the update in one pass.
//!
//! θ ← θ·(1 − lr·λ);  m ← β₁m + (1−β₁)g;  v ← β₂v + (1−β₂)g²;  θ ← θ − lr·m̂/(√v̂ + ε),  m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ)

use super::{OptimError, Optimizer, pieces};
use crate::{kinds::operations::config::OptimConfig, kinds::operations::model::ParamLayout};
use std::ops::Range;

/// AdamW with its state in the open.
#[derive(Clone, Debug, PartialEq)]
pub struct AdamW {
    config: OptimConfig,
    /// Pieces of the buffer, with or without decay, covering it in order.
    pieces: Vec<(Range<usize>, bool)>,
    /// First moments.
    pub m: Vec<f32>,
    /// Second moments.
    pub v: Vec<f32>,
    /// Steps done.
    pub t: u64,
}

impl AdamW {
    /// Zero moments for the parameters of `layout`.
    pub fn new(config: &OptimConfig, layout: &ParamLayout) -> Self {
        let pieces = pieces(config.decay, layout);
        Self { config: config.clone(), pieces, m: vec![0.0; layout.len()], v: vec![0.0; layout.len()], t: 0 }
    }

    /// One step with given numbers; does not count it.
    pub fn update(&mut self, step: &AdamWStep, params: &mut [f32], grads: &[f32]) {
        let free = AdamWStep { keep: 1.0, ..*step };
        let arch = pulp::Arch::new();
        for (range, is_decayed) in &self.pieces {
            arch.dispatch(Update {
                c: if *is_decayed { *step } else { free },
                params: &mut params[range.clone()],
                grads: &grads[range.clone()],
                m: &mut self.m[range.clone()],
                v: &mut self.v[range.clone()],
            });
        }
    }
}

impl Optimizer for AdamW {
    fn step(&mut self, params: &mut [f32], grads: &[f32], lr: f64) -> Result<(), OptimError> {
        self.t += 1;
        self.update(&AdamWStep::new(&self.config, self.t, lr), params, grads);
        Ok(())
    }

    fn slots(&self) -> Option<Vec<(&'static str, &[f32])>> {
        Some(vec![("m", &self.m), ("v", &self.v)])
    }

    fn slots_mut(&mut self) -> Option<Vec<(&'static str, &mut [f32])>> {
        Some(vec![("m", &mut self.m), ("v", &mut self.v)])
    }

    fn set_steps(&mut self, steps: u64) {
        self.t = steps;
    }
}

/// The numbers of one AdamW step, rounded to f32 once: whoever takes the step, on whatever device, takes these.
///
/// θ ← θ·keep − scale·m / (√v·root + ε),  m ← beta1·m + rest1·g,  v ← beta2·v + rest2·g²
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWStep {
    /// Of a decayed parameter, 1 − lr·λ; of a free one it is 1. See [`decayed_ranges`](super::decayed_ranges).
    pub keep: f32,
    /// β₁.
    pub beta1: f32,
    /// 1 − β₁.
    pub rest1: f32,
    /// β₂.
    pub beta2: f32,
    /// 1 − β₂.
    pub rest2: f32,
    /// lr / (1 − β₁ᵗ).
    pub scale: f32,
    /// 1 / √(1 − β₂ᵗ).
    pub root: f32,
    /// ε.
    pub epsilon: f32,
}

impl AdamWStep {
    /// Step number `t`, counted from 1, at learning rate `lr`.
    pub fn new(config: &OptimConfig, t: u64, lr: f64) -> Self {
        let OptimConfig { weight_decay, beta1, beta2, epsilon, .. } = *config;
        let t = t as f64;
        Self {
            keep: (1.0 - lr * weight_decay) as f32,
            beta1: beta1 as f32,
            rest1: (1.0 - beta1) as f32,
            beta2: beta2 as f32,
            rest2: (1.0 - beta2) as f32,
            scale: (lr / (1.0 - beta1.powf(t))) as f32,
            root: (1.0 / (1.0 - beta2.powf(t)).sqrt()) as f32,
            epsilon: epsilon as f32,
        }
    }
}

/// The update of one piece; a type, so that pulp compiles its loop once for each instruction set.
struct Update<'a> {
    c: AdamWStep,
    params: &'a mut [f32],
    grads: &'a [f32],
    m: &'a mut [f32],
    v: &'a mut [f32],
}

impl pulp::NullaryFnOnce for Update<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { c, params, grads, m, v } = self;
        for (((p, &g), m), v) in params.iter_mut().zip(grads).zip(m).zip(v) {
            *m = c.beta1 * *m + c.rest1 * g;
            *v = c.beta2 * *v + c.rest2 * (g * g);
            *p = *p * c.keep - c.scale * *m / (v.sqrt() * c.root + c.epsilon);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        kinds::operations::config::{Decay, OptimizerName, Preset},
        kinds::operations::data::stream,
        kinds::operations::optim::CandleOptimizer,
    };
    use rand::Rng;

    fn config() -> OptimConfig {
        Preset::Paper.config("add", 0.5, 0).optim
    }

    fn small_layout() -> ParamLayout {
        let mut model = Preset::Paper.config("add", 0.5, 0).model;
        (model.d_model, model.d_mlp, model.n_heads) = (8, 12, 2);
        ParamLayout::new(&model, 7)
    }

    #[test]
    fn two_hundred_steps_equal_candle_optimisers_adam_with_decoupled_decay() {
        for decay in [Decay::All, Decay::Matrices] {
            let config = OptimConfig { decay, ..config() };
            let layout = small_layout();
            let mut ours = AdamW::new(&config, &layout);
            let mut theirs =
                CandleOptimizer::new(&OptimConfig { name: OptimizerName::Adam, ..config.clone() }, &layout)
                    .unwrap();
            let mut rng = stream(1, "test", 0);
            let mut a: Vec<f32> = (0..layout.len()).map(|_| rng.random_range(-1.0..1.0)).collect();
            let mut b = a.clone();
            for step in 0..200 {
                // gradients over eight orders of magnitude
                let scale = 10f32.powi(-(step % 8));
                let grads: Vec<f32> =
                    (0..layout.len()).map(|_| scale * rng.random_range(-1.0f32..1.0)).collect();
                let lr = super::super::learning_rate(&config, step as u64);
                ours.step(&mut a, &grads, lr).unwrap();
                theirs.step(&mut b, &grads, lr).unwrap();
                let worst = a.iter().zip(&b).map(|(x, y)| (x - y).abs()).fold(0f32, f32::max);
                assert!(worst < 1e-5, "step {step}: {worst}");
            }
        }
    }

    #[test]
    fn the_first_step_of_a_warm_up_moves_nothing_and_the_next_moves_by_the_rate() {
        let layout = small_layout();
        let mut optimizer = AdamW::new(&OptimConfig { weight_decay: 0.0, ..config() }, &layout);
        let start = vec![0.5f32; layout.len()];
        let (mut params, grads) = (start.clone(), vec![2.0; layout.len()]);
        optimizer.step(&mut params, &grads, 0.0).unwrap();
        assert_eq!(params, start);
        // a constant gradient: m̂/√v̂ = 1
        optimizer.step(&mut params, &grads, 1e-3).unwrap();
        assert!(params.iter().all(|p| (p - 0.499).abs() < 1e-7));
    }

    /// Gradients far below ε, where it alone sets the step: of a constant gradient m̂ = g and v̂ = g², so every step is
    /// −lr·g/(|g| + ε). Without ε, with ε under the root or with 1,000·ε the step is 10 to 1e5 times another.
    #[test]
    fn epsilon_sets_the_step_of_gradients_below_it() {
        let layout = small_layout();
        let config = OptimConfig { weight_decay: 0.0, epsilon: 1e-8, ..config() };
        let lr = 1e-3;
        let mut ours = AdamW::new(&config, &layout);
        let adam = OptimConfig { name: OptimizerName::Adam, ..config.clone() };
        let mut theirs = CandleOptimizer::new(&adam, &layout).unwrap();
        let grads: Vec<f32> =
            (0..layout.len()).map(|i| [1e-9, -1e-9, 3e-10, 1e-11, -1e-12, 1e-13][i % 6]).collect();
        for optimizer in [&mut ours as &mut dyn Optimizer, &mut theirs] {
            let mut params = vec![0.0f32; layout.len()];
            for step in 1..=20 {
                optimizer.step(&mut params, &grads, lr).unwrap();
                for (&p, &g) in params.iter().zip(&grads) {
                    let g = f64::from(g);
                    let exact = -f64::from(step) * lr * g / (g.abs() + 1e-8);
                    assert!(
                        (f64::from(p) / exact - 1.0).abs() < 1e-4,
                        "step {step}, g = {g}: {p}, not {exact}"
                    );
                }
            }
        }
    }
}
