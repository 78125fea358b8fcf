//! Initial parameters: each has a stream of its own name.

use super::TextConfig;
use crate::Role;
use groklab_corpus::stream;
use rand::Rng;
use rand_distr::StandardNormal;

/// Matrices N(0, 1/inputs), embedding and unembedding N(0, 1/d), gains 0: logits of unit-RMS states are N(0, 1) then,
/// and the loss begins at ln V + ½ where the unembedding is the model's own.
pub fn initial_parameters(config: &TextConfig, seed: u64) -> Vec<f32> {
    let layout = config.layout();
    let mut flat = vec![0.0; layout.len()];
    for param in layout.iter().filter(|param| param.role != Role::Gain) {
        let mut rng = stream(seed, &param.name, 0);
        // all shapes are (outputs, inputs): of the embedding the inputs are the width
        let scale = 1.0 / (param.shape[1] as f64).sqrt();
        for value in &mut flat[param.range.clone()] {
            let normal: f64 = rng.sample(StandardNormal);
            *value = (scale * normal) as f32;
        }
    }
    flat
}
