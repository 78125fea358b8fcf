//! Probes of candle tensors: any float dtype, any device, contiguous or not.
//!
//! Tensors are copied to the host and widened to f64 before anything is computed, so a half-precision model is
//! probed as exactly as a double-precision one.

use super::{Activations, Moments, Probe, ProbeError, Spectra, probe};
use candle_core::{DType, Device, Tensor};

/// Probes a linear map from its weights `w`, (m, n) as in `candle_nn::Linear`, and one batch of its inputs
/// `x`, (…, n); all leading dimensions of `x` count as rows.
///
/// # Errors
/// If a tensor is not of a float dtype or its shape does not fit, and as [`probe`].
///
/// ```
/// use candle_core::{Device, Tensor};
/// use groklab_probe::from_tensors;
///
/// // Four inputs along one axis, and a map that reads nothing else: full alignment.
/// let w = Tensor::new(&[[2f32, 0., 0.], [1., 0., 0.]], &Device::Cpu)?; // (m, n)
/// let x = Tensor::new(&[[1f32, 0., 0.], [-2., 0., 0.], [3., 0., 0.], [1., 0., 0.]], &Device::Cpu)?; // (N, n)
/// let (probe, spectra) = from_tensors(&w, &x)?;
/// assert!((probe.lar - 1.0).abs() < 1e-12 && (probe.k_pred - 1.0).abs() < 1e-12);
/// assert_eq!(probe.k95, Some(1));
/// assert_eq!(spectra.p, [1.0, 0.0, 0.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn from_tensors(w: &Tensor, x: &Tensor) -> Result<(Probe, Spectra), ProbeError> {
    let mut moments = Moments::new(x.dims().last().copied().unwrap_or(0), 0);
    moments.add_tensor(x)?;
    from_tensor_and_moments(w, &moments)
}

/// Probes a linear map from its weights `w`, (m, n), and inputs pooled over any number of batches.
///
/// # Errors
/// As [`from_tensors`].
pub fn from_tensor_and_moments(w: &Tensor, moments: &Moments) -> Result<(Probe, Spectra), ProbeError> {
    let (m, n) = match *w.dims() {
        [m, n] => (m, n),
        _ => return Err(unfit("w", w, "two dimensions, (outputs m, inputs n)")),
    };
    probe(&host_f64("w", w)?, m, n, moments)
}

impl Moments {
    /// Pools a batch of inputs given as a tensor, (…, n); for moments made with `Moments::new(n, 0)`.
    ///
    /// # Errors
    /// If the tensor is not of a float dtype, its last dimension is not n, or these moments also pool outputs.
    pub fn add_tensor(&mut self, x: &Tensor) -> Result<(), ProbeError> {
        if x.rank() < 2 {
            return Err(unfit("x", x, "two dimensions or more, (…, inputs n)"));
        }
        let width = x.dims().last().copied().unwrap_or(0);
        if width != self.n {
            return Err(ProbeError::Mismatch { what: "last dimension of x", found: width, expected: self.n });
        }
        self.add_f64(&host_f64("x", x)?, &[])
    }
}

impl Activations {
    /// Pools hidden states given as a tensor, (…, d), of whole sequences of `positions` states one after the other: (B, T, d)
    /// or (B·T, d).
    ///
    /// # Errors
    /// If the tensor is not of a float dtype, or does not divide into sequences of this width.
    pub fn add_tensor(&mut self, hidden: &Tensor, positions: usize) -> Result<(), ProbeError> {
        let width = hidden.dims().last().copied().unwrap_or(0);
        if width != self.width() {
            let expected = self.width();
            return Err(ProbeError::Mismatch {
                what: "last dimension of activations",
                found: width,
                expected,
            });
        }
        self.add(&host_f64("activations", hidden)?, positions)
    }
}

fn host_f64(what: &'static str, tensor: &Tensor) -> Result<Vec<f64>, ProbeError> {
    if !tensor.dtype().is_float() {
        return Err(unfit(what, tensor, "a float dtype"));
    }
    // To the host first: not every device has f64. Detached: a copy must not grow the graph.
    let tensor = tensor.detach().to_device(&Device::Cpu)?.to_dtype(DType::F64)?;
    Ok(tensor.flatten_all()?.to_vec1()?)
}

