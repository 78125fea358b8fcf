//! One run that has a slot of the device: what is done for it, and when its host copy may be overwritten.

use super::super::{
    Entry, Execution, Locked, Reporter,
    attempt::{Attempt, guarded},
};
use crate::{
    kinds::operations::engine::{EngineError, Evaluated, ReplicaStep, Replicas},
    kinds::operations::train::{Assessed, Pass, TrainError},
    store::StopReason,
};
use std::{
    mem,
    time::{Duration, Instant},
};

/// Runs that are evaluated more seldom than this do not wait for the round in which others are.
const ALIGNED_AT_MOST: u64 = 32;

/// A run and its slot's state.
pub(super) struct SlotRun<'a> {
    entry: Entry<'a>,
    locked: Locked<'a>,
    attempt: Attempt<'a>,
    state: State,
    /// Of the epoch that is to be started next.
    steps: Vec<ReplicaStep>,
    /// Steps of the epoch on the device.
    on_the_way: usize,
    /// An evaluation that is not recorded yet: the host's parameters are those it was made of.
    unrecorded: Option<Assessed>,
    wants: Wants,
    /// The host's parameters and moments are to be saved.
    save: bool,
}

/// How far a run is in its round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not on the device: it waits for its turn.
    Waiting,
    /// The steps of its epoch are done, in this way.
    Stepped(Pass),
    /// Its epoch is closed; the next can be started.
    Ready,
    /// On the device.
    Running,
    /// Over, for this reason; without one it is to be resumed another time. The host has all that is to be written.
    Ended(Option<StopReason>),
}

/// What a closing epoch wants from the device.
#[derive(Clone, Copy, Debug, Default)]
struct Wants {
    evaluation: bool,
    save: bool,
}

impl<'a> SlotRun<'a> {
    /// Locks and begins a run, or settles it. `share`, from 0 to 1, tells it from the others that begin with it.
    pub(super) fn begin(
        entry: Entry<'a>,
        engine: &str,
        share: f64,
        execution: &'a Execution,
        reporter: &'a dyn Reporter,
    ) -> Option<Self> {
        let mut locked = match Locked::new(entry.run, execution, reporter) {
            Ok(locked) => locked,
            Err(settled) => {
                entry.settle(*settled);
                return None;
            }
        };
        let begun = guarded(|| {
            let mut attempt = locked.begin(engine, execution, reporter)?;
            attempt.recorder.hurry_first_save(share);
            // epoch 0 has no steps
            let steps = attempt.trainer.prepare(attempt.trainer.next_epoch.max(1));
            Ok((attempt, steps))
        });
        match begun {
            Ok((attempt, steps)) => Some(Self {
                entry,
                locked,
                attempt,
                state: State::Waiting,
                steps,
                on_the_way: 0,
                unrecorded: None,
                wants: Wants::default(),
                save: false,
            }),
            Err(reason) => {
                entry.settle(locked.fail(reason));
                None
            }
        }
    }

    /// Epochs that are done.
    pub(super) fn epochs(&self) -> u64 {
        self.attempt.trainer.next_epoch.saturating_sub(1)
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.state == State::Waiting
    }

    pub(super) fn is_running(&self) -> bool {
        self.state == State::Running
    }

