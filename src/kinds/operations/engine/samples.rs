//! Models, parameters and batches for tests and for `gpu-check`.

use crate::{
    kinds::operations::config::{ModelConfig, Preset},
    kinds::operations::model::{ParamKind, ParamLayout},
    kinds::operations::task::Equation,
};
use rand::Rng;

/// The paper's model in small and odd sizes.
pub(super) fn small_model(n_layers: usize) -> ModelConfig {
    let paper = Preset::Paper.config("", 0.5, 0).model;
    ModelConfig { n_layers, d_model: 40, n_heads: 5, d_mlp: 52, ..paper }
}

/// Numbers in the range of a trained model's: no gain is 1, no shift or bias 0.
pub(super) fn random_params(config: &ModelConfig, v: usize, rng: &mut impl Rng) -> Vec<f32> {
    let layout = ParamLayout::new(config, v);
    let mut params = Vec::with_capacity(layout.len());
    for p in layout.iter() {
        let width = p.shape.last().copied().unwrap_or(1) as f32;
        let (center, spread) = match p.kind {
            ParamKind::Embedding => (0.0, 1.5),
            ParamKind::Weight => (0.0, 1.5 / width.sqrt()),
            ParamKind::Gain => (1.0, 0.4),
            ParamKind::Shift | ParamKind::Bias { .. } => (0.0, 0.4),
        };
        params.extend(p.range.clone().map(|_| center + spread * rng.random_range(-1.0f32..1.0)));
    }
    params
}

/// Equations of random symbols.
pub(super) fn random_batch(v: usize, n: usize, rng: &mut impl Rng) -> Vec<Equation> {
    let mut symbol = || rng.random_range(0..v) as u16;
    (0..n).map(|_| Equation { x: symbol(), y: symbol(), answer: symbol() }).collect()
}
