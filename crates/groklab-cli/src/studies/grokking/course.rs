//! What the claims ask of all LARs of one run: how far it went down and up, and whether it rose.

use super::{EARLY_EPOCHS, Evaluation};
use crate::analysis::rank::kendall;

/// Epochs of the paper's Fig. 9b, in which the least LAR is sought.
const DIP_EPOCHS: u64 = 10;
/// The first evaluation that all runs have after the dip.
pub(super) const AFTER_DIP: u64 = 20;

/// Numbers of the LAR of one run; what is not finite does not count.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Course {
    /// Least and greatest of all evaluations.
    pub range: Option<(f64, f64)>,
    /// At epoch 40, where the early epochs end.
    pub after_early: Option<f64>,
    /// The least from then on.
    pub least_after_early: Option<f64>,
    /// Kendall's τ of LAR and epoch from epoch 20 to grokking; none with fewer than three evaluations, or without grokking.
    pub rise: Option<f64>,
    /// The least of epochs 0 to 10, if each was evaluated.
    pub dip_floor: Option<f64>,
}

impl Course {
    /// Of the evaluations of a run, epochs increasing, and the epoch at which it grokked.
    pub(super) fn of(rows: &[Evaluation], grokked: Option<u64>) -> Self {
        let finite: Vec<&Evaluation> = rows.iter().filter(|row| row.lar.is_finite()).collect();
        let of = |keep: &dyn Fn(u64) -> bool| {
            let kept = finite.iter().filter(|row| keep(row.epoch));
            kept.map(|row| (row.epoch as f64, row.lar)).unzip::<_, _, Vec<f64>, Vec<f64>>()
        };
        let least = |lars: &[f64]| lars.iter().copied().min_by(f64::total_cmp);
        let all = of(&|_| true).1;
        let (epochs, lars) = of(&|epoch| epoch >= AFTER_DIP && grokked.is_some_and(|at| epoch <= at));
        let dip = of(&|epoch| epoch <= DIP_EPOCHS).1;
        Self {
            range: least(&all).zip(all.iter().copied().max_by(f64::total_cmp)),
            after_early: of(&|epoch| epoch == EARLY_EPOCHS).1.first().copied(),
            least_after_early: least(&of(&|epoch| epoch >= EARLY_EPOCHS).1),
            rise: if lars.len() < 3 { None } else { kendall(&epochs, &lars) },
            dip_floor: least(&dip).filter(|_| dip.len() as u64 == DIP_EPOCHS + 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::made::MadeRun;

    fn rows(lars: &[(u64, f64)]) -> Vec<Evaluation> {
        let row = Evaluation::all(&MadeRun::new("add", 0.5, 0).metrics())[0];
        lars.iter().map(|(epoch, lar)| Evaluation { epoch: *epoch, lar: *lar, ..row }).collect()
    }

    #[test]
    fn a_course_has_its_range_its_rise_and_what_followed() {
        let run = rows(&[(0, 0.5), (1, 0.3), (20, 0.58), (40, 0.6), (60, 0.59), (80, 0.7), (100, 0.45)]);
        let course = Course::of(&run, Some(80));
        assert_eq!((course.range, course.after_early), (Some((0.3, 0.7)), Some(0.6)));
        assert_eq!(course.least_after_early, Some(0.45));
        // of .58 .6 .59 .7 five pairs of six rise
        assert!((course.rise.unwrap() - 4.0 / 6.0).abs() < 1e-12);
        assert_eq!(course.dip_floor, None, "epochs 2 to 10 were not evaluated");
        assert_eq!(Course::of(&run, None).rise, None);
        assert_eq!(Course::of(&run, Some(40)).rise, None, "two evaluations");
        assert_eq!(Course::of(&rows(&[(0, f64::NAN)]), None), Course::default());
    }

    #[test]
    fn the_floor_of_the_dip_wants_each_of_its_epochs() {
        let dense: Vec<(u64, f64)> =
            (0..=12).map(|epoch| (epoch, 0.1 * (epoch as f64 - 7.0).abs())).collect();
        assert_eq!(Course::of(&rows(&dense), None).dip_floor, Some(0.0));
        assert_eq!(Course::of(&rows(&dense[..10]), None).dip_floor, None);
    }
}
