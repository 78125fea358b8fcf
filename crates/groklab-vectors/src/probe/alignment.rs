//! Centroids against inputs, the alignment that GrokAlign watches (arXiv 2506.12284), as defined there and corrected.

use super::{cosine, mean, wide};
use crate::mlp::{Engine, ModelError};

/// Means over rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alignment {
    /// cos(μ_x, x), μ_x = J(x)ᵀ1 the centroid: the paper's. Without biases ⟨μ_x, x⟩ = Σ_c f_c(x), which cross-entropy
    /// leaves free: with it, sign and size of this cosine say nothing. One output: the mean mixes the signs of both
    /// classes.
    pub centroid: Option<f64>,
    /// ‖μ_x‖.
    pub centroid_norm: f64,
    /// cos(∇_x(f_y − mean_c f_c), x), the part of it that softmax sees; with one output y·cos(∇_x f, x).
    pub class: Option<f64>,
    /// ⟨μ_x, x⟩; without biases the mean of Σ_c f_c(x).
    pub logit_sum: f64,
}

/// The alignments of `inputs`, (rows, d), of classes `labels`; two backward passes.
///
/// # Errors
/// [`ModelError`] if lengths or labels do not fit.
pub fn alignment(
    engine: &mut Engine,
    params: &[f32],
    inputs: &[f32],
    labels: &[u32],
) -> Result<Alignment, ModelError> {
    let (d, outputs) = (engine.mlp().inputs(), engine.mlp().outputs());
    crate::mlp::check_batch(inputs, d, labels, outputs)?;
    engine.forward(params, inputs)?;
    let mut v = vec![1.0; labels.len() * outputs];
    let centroids = engine.pull_back(params, &v)?.to_vec();
    class_directions(labels, outputs, &mut v);
    let slopes = engine.pull_back(params, &v)?;
    Ok(Alignment::of(&centroids, slopes, inputs, d))
}

/// Fills `v`, (rows, outputs), with the cotangents of f_y − mean_c f_c; with one output with y.
pub fn class_directions(labels: &[u32], outputs: usize, v: &mut [f32]) {
    for (v, &label) in v.chunks_exact_mut(outputs).zip(labels) {
        if outputs == 1 {
            v[0] = if label == 1 { 1.0 } else { -1.0 };
        } else {
            v.fill(-1.0 / outputs as f32);
            v[label as usize] += 1.0;
        }
    }
}

impl Alignment {
    /// Of centroids J(x)ᵀ1 and ∇_x(f_y − mean_c f_c) at `inputs`, each (rows, d), whoever computed them.
    pub fn of(centroids: &[f32], slopes: &[f32], inputs: &[f32], d: usize) -> Self {
        let rows = || centroids.chunks_exact(d).zip(inputs.chunks_exact(d));
        let n = rows().len() as f64;
        let square = |mu: &[f32]| wide(mu).map(|m| m * m).sum::<f64>();
        let product = |(mu, x): (&[f32], &[f32])| wide(mu).zip(wide(x)).map(|(m, x)| m * x).sum::<f64>();
        let slopes = slopes.chunks_exact(d).zip(inputs.chunks_exact(d));
        Self {
            centroid: mean(rows().map(|(mu, x)| cosine(wide(mu), wide(x)))),
            centroid_norm: rows().map(|(mu, _)| square(mu).sqrt()).sum::<f64>() / n,
            class: mean(slopes.map(|(g, x)| cosine(wide(g), wide(x)))),
            logit_sum: rows().map(product).sum::<f64>() / n,
        }
    }
}
