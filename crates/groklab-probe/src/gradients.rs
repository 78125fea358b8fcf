//! Spectra of per-sample gradients: how many directions the samples of a batch pull a linear map in (Spectral Lens,
//! arXiv 2605.05683).
//!
//! Row s of G, (N, P), is the flattened gradient of the loss of sample s. Of a linear map y = W x with inputs x_st and
//! gradients δ_st of its outputs that row is Σ_t δ_st x_stᵀ, so that G Gᵀ is K_ss' = Σ_tt' (x_st·x_s't')(δ_st·δ_s't') and G
//! need not be formed. Nothing is centred.

use super::{
    ProbeError, WindowSlope,
    moments::check_length,
    slope_in,
    spectra::{check_finite, eigenvalues, singular_values},
    square_sum,
};
use faer::{Accum, Mat, MatMut, MatRef, Par, linalg::matmul::matmul};

/// How singular values were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// By a decomposition of G: all of them are resolved.
    Stack,
    /// As roots of the eigenvalues of G Gᵀ: those up to √(N·2⁻⁵²) of the largest are lost in rounding and given as 0.
    Gram,
}

/// Singular values of the gradients of N samples.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct GradientSpectrum {
    /// Descending, min(N, P) of them. All NaN where every gradient is 0, as before the first step of maps behind a layer
    /// that begins at zero: no gradient is no direction.
    pub singular_values: Vec<f64>,
    /// N.
    pub samples: usize,
    /// P, entries of the map.
    pub parameters: usize,
    /// How they were found.
    pub way: Way,
}

impl GradientSpectrum {
    /// Slope of s_i over the ranks 1 to 10, and over those from 11 to N.
    pub fn head_and_tail(&self) -> (WindowSlope, WindowSlope) {
        let count = self.singular_values.len();
        (slope_in(&self.singular_values, super::HEAD), slope_in(&self.singular_values, 11..=count))
    }
}

/// The spectrum of `stack`, (N, P) row-major: a flattened gradient a row.
///
/// # Errors
/// If the length does not fit, a number is not finite, or the decomposition does not converge.
pub fn gradient_spectrum<T: Copy + Into<f64>>(
    stack: &[T],
    samples: usize,
    parameters: usize,
) -> Result<GradientSpectrum, ProbeError> {
    check_length("stack of gradients", stack.len(), samples * parameters)?;
    let stack: Vec<f64> = stack.iter().map(|&v| v.into()).collect();
    check_finite("stack of gradients", &stack)?;
    let count = samples.min(parameters);
    let singular_values = if square_sum(&stack) == 0.0 {
        vec![f64::NAN; count]
    } else {
        let what = "singular value decomposition of the gradients";
        singular_values(&stack, samples, parameters).ok_or(ProbeError::NoConvergence { what })?
    };
    Ok(GradientSpectrum { singular_values, samples, parameters, way: Way::Stack })
}

/// What makes up the gradients of one linear map: its inputs and the gradients of its outputs, over N sequences of T
/// positions.
#[derive(Clone, Copy, Debug)]
pub struct GradientFactors<'a, T> {
    /// x_st, (N·T, a) row-major.
    pub inputs: &'a [T],
    /// δ_st, the gradient of the loss of sample s alone, (N·T, b) row-major.
    pub output_gradients: &'a [T],
    /// N.
    pub samples: usize,
    /// T.
    pub positions: usize,
    /// (b, a), the shape of the map: outputs, inputs.
    pub shape: [usize; 2],
}

