//! The optimisers of candle-optimisers behind our flat buffers.
//!
//! They take a `GradStore`, which only a backward pass can make: the gradient g of a variable θ is handed
//! over as the backward pass of Σ θ·g.

use super::{OptimError, Optimizer};
use crate::{
    kinds::operations::config::{Decay, OptimConfig, OptimizerName},
    kinds::operations::model::{ParamKind, ParamLayout},
};
use candle_core::{Device, Result, Tensor, Var, backprop::GradStore};
use candle_nn::Optimizer as CandleTrait;
use candle_optimisers::{
    Decay as Decoupling, Momentum,
    adadelta::{Adadelta, ParamsAdaDelta},
    adagrad::{Adagrad, ParamsAdaGrad},
    adam::{Adam, ParamsAdam},
    adamax::{Adamax, ParamsAdaMax},
    esgd::{ParamsSGD, SGD},
    nadam::{NAdam, ParamsNAdam},
    radam::{ParamsRAdam, RAdam},
    rmsprop::{ParamsRMSprop, RMSprop},
};
use std::ops::Range;

/// One optimiser of candle-optimisers for the decayed parameters and one for the others.
pub struct CandleOptimizer {
    vars: Vec<(Var, Range<usize>)>,
    inner: Vec<Box<dyn DynOptimizer>>,
}

/// The part of candle-nn's trait that does not depend on the optimiser's own parameter type.
trait DynOptimizer: Send {
    fn set_rate(&mut self, lr: f64);
    fn apply(&mut self, grads: &GradStore) -> Result<()>;
}

impl<T: CandleTrait + Send> DynOptimizer for T {
    fn set_rate(&mut self, lr: f64) {
        self.set_learning_rate(lr);
    }

    fn apply(&mut self, grads: &GradStore) -> Result<()> {
        self.step(grads)
    }
}

impl CandleOptimizer {
    /// Decoupled weight decay throughout (RMSprop knows only the L2 kind and gets that).
    /// β₁ is the momentum of SGD; β₂ is ρ of Adadelta and α of RMSprop.
    pub fn new(config: &OptimConfig, layout: &ParamLayout) -> std::result::Result<Self, OptimError> {
        let vars = layout
            .iter()
            .map(|p| Ok((Var::zeros(p.shape.as_slice(), candle_core::DType::F32, &Device::Cpu)?, p)))
            .collect::<Result<Vec<_>>>()?;
        let (decayed, free): (Vec<_>, Vec<_>) =
            vars.iter().partition(|(_, p)| config.decay == Decay::All || p.kind == ParamKind::Weight);
        let mut inner = Vec::new();
        for (group, decay) in [(decayed, config.weight_decay), (free, 0.0)] {
            if !group.is_empty() {
                inner.push(build(config, group.into_iter().map(|(v, _)| v.clone()).collect(), decay)?);
            }
        }
        Ok(Self { vars: vars.into_iter().map(|(v, p)| (v, p.range.clone())).collect(), inner })
    }
}

impl Optimizer for CandleOptimizer {
    fn step(&mut self, params: &mut [f32], grads: &[f32], lr: f64) -> std::result::Result<(), OptimError> {
        let mut sum: Option<Tensor> = None;
        for (var, range) in &self.vars {
            var.set(&Tensor::from_slice(&params[range.clone()], var.shape(), &Device::Cpu)?)?;
            let grad = Tensor::from_slice(&grads[range.clone()], var.shape(), &Device::Cpu)?;
            let term = (var.as_tensor() * grad)?.sum_all()?;
            sum = Some(match sum {
                Some(sum) => (sum + term)?,
                None => term,
            });
        }
        let Some(sum) = sum else { return Ok(()) };
        let store = sum.backward()?;
        for optimizer in &mut self.inner {
            optimizer.set_rate(lr);
            optimizer.apply(&store)?;
        }
        for (var, range) in &self.vars {
            params[range.clone()].copy_from_slice(&var.flatten_all()?.to_vec1::<f32>()?);
        }
        Ok(())
    }
}

fn build(config: &OptimConfig, vars: Vec<Var>, decay: f64) -> Result<Box<dyn DynOptimizer>> {
    let OptimConfig { learning_rate: lr, beta1: beta_1, beta2: beta_2, epsilon: eps, .. } = *config;
    let weight_decay = (decay != 0.0).then_some(Decoupling::DecoupledWeightDecay(decay));
    Ok(match config.name {
        OptimizerName::AdamW | OptimizerName::Adam => {
            Box::new(Adam::new(vars, ParamsAdam { lr, beta_1, beta_2, eps, weight_decay, amsgrad: false })?)
        }
        OptimizerName::Adadelta => {
            Box::new(Adadelta::new(vars, ParamsAdaDelta { lr, rho: beta_2, eps, weight_decay })?)
        }
        OptimizerName::Adagrad => {
            Box::new(Adagrad::new(vars, ParamsAdaGrad { lr, eps, weight_decay, ..Default::default() })?)
        }
        OptimizerName::Adamax => {
            Box::new(Adamax::new(vars, ParamsAdaMax { lr, beta_1, beta_2, eps, weight_decay })?)
        }
        OptimizerName::NAdam => Box::new(NAdam::new(
            vars,
            ParamsNAdam { lr, beta_1, beta_2, eps, weight_decay, ..Default::default() },
        )?),
        OptimizerName::RAdam => {
            Box::new(RAdam::new(vars, ParamsRAdam { lr, beta_1, beta_2, eps, weight_decay })?)
        }
        OptimizerName::RMSprop => Box::new(RMSprop::new(
            vars,
            ParamsRMSprop {
                lr,
                alpha: beta_2,
                eps,
                weight_decay: (decay != 0.0).then_some(decay),
                ..Default::default()
            },
        )?),
        OptimizerName::Sgd => Box::new(SGD::new(
            vars,
            ParamsSGD {
                lr,
                weight_decay,
                momentum: (beta_1 != 0.0).then_some(Momentum::Classical(beta_1)),
                dampening: 0.0,
            },
        )?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::operations::config::Preset;

    /// f = ½‖θ‖²: every optimiser must bring it down.
    #[test]
    fn every_name_descends_a_quadratic() {
        use OptimizerName::*;
        let mut model = Preset::Paper.config("add", 0.5, 0).model;
        (model.d_model, model.d_mlp, model.n_heads, model.n_layers) = (4, 4, 1, 1);
        let layout = ParamLayout::new(&model, 3);
        for name in [AdamW, Adam, Adadelta, Adagrad, Adamax, NAdam, RAdam, RMSprop, Sgd] {
            let config = OptimConfig {
                name,
                weight_decay: 0.0,
                learning_rate: 0.01,
                ..Preset::Paper.config("add", 0.5, 0).optim
            };
            let mut optimizer = crate::kinds::operations::optim::build(&config, &layout).unwrap();
            let mut params = vec![1.0f32; layout.len()];
            for _ in 0..50 {
                let grads = params.clone();
                optimizer.step(&mut params, &grads, 0.01).unwrap();
            }
            let mean = params.iter().sum::<f32>() / params.len() as f32;
            assert!(mean < 0.9999 && mean > -1.0, "{name:?}: {mean}");
        }
    }
}
