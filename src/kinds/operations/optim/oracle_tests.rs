//! Every optimiser against its PyTorch namesake with weight decay, as `tests/oracle/optimisers.py` recorded it.

use super::{CandleOptimizer, build};
use crate::kinds::operations::{
    config::{Decay, OptimConfig, OptimizerName, Preset},
    model::ParamLayout,
};
use serde_json::Value;

/// Of each step's gradients, the first N; `optimisers.py` has the same.
const N: usize = 12;

fn gradient(step: u64, i: usize) -> f32 {
    let size = 10f64.powi(-((i % 4) as i32));
    (libm::cos(7.0 * i as f64 + 0.3 * step as f64) * size) as f32
}

#[test]
fn every_optimiser_steps_as_pytorchs_does_with_decay() {
    let record: Value =
        serde_json::from_str(include_str!("../../../../tests/oracle/optimisers.json")).unwrap();
    let mut model = Preset::Paper.config("add", 0.5, 0).model;
    (model.d_model, model.d_mlp, model.n_heads, model.n_layers) = (4, 4, 1, 1);
    let layout = ParamLayout::new(&model, 3);
    use OptimizerName::*;
    for (name, key) in [
        (AdamW, "adamw"),
        (Adam, "adam"),
        (Adadelta, "adadelta"),
        (Adagrad, "adagrad"),
        (Adamax, "adamax"),
        (NAdam, "nadam"),
        (RAdam, "radam"),
        (RMSprop, "rmsprop"),
        (Sgd, "sgd"),
    ] {
        let config = OptimConfig {
            name,
            learning_rate: 0.01,
            weight_decay: 0.3,
            decay: Decay::All,
            beta1: 0.9,
            beta2: 0.98,
            epsilon: 1e-8,
            ..Preset::Paper.config("add", 0.5, 0).optim
        };
        // of AdamW and SGD our own; of all, what candle-optimisers has
        let mut optimisers = vec![build(&config, &layout).unwrap()];
        optimisers.push(Box::new(CandleOptimizer::new(&config, &layout).unwrap()));
        for mut optimiser in optimisers {
            let mut params: Vec<f32> = (0..layout.len()).map(|i| libm::sin(i as f64 + 1.0) as f32).collect();
            let mut rows = record[key].as_array().unwrap().iter();
            let mut row = rows.next();
            for step in 0..40 {
                let grads: Vec<f32> = (0..layout.len()).map(|i| gradient(step, i)).collect();
                optimiser.step(&mut params, &grads, config.learning_rate).unwrap();
                let Some(expected) = row.filter(|row| row[0].as_u64() == Some(step)) else { continue };
                for (i, (ours, theirs)) in params[..N].iter().zip(expected[1].as_array().unwrap()).enumerate()
                {
                    let theirs = theirs.as_f64().unwrap();
                    let error = (f64::from(*ours) - theirs).abs();
                    assert!(error < 2e-6, "{key}, step {step}, parameter {i}: {ours}, PyTorch {theirs}");
                }
                row = rows.next();
            }
            assert!(row.is_none(), "{key}: steps that were not compared");
        }
    }
}
