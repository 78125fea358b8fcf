//! One run that has a slot of the device: what is done for it, and when its host copy may be overwritten.

use super::operations;
use crate::{
    kinds::operations::{
        engine::{EngineError, Evaluated, ReplicaStep, Replicas},
        train::{Assessed, Trainer},
    },
    run::{Failure, Pass},
    sweep::{Entry, Execution, Locked, Recorder, Reporter, guarded},
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
    trainer: Trainer<'a>,
    recorder: Recorder<'a>,
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
    /// Over, in this way. The host has all that is to be written.
    Ended(Over),
}

/// How a run came off the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    /// At its end, from which a larger budget goes on.
    Finished,
    /// By a loss that is not finite.
    Diverged,
    /// To be resumed another time.
    Stopped,
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
            let run = operations(entry.run).ok_or("a run of another kind")?;
            let mut trainer = Trainer::new(run)?;
            let mut recorder = locked.begin(&mut trainer, engine, execution, reporter)?;
            recorder.hurry_first_save(share);
            // epoch 0 has no steps
            let steps = trainer.prepare(trainer.course.next_epoch.max(1));
            Ok((trainer, recorder, steps))
        });
        match begun {
            Ok((trainer, recorder, steps)) => Some(Self {
                entry,
                locked,
                trainer,
                recorder,
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
        self.trainer.course.next_epoch.saturating_sub(1)
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
        let every = self.entry.run.cadence().every.max(1);
        self.is_waiting() && (every > ALIGNED_AT_MOST || round % every == self.epochs() % every)
    }

    /// Goes to another slot, by way of the host, with the bits it has on the device.
    pub(super) fn move_to(
        &mut self,
        device: &mut dyn Replicas,
        from: usize,
        to: usize,
    ) -> Result<(), Failure> {
        if self.is_waiting() {
            return Ok(());
        }
        self.record()?;
        self.fetch(device, from)?;
        self.put(device, to)
    }

    /// Copies parameters and moments from the device.
    fn fetch(&mut self, device: &mut dyn Replicas, slot: usize) -> Result<(), Failure> {
        self.trainer.take_replica(|params, moments| {
            device.read_params(slot, params)?;
            match moments {
                Some((m, v)) => Ok(device.read_moments(slot, m, v)?),
                None => Ok(()),
            }
        })
    }

    fn put(&self, device: &mut dyn Replicas, slot: usize) -> Result<(), Failure> {
        let state = self.trainer.replica_state();
        let no_moments = || EngineError::Shape("only the state of adamw can go to a device".into());
        Ok(device.load(slot, &state.ok_or_else(no_moments)?)?)
    }

    /// Goes onto the device.
    pub(super) fn load(&mut self, device: &mut dyn Replicas, slot: usize) -> Result<(), Failure> {
        self.put(device, slot)?;
        let is_new = self.trainer.course.next_epoch == 0;
        self.state = if is_new { State::Stepped(Pass::Complete) } else { State::Ready };
        Ok(())
    }

    /// Finds out what the end of the epoch wants, and records what was evaluated before, if the host's copy of the
    /// parameters is going to be overwritten.
    pub(super) fn look(&mut self, is_stopping: bool) -> Result<(), Failure> {
        let Self { trainer, recorder, .. } = &*self;
        self.wants = match self.state {
            State::Stepped(pass) => {
                Wants { evaluation: trainer.course.is_due(pass), save: recorder.is_save_due(trainer) }
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
        let Self { trainer, recorder, .. } = self;
        let State::Stepped(pass) = self.state else { return };
        trainer.course.clock.evaluation += time;
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
    ) -> Result<(), Failure> {
        let trainer = &mut self.trainer;
        let mut wants = mem::take(&mut self.wants);
        let state = match self.state {
            State::Stepped(_) => match trainer.course.close() {
                Some(reason) if reason.is_divergence() => State::Ended(Over::Diverged),
                Some(_) => State::Ended(Over::Finished),
                None => State::Ready,
            },
            state => state,
        };
        let state = match state {
            State::Ready if is_stopping => {
                wants.save = true;
                State::Ended(Over::Stopped)
            }
            State::Waiting if is_stopping => State::Ended(Over::Stopped),
            state => state,
        };
        match state {
            // a larger budget goes on from the end, unless nothing can
            State::Ended(Over::Finished) => wants.save = true,
            State::Ended(Over::Diverged) => wants.save = false,
            _ => {}
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
            let trainer = &mut self.trainer;
            self.steps = trainer.prepare(trainer.course.next_epoch + 1);
        }
    }

    /// What files are written meanwhile: what must be now, and before `deadline` also what can wait.
    pub(super) fn write(&mut self, deadline: Instant) -> Result<(), Failure> {
        if self.save || self.is_ended() || Instant::now() < deadline {
            self.record()?;
        }
        if mem::take(&mut self.save) {
            self.recorder.save(&self.trainer)?;
        }
        Ok(())
    }

    /// Probes and records the evaluation that is not recorded yet.
    fn record(&mut self) -> Result<(), Failure> {
        if let Some(assessed) = self.unrecorded.take() {
            let Self { trainer, recorder, .. } = self;
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
        self.state = State::Stepped(self.trainer.advance(losses, time));
        Ok(())
    }

    /// Writes the end of a run that is over.
    pub(super) fn settle(self) {
        let Self { entry, locked, trainer, recorder, state, .. } = self;
        let is_over = matches!(state, State::Ended(Over::Finished | Over::Diverged));
        let result = guarded(|| Ok(recorder.settle(&trainer, is_over)?));
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
