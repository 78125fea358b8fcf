//! The Jacobian J(x) of the logits by x, the embedded tokens of an equation (T·d numbers), and GrokAlign's term made of it
//! (arXiv 2506.12284): R = mean_i √max(C‖v_iᵀJ(x_i)‖², 1e-8), v_i on the unit sphere of R^C, C = V the number of logits.
//!
//! The gradient of R is exact, and without a second derivative: with g_i = J_iᵀv_i and û_i = √C g_i/‖g_i‖ held constant it
//! is that of mean_i ⟨v_i, J_i û_i⟩. g takes a backward pass to a detached copy of x, where autograd stops; J_i û_i is a pass
//! of dual numbers, whose x comes from the embedding: R owes to it through softmax and masks. A loss to which R itself was
//! added would train as if it had not been: candle's backward pass leaves gradients without a history.

use super::{PlainModel, dual::Dual, plain::cross_entropy};
use crate::kinds::operations::task::Equation;
use candle_core::{Result, Tensor, Var};
use groklab_vectors::mlp::FLOOR;

/// The logits of some equations, to be differentiated by their embedded tokens.
pub struct Jacobian {
    x: Var,
    logits: Tensor,
}

/// Loss and Jacobian term of some equations.
pub struct WithTerm {
    /// Mean cross-entropy, a scalar.
    pub loss: Tensor,
    /// R.
    pub mean_norm: f64,
    /// A scalar that has the gradient of R, and its value where no row is below the floor.
    pub alongside: Tensor,
}

impl Jacobian {
    /// x, (B, T, d).
    pub fn inputs(&self) -> &Tensor {
        self.x.as_tensor()
    }

    /// v_iᵀJ(x_i) of each row, (B, T, d), for `v`, (B, V).
    ///
    /// # Errors
    /// Those of candle.
    pub fn pull_back(&self, v: &Tensor) -> Result<Tensor> {
        let gradients = (&self.logits * v)?.sum_all()?.backward()?;
        gradients.get(&self.x).cloned().map_or_else(|| self.x.zeros_like(), Ok)
    }
}

impl PlainModel<'_> {
    /// J at some rows.
    ///
    /// # Errors
    /// Those of candle.
    pub fn jacobian(&self, rows: &[Equation]) -> Result<Jacobian> {
        let model = self.detached();
        let x = Var::from_tensor(&model.embed(rows)?)?;
        let dual = Dual { value: x.as_tensor().clone(), tangent: None };
        Ok(Jacobian { logits: model.logits_of(&dual)?.value, x })
    }

    /// Cross-entropy and R of some rows along `v`, (B, V); both give gradients to all parameters.
    ///
    /// # Errors
    /// Those of candle.
    pub fn with_term(&self, rows: &[Equation], v: &Tensor) -> Result<WithTerm> {
        let (value, (n, c)) = (self.embed(rows)?, v.dims2()?);
        let pulled = self.jacobian(rows)?.pull_back(v)?.flatten_from(1)?; // g, (B, T·d)
        let squares = (pulled.sqr()?.sum_keepdim(1)? * c as f64)?; // (B, 1)
        let norms = squares.maximum(FLOOR)?.sqrt()?;
        // below the floor R is constant
        let is_above = squares.gt(FLOOR)?.to_dtype(squares.dtype())?;
        // √C g/‖g‖ = C g/√(C‖g‖²)
        let factor = ((is_above / &norms)? * (c as f64 / n as f64))?;
        let direction = pulled.broadcast_mul(&factor)?.reshape(value.shape())?.detach();
        let logits = self.logits_of(&Dual { value, tangent: Some(direction) })?;
        let alongside = match &logits.tangent {
            Some(tangent) => (tangent * v)?.sum_all()?,
            None => Tensor::zeros((), v.dtype(), v.device())?,
        };
        Ok(WithTerm {
            loss: cross_entropy(&logits.value, rows)?,
            mean_norm: norms.mean_all()?.to_dtype(candle_core::DType::F64)?.to_scalar()?,
            alongside,
        })
    }
}
