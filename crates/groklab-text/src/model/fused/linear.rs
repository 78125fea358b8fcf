//! y = x Wᵀ.

use super::{numbers, stored, with_numbers};
use candle_core::{CpuStorage, CustomOp2, Error, Layout, Result, Shape, Tensor};
use groklab_kernels::{Finish, InstructionSet, Matrix, MatrixMut, Packed, SizeError, multiply_once};

/// x, (n, inputs), and W, (outputs, inputs), to (n, outputs).
pub struct Linear;

/// A·B, row-major.
fn product(a: Matrix, b: Matrix) -> std::result::Result<Vec<f32>, SizeError> {
    let shape = [a.shape()[0], b.shape()[1]];
    let mut right = Packed::new(InstructionSet::best());
    let mut out = vec![0.0; shape[0] * shape[1]];
    multiply_once(MatrixMut::new(&mut out, shape)?, a, b, &Finish::default(), &mut right)?;
    Ok(out)
}

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        w: &CpuStorage,
        w_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let ((n, inputs), (outputs, _)) = (x_layout.shape().dims2()?, w_layout.shape().dims2()?);
        let x = Matrix::new(numbers(x, x_layout)?, [n, inputs]).map_err(Error::wrap)?;
        let w = Matrix::new(numbers(w, w_layout)?, [outputs, inputs]).map_err(Error::wrap)?;
        Ok(stored(product(x, w.transposed()).map_err(Error::wrap)?, (n, outputs)))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let ((n, inputs), outputs) = (x.dims2()?, w.dim(0)?);
        let (dx, dw) = with_numbers([x, w, dy], |[x, w, dy]| {
            let x = Matrix::new(x, [n, inputs]).map_err(Error::wrap)?;
            let w = Matrix::new(w, [outputs, inputs]).map_err(Error::wrap)?;
            let dy = Matrix::new(dy, [n, outputs]).map_err(Error::wrap)?;
            let dx = product(dy, w).map_err(Error::wrap)?;
            Ok((dx, product(dy.transposed(), x).map_err(Error::wrap)?))
        })?;
        let (dx, dw) =
            (Tensor::from_vec(dx, (n, inputs), x.device())?, Tensor::from_vec(dw, w.shape(), w.device())?);
        Ok((Some(dx), Some(dw)))
    }
}
