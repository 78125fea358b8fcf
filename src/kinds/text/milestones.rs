//! What can happen to a run, and what must be remembered from one evaluation to the next to see it.

use crate::run::{Counters, Failure, Milestone, Stop};

/// LAR is past its greatest when it is this much below it.
const FALL: f64 = 0.01;
/// The greatest must be this much above the ½ of the beginning.
const RISE: f64 = 0.01;
/// Shares above the least validation loss.
const TURNED: f64 = 0.005;
const OVERFIT: f64 = 0.02;

/// In the order in which they usually happen.
pub static MILESTONES: [Milestone; 4] = [
    Milestone {
        name: "peak",
        about: "the first evaluation at which `lar` is more than .01 below its greatest so far, which is above .51: \
                the first peak lies at an earlier evaluation, and LAR may rise above it again",
        has_spectra: false,
        stop: Stop::Never,
    },
    Milestone {
        name: "val_rise",
        about: "the first evaluation at which `val_loss` is more than 0.5 % above its least so far: the least itself \
                lies at an earlier evaluation",
        has_spectra: false,
        stop: Stop::Never,
    },
    Milestone {
        name: "overfit",
        about: "the first evaluation at which `val_loss` is more than 2 % above its least so far (arXiv 2605.28975)",
        has_spectra: true,
        stop: Stop::Never,
    },
    Milestone {
        name: TARGET,
        about: "the first evaluation at which `val_loss` is target.val_loss or less; a target of 0 is none",
        has_spectra: true,
        stop: Stop::AfterPatience,
    },
];

/// The validation loss that was to be reached.
const TARGET: &str = "target";

/// Sums since the last evaluation of the trajectory, and extremes over those evaluations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory {
    /// Σ of the losses of batches.
    pub loss_sum: f64,
    /// Σ of the norms of gradients.
    pub norm_sum: f64,
    /// Batches in both.
    pub batches: f64,
    /// Greatest LAR; −∞ before the first.
    pub greatest_lar: f64,
    /// Least validation loss; ∞ before the first.
    pub least_val_loss: f64,
}

impl Default for Memory {
    fn default() -> Self {
        let (greatest_lar, least_val_loss) = (f64::NEG_INFINITY, f64::INFINITY);
        Self { loss_sum: 0.0, norm_sum: 0.0, batches: 0.0, greatest_lar, least_val_loss }
    }
}

impl Memory {
    /// Takes note of a step.
    pub fn step(&mut self, loss: f64, norm: f64) {
        self.loss_sum += loss;
        self.norm_sum += norm;
        self.batches += 1.0;
    }

    /// What an evaluation shows, and the memory after it, should it be one of the trajectory.
    pub fn see(&self, lar: f64, val_loss: f64, target: f64) -> (Vec<&'static str>, Self) {
        let greatest_lar = self.greatest_lar.max(lar);
        let least_val_loss = self.least_val_loss.min(val_loss);
        let happened = [
            ("peak", greatest_lar > 0.5 + RISE && lar < greatest_lar - FALL),
            ("val_rise", val_loss > least_val_loss * (1.0 + TURNED)),
            ("overfit", val_loss > least_val_loss * (1.0 + OVERFIT)),
            (TARGET, target > 0.0 && val_loss <= target),
        ];
        let seen = happened.into_iter().filter(|(_, is_seen)| *is_seen).map(|(name, _)| name).collect();
        (seen, Self { greatest_lar, least_val_loss, ..Self::default() })
    }

    fn fields(&mut self) -> [(&'static str, &mut f64); 5] {
        [
            ("loss_sum", &mut self.loss_sum),
            ("norm_sum", &mut self.norm_sum),
            ("batches", &mut self.batches),
            ("greatest_lar", &mut self.greatest_lar),
            ("least_val_loss", &mut self.least_val_loss),
        ]
    }

    /// Into the counters of a snapshot.
    pub fn save(mut self, counters: &mut Counters) {
        let fields = self.fields().map(|(name, value)| (name.to_owned(), value.to_bits()));
        counters.memory.extend(fields);
    }

    /// From the counters of a snapshot.
    pub fn load(counters: &Counters) -> Result<Self, Failure> {
        let mut memory = Self::default();
        for (name, value) in memory.fields() {
            let bits = counters.memory.get(name);
            *value = f64::from_bits(
                *bits.ok_or_else(|| format!("a checkpoint without {name} is not one of a text"))?,
            );
        }
        Ok(memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names seen at each of a row of evaluations.
    fn seen_until(target: f64, rows: &[(f64, f64)]) -> Vec<Vec<&'static str>> {
        let mut memory = Memory::default();
        let mut all = Vec::new();
        for &(lar, val_loss) in rows {
            let (seen, after) = memory.see(lar, val_loss, target);
            all.push(seen);
            memory = after;
        }
        all
    }

    fn seen(rows: &[(f64, f64)]) -> Vec<Vec<&'static str>> {
        seen_until(0.0, rows)
    }

    #[test]
    fn a_target_is_met_at_it_and_below_and_never_by_what_is_no_number() {
        let rows = [(0.5, 4.0), (0.5, 3.0), (0.5, f64::NAN), (0.5, 2.9)];
        assert_eq!(seen_until(3.0, &rows), [&[][..], &["target"], &[], &["target"]]);
        assert_eq!(seen_until(0.0, &[(0.5, 0.0)]), [[""; 0]]);
    }

    #[test]
    fn a_peak_is_seen_when_it_is_left_and_overfitting_two_percent_above_the_least() {
        let rows =
            [(0.5, 6.0), (0.48, 5.0), (0.7, 4.0), (0.691, 4.01), (0.689, 4.021), (0.72, 4.081), (0.6, 3.0)];
        let expected: [&[&str]; 7] =
            [&[], &[], &[], &[], &["peak", "val_rise"], &["val_rise", "overfit"], &["peak"]];
        assert_eq!(seen(&rows), expected);
    }

    #[test]
    fn numbers_that_are_not_finite_are_no_extremes() {
        assert_eq!(seen(&[(0.6, 4.0), (f64::NAN, f64::NAN), (0.6, 4.0)]), [[""; 0]; 3]);
    }

    #[test]
    fn a_step_and_what_counters_keep_of_it_are_the_same_to_the_bit() {
        let mut memory = Memory::default().see(0.6, 4.0, 0.0).1;
        memory.step(0.1, f64::NAN);
        let mut counters = Counters::default();
        memory.save(&mut counters);
        let mut again = Counters::default();
        Memory::load(&counters).unwrap().save(&mut again);
        assert_eq!(again.memory, counters.memory);
        counters.memory.remove("batches");
        assert!(Memory::load(&counters).unwrap_err().to_string().contains("without batches"));
    }
}
