//! Losses of outputs and labels, with their gradients; means over the rows.

use super::{ModelError, error::check_length};

/// A loss. A network with one output tells two classes apart: label 1 is y = +1, label 0 is y = −1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// −ln softmax(f)_y in nats; two outputs or more.
    CrossEntropy,
    /// Mean over rows and outputs of (f − t)², as PyTorch's `MSELoss`: t is the one-hot row, or y for one output.
    Mse,
    /// ln(1 + exp(−y f)); one output.
    Logistic,
}

impl Loss {
    /// Mean loss of `logits`, (rows, outputs), and its gradient by them into `gradient`, of the same shape.
    ///
    /// Small losses and gradients keep their digits: the terms of the wrong classes are summed without the 1 of the
    /// right one.
    ///
    /// # Errors
    /// [`ModelError`] if lengths, labels or the number of outputs do not fit.
    pub fn gradient(
        self,
        logits: &[f32],
        outputs: usize,
        labels: &[u32],
        gradient: &mut [f32],
    ) -> Result<f64, ModelError> {
        self.check_batch(logits, outputs, labels)?;
        check_length("gradient of the logits", gradient.len(), logits.len())?;
        let mut total = 0.0;
        let share = 1.0 / labels.len() as f32;
        let rows = logits.chunks_exact(outputs).zip(gradient.chunks_exact_mut(outputs)).zip(labels);
        for ((row, gradient), &label) in rows {
            total += self.of_row(row, label, share, gradient);
        }
        Ok(total / labels.len() as f64)
    }

    /// Loss of a row, and `share` of its gradient.
    pub(super) fn of_row(self, row: &[f32], label: u32, share: f32, gradient: &mut [f32]) -> f64 {
        match self {
            Self::CrossEntropy => cross_entropy(row, label as usize, share, gradient),
            Self::Mse => mse(row, label, share, gradient),
            Self::Logistic => logistic(row[0], sign(label), share, &mut gradient[0]),
        }
    }

    pub(super) fn check_batch(
        self,
        logits: &[f32],
        outputs: usize,
        labels: &[u32],
    ) -> Result<(), ModelError> {
        self.check(outputs)?;
        if labels.is_empty() {
            return Err(ModelError::Setting { name: "rows", value: 0.0, wanted: "a batch has a row" });
        }
        check_length("logits", logits.len(), labels.len() * outputs)?;
        check_labels(labels, outputs)
    }

    fn check(self, outputs: usize) -> Result<(), ModelError> {
        let refuse = |loss, wanted| Err(ModelError::Loss { loss, wanted, outputs });
        match self {
            Self::CrossEntropy if outputs < 2 => refuse("cross-entropy", "two outputs or more"),
            Self::Logistic if outputs != 1 => refuse("the logistic loss", "one output"),
            _ => Ok(()),
        }
    }
}

fn check_labels(labels: &[u32], outputs: usize) -> Result<(), ModelError> {
    let classes = outputs.max(2);
    match labels.iter().position(|&label| label as usize >= classes) {
        Some(row) => Err(ModelError::Label { row, label: labels[row], classes }),
        None => Ok(()),
    }
}

/// y of a label, for one output.
pub(crate) fn sign(label: u32) -> f32 {
    if label == 1 { 1.0 } else { -1.0 }
}

fn cross_entropy(row: &[f32], label: usize, share: f32, gradient: &mut [f32]) -> f64 {
    let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut others = 0.0;
    for (c, (g, &f)) in gradient.iter_mut().zip(row).enumerate() {
        *g = (f - most).exp();
        others += if c == label { 0.0 } else { *g };
    }
    let right = gradient[label];
    let sum = others + right;
    gradient.iter_mut().for_each(|g| *g *= share / sum);
    gradient[label] = -others * (share / sum);
    match right {
        1.0 => f64::from(others).ln_1p(),
        _ => f64::from(sum).ln() - (f64::from(row[label]) - f64::from(most)),
    }
}

fn mse(row: &[f32], label: u32, share: f32, gradient: &mut [f32]) -> f64 {
    let outputs = row.len();
    let mut sum = 0.0;
    for (c, (g, &f)) in gradient.iter_mut().zip(row).enumerate() {
        let target = match outputs {
            1 => sign(label),
            _ => f32::from(u8::from(c == label as usize)),
        };
        *g = 2.0 * share / outputs as f32 * (f - target);
        sum += (f64::from(f) - f64::from(target)).powi(2);
    }
    sum / outputs as f64
}

