//! The early dip of LAR at large batches (arXiv 2605.28975, Appendix B.5 and Fig. 9).

use crate::store::RunRecord;

/// Epochs in which the dip is looked for. `experiments/batch-dip.toml` measures each of them: with the whole table in
/// one batch an epoch is one step, and the dip comes late.
pub const EARLY_EPOCHS: u64 = 60;

/// The early dip of one run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dip {
    /// LAR at epoch 0 less the least LAR of epochs 0 to [`EARLY_EPOCHS`]: 0 where LAR never falls below its first value.
    pub depth: f64,
    /// The epoch of the least LAR, the first of equals.
    pub epoch: u64,
}

/// The dip of a run; none unless each of epochs 0 to [`EARLY_EPOCHS`] was evaluated and its LAR is finite: an
/// evaluation every 20 epochs steps over the dip and would report a shallow one.
pub fn dip(run: &RunRecord) -> Option<Dip> {
    let mut least: Option<(f64, u64)> = None;
    for epoch in 0..=EARLY_EPOCHS {
        let lar = run.row_at(epoch)?.lar;
        if !lar.is_finite() {
            return None;
        }
        if least.is_none_or(|(value, _)| lar < value) {
            least = Some((lar, epoch));
        }
    }
    let (value, epoch) = least?;
    Some(Dip { depth: run.row_at(0)?.lar - value, epoch })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::made::MadeRun;

    /// A run evaluated at every epoch up to `last`, with this LAR.
    fn dense(last: u64, lar: impl Fn(f64) -> f64) -> RunRecord {
        let mut run = MadeRun::new("add", 0.5, 0).record();
        let row = run.metrics[0].clone();
        run.metrics = (0..=last)
            .map(|epoch| crate::store::MetricsRow { epoch, lar: lar(epoch as f64), ..row.clone() })
            .collect();
        run
    }

    #[test]
    fn the_depth_is_from_the_first_value_down_to_the_least() {
        // a parabola with its foot at epoch 7
        let run = dense(60, |epoch| 0.3 + 0.004 * (epoch - 7.0).powi(2));
        let dip = dip(&run).unwrap();
        assert_eq!(dip.epoch, 7);
        assert!((dip.depth - 0.004 * 49.0).abs() < 1e-12);
    }

    #[test]
    fn a_fall_after_the_early_epochs_is_no_early_dip() {
        let run = dense(100, |epoch| if epoch > 60.0 { 0.1 } else { 0.5 + 0.001 * epoch });
        assert_eq!(dip(&run), Some(Dip { depth: 0.0, epoch: 0 }));
    }

    #[test]
    fn a_run_that_steps_over_early_epochs_or_ends_in_them_has_no_dip() {
        // epochs 0, 1, 20, 40, …
        assert_eq!(dip(&MadeRun::new("add", 0.5, 0).record()), None);
        assert_eq!(dip(&dense(59, |_| 0.5)), None);
        assert_eq!(dip(&dense(60, |epoch| if epoch == 30.0 { f64::NAN } else { 0.5 })), None);
    }
}
