//! Many runs of one shape side by side on one device, an epoch at a time: what a device has to offer, and what it is
//! given.
//!
//! Promises of whoever implements [`Replicas`]: up to rounding, what a slot computes depends on that slot's state and steps
//! alone, not on what the other slots hold or which slot it is; the same calls give the same bits. All slots compute as many
//! rows as the largest batch among them has, and a library may choose its algorithm, and so its rounding, by that number
//! and by the number of slots.

use super::{Engine, EngineError, Evaluation};
use crate::{
    kinds::operations::config::{Decay, ModelConfig, PlannedRun, Precision, Pull},
    kinds::operations::optim::AdamWStep,
    kinds::operations::task::Equation,
    probe::Moments,
};

/// What runs must have in common to share a group of replicas.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// The transformer.
    pub model: ModelConfig,
    /// Operands of the task: rows of the unembedding.
    pub n_symbols: usize,
    /// Rows of the task's table at most: rounded up, so that tasks of about one size are one shape.
    pub table: usize,
    /// Rows of a batch at most.
    pub batch_size: usize,
    /// Which parameters are decayed: the pieces of [`decayed_ranges`](crate::kinds::operations::optim::decayed_ranges).
    pub decay: Decay,
    /// How matrices are multiplied.
    pub precision: Precision,
}

impl Shape {
    /// Of a run.
    pub fn of(run: &PlannedRun) -> Self {
        Self {
            model: run.config.model.clone(),
            n_symbols: run.task.n_symbols,
            table: table_room(run.task.n_symbols, run.task.equations.len()),
            batch_size: run.config.data.batch_size,
            decay: run.config.optim.decay,
            precision: run.config.precision,
        }
    }
}

/// The next power of two, but no more than there are pairs of symbols.
fn table_room(n_symbols: usize, rows: usize) -> usize {
    rows.max(1).next_power_of_two().min(n_symbols.saturating_mul(n_symbols)).max(rows)
}

/// A run's state as it goes to a device. The flat buffers are laid out by [`ParamLayout`](crate::kinds::operations::model::ParamLayout).
#[derive(Clone, Copy, Debug)]
pub struct ReplicaState<'a> {
    /// Parameters.
    pub params: &'a [f32],
    /// First moments of AdamW.
    pub m: &'a [f32],
    /// Second moments.
    pub v: &'a [f32],
    /// Training rows: the first side of an evaluation.
    pub train: &'a [Equation],
    /// Validation rows.
    pub val: &'a [Equation],
}

/// One optimiser step of one replica.
#[derive(Clone, Debug)]
pub struct ReplicaStep {
    /// Its rows: 1 to `batch_size` of the shape.
    pub batch: Vec<Equation>,
    /// What AdamW does with their gradient.
    pub update: AdamWStep,
    /// Terms that are added to their loss.
    pub pull: Option<Pull>,
}

/// The steps of one replica in one round.
#[derive(Clone, Debug)]
pub struct ReplicaEpoch {
    /// Which replica.
    pub slot: usize,
    /// At least one; replicas of a round may have different numbers of them.
    pub steps: Vec<ReplicaStep>,
}

/// What an evaluation of one replica gives.
#[derive(Clone, Debug)]
pub struct Evaluated {
    /// Over the training rows.
    pub train: Evaluation,
    /// Over the validation rows.
    pub val: Evaluation,
    /// Of the inputs X of the unembedding, and the logits X Wᵀ, over the training rows.
    pub moments: Moments,
}

impl Evaluated {
    /// Both sides under `params`, by an engine for one run; `shape` is that of the unembedding, (m, n).
    ///
    /// # Errors
    /// Those of the engine.
    pub fn by(
        engine: &mut dyn Engine,
        params: &[f32],
        [train, val]: [&[Equation]; 2],
        (m, n): (usize, usize),
    ) -> Result<Self, EngineError> {
        let mut moments = Moments::new(n, m);
        let train = engine.evaluate(params, train, Some(&mut moments))?;
        let val = engine.evaluate(params, val, None)?;
        Ok(Self { train, val, moments })
    }
}

/// Many runs of one shape side by side on a device. A slot holds one run; a method names slots below
/// [`slots`](Self::slots) that have been loaded, each once.
///
/// # Errors
/// An error of [`load`](Self::load), [`read_params`](Self::read_params) or [`read_moments`](Self::read_moments) means
/// that slot; any other means the device, and none of its slots is to be used again.
pub trait Replicas: Send {
    /// Runs that are side by side at most, at least 1.
    fn slots(&self) -> usize;

    /// For the manifest: engine, device, precision. It must not depend on the number of slots.
    fn describe(&self) -> String;

    /// Puts a run into a slot, in the place of what was there.
    fn load(&mut self, slot: usize, state: &ReplicaState<'_>) -> Result<(), EngineError>;

    /// Starts an epoch of the replicas named, and does not wait for the device. No other method is called until
    /// [`finish_epoch`](Self::finish_epoch) has been.
    fn start_epoch(&mut self, epochs: &[ReplicaEpoch]) -> Result<(), EngineError>;

    /// Waits for the epoch: for each replica, in the order of `epochs`, the mean cross-entropy of each step's batch
    /// before the step. A replica whose loss is not finite takes neither that step nor a later one; its losses end
    /// with that one.
    fn finish_epoch(&mut self) -> Result<Vec<Vec<f32>>, EngineError>;

    /// Evaluates the replicas named as they stand, in that order.
    fn evaluate(&mut self, slots: &[usize]) -> Result<Vec<Evaluated>, EngineError>;

    /// Copies a replica's parameters out.
    fn read_params(&mut self, slot: usize, params: &mut [f32]) -> Result<(), EngineError>;

    /// Copies a replica's moments out.
    fn read_moments(&mut self, slot: usize, m: &mut [f32], v: &mut [f32]) -> Result<(), EngineError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_of_about_one_size_share_a_shape_and_a_small_table_of_many_symbols_stays_small() {
        // all pairs modulo 97, and those without division by zero
        assert_eq!((table_room(97, 9409), table_room(97, 9312)), (9409, 9409));
        assert_eq!(table_room(120, 14_400), 14_400);
        assert_eq!(table_room(65_536, 10), 16);
        assert_eq!(table_room(1, 1), 1);
    }
}