    pub(super) fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended(_))
    }

    /// Whether it waits for this round: evaluations of runs that started at different times fall together.
    pub(super) fn is_turn(&self, round: u64) -> bool {
        let every = self.entry.run.config.probe.every.max(1);
        self.is_waiting() && (every > ALIGNED_AT_MOST || round % every == self.epochs() % every)
    }

    /// Goes to another slot, by way of the host, with the bits it has on the device.
    pub(super) fn move_to(
        &mut self,
        device: &mut dyn Replicas,
        from: usize,
        to: usize,
    ) -> Result<(), TrainError> {
        if self.is_waiting() {
            return Ok(());
        }
        self.record()?;
        self.fetch(device, from)?;
        self.put(device, to)
    }

    /// Copies parameters and moments from the device.
    fn fetch(&mut self, device: &mut dyn Replicas, slot: usize) -> Result<(), TrainError> {
        self.attempt.trainer.take_replica(|params, moments| {
            device.read_params(slot, params)?;
            match moments {
                Some((m, v)) => Ok(device.read_moments(slot, m, v)?),
                None => Ok(()),
            }
        })
    }

    fn put(&self, device: &mut dyn Replicas, slot: usize) -> Result<(), TrainError> {
        let state = self.attempt.trainer.replica_state();
        let no_moments = || EngineError::Shape("only the state of adamw can go to a device".into());
        Ok(device.load(slot, &state.ok_or_else(no_moments)?)?)
    }

    /// Goes onto the device.
    pub(super) fn load(&mut self, device: &mut dyn Replicas, slot: usize) -> Result<(), TrainError> {
        self.put(device, slot)?;
        let is_new = self.attempt.trainer.next_epoch == 0;
        self.state = if is_new { State::Stepped(Pass::Complete) } else { State::Ready };
        Ok(())
    }

    /// Finds out what the end of the epoch wants, and records what was evaluated before, if the host's copy of the
    /// parameters is going to be overwritten.
    pub(super) fn look(&mut self, is_stopping: bool) -> Result<(), TrainError> {
        let Attempt { trainer, recorder } = &self.attempt;
        self.wants = match self.state {
            State::Stepped(pass) => {
                Wants { evaluation: trainer.is_due(pass), save: recorder.is_save_due(trainer) }
            }
            _ => Wants::default(),
        };
        if self.wants.evaluation || self.wants.save || is_stopping {
            self.record()?;
        }
        Ok(())
    }

    pub(super) fn wants_evaluation(&self) -> bool {
        self.wants.evaluation
    }

    /// Takes note of its evaluation, which took `time`.
    pub(super) fn assess(&mut self, evaluated: Evaluated, time: Duration) {
        let Attempt { trainer, recorder } = &mut self.attempt;
        let State::Stepped(pass) = self.state else { return };
        trainer.clock.evaluation += time;
        self.unrecorded = Some(trainer.assess(evaluated, pass));
        // a milestone
        self.wants.save |= recorder.is_save_due(trainer);
    }

    /// Closes the epoch, and copies from the device what the host needs for it.
    pub(super) fn close(
        &mut self,
        device: &mut dyn Replicas,
        slot: usize,
        is_stopping: bool,
    ) -> Result<(), TrainError> {
        let trainer = &mut self.attempt.trainer;
        let mut wants = mem::take(&mut self.wants);
        let state = match self.state {
            State::Stepped(_) => {
                let stopped = trainer.stop_reason();
                trainer.next_epoch += 1;
                if stopped.is_some() { State::Ended(stopped) } else { State::Ready }
            }
            state => state,
        };
        let state = match state {
            State::Ready if is_stopping => {
                wants.save = true;
                State::Ended(None)
            }
            State::Waiting if is_stopping => State::Ended(None),
            state => state,
        };
        if let State::Ended(Some(reason)) = state {
            // a larger budget goes on from the end, unless nothing can
            wants.save = reason != StopReason::Diverged;
        }
        if wants.save {
            self.fetch(device, slot)?;
        } else if wants.evaluation {
            device.read_params(slot, &mut trainer.params)?;
        }
        self.save = wants.save && state == State::Ready;
        self.state = state;
        Ok(())
    }

    /// The steps of the next epoch; none if the run is not ready.
    pub(super) fn start(&mut self) -> Option<Vec<ReplicaStep>> {
        if self.state != State::Ready {
            return None;
        }
        self.state = State::Running;
        self.on_the_way = self.steps.len();
        Some(mem::take(&mut self.steps))
    }

    /// Draws the batches of the epoch after the one that was started.
    pub(super) fn prepare(&mut self) {
        if matches!(self.state, State::Running | State::Stepped(_)) {
            let trainer = &mut self.attempt.trainer;
            self.steps = trainer.prepare(trainer.next_epoch + 1);
        }
    }

    /// What files are written meanwhile: what must be now, and before `deadline` also what can wait.
    pub(super) fn write(&mut self, deadline: Instant) -> Result<(), TrainError> {
        if self.save || self.is_ended() || Instant::now() < deadline {
            self.record()?;
        }
        if mem::take(&mut self.save) {
            self.attempt.recorder.save(&self.attempt.trainer)?;
        }
        Ok(())
    }

    /// Probes and records the evaluation that is not recorded yet.
    fn record(&mut self) -> Result<(), TrainError> {
        if let Some(assessed) = self.unrecorded.take() {
            let Attempt { trainer, recorder } = &mut self.attempt;
            trainer.record(&assessed, recorder)?;
            recorder.show(trainer);
        }
        Ok(())
    }

    /// Takes note of the losses of its epoch, which took `time`.
    pub(super) fn advance(&mut self, losses: &[f32], time: Duration) -> Result<(), String> {
        let is_cut = losses.last().is_some_and(|loss| !loss.is_finite());
        if losses.len() > self.on_the_way || losses.len() < self.on_the_way && !is_cut {
            return Err(format!("the device gave {} losses for {} steps", losses.len(), self.on_the_way));
        }
        self.state = State::Stepped(self.attempt.trainer.advance(losses, time));
        Ok(())
    }

    /// Writes the end of a run that is over.
    pub(super) fn settle(self) {
        let Self { entry, locked, attempt, state, .. } = self;
        let reason = if let State::Ended(reason) = state { reason } else { None };
        let result = guarded(|| Ok(attempt.settle(reason)?));
        entry.settle(result.unwrap_or_else(|reason| locked.fail(reason)));
    }

    /// Settles it as failed.
    pub(super) fn fail(self, reason: String) {
        self.entry.settle(self.locked.fail(reason));
    }

    /// Leaves the slot as if it had never had it; only for a run that was not on the device.
    pub(super) fn into_entry(self) -> Entry<'a> {
        self.entry
    }
}
