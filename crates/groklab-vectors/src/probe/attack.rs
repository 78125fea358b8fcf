//! Accuracy, plain and under disturbed inputs.

use crate::{
    mlp::{Engine, Loss, ModelError, correct},
    stream::stream,
};
use rand::Rng;
use rand_distr::StandardNormal;

/// Share of rows whose label the network says; see [`is_correct`](crate::mlp::is_correct).
///
/// # Errors
/// [`ModelError`] if lengths or labels do not fit.
pub fn accuracy(
    engine: &mut Engine,
    params: &[f32],
    inputs: &[f32],
    labels: &[u32],
) -> Result<f64, ModelError> {
    let (d, outputs) = (engine.mlp().inputs(), engine.mlp().outputs());
    crate::mlp::check_batch(inputs, d, labels, outputs)?;
    let logits = engine.forward(params, inputs)?;
    Ok(correct(logits, outputs, labels) as f64 / labels.len() as f64)
}

/// Accuracy with N(0, deviation²) added to every input, drawn with the stream `noise` of (seed, row).
///
/// # Errors
/// [`ModelError`] if lengths or labels do not fit.
pub fn noisy_accuracy(
    engine: &mut Engine,
    params: &[f32],
    inputs: &[f32],
    labels: &[u32],
    deviation: f32,
    seed: u64,
) -> Result<f64, ModelError> {
    let mut noisy = inputs.to_vec();
    for (row, x) in (0..).zip(noisy.chunks_exact_mut(engine.mlp().inputs())) {
        let mut generator = stream(seed, "noise", row);
        x.iter_mut().for_each(|x| *x += deviation * generator.sample::<f32, _>(StandardNormal));
    }
    accuracy(engine, params, &noisy, labels)
}

/// Accuracy after projected gradient ascent of the loss in the ℓ∞ ball of radius `epsilon` (Madry et al. 2018): `steps`
/// steps of ε/4 by the gradient's sign, from x itself. Inputs are standardised: nothing is clipped to a range of pixels.
/// Where the gradient is 0 the input stays.
///
/// # Errors
/// [`ModelError`] if lengths, labels or the loss do not fit.
pub fn pgd_accuracy(
    engine: &mut Engine,
    params: &[f32],
    (inputs, labels): (&[f32], &[u32]),
    loss: Loss,
    epsilon: f32,
    steps: u32,
) -> Result<f64, ModelError> {
    let (d, outputs) = (engine.mlp().inputs(), engine.mlp().outputs());
    crate::mlp::check_batch(inputs, d, labels, outputs)?;
    let mut moved = inputs.to_vec();
    let mut v = vec![0.0; labels.len() * outputs];
    for _ in 0..steps {
        engine.forward(params, &moved)?;
        loss.gradient(engine.logits(), outputs, labels, &mut v)?;
        let slopes = engine.pull_back(params, &v)?;
        for ((x, &x0), &g) in moved.iter_mut().zip(inputs).zip(slopes) {
            let sign = if g == 0.0 { 0.0 } else { g.signum() };
            *x = (*x + 0.25 * epsilon * sign).clamp(x0 - epsilon, x0 + epsilon);
        }
    }
    accuracy(engine, params, &moved, labels)
}
