//! The factored engine trains like the plain model: 200 steps of AdamW from the same start, losses equal to 1e-4.

use groklab::{
    config::{ModelConfig, Preset},
    engine::{Engine, PlainEngine, cpu::FactoredEngine},
    model::{ParamLayout, initial_parameters},
    optim,
    task::Equation,
};

const V: usize = 11;

/// Batches of 24 rows of x + y mod 11 in an order that visits every pair, every tenth of them partial.
fn batch(step: usize) -> Vec<Equation> {
    let rows = if step % 10 == 9 { 7 } else { 24 };
    let equation = |i: usize| {
        let pair = (step * 24 + i) * 37 % (V * V);
        let (x, y) = (pair / V, pair % V);
        Equation { x: x as u16, y: y as u16, answer: ((x + y) % V) as u16 }
    };
    (0..rows).map(equation).collect()
}

#[test]
fn two_hundred_steps_follow_the_plain_model() {
    for preset in [Preset::Paper, Preset::Power] {
        let mut config = preset.config("add", 0.5, 0);
        config.model = ModelConfig { d_model: 32, n_heads: 4, d_mlp: 64, ..config.model };
        let layout = ParamLayout::new(&config.model, V);
        let start = initial_parameters(&config.model, &layout, 3);
        let train = |engine: &mut dyn Engine| -> Vec<f32> {
            let (mut params, mut grads) = (start.clone(), vec![0.0; start.len()]);
            let mut optimizer = optim::build(&config.optim, &layout).unwrap();
            let steps = (0..200).map(|i| {
                let loss = engine.loss_and_gradients(&params, &batch(i), &mut grads).unwrap();
                let rate = config.optim.learning_rate * (i as f64 / 10.0).min(1.0);
                optimizer.step(&mut params, &grads, rate).unwrap();
                loss
            });
            steps.collect()
        };
        let plain = train(&mut PlainEngine::new(&config.model, V, candle_core::Device::Cpu));
        let factored = train(&mut FactoredEngine::new(&config.model, V).unwrap());
        assert!(plain[0] - plain[198] > 0.05, "nothing was learned: {} {}", plain[0], plain[198]);
        for (i, (a, b)) in plain.iter().zip(&factored).enumerate() {
            assert!((a - b).abs() < 1e-4 * a.max(1.0), "{preset:?} step {i}: plain {a}, factored {b}");
        }
    }
}
