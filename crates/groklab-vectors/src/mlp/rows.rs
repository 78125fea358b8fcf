//! Losses of single rows without their gradients, for evaluations: exponentials of all rows at once.

use super::{Loss, ModelError};

impl Loss {
    /// The loss of each row of `logits`, (rows, outputs), in place of what `losses` held. As
    /// [`gradient`](Self::gradient) gives it for that row alone, but for the last bits of cross-entropies: their
    /// exponentials are known to 2⁻²² and come from a polynomial.
    ///
    /// # Errors
    /// As [`gradient`](Self::gradient).
    pub fn of_rows(
        self,
        logits: &[f32],
        outputs: usize,
        labels: &[u32],
        losses: &mut Vec<f64>,
    ) -> Result<(), ModelError> {
        self.check_batch(logits, outputs, labels)?;
        losses.clear();
        let rows = || logits.chunks_exact(outputs).zip(labels);
        if self != Self::CrossEntropy {
            let mut gradient = vec![0.0; outputs];
            losses.extend(rows().map(|(row, &label)| self.of_row(row, label, 1.0, &mut gradient)));
            return Ok(());
        }
        let most = |row: &[f32]| row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut exponentials = Vec::with_capacity(logits.len());
        for row in logits.chunks_exact(outputs) {
            let most = most(row);
            exponentials.extend(row.iter().map(|f| f - most));
        }
        exponentials.iter_mut().for_each(|x| *x = exponential(*x));
        losses.extend(rows().zip(exponentials.chunks_exact(outputs)).map(|((row, &label), e)| {
            let label = label as usize;
            let others = e.iter().enumerate().fold(0.0, |sum, (c, e)| if c == label { sum } else { sum + e });
            // the terms of the wrong classes without the 1 of the right one
            match e[label] {
                1.0 => f64::from(others).ln_1p(),
                right => f64::from(others + right).ln() - (f64::from(row[label]) - f64::from(most(row))),
            }
        }));
        Ok(())
    }
}

/// eˣ for x ≤ 0, to two units in the last place of f32, without a branch: 2ⁿ times Taylor's polynomial of the rest
/// |r| ≤ ½ ln 2, whose next term is below 6·10⁻⁹. NaN stays NaN.
#[inline(always)]
fn exponential(x: f32) -> f32 {
    /// Added and taken off again it leaves a whole number, which stands in its last bits meanwhile.
    const WHOLE: f32 = 12_582_912.0;
    /// ln 2 in two parts; products of the first with n are exact.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    // below, all is 0
    let x = if x < -105.0 { -105.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + WHOLE;
    let n = (shifted.to_bits() as i32).wrapping_sub(WHOLE.to_bits() as i32);
    let whole = shifted - WHOLE;
    let r = (x - whole * LN_2[0]) - whole * LN_2[1];
    let p = [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0]
        .into_iter()
        .fold(1.0 / 5040.0, |p: f32, term| p * r + term);
    // in two steps, so that neither power leaves the range of normal numbers
    let power = |n: i32| f32::from_bits((n.wrapping_add(127) as u32) << 23);
    p * power(n >> 1) * power(n.wrapping_sub(n >> 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_right_to_two_units_down_to_nothing() {
        assert_eq!(exponential(0.0), 1.0);
        assert_eq!(exponential(-104.5), 0.0);
        assert_eq!(exponential(f32::NEG_INFINITY), 0.0);
        assert!(exponential(f32::NAN).is_nan());
        for i in 0..105_000 {
            let x = -0.001 * i as f32;
            let wanted = f64::from(x).exp();
            // a unit in the last place, also where numbers are no longer normal
            let unit = (wanted * 2f64.powi(-23)).max(2f64.powi(-149));
            let off = (f64::from(exponential(x)) - wanted).abs();
            assert!(off <= 2.0 * unit, "e^{x}: {off:e} off, unit {unit:e}");
        }
    }

    #[test]
    fn losses_of_rows_are_those_of_batches_of_one() {
        let logits: Vec<f32> = (0..60).map(|i| ((i * 37 % 101) as f32 - 50.0) * 0.4).collect();
        let cases = [
            (Loss::CrossEntropy, 3, vec![0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1]),
            (Loss::Mse, 3, vec![1; 20]),
            (Loss::Logistic, 1, (0..60).map(|i| i % 2).collect()),
        ];
        for (loss, outputs, labels) in cases {
            let mut losses = vec![9.0];
            loss.of_rows(&logits, outputs, &labels, &mut losses).unwrap();
            assert_eq!(losses.len(), labels.len());
            let mut gradient = vec![0.0; outputs];
            for ((row, label), found) in logits.chunks_exact(outputs).zip(&labels).zip(losses) {
                let wanted = loss.gradient(row, outputs, std::slice::from_ref(label), &mut gradient).unwrap();
                assert!((found - wanted).abs() <= 3e-7 * wanted, "{loss:?}: {found} and {wanted}");
            }
        }
        let small = (-30f64).exp();
        let mut losses = Vec::new();
        Loss::CrossEntropy.of_rows(&[31.0, 1.0, 0.0, 200.0], 2, &[0, 1], &mut losses).unwrap();
        assert!((losses[0] / small - 1.0).abs() < 1e-6 && losses[1] as f32 == 0.0, "{losses:?}");
        assert!(Loss::CrossEntropy.of_rows(&[1.0; 4], 2, &[0, 2], &mut losses).is_err());
        assert!(Loss::Logistic.of_rows(&[1.0; 4], 2, &[0, 1], &mut losses).is_err());
        assert!(Loss::Mse.of_rows(&[], 2, &[], &mut losses).is_err());
    }
}
