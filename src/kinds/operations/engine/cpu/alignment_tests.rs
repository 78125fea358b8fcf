//! The pull at LAR in the factored step against autograd of the plain model in f64.

use super::FactoredEngine;
use crate::kinds::operations::{
    config::{ModelConfig, Norm, Pull},
    engine::{
        Engine, PlainEngine,
        samples::{random_batch, random_params, small_model},
    },
    model::{ParamLayout, PlainModel, tensors},
    task::Equation,
};
use candle_core::{DType, Device, Var};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const SYMBOLS: usize = 7;

fn reference(config: &ModelConfig, params: &[f32], batch: &[Equation], pull: Pull) -> Vec<f64> {
    let layout = ParamLayout::new(config, SYMBOLS);
    let vars: Vec<Var> = tensors(&layout, params, DType::F64, &Device::Cpu)
        .unwrap()
        .iter()
        .map(|t| Var::from_tensor(t).unwrap())
        .collect();
    let tracked = vars.iter().map(|v| v.as_tensor().clone()).collect();
    let model = PlainModel::new(config, &layout, SYMBOLS, tracked);
    let output = model.forward(batch).unwrap();
    let whole = (model.loss_of(&output, batch).unwrap() + model.pull(&output, pull).unwrap()).unwrap();
    let grads = whole.backward().unwrap();
    vars.iter().flat_map(|v| grads.get(v).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap()).collect()
}

#[test]
fn the_gradients_of_both_engines_are_those_of_autograd_in_f64() {
    let base = small_model(2);
    let variants = [
        base.clone(),
        ModelConfig { tied: true, bias: true, ..base.clone() },
        ModelConfig { norm: Norm::Post, final_norm: false, ..base.clone() },
        ModelConfig { output_scale: 0.25, n_layers: 1, ..base },
    ];
    let pulls = [(30.0, 0.0, 0.0), (0.0, -80.0, 0.0), (0.0, 0.0, 50.0), (-15.0, 70.0, -30.0)];
    for (seed, config) in variants.iter().enumerate() {
        let mut rng = ChaCha8Rng::seed_from_u64(seed as u64);
        let params = random_params(config, SYMBOLS, &mut rng);
        let batch = random_batch(SYMBOLS, 20, &mut rng);
        let mut factored = FactoredEngine::new(config, SYMBOLS).unwrap();
        let mut plain = PlainEngine::new(config, SYMBOLS, Device::Cpu);
        let mut without = vec![0.0; params.len()];
        let loss = factored.loss_and_gradients(&params, &batch, &mut without).unwrap();
        for (lar, sigma_p, norm) in pulls {
            let pull = Pull { lar, sigma_p, norm };
            let expected = reference(config, &params, &batch, pull);
            let largest = expected.iter().fold(1e-2f64, |a, g| a.max(g.abs()));
            let engines: [&mut dyn Engine; 2] = [&mut factored, &mut plain];
            for engine in engines {
                let mut grads = vec![f32::NAN; params.len()];
                let pulled = engine.pulled(&params, &batch, Some(pull), &mut grads).unwrap();
                assert!((pulled - loss).abs() < 1e-5 * loss, "the loss is the cross-entropy");
                for (got, expected) in grads.iter().zip(&expected) {
                    assert!((f64::from(*got) - expected).abs() < 1e-5 * largest, "{config:?} {pull:?}");
                }
            }
            let moved =
                expected.iter().zip(&without).any(|(a, b)| (a - f64::from(*b)).abs() > 1e-3 * largest);
            assert!(moved, "{pull:?} changes the gradient");
        }
        // the step after has no pull left
        let mut again = vec![0.0; params.len()];
        factored.loss_and_gradients(&params, &batch, &mut again).unwrap();
        assert_eq!(again, without);
    }
}
