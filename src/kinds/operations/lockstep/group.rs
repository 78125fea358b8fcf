//! The rounds of one group of replicas. Between two epochs the device is asked for what the closing one wants; while it
//! computes the next, the host draws the batches of the one after, probes, writes files and begins other runs.

use super::{SLOTS_AT_MOST, slot::SlotRun};
use crate::{
    kinds::operations::engine::{ReplicaEpoch, Replicas},
    run::Failure,
    sweep::{Entry, Execution, Reporter, guarded},
};
use rayon::prelude::*;
use std::{
    collections::VecDeque,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

/// A device, the runs on it, and those that wait for a slot.
pub(super) struct Group<'a> {
    device: Box<dyn Replicas>,
    engine: String,
    runs: Vec<Option<SlotRun<'a>>>,
    queue: VecDeque<Entry<'a>>,
    execution: &'a Execution<'a>,
    reporter: &'a dyn Reporter,
    round: u64,
    /// Slots whose epoch is on the device.
    started: Vec<usize>,
    start: Instant,
    /// How long the last epoch took.
    pace: Duration,
}

impl<'a> Group<'a> {
    pub(super) fn new(
        device: Box<dyn Replicas>,
        queue: VecDeque<Entry<'a>>,
        execution: &'a Execution<'a>,
        reporter: &'a dyn Reporter,
    ) -> Self {
        let slots = device.slots().min(queue.len()).clamp(1, SLOTS_AT_MOST);
        Self {
            engine: device.describe(),
            device,
            runs: std::iter::repeat_with(|| None).take(slots).collect(),
            queue,
            execution,
            reporter,
            round: 0,
            started: Vec::new(),
            start: Instant::now(),
            pace: Duration::ZERO,
        }
    }

    /// Rounds until all runs are settled; or until the device fails: the reason, and the runs that were not on it.
    pub(super) fn run(mut self) -> Result<(), (String, VecDeque<Entry<'a>>)> {
        while self.fill() {
            if let Err(reason) = self.go_round() {
                return Err((reason.clone(), self.abandon(&reason)));
            }
        }
        Ok(())
    }

    fn go_round(&mut self) -> Result<(), String> {
        self.close_up();
        self.load();
        self.close()?;
        self.start()?;
        self.write();
        self.fill();
        self.finish()?;
        self.round += 1;
        Ok(())
    }

    /// Begins runs of the queue where a slot is free; whether any run has one.
    fn fill(&mut self) -> bool {
        loop {
            let slots = self.runs.len() as f64;
            let places = self.runs.iter_mut().enumerate();
            let free: Vec<_> = places.filter(|(_, place)| place.is_none()).collect();
            let next: Vec<_> = self.queue.drain(..free.len().min(self.queue.len())).collect();
            if next.is_empty() {
                return self.runs.iter().any(Option::is_some);
            }
            let (engine, execution, reporter) = (&self.engine, self.execution, self.reporter);
            free.into_par_iter().zip(next).with_max_len(1).for_each(|((slot, place), entry)| {
                *place = SlotRun::begin(entry, engine, slot as f64 / slots, execution, reporter);
            });
        }
    }

    /// When nobody waits any more, the runs behind a free slot move up, in their order: the device computes all slots up
    /// to the last one that is taken, and few runs go on long after most have ended.
    fn close_up(&mut self) {
        if !self.queue.is_empty() {
            return;
        }
        let mut to = 0;
        for from in 0..self.runs.len() {
            if to < from {
                attend(&mut self.runs[from], |run| run.move_to(self.device.as_mut(), from, to));
                self.runs.swap(from, to);
            }
            to += usize::from(self.runs[to].is_some());
        }
        self.runs.truncate(to);
    }

    /// Brings those onto the device whose turn it is.
    fn load(&mut self) {
        let mut runs = self.runs.iter().flatten();
        if runs.clone().all(SlotRun::is_waiting)
            && let Some(first) = runs.next()
        {
            self.round = first.epochs();
        }
        for (slot, place) in self.runs.iter_mut().enumerate() {
            if place.as_ref().is_some_and(|run| run.is_turn(self.round)) {
                attend(place, |run| run.load(self.device.as_mut(), slot));
            }
        }
    }

