//! The training loop, evaluation, milestones and stopping.
//!
//! A [`Trainer`] is the state of a run on the host; an engine is lent to it. What follows an evaluation (milestones, the
//! reason to stop, the row, spectra, diagnostics) does not ask who made it.

mod diagnostics;
mod evaluation;
mod milestones;
mod trace;

pub use diagnostics::Diagnostics;
pub use evaluation::Assessed;
pub use milestones::{GROKKED_ACCURACY, MEMORIZED_VAL_ACCURACY};
pub use trace::{Trace, trace};

use crate::{
    kinds::operations::config::{ConfigError, PlannedRun},
    kinds::operations::data::{BatchOrder, Split, SplitError},
    kinds::operations::engine::{Engine, EngineError, ReplicaState, ReplicaStep},
    kinds::operations::model::{ParamLayout, initial_parameters},
    kinds::operations::optim::{self, AdamWStep, OptimError, Optimizer, learning_rate},
    kinds::operations::task::Equation,
    probe::{ProbeError, Spectra},
    store::{Checkpoint, Counters, End, MetricsRow, Milestones, Part, Snapshot, StopReason, StoreError},
};
use std::time::{Duration, Instant};

/// One run in memory: everything a step needs but an engine, and everything that a later process needs to go on.
pub struct Trainer<'a> {
    run: &'a PlannedRun,
    optimizer: Box<dyn Optimizer>,
    /// Names and places of the parameters.
    pub layout: ParamLayout,
    /// The parameters.
    pub params: Vec<f32>,
    grads: Vec<f32>,
    /// Training and validation rows.
    pub split: Split,
    order: BatchOrder,
    batch: Vec<Equation>,
    /// Completed steps.
    pub step: u64,
    /// The epoch that is not yet recorded: 0 at the start, and its steps may be partly done.
    pub next_epoch: u64,
    /// What is recorded besides.
    pub diagnostics: Diagnostics,
    /// What happened when, at the evaluations of the trajectory.
    pub milestones: Milestones,
    /// The end of the budget, once it is evaluated.
    pub end: Option<End>,
    /// Time spent so far.
    pub clock: Clock,
    /// Whether it was said why numbers are not defined.
    noted: bool,
}

/// Where the time went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    /// Training steps.
    pub training: Duration,
    /// Forward passes over all rows.
    pub evaluation: Duration,
    /// Spectra, eigenvalues and diagnostics.
    pub probe: Duration,
}

/// What happens to a run's numbers; the loop does not know files or terminals.
pub trait Record {
    /// An evaluation.
    fn row(&mut self, part: Part, row: &MetricsRow) -> Result<(), StoreError>;
    /// The full spectra of a checkpoint.
    fn spectra(
        &mut self,
        part: Part,
        checkpoint: Checkpoint,
        epoch: u64,
        spectra: &Spectra,
    ) -> Result<(), StoreError>;
    /// The diagnostics of an evaluation, one value a column; of a run that has any.
    fn diagnostics(
        &mut self,
        part: Part,
        epoch: u64,
        columns: &[String],
        values: &[f64],
    ) -> Result<(), StoreError>;
    /// Whether the run is to stop after the step it is at, unfinished.
    fn is_stopping(&self) -> bool;
    /// The end of an epoch that is recorded: a moment to save.
    fn epoch(&mut self, trainer: &Trainer) -> Result<(), StoreError>;
}

/// How far an epoch's steps got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// All of them.
    Complete,
    /// Until a loss was not finite.
    NotFinite,
    /// Until it was asked to stop; the others are still to do.
    Cut,
}

/// A run that could not be started or went wrong.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // each is the error of the module it names
pub enum TrainError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Split(#[from] SplitError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Optimizer(#[from] OptimError),
    #[error(transparent)]
    Probe(#[from] ProbeError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(
        "a checkpoint at step {step} before epoch {next_epoch} is not one of this run, with {steps} steps an epoch"
    )]
    Snapshot { next_epoch: u64, step: u64, steps: u64 },
}

/// Trains from the state of the trainer until the run has grokked and its patience is over, its budget is spent
/// or it diverges: the reason is returned. None when `record` asked it to stop before.
pub fn train(
    trainer: &mut Trainer,
    engine: &mut dyn Engine,
    record: &mut dyn Record,
) -> Result<Option<StopReason>, TrainError> {
    loop {
        let pass = match trainer.next_epoch {
            0 => Pass::Complete,
            _ => trainer.epoch(engine, &|| !record.is_stopping())?,
        };
        if pass == Pass::Cut {
            return Ok(None);
        }
        if trainer.is_due(pass) {
            let evaluated = trainer.evaluate(engine)?;
            let assessed = trainer.assess(evaluated, pass);
            trainer.record(&assessed, record)?;
        }
        let stopped = trainer.stop_reason();
        trainer.next_epoch += 1;
        if stopped.is_some() {
            return Ok(stopped);
        }
        record.epoch(trainer)?;
    }
}

impl<'a> Trainer<'a> {
    /// Draws the split and the initial parameters of `run`.
    pub fn new(run: &'a PlannedRun) -> Result<Self, TrainError> {
        let config = &run.config;
        config.check()?;
        let layout = ParamLayout::new(&config.model, run.task.n_symbols);
        let split = Split::new(&run.task.equations, config.train_fraction, config.split_seed)?;
        Ok(Self {
            optimizer: optim::build(&config.optim, &layout)?,
            params: initial_parameters(&config.model, &layout, config.seed),
            grads: Vec::new(),
            order: BatchOrder::new(split.train.len(), config.data.batch_size, config.data.last_batch),
            batch: Vec::with_capacity(config.data.batch_size.min(split.train.len())),
            step: 0,
            next_epoch: 0,
            diagnostics: Diagnostics::new(run, &layout)?,
            milestones: Milestones::default(),
            end: None,
            clock: Clock::default(),
            noted: false,
            run,
            layout,
            split,
        })
    }

