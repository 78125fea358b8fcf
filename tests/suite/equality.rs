//! The factored engine trains like the plain model: 200 steps of AdamW from the same start, losses equal to 1e-4.

use groklab::{
    kinds::operations::config::{ModelConfig, Preset},
    kinds::operations::engine::{Engine, PlainEngine, cpu::FactoredEngine},
    kinds::operations::model::{ParamLayout, initial_parameters},
    kinds::operations::optim,
    kinds::operations::task::Equation,
};

/// Batches of 48 rows of x + y mod v over a quarter of the table, every tenth of them partial.
fn batch(v: usize, step: usize) -> Vec<Equation> {
    let rows = if step % 10 == 9 { 7 } else { 48 };
    let equation = |i: usize| {
        let pair = (step * 48 + i) * 37 % (v * v / 4);
        let (x, y) = (pair / v, pair % v);
        Equation { x: x as u16, y: y as u16, answer: ((x + y) % v) as u16 }
    };
    (0..rows).map(equation).collect()
}

#[test]
fn two_hundred_steps_follow_the_plain_model() {
    for (preset, v, n_layers) in [
        (Preset::Paper, 97, 1),
        (Preset::Paper, 97, 2),
        (Preset::Paper, 120, 3),
        (Preset::Power, 120, 1),
        (Preset::Power, 120, 2),
        (Preset::Power, 97, 3),
    ] {
        let mut config = preset.config("add", 0.5, 0);
        config.model = ModelConfig { n_layers, d_model: 32, n_heads: 4, d_mlp: 64, ..config.model };
        let layout = ParamLayout::new(&config.model, v);
        let start = initial_parameters(&config.model, &layout, 3);
        let train = |engine: &mut dyn Engine| -> Vec<f32> {
            let (mut params, mut grads) = (start.clone(), vec![0.0; start.len()]);
            let mut optimizer = optim::build(&config.optim, &layout).unwrap();
            let steps = (0..200).map(|i| {
                let loss = engine.loss_and_gradients(&params, &batch(v, i), &mut grads).unwrap();
                let rate = optim::learning_rate(&config.optim, i as u64);
                optimizer.step(&mut params, &grads, rate).unwrap();
                loss
            });
            steps.collect()
        };
        let plain = train(&mut PlainEngine::new(&config.model, v, candle_core::Device::Cpu));
        let factored = train(&mut FactoredEngine::new(&config.model, v).unwrap());
        assert!(plain[0] - plain[198] > 0.05, "nothing was learned: {} {}", plain[0], plain[198]);
        for (i, (a, b)) in plain.iter().zip(&factored).enumerate() {
            let place = format!("{preset:?}, {v} symbols, {n_layers} layers, step {i}");
            assert!((a - b).abs() < 1e-4 * a.max(1.0), "{place}: plain {a}, factored {b}");
        }
    }
}
