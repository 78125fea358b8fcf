//! What counts as memorized, grokked, collapsed and diverged (arXiv 2605.28975, §4).

use crate::{
    kinds::operations::engine::Evaluation,
    store::{Checkpoint, Mark, Milestones},
};

/// An accuracy above this is "all right".
pub const GROKKED_ACCURACY: f64 = 0.99;
/// Memorized means a validation accuracy below this; collapsed means falling below it after having grokked.
pub const MEMORIZED_VAL_ACCURACY: f64 = 0.5;

impl Milestones {
    /// Takes note of an evaluation of both sides of the split; `finite` is false when a training loss before it was
    /// not. Returns the checkpoints it reached.
    pub fn update(
        &mut self,
        mark: Mark,
        train: &Evaluation,
        val: &Evaluation,
        finite: bool,
    ) -> Vec<Checkpoint> {
        if !finite || !train.loss.is_finite() || !val.loss.is_finite() {
            self.diverged.get_or_insert(mark);
            return Vec::new();
        }
        let mut reached = Vec::new();
        let fits = train.accuracy > GROKKED_ACCURACY;
        if self.memorized.is_none() && fits && val.accuracy < MEMORIZED_VAL_ACCURACY {
            self.memorized = Some(mark);
            reached.push(Checkpoint::Memorized);
        }
        if self.grokked.is_none() && fits && val.accuracy > GROKKED_ACCURACY {
            self.grokked = Some(mark);
            reached.push(Checkpoint::Grokked);
        }
        if self.grokked.is_some() && val.accuracy < MEMORIZED_VAL_ACCURACY {
            self.collapsed.get_or_insert(mark);
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{kinds::operations::config::TrainConfig, store::StopReason};

    /// Takes note of an evaluation with the given accuracies, ten steps an epoch.
    fn note(milestones: &mut Milestones, (epoch, train, val): (u64, f64, f64), finite: bool) {
        let side = |accuracy| Evaluation { loss: 0.1, accuracy, zero_loss_share: 0.0 };
        milestones.update(Mark { epoch, step: 10 * epoch }, &side(train), &side(val), finite);
    }

    fn after(history: &[(u64, f64, f64)]) -> Milestones {
        let mut milestones = Milestones::default();
        history.iter().for_each(|&evaluation| note(&mut milestones, evaluation, true));
        milestones
    }

    fn epochs(m: Milestones) -> [Option<u64>; 4] {
        [m.memorized, m.grokked, m.collapsed, m.diverged].map(|mark| mark.map(|m| m.epoch))
    }

    #[test]
    fn the_first_evaluation_counts_and_later_ones_change_nothing() {
        let slingshot =
            [(0, 0.0, 0.0), (20, 1.0, 0.2), (40, 0.6, 0.2), (60, 1.0, 0.3), (80, 1.0, 1.0), (100, 1.0, 1.0)];
        assert_eq!(epochs(after(&slingshot)), [Some(20), Some(80), None, None]);
    }

    #[test]
    fn thresholds_are_strict() {
        assert_eq!(epochs(after(&[(20, 0.99, 0.2), (40, 1.0, 0.5), (60, 1.0, 0.99)])), [None; 4]);
    }

    #[test]
    fn a_run_that_generalises_at_once_never_memorized() {
        // x² + y² does: validation 58 % at epoch 20
        assert_eq!(epochs(after(&[(20, 1.0, 0.58), (40, 1.0, 0.995)])), [None, Some(40), None, None]);
    }

    #[test]
    fn falling_back_counts_only_after_having_grokked() {
        assert_eq!(epochs(after(&[(20, 1.0, 0.1), (40, 0.1, 0.1)])), [Some(20), None, None, None]);
        assert_eq!(epochs(after(&[(20, 1.0, 1.0), (40, 0.2, 0.2)])), [None, Some(20), Some(40), None]);
    }

    #[test]
    fn a_run_ends_by_divergence_patience_or_budget() {
        let config = TrainConfig { max_epochs: 1000, patience: 100 };
        let grokked = after(&[(80, 1.0, 1.0)]);
        assert_eq!(grokked.stop_reason(179, &config), None);
        assert_eq!(grokked.stop_reason(180, &config), Some(StopReason::Grokked));
        assert_eq!(Milestones::default().stop_reason(1000, &config), Some(StopReason::Budget));
        let mut broken = grokked;
        note(&mut broken, (90, 1.0, 1.0), false);
        assert_eq!(broken.stop_reason(90, &config), Some(StopReason::Diverged));
        assert_eq!(broken.diverged.map(|m| m.step), Some(900));
    }
}
