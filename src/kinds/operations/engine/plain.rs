//! The plain engine: candle's autograd over the reference model, on the CPU or a CUDA device.

use super::{Engine, EngineError, Evaluation, Tally};
use crate::{
    kinds::operations::config::{ModelConfig, Pull},
    kinds::operations::model::{ParamLayout, PlainModel, tensors},
    kinds::operations::task::Equation,
    probe::Moments,
};
use candle_core::{DType, Device, Tensor, Var};
use groklab_vectors::mlp::Penalty;

/// Rows of an evaluation that are in memory at once.
const EVALUATION_ROWS: usize = 1024;

/// The reference model under candle's autograd, in f32.
pub struct PlainEngine {
    config: ModelConfig,
    layout: ParamLayout,
    n_symbols: usize,
    device: Device,
}

impl PlainEngine {
    /// For tasks of `n_symbols` operands on `device`.
    pub fn new(config: &ModelConfig, n_symbols: usize, device: Device) -> Self {
        Self { config: config.clone(), layout: ParamLayout::new(config, n_symbols), n_symbols, device }
    }

    fn variables(&self, params: &[f32]) -> Result<Vec<Var>, EngineError> {
        let tensors = tensors(&self.layout, params, DType::F32, &self.device)?;
        Ok(tensors.iter().map(Var::from_tensor).collect::<Result<_, _>>()?)
    }

    /// The gradient of a scalar by the parameters.
    fn gradients(&self, of: &Tensor, vars: &[Var], grads: &mut [f32]) -> Result<(), EngineError> {
        let store = of.backward()?;
        for (param, var) in self.layout.iter().zip(vars) {
            // candle drops a gradient without a word where an operation has no backward
            let grad = store.get(var).ok_or_else(|| EngineError::MissingGradient(param.name.clone()))?;
            grads[param.range.clone()].copy_from_slice(&grad.flatten_all()?.to_vec1::<f32>()?);
        }
        Ok(())
    }

    fn model(&self, tensors: Vec<Tensor>) -> PlainModel<'_> {
        PlainModel::new(&self.config, &self.layout, self.n_symbols, tensors)
    }
}

/// As the model takes them, with gradients.
fn tracked(vars: &[Var]) -> Vec<Tensor> {
    vars.iter().map(|var| var.as_tensor().clone()).collect()
}

impl Engine for PlainEngine {
    fn penalised(
        &mut self,
        params: &[f32],
        batch: &[Equation],
        (term, directions): (&Penalty, &[f32]),
        grads: &mut [f32],
    ) -> Result<f32, EngineError> {
        let vars = self.variables(params)?;
        let v = Tensor::from_slice(directions, (batch.len(), self.n_symbols), &Device::Cpu)?;
        let found = self.model(tracked(&vars)).with_term(batch, &v.to_device(&self.device)?)?;
        let whole = (&found.loss + (found.alongside * term.slope(found.mean_norm))?)?;
        self.gradients(&whole, &vars, grads)?;
        Ok(found.loss.to_scalar::<f32>()? + term.value(found.mean_norm) as f32)
    }

    fn pulled(
        &mut self,
        params: &[f32],
        batch: &[Equation],
        pull: Option<Pull>,
        grads: &mut [f32],
    ) -> Result<f32, EngineError> {
        let vars = self.variables(params)?;
        let model = self.model(tracked(&vars));
        let output = model.forward(batch)?;
        let loss = model.loss_of(&output, batch)?;
        let whole = match pull {
            Some(pull) => (&loss + model.pull(&output, pull)?)?,
            None => loss.clone(),
        };
        self.gradients(&whole, &vars, grads)?;
        Ok(loss.to_scalar()?)
    }

    fn evaluate(
        &mut self,
        params: &[f32],
        rows: &[Equation],
        mut moments: Option<&mut Moments>,
    ) -> Result<Evaluation, EngineError> {
        let model = self.model(tensors(&self.layout, params, DType::F32, &self.device)?);
        let mut tally = Tally::default();
        for chunk in rows.chunks(EVALUATION_ROWS) {
            let output = model.forward(chunk)?;
            let logits = output.logits.flatten_all()?.to_vec1::<f32>()?;
            for (row, logits) in chunk.iter().zip(logits.chunks(self.n_symbols)) {
                tally.add(logits, row.answer);
            }
            if let Some(moments) = moments.as_deref_mut() {
                let products = output.products.flatten_all()?.to_vec1::<f32>()?;
                moments.add(&output.x.flatten_all()?.to_vec1::<f32>()?, &products)?;
            }
        }
        Ok(tally.evaluation())
    }
}
