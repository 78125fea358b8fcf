//! Muon (Jordan et al. 2024): momentum whose direction is made orthogonal, for the matrices between hidden states.
//!
//! m ← μm + g;  u = g + μm;  X = Newton–Schulz(u);  W ← W·(1 − r·λ) − r·s·X, r the matrices' learning rate.
//!
//! Two scalings s are in use, and a learning rate means nothing without saying which: see [`Scaling`]. Embedding,
//! unembedding and gains are moved by Adam.

use super::{Adam, AdamConfig, NewtonSchulz, OptimError, Optimizer, check_lengths};
use crate::{Layout, Role};
use std::ops::Range;

/// The factor s of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scaling {
    /// 0.2·√max(rows, columns): entries of the update have RMS near 0.2, as Adam's do, and take Adam's learning rate
    /// (Liu et al. 2025, arXiv 2502.16982). The one to which the learning rate of arXiv 2605.28975 fits.
    MatchAdam,
    /// √max(1, outputs/inputs), the original; takes a learning rate of its own, see [`MuonConfig::matrix_rate`].
    Original,
}

impl Scaling {
    /// s for a matrix of (outputs, inputs).
    pub fn factor(self, [outputs, inputs]: [usize; 2]) -> f64 {
        match self {
            Self::MatchAdam => 0.2 * (outputs.max(inputs) as f64).sqrt(),
            Self::Original => (outputs as f64 / inputs as f64).max(1.0).sqrt(),
        }
    }
}

/// Settings of Muon.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MuonConfig {
    /// μ, of Nesterov's form.
    pub momentum: f64,
    /// Iterations of Newton–Schulz.
    pub iterations: usize,
    /// s.
    pub scaling: Scaling,
    /// r over the learning rate of the step, which is Adam's.
    pub matrix_rate: f64,
    /// Decoupled weight decay λ of the matrices, times r.
    pub weight_decay: f64,
    /// For embedding, unembedding and gains.
    pub adam: AdamConfig,
}

impl MuonConfig {
    /// As in the study of the log-alignment ratio (arXiv 2605.28975), but for its decay of 0.1: there is none.
    pub const LAR: Self = Self {
        momentum: 0.95,
        iterations: 5,
        scaling: Scaling::MatchAdam,
        matrix_rate: 1.0,
        weight_decay: 0.0,
        adam: AdamConfig::LAR,
    };

    /// As in the toy of Spectral Lens (arXiv 2605.05683): matrices at 50 times the learning rate without decay, the rest by
    /// AdamW with a decay of 0.01.
    pub const LENS: Self = Self {
        momentum: 0.95,
        iterations: 5,
        scaling: Scaling::Original,
        matrix_rate: 50.0,
        weight_decay: 0.0,
        adam: AdamConfig { weight_decay: 0.01, ..AdamConfig::LENS },
    };
}

/// Muon with Adam for what is no hidden matrix.
#[derive(Debug)]
pub struct Muon {
    config: MuonConfig,
    matrices: Vec<(Range<usize>, [usize; 2])>,
    length: usize,
    /// m of the matrices, in their order without gaps.
    momentum: Vec<f32>,
    adam: Adam,
    newton_schulz: NewtonSchulz,
    update: Vec<f32>,
}

impl Muon {
    /// For the parameters of a layout, all state at zero.
    ///
    /// # Errors
    /// If a parameter of role [`Role::Matrix`] is none.
    pub fn new(config: MuonConfig, layout: &Layout) -> Result<Self, OptimError> {
        let mut matrices = Vec::new();
        for param in layout.iter().filter(|param| param.role == Role::Matrix) {
            match *param.shape.as_slice() {
                [rows, columns] if rows > 0 && columns > 0 => {
                    matrices.push((param.range.clone(), [rows, columns]))
                }
                _ => return Err(OptimError::Matrix { name: param.name.clone(), shape: param.shape.clone() }),
            }
        }
        let count = matrices.iter().map(|(range, _)| range.len()).sum();
        Ok(Self {
            config,
            matrices,
            length: layout.len(),
            momentum: vec![0.0; count],
            adam: Adam::of(config.adam, layout, |param| param.role != Role::Matrix),
            newton_schulz: NewtonSchulz::new(config.iterations),
            update: Vec::new(),
        })
    }
}

impl Optimizer for Muon {
    fn step(&mut self, params: &mut [f32], grads: &[f32], lr: f64) -> Result<(), OptimError> {
        check_lengths(params, grads, self.length)?;
        let MuonConfig { momentum: mu, scaling, matrix_rate, weight_decay, .. } = self.config;
        let rate = lr * matrix_rate;
        let (keep, mu) = ((1.0 - rate * weight_decay) as f32, mu as f32);
        let mut at = 0;
        for (range, shape) in &self.matrices {
            let momentum = &mut self.momentum[at..at + range.len()];
            at += range.len();
            self.update.clear();
            self.update.extend(momentum.iter_mut().zip(&grads[range.clone()]).map(|(m, &g)| {
                *m = mu * *m + g;
                g + mu * *m
            }));
            self.newton_schulz.run(&mut self.update, *shape).map_err(|_| OptimError::Length {
                what: "entries of a matrix",
                found: self.update.len(),
                expected: shape[0] * shape[1],
            })?;
            let scale = (rate * scaling.factor(*shape)) as f32;
            for (p, x) in params[range.clone()].iter_mut().zip(&self.update) {
                *p = *p * keep - scale * x;
            }
        }
        self.adam.step(params, grads, lr)
    }

    fn steps(&self) -> u64 {
        self.adam.steps()
    }

    fn set_steps(&mut self, steps: u64) {
        self.adam.set_steps(steps);
    }

    fn slots(&self) -> Vec<(&'static str, &[f32])> {
        let mut slots = self.adam.slots();
        slots.push(("momentum", &self.momentum));
        slots
    }

    fn slots_mut(&mut self) -> Vec<(&'static str, &mut [f32])> {
        let mut slots = self.adam.slots_mut();
        slots.push(("momentum", &mut self.momentum));
        slots
    }
}
