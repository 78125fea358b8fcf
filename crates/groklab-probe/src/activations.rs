//! The covariance spectrum of the activations of sequences, one vector a sample (Spectral Lens, arXiv 2605.05683).

use super::{
    HEAD, Moments, ProbeError, WindowSlope, rankme_of_eigenvalues, slope_in, spectra::check_finite,
    spectra::covariance_eigenvalues, tail_window, top_share,
};
use faer::Par;

/// What a sequence of T hidden states counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// One sample, the state of the last position.
    Last,
    /// One sample, the mean over positions.
    Mean,
    /// T samples, which are not independent.
    Token,
}

/// Activations pooled over batches of sequences.
#[derive(Clone, Debug, PartialEq)]
pub struct Activations {
    pooling: Pooling,
    moments: Moments,
}

/// Eigenvalues of a covariance, and of what.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ActivationSpectrum {
    /// Of HᵀH/(n − 1), H centred: descending, d of them. Those that rounding can leave of a 0 are 0.
    pub eigenvalues: Vec<f64>,
    /// n.
    pub samples: u64,
    /// What is a sample.
    pub pooling: Pooling,
}

/// The numbers of a spectrum that arXiv 2605.05683 looks at.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct SpectrumShape {
    /// exp of the entropy of λ/Σλ: [`rankme_of_eigenvalues`].
    pub rankme: f64,
    /// Share of the ten largest in the sum.
    pub top10: f64,
    /// Over ranks 1 to 10.
    pub head: WindowSlope,
    /// Over the ranks of [`tail_window`].
    pub tail: WindowSlope,
}

impl Activations {
    /// None yet, of width `d`.
    pub fn new(d: usize, pooling: Pooling) -> Self {
        Self { pooling, moments: Moments::new(d, 0) }
    }

    /// d.
    pub fn width(&self) -> usize {
        self.moments.n
    }

    /// Pools whole sequences of `positions` states: `hidden` is (B, T, d) row-major.
    ///
    /// # Errors
    /// If it does not divide into sequences.
    pub fn add<T: Copy + Into<f64>>(&mut self, hidden: &[T], positions: usize) -> Result<(), ProbeError> {
        let d = self.moments.n;
        let length = positions * d;
        if length == 0 || !hidden.len().is_multiple_of(length) {
            return Err(ProbeError::PartialSequence { found: hidden.len(), positions, n: d });
        }
        let mut samples: Vec<f64> = Vec::with_capacity(hidden.len() / length * d);
        for sequence in hidden.chunks_exact(length) {
            match self.pooling {
                Pooling::Last => samples.extend(sequence[length - d..].iter().map(|&v| v.into())),
                Pooling::Token => samples.extend(sequence.iter().map(|&v| v.into())),
                Pooling::Mean => samples.extend((0..d).map(|i| {
                    let sum: f64 = sequence.iter().skip(i).step_by(d).map(|&v| v.into()).sum();
                    sum / positions as f64
                })),
            }
        }
        self.moments.add_f64(&samples, &[])
    }

    /// Of what was pooled, on the calling thread.
    ///
    /// # Errors
    /// If there are fewer than two samples, or a number is not finite.
    pub fn spectrum(&self) -> Result<ActivationSpectrum, ProbeError> {
        let n = self.moments.rows;
        if n < 2 {
            return Err(ProbeError::TooFewSamples { found: n });
        }
        check_finite("sum of activations", &self.moments.sum)?;
        check_finite("Gram matrix of activations", &self.moments.gram)?;
        let unbiased = n as f64 / (n - 1) as f64;
        let eigenvalues =
            covariance_eigenvalues(&self.moments, Par::Seq).iter().map(|v| v * unbiased).collect();
        Ok(ActivationSpectrum { eigenvalues, samples: n, pooling: self.pooling })
    }
}

impl ActivationSpectrum {
    /// Its numbers. α of the tail moves with d/n: compare spectra of one n alone.
    pub fn shape(&self) -> SpectrumShape {
        let values = &self.eigenvalues;
        SpectrumShape {
            rankme: rankme_of_eigenvalues(values),
            top10: top_share(values, 10),
            head: slope_in(values, HEAD),
            tail: slope_in(values, tail_window(values.len())),
        }
    }
}