fn unfit(what: &'static str, tensor: &Tensor, expected: &'static str) -> ProbeError {
    ProbeError::Tensor { what, shape: tensor.dims().to_vec(), dtype: tensor.dtype().as_str(), expected }
}

#[cfg(test)]
mod tests {
    use super::super::Pooling;
    use super::*;

    /// Small integers over 8, exact in every float dtype.
    fn grid(rows: usize, cols: usize) -> Vec<f64> {
        (0..rows * cols).map(|i| ((i * i + 3 * i + i / 7) % 17) as f64 / 8.0 - 1.0).collect()
    }

    #[test]
    fn dtype_layout_and_batching_do_not_matter() {
        // a power of two: means of dyadic numbers are exact, however they are pooled
        let (m, n, rows) = (5, 4, 16);
        let (w, x) = (grid(m, n), grid(rows, n));
        let device = Device::Cpu;
        let wt = Tensor::from_slice(&w, (m, n), &device).unwrap();
        let xt = Tensor::from_slice(&x, (rows, n), &device).unwrap();
        let mut moments = Moments::new(n, 0);
        moments.add_f64(&x, &[]).unwrap();
        let expected = probe(&w, m, n, &moments).unwrap();

        for dtype in [DType::F64, DType::F32, DType::F16, DType::BF16] {
            let (w, x) = (wt.to_dtype(dtype).unwrap(), xt.to_dtype(dtype).unwrap());
            assert_eq!(from_tensors(&w, &x).unwrap(), expected, "{dtype:?}");
            assert_eq!(from_tensors(&w, &x.reshape((4, 4, n)).unwrap()).unwrap(), expected);
            let strided = x.t().unwrap().contiguous().unwrap().t().unwrap();
            assert!(!strided.is_contiguous());
            assert_eq!(from_tensors(&w, &strided).unwrap(), expected);

            let mut pooled = Moments::new(n, 0);
            for start in [0, 8] {
                pooled.add_tensor(&x.narrow(0, start, 8).unwrap()).unwrap();
            }
            assert_eq!(from_tensor_and_moments(&w, &pooled).unwrap(), expected);
        }
    }

    #[test]
    fn activations_of_a_tensor_are_those_of_its_rows() {
        let (d, positions) = (3, 4);
        let x = grid(6 * positions, d);
        for pooling in [Pooling::Last, Pooling::Mean, Pooling::Token] {
            let mut expected = Activations::new(d, pooling);
            expected.add(&x, positions).unwrap();
            let flat = Tensor::from_slice(&x, (6 * positions, d), &Device::Cpu).unwrap();
            for tensor in [flat.reshape((6, positions, d)).unwrap(), flat.to_dtype(DType::BF16).unwrap()] {
                let mut found = Activations::new(d, pooling);
                found.add_tensor(&tensor, positions).unwrap();
                assert_eq!(found, expected);
                assert!(Activations::new(d + 1, pooling).add_tensor(&tensor, positions).is_err());
                assert!(found.add_tensor(&tensor, 5).is_err());
            }
        }
    }

    #[test]
    fn unfit_tensors_are_named() {
        let device = Device::Cpu;
        let ok = Tensor::ones((3, 4), DType::F32, &device).unwrap();
        let flat = Tensor::ones(4, DType::F32, &device).unwrap();
        let ids = Tensor::ones((3, 4), DType::U32, &device).unwrap();
        let narrow = Tensor::ones((3, 3), DType::F32, &device).unwrap();
        let message = |w, x| from_tensors(w, x).unwrap_err().to_string();
        assert!(message(&flat, &ok).contains("tensor w has shape [4]"));
        assert!(message(&ok, &flat).contains("tensor x has shape [4]"));
        assert!(message(&ok, &ids).contains("dtype u32, expected a float dtype"));
        assert!(message(&narrow, &ok).contains("expected 4"));
        assert!(Moments::new(4, 2).add_tensor(&ok).is_err());
    }
}
