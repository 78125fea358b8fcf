//! Mean cross-entropy.

use super::{
    numbers, stored,
    vector::{LANES, exp, vectorised},
    with_numbers,
};
use candle_core::{CpuStorage, CustomOp1, Error, Layout, Result, Shape, Tensor};

/// Mean of −ln softmax(row)[target] of logits, (N, V); the mean is taken in f64.
pub struct CrossEntropy {
    /// N ids below V.
    pub targets: Vec<u32>,
}

/// The greatest of a row; NaN counts as none.
#[inline(always)]
fn greatest(row: &[f32]) -> f32 {
    let mut most = [f32::NEG_INFINITY; LANES];
    let parts = row.chunks_exact(LANES);
    let rest = parts.remainder().iter().fold(f32::NEG_INFINITY, |a, b| a.max(*b));
    for part in parts {
        for (most, x) in most.iter_mut().zip(part) {
            *most = most.max(*x);
        }
    }
    most.iter().fold(rest, |a, b| a.max(*b))
}

/// Writes e^(x − greatest) and gives their sum.
#[inline(always)]
pub(super) fn exponentials(row: &mut [f32]) -> f32 {
    let most = greatest(row);
    let mut sums = [0.0f32; LANES];
    let mut parts = row.chunks_exact_mut(LANES);
    for part in &mut parts {
        for (sum, x) in sums.iter_mut().zip(part) {
            *x = exp(*x - most);
            *sum += *x;
        }
    }
    let mut sum: f32 = sums.iter().sum();
    for x in parts.into_remainder() {
        *x = exp(*x - most);
        sum += *x;
    }
    sum
}

impl CrossEntropy {
    fn check(&self, (n, v): (usize, usize)) -> Result<()> {
        if n == self.targets.len() && self.targets.iter().all(|&t| (t as usize) < v) {
            return Ok(());
        }
        Err(Error::Msg(format!("{} targets do not fit logits of {n} x {v}", self.targets.len())))
    }
}

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (n, v) = layout.shape().dims2()?;
        self.check((n, v))?;
        let logits = numbers(logits, layout)?;
        let mut row = vec![0.0f32; v];
        let mut sum = 0.0f64;
        vectorised(
            #[inline(always)]
            || {
                for (logits, target) in logits.chunks_exact(v).zip(&self.targets) {
                    row.copy_from_slice(logits);
                    let total = exponentials(&mut row);
                    // of the row's own scale, so that no digits are lost in a shift
                    sum += f64::from(total).ln() + f64::from(greatest(logits) - logits[*target as usize]);
                }
            },
        );
        Ok(stored(vec![(sum / n as f64) as f32], ()))
    }

    fn bwd(&self, logits: &Tensor, _loss: &Tensor, dloss: &Tensor) -> Result<Option<Tensor>> {
        let (n, v) = logits.dims2()?;
        let scale = dloss.to_scalar::<f32>()? / n as f32;
        let dlogits = with_numbers([logits], |[logits]| {
            let mut dlogits = logits.to_vec();
            vectorised(
                #[inline(always)]
                || {
                    for (row, target) in dlogits.chunks_exact_mut(v).zip(&self.targets) {
                        let factor = scale / exponentials(row);
                        row.iter_mut().for_each(|x| *x *= factor);
                        row[*target as usize] -= scale;
                    }
                },
            );
            Ok(dlogits)
        })?;
        Ok(Some(Tensor::from_vec(dlogits, (n, v), logits.device())?))
    }
}
