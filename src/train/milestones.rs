//! What counts as memorized, grokked, collapsed and diverged, and when a run ends (science.md: arXiv 2605.28975, §4).

use crate::{
    config::TrainConfig,
    store::{Checkpoint, Mark, MetricsRow, Milestones, StopReason},
};

/// An accuracy above this is "all right".
pub const GROKKED_ACCURACY: f64 = 0.99;
/// Memorized means a validation accuracy below this; collapsed means falling below it after having grokked.
pub const MEMORIZED_VAL_ACCURACY: f64 = 0.5;

impl Milestones {
    /// Takes note of an evaluation; `finite` is false when a training loss before it was not.
    /// Returns the checkpoints it reached.
    pub fn update(&mut self, row: &MetricsRow, finite: bool) -> Vec<Checkpoint> {
        let mark = Mark { epoch: row.epoch, step: row.step };
        if !finite || !row.train_loss.is_finite() || !row.val_loss.is_finite() {
            self.diverged.get_or_insert(mark);
            return Vec::new();
        }
        let mut reached = Vec::new();
        let fits = row.train_accuracy > GROKKED_ACCURACY;
        if self.memorized.is_none() && fits && row.val_accuracy < MEMORIZED_VAL_ACCURACY {
            self.memorized = Some(mark);
            reached.push(Checkpoint::Memorized);
        }
        if self.grokked.is_none() && fits && row.val_accuracy > GROKKED_ACCURACY {
            self.grokked = Some(mark);
            reached.push(Checkpoint::Grokked);
        }
        if self.grokked.is_some() && row.val_accuracy < MEMORIZED_VAL_ACCURACY {
            self.collapsed.get_or_insert(mark);
        }
        reached
    }

    /// Whether a run with these milestones ends at `epoch`, and why.
    pub fn stop_reason(&self, epoch: u64, config: &TrainConfig) -> Option<StopReason> {
        if self.diverged.is_some() {
            Some(StopReason::Diverged)
        } else if self.grokked.is_some_and(|m| epoch >= m.epoch.saturating_add(config.patience)) {
            Some(StopReason::Grokked)
        } else {
            (epoch >= config.max_epochs).then_some(StopReason::Budget)
        }
    }
}