    /// The steps of the next epoch that are still to do, while `go_on` says so.
    fn epoch(&mut self, engine: &mut dyn Engine, go_on: &dyn Fn() -> bool) -> Result<Pass, TrainError> {
        let start = Instant::now();
        let pass = self.steps_of_epoch(engine, self.next_epoch, go_on, &mut |_, _| ())?;
        self.clock.training += start.elapsed();
        Ok(pass)
    }

    /// The steps of `epoch` (from 1) that are still to do, while `go_on` says so; `seen` gets the rows and the loss of each.
    pub fn steps_of_epoch(
        &mut self,
        engine: &mut dyn Engine,
        epoch: u64,
        go_on: &dyn Fn() -> bool,
        seen: &mut dyn FnMut(&[u32], f32),
    ) -> Result<Pass, TrainError> {
        let config = &self.run.config;
        self.grads.resize(self.layout.len(), 0.0);
        self.order.shuffle(config.seed, epoch);
        let done = self.step.saturating_sub(self.steps_before(epoch));
        for rows in self.order.batches().skip(done as usize) {
            if !go_on() {
                return Ok(Pass::Cut);
            }
            self.batch.clear();
            self.batch.extend(rows.iter().map(|&i| self.split.train[i as usize]));
            let loss = engine.loss_and_gradients(&self.params, &self.batch, &mut self.grads)?;
            seen(rows, loss);
            if !loss.is_finite() {
                return Ok(Pass::NotFinite);
            }
            let lr = learning_rate(&config.optim, self.step);
            self.optimizer.step(&mut self.params, &self.grads, lr)?;
            self.step += 1;
        }
        Ok(Pass::Complete)
    }

    /// Steps of the epochs before `epoch`, counted from 1.
    fn steps_before(&self, epoch: u64) -> u64 {
        epoch.saturating_sub(1) * self.order.steps() as u64
    }

    /// The steps of `epoch` (from 1) that are still to do, for a device that takes a whole epoch at once; those of AdamW.
    /// The epoch may lie ahead: nothing here depends on what the steps before it give.
    pub fn prepare(&mut self, epoch: u64) -> Vec<ReplicaStep> {
        let config = &self.run.config;
        self.order.shuffle(config.seed, epoch);
        let before = self.steps_before(epoch);
        let done = self.step.saturating_sub(before);
        let batches = self.order.batches().zip(before..).skip(done as usize);
        batches
            .map(|(rows, step)| ReplicaStep {
                batch: rows.iter().map(|&i| self.split.train[i as usize]).collect(),
                update: AdamWStep::new(&config.optim, step + 1, learning_rate(&config.optim, step)),
            })
            .collect()
    }

    /// Takes note of the steps that a device did in `time`, by their losses.
    pub fn advance(&mut self, losses: &[f32], time: Duration) -> Pass {
        let done = losses.iter().take_while(|loss| loss.is_finite()).count();
        self.step += done as u64;
        self.clock.training += time;
        if done == losses.len() { Pass::Complete } else { Pass::NotFinite }
    }

    /// What a device needs to go on from here; none with another optimiser than adamw.
    pub fn replica_state(&self) -> Option<ReplicaState<'_>> {
        let [("m", m), ("v", v)] = self.optimizer.slots()?[..] else { return None };
        Some(ReplicaState { params: &self.params, m, v, train: &self.split.train, val: &self.split.val })
    }

    /// Takes over what a device has: `read` fills the parameters and, of adamw, both moments.
    pub fn take_replica<E>(
        &mut self,
        read: impl FnOnce(&mut [f32], Option<(&mut [f32], &mut [f32])>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.optimizer.set_steps(self.step);
        let mut slots = self.optimizer.slots_mut().unwrap_or_default();
        match &mut slots[..] {
            [("m", m), ("v", v)] => read(&mut self.params, Some((m, v))),
            _ => read(&mut self.params, None),
        }
    }

    /// All that is needed to go on from here; none with an optimiser that keeps its state to itself.
    pub fn snapshot(&self) -> Option<Snapshot> {
        let slots = optim::copied_slots(self.optimizer.as_ref())?;
        let counters = Counters { next_epoch: self.next_epoch, step: self.step, milestones: self.milestones };
        Some(Snapshot { counters, params: self.params.clone(), slots })
    }

    /// Goes back to a snapshot of the same run. Errors when it cannot be one of it.
    pub fn restore(&mut self, snapshot: Snapshot) -> Result<(), TrainError> {
        let Counters { next_epoch, step, milestones } = snapshot.counters;
        let steps = self.order.steps() as u64;
        let recorded = next_epoch.checked_sub(1).and_then(|epochs| epochs.checked_mul(steps));
        let fits = recorded.is_some_and(|done| done <= step && step - done <= steps)
            && snapshot.params.len() == self.layout.len();
        if !fits || !optim::restore_slots(self.optimizer.as_mut(), &snapshot.slots, step) {
            return Err(TrainError::Snapshot { next_epoch, step, steps });
        }
        self.params = snapshot.params;
        (self.next_epoch, self.step, self.milestones) = (next_epoch, step, milestones);
        Ok(())
    }

    /// The optimiser, for those who want its state.
    pub fn optimizer(&self) -> &dyn Optimizer {
        self.optimizer.as_ref()
    }
}
