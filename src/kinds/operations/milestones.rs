//! What counts as memorized, grokked and collapsed (arXiv 2605.28975, §4).

use super::engine::Evaluation;
use crate::run::{Milestone, Stop};

/// An accuracy above this is "all right".
pub const GROKKED_ACCURACY: f64 = 0.99;
/// Memorized means a validation accuracy below this; collapsed means falling below it after having grokked.
pub const MEMORIZED_VAL_ACCURACY: f64 = 0.5;

/// Train accuracy > 99 % and validation accuracy < 50 %.
pub const MEMORIZED: &str = "memorized";
/// Both accuracies > 99 %.
pub const GROKKED: &str = "grokked";
/// A grokked run fell back: validation accuracy < 50 % after having grokked.
pub const COLLAPSED: &str = "collapsed";

/// In the order of time.
pub static MILESTONES: [Milestone; 3] = [
    Milestone {
        name: MEMORIZED,
        about: "train accuracy > 99 % and validation accuracy < 50 %",
        has_spectra: true,
        stop: Stop::Never,
    },
    Milestone {
        name: GROKKED,
        about: "both accuracies > 99 %",
        has_spectra: true,
        stop: Stop::AfterPatience,
    },
    Milestone {
        name: COLLAPSED,
        about: "validation accuracy < 50 % after having grokked",
        has_spectra: false,
        stop: Stop::Never,
    },
];

/// What an evaluation of both sides of the split sees, in a run that `has_grokked` before.
pub(super) fn seen(train: &Evaluation, val: &Evaluation, has_grokked: bool) -> Vec<&'static str> {
    let fits = train.accuracy > GROKKED_ACCURACY;
    let cases = [
        (MEMORIZED, fits && val.accuracy < MEMORIZED_VAL_ACCURACY),
        (GROKKED, fits && val.accuracy > GROKKED_ACCURACY),
        (COLLAPSED, has_grokked && val.accuracy < MEMORIZED_VAL_ACCURACY),
    ];
    cases.into_iter().filter(|(_, is_seen)| *is_seen).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Budget, Cadence, Course, DIVERGED, Pass};

    const BUDGET: Budget = Budget { max_epochs: 1000, patience: 100 };

    fn course() -> Course {
        Course::new(BUDGET, Cadence { every: 1, dense_until: 0 }, &MILESTONES)
    }

    /// Takes note of an evaluation with the given accuracies, ten steps an epoch.
    fn note(course: &mut Course, (epoch, train, val): (u64, f64, f64), is_finite: bool) {
        let side = |accuracy| Evaluation { loss: 0.1, accuracy, zero_loss_share: 0.0 };
        (course.next_epoch, course.step) = (epoch, 10 * epoch);
        let has_grokked = course.milestones.get(GROKKED).is_some();
        course.note(
            if is_finite { Pass::Complete } else { Pass::NotFinite },
            true,
            &seen(&side(train), &side(val), has_grokked),
        );
    }

    fn after(history: &[(u64, f64, f64)]) -> Course {
        let mut course = course();
        history.iter().for_each(|&evaluation| note(&mut course, evaluation, true));
        course
    }

    fn epochs(course: &Course) -> [Option<u64>; 4] {
        [MEMORIZED, GROKKED, COLLAPSED, DIVERGED.name]
            .map(|name| course.milestones.get(name).map(|m| m.epoch))
    }

    #[test]
    fn the_first_evaluation_counts_and_later_ones_change_nothing() {
        let slingshot =
            [(0, 0.0, 0.0), (20, 1.0, 0.2), (40, 0.6, 0.2), (60, 1.0, 0.3), (80, 1.0, 1.0), (100, 1.0, 1.0)];
        assert_eq!(epochs(&after(&slingshot)), [Some(20), Some(80), None, None]);
    }

    #[test]
    fn thresholds_are_strict() {
        assert_eq!(epochs(&after(&[(20, 0.99, 0.2), (40, 1.0, 0.5), (60, 1.0, 0.99)])), [None; 4]);
    }

    #[test]
    fn a_run_that_generalises_at_once_never_memorized() {
        // x² + y² does: validation 58 % at epoch 20
        assert_eq!(epochs(&after(&[(20, 1.0, 0.58), (40, 1.0, 0.995)])), [None, Some(40), None, None]);
    }

    #[test]
    fn falling_back_counts_only_after_having_grokked() {
        assert_eq!(epochs(&after(&[(20, 1.0, 0.1), (40, 0.1, 0.1)])), [Some(20), None, None, None]);
        assert_eq!(epochs(&after(&[(20, 1.0, 1.0), (40, 0.2, 0.2)])), [None, Some(20), Some(40), None]);
    }

    #[test]
    fn a_run_ends_by_divergence_patience_or_budget() {
        let reason = |course: &mut Course, epoch| {
            course.next_epoch = epoch;
            course.stop_reason().map(|reason| reason.name().to_owned())
        };
        let mut grokked = after(&[(80, 1.0, 1.0)]);
        assert_eq!(reason(&mut grokked, 179), None);
        assert_eq!(reason(&mut grokked, 180).as_deref(), Some("grokked"));
        assert_eq!(reason(&mut course(), 1000).as_deref(), Some("budget"));
        note(&mut grokked, (90, 1.0, 1.0), false);
        assert_eq!(reason(&mut grokked, 90).as_deref(), Some("diverged"));
        assert_eq!(grokked.milestones.diverged().map(|m| m.step), Some(900));
    }
}
