//! The pull at LAR in candle operations: what every engine's gradient is held against.

use super::{Output, PlainModel};
use crate::kinds::operations::config::Pull;
use candle_core::{DType, Result, Tensor};

/// Matrices whose log norms are summed, each with its factor.
type Norms<'a> = &'a [(f64, &'a Tensor)];

impl PlainModel<'_> {
    /// −λ·LAR − μ·(1 + ½ log_n Σp²) + ν·log_n ‖W‖ of the rows of `output`, a scalar with gradients; a term that is not defined,
    /// of a matrix of zeros, is left out.
    ///
    /// # Errors
    /// Those of candle.
    pub fn pull(&self, output: &Output, pull: Pull) -> Result<Tensor> {
        let w = self.unembedding()?; // (V, d)
        let gram = w.t()?.matmul(&w)?;
        let lar = [(1.0, &output.products), (-1.0, &output.x), (-1.0, &w)];
        let terms: [(f64, f64, Norms); 3] = [
            (-pull.lar, 1.0, &lar),
            (-pull.sigma_p, 1.0, &[(1.0, &gram), (-2.0, &w)]),
            (pull.norm, 0.0, &[(1.0, &w)]),
        ];
        let mut sum = Tensor::zeros((), w.dtype(), w.device())?;
        for (strength, constant, norms) in terms {
            if strength != 0.0
                && let Some(logarithm) = log_norms(norms)?
            {
                let scaled = (logarithm * (strength / (w.dim(1)? as f64).ln()))?;
                sum = ((sum + scaled)? + strength * constant)?;
            }
        }
        Ok(sum)
    }
}

/// Σ c·ln ‖A‖_F; none if a matrix is zero.
fn log_norms(norms: Norms) -> Result<Option<Tensor>> {
    let mut sum: Option<Tensor> = None;
    for (factor, a) in norms {
        let square = a.sqr()?.sum_all()?;
        if square.to_dtype(DType::F64)?.to_scalar::<f64>()? == 0.0 {
            return Ok(None);
        }
        let term = (square.log()? * (0.5 * factor))?;
        sum = Some(match sum {
            Some(sum) => (sum + term)?,
            None => term,
        });
    }
    Ok(sum)
}
