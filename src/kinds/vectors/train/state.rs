//! What is needed to go on from between two steps: parameters, the optimiser's slots, counters.

use super::Trainer;
use crate::run::{Counters, Course, Failure, Layout, Snapshot, State};
use groklab_vectors::mlp::Mlp;

/// Names as in PyTorch.
pub(super) fn layout(mlp: &Mlp) -> Layout {
    let tensors = (0..mlp.layers()).flat_map(|l| {
        let (width, next) = (mlp.widths()[l], mlp.widths()[l + 1]);
        let weight = (format!("layers.{l}.weight"), vec![next, width]);
        let bias = mlp.has_biases().then(|| (format!("layers.{l}.bias"), vec![next]));
        [Some(weight), bias].into_iter().flatten()
    });
    Layout::new(tensors)
}

impl State for Trainer<'_> {
    fn course(&self) -> &Course {
        &self.course
    }

    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn parameters(&self) -> &[f32] {
        &self.params
    }

    fn snapshot(&self) -> Option<Snapshot> {
        let Course { next_epoch, step, milestones, .. } = self.course.clone();
        let counters = Counters { next_epoch, step, milestones, ..Counters::default() };
        let slots = self.optimizer.slots().into_iter().map(|(name, slot)| (name.to_owned(), slot.to_vec()));
        Some(Snapshot { counters, params: self.params.clone(), slots: slots.collect() })
    }

    fn restore(&mut self, snapshot: Snapshot) -> Result<(), Failure> {
        let Counters { next_epoch, step, milestones, memory } = snapshot.counters;
        let steps = self.steps_an_epoch();
        let recorded = next_epoch.checked_sub(1).and_then(|epochs| epochs.checked_mul(steps));
        let mut slots = self.optimizer.slots_mut();
        let fits = recorded.is_some_and(|done| done <= step && step - done <= steps)
            && memory.is_empty()
            && snapshot.params.len() == self.params.len()
            && slots.len() == snapshot.slots.len()
            && slots
                .iter()
                .zip(&snapshot.slots)
                .all(|((name, slot), (other, from))| name == other && slot.len() == from.len());
        if !fits {
            return Err(format!(
                "a checkpoint at step {step} before epoch {next_epoch} is not one of this run, with {steps} steps an epoch \
                 and {} parameters",
                self.params.len()
            )
            .into());
        }
        slots.iter_mut().zip(&snapshot.slots).for_each(|((_, slot), (_, from))| slot.copy_from_slice(from));
        drop(slots);
        self.optimizer.set_steps(step);
        self.params = snapshot.params;
        (self.course.next_epoch, self.course.step, self.course.milestones) = (next_epoch, step, milestones);
        self.course.end = None;
        Ok(())
    }
}