    /// Closes the epoch of all runs: evaluates those that are due and copies what the host will need.
    fn close(&mut self) -> Result<(), String> {
        let is_stopping = self.execution.stop.load(Ordering::Relaxed);
        self.runs.par_iter_mut().with_max_len(1).for_each(|place| {
            attend(place, |run| run.look(is_stopping));
        });
        let is_due = |run: &SlotRun| run.wants_evaluation();
        let due: Vec<usize> =
            (0..self.runs.len()).filter(|&i| self.runs[i].as_ref().is_some_and(is_due)).collect();
        if !due.is_empty() {
            let start = Instant::now();
            let evaluated = guarded(|| Ok(self.device.evaluate(&due)?))?;
            if evaluated.len() != due.len() {
                return Err(format!("the device evaluated {} of {} replicas", evaluated.len(), due.len()));
            }
            let time = start.elapsed();
            for (&slot, evaluated) in due.iter().zip(evaluated) {
                if let Some(run) = &mut self.runs[slot] {
                    run.assess(evaluated, time);
                }
            }
        }
        for (slot, place) in self.runs.iter_mut().enumerate() {
            attend(place, |run| run.close(self.device.as_mut(), slot, is_stopping));
        }
        Ok(())
    }

    /// Starts the next epoch of all runs that go on.
    fn start(&mut self) -> Result<(), String> {
        let runs = self.runs.iter_mut().enumerate();
        let ready = runs.filter_map(|(slot, place)| Some((slot, place.as_mut()?.start()?)));
        let epochs: Vec<_> = ready.map(|(slot, steps)| ReplicaEpoch { slot, steps }).collect();
        // resumed where only the evaluation was missing
        let (epochs, without_steps): (Vec<_>, Vec<_>) =
            epochs.into_iter().partition(|epoch| !epoch.steps.is_empty());
        for epoch in without_steps {
            if let Some(run) = &mut self.runs[epoch.slot] {
                run.advance(&[], Duration::ZERO)?;
            }
        }
        self.started = epochs.iter().map(|epoch| epoch.slot).collect();
        self.start = Instant::now();
        if epochs.is_empty() {
            return Ok(());
        }
        guarded(|| Ok(self.device.start_epoch(&epochs)?))
    }

    /// The host's work that is to be done while the device is at it.
    fn write(&mut self) {
        // the device waits for these
        self.runs.par_iter_mut().flatten().for_each(SlotRun::prepare);
        // probes may take longer than an epoch: what is not urgent is spread over the rounds up to the next evaluation
        let deadline = self.start + self.pace.mul_f64(0.75);
        self.runs.par_iter_mut().with_max_len(1).for_each(|place| {
            attend(place, |run| run.write(deadline));
            if place.as_ref().is_some_and(SlotRun::is_ended)
                && let Some(run) = place.take()
            {
                run.settle();
            }
        });
    }

    /// Waits for the device.
    fn finish(&mut self) -> Result<(), String> {
        let started = std::mem::take(&mut self.started);
        if started.is_empty() {
            return Ok(());
        }
        let losses = guarded(|| Ok(self.device.finish_epoch()?))?;
        self.pace = self.start.elapsed();
        if losses.len() != started.len() {
            return Err(format!("the device gave losses of {} of {} replicas", losses.len(), started.len()));
        }
        for (&slot, losses) in started.iter().zip(&losses) {
            // a run that failed meanwhile has left its slot, perhaps to another
            if let Some(run) = self.runs[slot].as_mut().filter(|run| run.is_running()) {
                run.advance(losses, self.pace)?;
            }
        }
        Ok(())
    }

    /// Ends all runs that were on the device; returns the others.
    fn abandon(mut self, reason: &str) -> VecDeque<Entry<'a>> {
        for place in &mut self.runs {
            // what the host has already is not lost
            attend(place, |run| run.write(Instant::now()));
        }
        for run in self.runs.into_iter().flatten().rev() {
            match run {
                run if run.is_ended() => run.settle(),
                run if run.is_waiting() => self.queue.push_front(run.into_entry()),
                run => run.fail(reason.to_owned()),
            }
        }
        self.queue
    }
}

/// Does something for a run; a failure ends that run alone.
fn attend<'a>(place: &mut Option<SlotRun<'a>>, what: impl FnOnce(&mut SlotRun<'a>) -> Result<(), Failure>) {
    let Some(run) = place else { return };
    if let Err(reason) = guarded(|| what(run))
        && let Some(run) = place.take()
    {
        run.fail(reason);
    }
}
