//! Loss and accuracy of rows of logits, summed the same way whoever computed the logits.

use super::Evaluation;

/// Running sums over evaluated rows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    rows: u64,
    loss: f64,
    correct: u64,
    zero_loss: u64,
}

impl Tally {
    /// Counts one row: its logits and its answer. The row's loss is log Σ exp(z − max) − (z_answer − max) in f32.
    pub fn add(&mut self, logits: &[f32], answer: u16) {
        let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = logits.iter().map(|&z| (z - max).exp()).sum();
        let shifted = logits[usize::from(answer)] - max;
        self.add_row(sum.ln() - shifted, logits.iter().position(|&z| z == max) == Some(usize::from(answer)));
    }

    /// Counts one row whose loss is known.
    pub fn add_row(&mut self, loss: f32, correct: bool) {
        self.rows += 1;
        self.loss += f64::from(loss);
        self.correct += u64::from(correct);
        self.zero_loss += u64::from(loss == 0.0);
    }

    /// The means.
    pub fn evaluation(&self) -> Evaluation {
        let rows = self.rows as f64;
        Evaluation {
            loss: self.loss / rows,
            accuracy: self.correct as f64 / rows,
            zero_loss_share: self.zero_loss as f64 / rows,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_forms() {
        let mut tally = Tally::default();
        tally.add(&[1.0, 1.0, 1.0, 1.0], 0); // ln 4; the first of equal logits counts
        tally.add(&[1.0, 1.0, 1.0, 1.0], 1); // ln 4, wrong
        tally.add(&[200.0, 0.0, 0.0, 0.0], 0); // saturated: exactly 0
        tally.add(&[200.0, 0.0, 0.0, 0.0], 1); // 200
        let e = tally.evaluation();
        assert!((e.loss - (2.0 * 4f64.ln() + 200.0) / 4.0).abs() < 1e-6);
        assert_eq!((e.accuracy, e.zero_loss_share), (0.5, 0.25));
    }

    #[test]
    fn a_broken_logit_is_neither_correct_nor_finite() {
        let mut tally = Tally::default();
        tally.add(&[f32::NAN, 0.0], 0);
        let e = tally.evaluation();
        assert!(!e.loss.is_finite() && e.accuracy == 0.0);
    }
}
