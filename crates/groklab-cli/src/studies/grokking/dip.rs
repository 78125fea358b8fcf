//! The early dip of LAR at large batches (arXiv 2605.28975, Appendix B.5 and Fig. 9).

use super::Evaluation;

/// Epochs in which the dip is looked for: with the whole table in one batch, where an epoch is one step, it comes near
/// step 30. Later falls are other things, such as the slingshots of small batches that have grokked by then.
pub use crate::analysis::EARLY_EPOCHS;

/// The early dip of one run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dip {
    /// LAR at epoch 0 less the least LAR of epochs 0 to [`EARLY_EPOCHS`]: 0 where LAR never falls below its first value.
    pub depth: f64,
    /// The epoch of the least LAR, the first of equals.
    pub epoch: u64,
}

/// The dip of a run with these evaluations, epochs increasing; none unless each of epochs 0 to [`EARLY_EPOCHS`] is among
/// them and its LAR is finite: an evaluation every 20 epochs steps over the dip and would report a shallow one.
pub(super) fn dip(rows: &[Evaluation]) -> Option<Dip> {
    let early: Vec<&Evaluation> = rows.iter().take_while(|row| row.epoch <= EARLY_EPOCHS).collect();
    if early.len() as u64 != EARLY_EPOCHS + 1 || early.iter().any(|row| !row.lar.is_finite()) {
        return None;
    }
    let first = early.first()?;
    let least = early.iter().min_by(|a, b| a.lar.total_cmp(&b.lar))?;
    Some(Dip { depth: first.lar - least.lar, epoch: least.epoch })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::made::MadeRun;

    /// A run evaluated at every epoch up to `last`, with this LAR.
    fn dense(last: u64, lar: impl Fn(f64) -> f64) -> Vec<Evaluation> {
        let row = Evaluation::all(&MadeRun::new("add", 0.5, 0).metrics())[0];
        (0..=last).map(|epoch| Evaluation { epoch, lar: lar(epoch as f64), ..row }).collect()
    }

    #[test]
    fn the_depth_is_from_the_first_value_down_to_the_least() {
        // a parabola with its foot at epoch 7
        let run = dense(40, |epoch| 0.3 + 0.004 * (epoch - 7.0).powi(2));
        let dip = dip(&run).unwrap();
        assert_eq!(dip.epoch, 7);
        assert!((dip.depth - 0.004 * 49.0).abs() < 1e-12);
    }

    #[test]
    fn a_fall_after_the_early_epochs_is_no_early_dip() {
        let run = dense(100, |epoch| if epoch > 40.0 { 0.1 } else { 0.5 + 0.001 * epoch });
        assert_eq!(dip(&run), Some(Dip { depth: 0.0, epoch: 0 }));
    }

    #[test]
    fn a_run_that_steps_over_early_epochs_or_ends_in_them_has_no_dip() {
        // epochs 0, 1, 20, 40, …
        let sparse: Vec<_> = dense(40, |_| 0.5).into_iter().filter(|row| row.epoch % 20 <= 1).collect();
        assert_eq!(dip(&sparse), None);
        assert_eq!(dip(&dense(39, |_| 0.5)), None);
        assert_eq!(dip(&dense(40, |epoch| if epoch == 30.0 { f64::NAN } else { 0.5 })), None);
    }
}
