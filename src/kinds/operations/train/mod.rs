//! Training: the steps of an epoch, evaluation, diagnostics.
//!
//! A [`Trainer`] is the state of a run on the host; an engine is lent to it. What follows an evaluation (milestones, the
//! reason to stop, the row, spectra, diagnostics) does not ask who made it.

mod diagnostics;
mod evaluation;
mod solo;
mod term;
mod trace;

pub use diagnostics::Diagnostics;
pub use evaluation::Assessed;
pub use solo::Solo;
pub use trace::{Trace, trace};

use super::{
    config::PlannedRun,
    data::{BatchOrder, Split, SplitError},
    engine::{Engine, EngineError, ReplicaState, ReplicaStep},
    milestones::MILESTONES,
    model::{ParamLayout, initial_parameters},
    optim::{self, AdamWStep, OptimError, Optimizer, learning_rate},
    task::Equation,
};
use crate::{
    probe::ProbeError,
    run::{ConfigError, Counters, Course, Failure, Layout, Pass, Snapshot, State},
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use term::Term;

/// One run in memory: everything a step needs but an engine, and everything that a later process needs to go on.
pub struct Trainer<'a> {
    run: &'a PlannedRun,
    optimizer: Box<dyn Optimizer>,
    /// Names and places of the parameters.
    pub layout: ParamLayout,
    tensors: Layout,
    /// The parameters.
    pub params: Vec<f32>,
    grads: Vec<f32>,
    /// Training and validation rows.
    pub split: Split,
    order: BatchOrder,
    batch: Vec<Equation>,
    term: Option<Term>,
    /// Where it stands.
    pub course: Course,
    /// What is recorded besides.
    pub diagnostics: Diagnostics,
    /// Whether it was said why numbers are not defined.
    noted: bool,
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
    #[error(
        "a checkpoint at step {step} before epoch {next_epoch} is not one of this run, with {steps} steps an epoch"
    )]
    Snapshot { next_epoch: u64, step: u64, steps: u64 },
}

impl<'a> Trainer<'a> {
    /// Draws the split and the initial parameters of `run`.
    pub fn new(run: &'a PlannedRun) -> Result<Self, TrainError> {
        let config = &run.config;
        config.check()?;
        let layout = ParamLayout::new(&config.model, run.task.n_symbols);
        let split = Split::of(&run.task, config.train_fraction, config.split_seed)?.with_label_noise(
            config.data.label_noise,
            run.task.n_symbols,
            config.split_seed,
        );
        Ok(Self {
            optimizer: optim::build(&config.optim, &layout)?,
            params: initial_parameters(&config.model, &layout, config.seed),
            grads: Vec::new(),
            order: BatchOrder::new(split.train.len(), config.data.batch_size, config.data.last_batch),
            batch: Vec::with_capacity(config.data.batch_size.min(split.train.len())),
            term: Term::new(run),
            course: Course::new(config.train, config.probe.cadence(), &MILESTONES),
            diagnostics: Diagnostics::new(run, &layout)?,
            tensors: layout.tensors(),
            noted: false,
            run,
            layout,
            split,
        })
    }

    /// The steps of the next epoch that are still to do, while `go_on` says so.
    fn epoch(&mut self, engine: &mut dyn Engine, go_on: &dyn Fn() -> bool) -> Result<Pass, TrainError> {
        let start = Instant::now();
        let pass = self.steps_of_epoch(engine, self.course.next_epoch, go_on, &mut |_, _| ())?;
        self.course.clock.training += start.elapsed();
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
        let pull = config.alignment.pull(epoch);
        self.order.shuffle(config.seed, epoch);
        let done = self.course.step.saturating_sub(self.steps_before(epoch));
        for rows in self.order.batches().skip(done as usize) {
            if !go_on() {
                return Ok(Pass::Cut);
            }
            self.batch.clear();
            self.batch.extend(rows.iter().map(|&i| self.split.train[i as usize]));
            let (params, batch, grads) = (&self.params, &self.batch, &mut self.grads);
            let loss = match &mut self.term {
                Some(term) => term.gradient(engine, self.course.step, params, batch, grads)?,
                None => engine.pulled(params, batch, pull, grads)?,
            };
            seen(rows, loss);
            if !loss.is_finite() {
                return Ok(Pass::NotFinite);
            }
            let lr = learning_rate(&config.optim, self.course.step);
            self.optimizer.step(&mut self.params, &self.grads, lr)?;
            self.course.step += 1;
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
        let done = self.course.step.saturating_sub(before);
        let batches = self.order.batches().zip(before..).skip(done as usize);
        batches
            .map(|(rows, step)| ReplicaStep {
                batch: rows.iter().map(|&i| self.split.train[i as usize]).collect(),
                update: AdamWStep::new(&config.optim, step + 1, learning_rate(&config.optim, step)),
                pull: config.alignment.pull(epoch),
            })
            .collect()
    }

    /// Takes note of the steps that a device did in `time`, by their losses.
    pub fn advance(&mut self, losses: &[f32], time: Duration) -> Pass {
        let done = losses.iter().take_while(|loss| loss.is_finite()).count();
        self.course.step += done as u64;
        self.course.clock.training += time;
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
        self.optimizer.set_steps(self.course.step);
        let mut slots = self.optimizer.slots_mut().unwrap_or_default();
        match &mut slots[..] {
            [("m", m), ("v", v)] => read(&mut self.params, Some((m, v))),
            _ => read(&mut self.params, None),
        }
    }

    /// The optimiser, for those who want its state.
    pub fn optimizer(&self) -> &dyn Optimizer {
        self.optimizer.as_ref()
    }
}

impl State for Trainer<'_> {
    fn course(&self) -> &Course {
        &self.course
    }

    fn layout(&self) -> &Layout {
        &self.tensors
    }

    fn parameters(&self) -> &[f32] {
        &self.params
    }

    fn snapshot(&self) -> Option<Snapshot> {
        let slots = optim::copied_slots(self.optimizer.as_ref())?;
        let Course { next_epoch, step, ref milestones, .. } = self.course;
        let counters = Counters { next_epoch, step, milestones: milestones.clone(), memory: BTreeMap::new() };
        Some(Snapshot { counters, params: self.params.clone(), slots })
    }

    fn restore(&mut self, snapshot: Snapshot) -> Result<(), Failure> {
        let Counters { next_epoch, step, milestones, .. } = snapshot.counters;
        let steps = self.order.steps() as u64;
        let recorded = next_epoch.checked_sub(1).and_then(|epochs| epochs.checked_mul(steps));
        let fits = recorded.is_some_and(|done| done <= step && step - done <= steps)
            && snapshot.params.len() == self.layout.len();
        if !fits || !optim::restore_slots(self.optimizer.as_mut(), &snapshot.slots, step) {
            return Err(TrainError::Snapshot { next_epoch, step, steps }.into());
        }
        self.params = snapshot.params;
        (self.course.next_epoch, self.course.step, self.course.milestones) = (next_epoch, step, milestones);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
