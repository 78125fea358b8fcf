//! A run with an engine of its own, as the training loop sees it.

use super::Trainer;
use crate::{
    kinds::operations::engine::Engine,
    run::{Course, Failure, Layout, Learner, Pass, Record, Snapshot, State},
};

/// A trainer and its engine.
pub struct Solo<'a> {
    trainer: Trainer<'a>,
    engine: Box<dyn Engine>,
}

impl<'a> Solo<'a> {
    /// Lends an engine to a trainer for good.
    pub fn new(trainer: Trainer<'a>, engine: Box<dyn Engine>) -> Self {
        Self { trainer, engine }
    }
}

impl State for Solo<'_> {
    fn course(&self) -> &Course {
        self.trainer.course()
    }

    fn layout(&self) -> &Layout {
        self.trainer.layout()
    }

    fn parameters(&self) -> &[f32] {
        self.trainer.parameters()
    }

    fn snapshot(&self) -> Option<Snapshot> {
        self.trainer.snapshot()
    }

    fn restore(&mut self, snapshot: Snapshot) -> Result<(), Failure> {
        self.trainer.restore(snapshot)
    }
}

impl Learner for Solo<'_> {
    fn course_mut(&mut self) -> &mut Course {
        &mut self.trainer.course
    }

    fn round(&mut self, go_on: &dyn Fn() -> bool) -> Result<Pass, Failure> {
        Ok(self.trainer.epoch(self.engine.as_mut(), go_on)?)
    }

    fn observe(&mut self, pass: Pass, record: &mut dyn Record) -> Result<(), Failure> {
        let evaluated = self.trainer.evaluate(self.engine.as_mut())?;
        let assessed = self.trainer.assess(evaluated, pass);
        self.trainer.record(&assessed, record)
    }
}