fn logistic(f: f32, y: f32, share: f32, gradient: &mut f32) -> f64 {
    let margin = y * f;
    // the exponent is never positive: nothing overflows
    let small = (-margin.abs()).exp();
    *gradient = -y * share * if margin > 0.0 { small } else { 1.0 } / (1.0 + small);
    f64::from((-margin).max(0.0)) + f64::from(small).ln_1p()
}

/// Whether `row`, (outputs), says `label`: its largest entry stands there and no other is as large; with one output, the
/// sign is y's. NaN says nothing.
pub fn is_correct(row: &[f32], label: u32) -> bool {
    match row {
        [f] => f * sign(label) > 0.0,
        _ => row
            .get(label as usize)
            .is_some_and(|right| row.iter().enumerate().all(|(c, f)| c == label as usize || f < right)),
    }
}

/// How many rows of `logits`, (rows, outputs), [say their label](is_correct).
pub fn correct(logits: &[f32], outputs: usize, labels: &[u32]) -> usize {
    logits.chunks_exact(outputs.max(1)).zip(labels).filter(|(row, label)| is_correct(row, **label)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_their_closed_forms_and_keep_small_digits() {
        let mut g = [0.0; 2];
        // ln(1 + e⁻³⁰) = e⁻³⁰ and the gradient is ∓e⁻³⁰ to within e⁻⁶⁰
        let small = (-30f64).exp();
        let loss = Loss::CrossEntropy.gradient(&[31.0, 1.0], 2, &[0], &mut g).unwrap();
        assert!((loss / small - 1.0).abs() < 1e-6);
        assert!(g.iter().zip([-small, small]).all(|(&g, e)| (f64::from(g) / e - 1.0).abs() < 1e-6), "{g:?}");
        let loss = Loss::CrossEntropy.gradient(&[31.0, 1.0], 2, &[1], &mut g).unwrap();
        assert!((loss - 30.0).abs() < 1e-6 && g == [1.0, -1.0]);
        let loss = Loss::Logistic.gradient(&[30.0], 1, &[1], &mut g[..1]).unwrap();
        assert!((loss / small - 1.0).abs() < 1e-6 && (f64::from(-g[0]) / small - 1.0).abs() < 1e-6);
        let loss = Loss::Logistic.gradient(&[200.0, 0.0], 1, &[0, 1], &mut g).unwrap();
        assert!((loss - (200.0 + 2f64.ln()) / 2.0).abs() < 1e-6 && g == [0.5, -0.25]);
        let loss = Loss::Mse.gradient(&[3.0, 2.0], 2, &[0], &mut g).unwrap();
        assert_eq!((loss, g), (4.0, [2.0, 2.0]));
        let loss = Loss::Mse.gradient(&[3.0, 2.0], 1, &[0, 1], &mut g).unwrap();
        assert_eq!((loss, g), (8.5, [4.0, 1.0]));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut g = [0.0; 2];
        assert!(Loss::CrossEntropy.gradient(&[1.0, 2.0], 1, &[0, 0], &mut g).is_err());
        assert!(Loss::Logistic.gradient(&[1.0, 2.0], 2, &[0], &mut g).is_err());
        assert!(Loss::Mse.gradient(&[1.0, 2.0], 2, &[2], &mut g).is_err());
        assert!(Loss::Mse.gradient(&[1.0, 2.0], 1, &[2, 0], &mut g).is_err());
        assert!(Loss::Mse.gradient(&[1.0, 2.0], 2, &[0, 0], &mut g).is_err());
        assert!(Loss::Mse.gradient(&[], 2, &[], &mut []).is_err());
    }

    #[test]
    fn ties_and_nan_are_not_correct() {
        assert!(is_correct(&[1.0, 2.0], 1) && is_correct(&[-0.5], 0));
        for (row, label) in [(&[2.0, 2.0][..], 1), (&[f32::NAN, 2.0], 1), (&[1.0, 2.0], 5), (&[0.0], 1)] {
            assert!(!is_correct(row, label), "{row:?}");
        }
        assert_eq!(correct(&[1.0, 2.0, 4.0, 3.0], 2, &[1, 1]), 1);
    }
}
