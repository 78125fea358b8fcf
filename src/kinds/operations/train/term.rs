//! The Jacobian term of a run's steps.

use crate::kinds::operations::{
    config::PlannedRun,
    engine::{Engine, EngineError},
    task::Equation,
};
use groklab_vectors::mlp::{Penalty, directions};

/// The term, with room for the directions of a batch.
pub(super) struct Term {
    penalty: Penalty,
    seed: u64,
    n_symbols: usize,
    directions: Vec<f32>,
}

impl Term {
    /// Of a run; none if it has no such term.
    pub fn new(run: &PlannedRun) -> Option<Self> {
        let penalty = run.config.jacobian.penalty()?;
        let (seed, n_symbols) = (run.config.seed, run.task.n_symbols);
        Some(Self { penalty, seed, n_symbols, directions: Vec::new() })
    }

    /// Loss and gradient of a batch after `steps` steps. Directions are drawn for each step, from the stream `jacobian` of
    /// (seed, step): computed, not remembered.
    pub fn gradient(
        &mut self,
        engine: &mut dyn Engine,
        steps: u64,
        params: &[f32],
        batch: &[Equation],
        grads: &mut [f32],
    ) -> Result<f32, EngineError> {
        self.directions.resize(batch.len() * self.n_symbols, 0.0);
        directions(self.seed, steps + 1, self.n_symbols, &mut self.directions);
        engine.penalised(params, batch, (&self.penalty, &self.directions), grads)
    }
}