/// Rows of `hidden`, (·, d), each divided by its root mean square: RMSNorm without gain, √(mean x² + ε).
///
/// # Errors
/// If it does not divide into rows.
pub fn unit_rms<T: Copy + Into<f64>>(hidden: &[T], d: usize, epsilon: f64) -> Result<Vec<f64>, ProbeError> {
    if d == 0 || !hidden.len().is_multiple_of(d) {
        return Err(ProbeError::PartialRow { found: hidden.len(), n: d });
    }
    let mut rows: Vec<f64> = hidden.iter().map(|&v| v.into()).collect();
    for row in rows.chunks_exact_mut(d) {
        let mean_square = row.iter().map(|v| v * v).sum::<f64>() / d as f64;
        let scale = 1.0 / (mean_square + epsilon).sqrt();
        row.iter_mut().for_each(|v| *v *= scale);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two sequences of two states on the axes: variances by hand.
    #[test]
    fn a_sequence_counts_as_the_pooling_says() {
        let hidden = [1f32, 0., 3., 0., 0., 2., -1., 0.]; // (2, 2, 2)
        let values = |pooling| {
            let mut activations = Activations::new(2, pooling);
            activations.add(&hidden[..4], 2).unwrap();
            activations.add(&hidden[4..], 2).unwrap();
            let spectrum = activations.spectrum().unwrap();
            (spectrum.samples, spectrum.eigenvalues)
        };
        // (3, 0) and (−1, 0): variance 8 of n − 1 = 1
        let (n, last) = values(Pooling::Last);
        assert!(n == 2 && (last[0] - 8.0).abs() < 1e-14 && last[1] == 0.0, "{last:?}");
        // (2, 0) and (−½, 1): one direction, ‖(2½, −1)‖²/2
        let (n, mean) = values(Pooling::Mean);
        assert!(n == 2 && (mean[0] - 3.625).abs() < 1e-14 && mean[1] == 0.0, "{mean:?}");
        let (n, token) = values(Pooling::Token);
        // trace: Σx² − 4·x̄² = 11 − 9/4 and 4 − 1, over 3
        assert!(n == 4 && (token.iter().sum::<f64>() - 11.75 / 3.0).abs() < 1e-14, "{token:?}");
    }

    #[test]
    fn rows_of_unit_rms() {
        let rows = unit_rms(&[3f32, 4., 0., 0.], 2, 0.0).unwrap();
        assert!((rows[0] - 3.0 / 12.5f64.sqrt()).abs() < 1e-15 && rows[2].is_nan());
        assert_eq!(unit_rms(&[0f32, 0.], 2, 1e-6).unwrap(), [0.0, 0.0]);
        assert!(unit_rms(&[1f32; 3], 2, 0.0).is_err());
    }

    #[test]
    fn what_cannot_be_pooled_is_said() {
        let mut activations = Activations::new(3, Pooling::Last);
        let message = activations.add(&[0f32; 9], 2).unwrap_err().to_string();
        assert_eq!(
            message,
            "activations hold 9 numbers, not a whole number of sequences of 2 states of width 3"
        );
        activations.add(&[0f32; 6], 2).unwrap();
        let message = activations.spectrum().unwrap_err().to_string();
        assert!(message.starts_with("1 sample"), "{message}");
        activations.add(&[f32::NAN; 6], 2).unwrap();
        assert!(activations.spectrum().is_err());
        assert!(Activations::new(0, Pooling::Token).add(&[0f32; 2], 1).is_err());
    }

    #[test]
    fn equal_samples_have_no_shape() {
        let mut activations = Activations::new(3, Pooling::Token);
        activations.add(&[0.7f64; 12], 4).unwrap();
        let spectrum = activations.spectrum().unwrap();
        let shape = spectrum.shape();
        assert_eq!(spectrum.eigenvalues, [0.0; 3]);
        assert!(shape.rankme.is_nan() && shape.top10.is_nan() && shape.head.alpha.is_nan());
    }
}