impl<T: Copy + Into<f64>> GradientFactors<'_, T> {
    /// By the way that takes less time.
    ///
    /// # Errors
    /// As [`Self::by_stack`].
    pub fn spectrum(&self) -> Result<GradientSpectrum, ProbeError> {
        match self.cheaper() {
            Way::Stack => self.by_stack(),
            Way::Gram => self.by_gram(),
        }
    }

    /// [`Way::Gram`] takes N²T²(a + b)/2 multiplications, [`Way::Stack`] N·T·a·b and a decomposition, which takes the time of
    /// about 8N²ab of them: measured, at N 32 and 64 and maps from 64 × 64 to 1,024 × 128, 3 to 12.
    pub fn cheaper(&self) -> Way {
        let [b, a] = self.shape.map(|v| v as f64);
        let (n, t) = (self.samples as f64, self.positions as f64);
        if n * t * t * (a + b) / 2.0 < a * b * (t + 8.0 * n) { Way::Gram } else { Way::Stack }
    }

    /// G, (N, b·a) row-major; each row is the gradient in the order of W.
    ///
    /// # Errors
    /// If lengths do not fit, or a number is not finite.
    pub fn stack(&self) -> Result<Vec<f64>, ProbeError> {
        let (x, delta) = self.wide()?;
        let [b, a] = self.shape;
        let mut stack = vec![0.0; self.samples * a * b];
        let length = self.positions;
        if length == 0 || stack.is_empty() {
            return Ok(stack);
        }
        let sequences = x.chunks_exact(length * a).zip(delta.chunks_exact(length * b));
        for (row, (x, delta)) in stack.chunks_exact_mut(a * b).zip(sequences) {
            let x = MatRef::from_row_major_slice(x, length, a);
            let delta = MatRef::from_row_major_slice(delta, length, b);
            let gradient = MatMut::from_row_major_slice_mut(row, b, a);
            matmul(gradient, Accum::Replace, delta.transpose(), x, 1.0, Par::Seq);
        }
        Ok(stack)
    }

    /// The spectrum of [`Self::stack`].
    ///
    /// # Errors
    /// As [`Self::stack`], or if the decomposition does not converge.
    pub fn by_stack(&self) -> Result<GradientSpectrum, ProbeError> {
        let [b, a] = self.shape;
        gradient_spectrum(&self.stack()?, self.samples, a * b)
    }

    /// K = G Gᵀ, (N, N) row-major, without G.
    ///
    /// # Errors
    /// As [`Self::stack`].
    pub fn gram(&self) -> Result<Vec<f64>, ProbeError> {
        let (x, delta) = self.wide()?;
        let (samples, length, [b, a]) = (self.samples, self.positions, self.shape);
        let mut gram = vec![0.0; samples * samples];
        let x = MatRef::from_row_major_slice(&x, self.rows(), a);
        let delta = MatRef::from_row_major_slice(&delta, self.rows(), b);
        for s in 0..samples {
            // this sample against itself and those after it: (T, T·(N − s))
            let (first, rest) = (s * length, (samples - s) * length);
            let products = |m: MatRef<f64>| {
                let mut out = Mat::zeros(length, rest);
                let (one, all) = (m.subrows(first, length), m.subrows(first, rest));
                matmul(out.as_mut(), Accum::Replace, one, all.transpose(), 1.0, Par::Seq);
                out
            };
            let (of_inputs, of_outputs) = (products(x), products(delta));
            for other in s..samples {
                let columns = (other - s) * length..(other - s + 1) * length;
                let sum: f64 = columns
                    .map(|j| {
                        let pairs = of_inputs.col(j).iter().zip(of_outputs.col(j).iter());
                        pairs.map(|(x, delta)| x * delta).sum::<f64>()
                    })
                    .sum();
                gram[s * samples + other] = sum;
                gram[other * samples + s] = sum;
            }
        }
        Ok(gram)
    }

    /// The spectrum from [`Self::gram`].
    ///
    /// # Errors
    /// As [`Self::gram`], or if the iteration does not converge.
    pub fn by_gram(&self) -> Result<GradientSpectrum, ProbeError> {
        let gram = self.gram()?;
        let (samples, parameters) = (self.samples, self.shape[0] * self.shape[1]);
        let count = samples.min(parameters);
        let singular_values = if gram.iter().all(|&v| v == 0.0) {
            vec![f64::NAN; count]
        } else {
            let what = "eigenvalue iteration on the Gram matrix of the gradients";
            let gram = MatRef::from_row_major_slice(&gram, samples, samples);
            let squares = eigenvalues(gram, Par::Seq).ok_or(ProbeError::NoConvergence { what })?;
            let rounding = samples as f64 * f64::EPSILON * squares[0];
            squares[..count].iter().map(|&v| if v > rounding { v.sqrt() } else { 0.0 }).collect()
        };
        Ok(GradientSpectrum { singular_values, samples, parameters, way: Way::Gram })
    }

    fn rows(&self) -> usize {
        self.samples * self.positions
    }

    /// Both factors in f64, checked.
    fn wide(&self) -> Result<(Vec<f64>, Vec<f64>), ProbeError> {
        let [b, a] = self.shape;
        check_length("inputs X", self.inputs.len(), self.rows() * a)?;
        check_length("output gradients δ", self.output_gradients.len(), self.rows() * b)?;
        let wide = |values: &[T]| values.iter().map(|&v| v.into()).collect::<Vec<f64>>();
        let (x, delta) = (wide(self.inputs), wide(self.output_gradients));
        check_finite("inputs X", &x)?;
        check_finite("output gradients δ", &delta)?;
        Ok((x, delta))
    }
}
