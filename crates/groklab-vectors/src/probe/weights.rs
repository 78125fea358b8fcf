//! How far weights went, and where neurons point.

use super::{cosine, wide};
use crate::{
    mlp::{Mlp, ModelError, check_length},
    samples::Samples,
};

/// ‖W₁ − W₁(0)‖_F / ‖W₁(0)‖_F of the first weight matrix; `None` if it began at zero.
///
/// # Errors
/// [`ModelError::Length`] if a buffer is not the network's.
pub fn moved(mlp: &Mlp, start: &[f32], params: &[f32]) -> Result<Option<f64>, ModelError> {
    check_length("first parameters", start.len(), mlp.parameters())?;
    check_length("parameters", params.len(), mlp.parameters())?;
    let (a, b) = (&start[mlp.weight(0)], &params[mlp.weight(0)]);
    let way: f64 = wide(a).zip(wide(b)).map(|(a, b)| (a - b).powi(2)).sum();
    let share = (way / wide(a).map(|a| a * a).sum::<f64>()).sqrt();
    Ok(share.is_finite().then_some(share))
}

/// cos(w_j, mean input of its class) for each neuron of a network of two layers, in order. A neuron's class is that of
/// its largest outgoing weight, with one output that of its sign. `None` if the neuron, its class's mean or its outgoing
/// weight is zero, or the class has no rows.
///
/// # Errors
/// [`ModelError`] if the network has other than two layers or does not fit the samples.
pub fn neuron_cosines(mlp: &Mlp, params: &[f32], samples: &Samples) -> Result<Vec<Option<f64>>, ModelError> {
    check_length("parameters", params.len(), mlp.parameters())?;
    check_length("a row of the samples", samples.width(), mlp.inputs())?;
    if mlp.layers() != 2 || mlp.outputs().max(2) < samples.classes() {
        let reason = format!("neurons have classes in two layers; these widths are {:?}", mlp.widths());
        return Err(ModelError::Network(reason));
    }
    let means = samples.class_means();
    let (hidden, a) = (mlp.widths()[1], &params[mlp.weight(1)]);
    let class = |j: usize| match mlp.outputs() {
        1 if a[j] != 0.0 => Some(usize::from(a[j] > 0.0)),
        1 => None,
        outputs => (0..outputs).max_by(|&b, &c| a[b * hidden + j].total_cmp(&a[c * hidden + j])),
    };
    let neurons = params[mlp.weight(0)].chunks_exact(mlp.inputs()).enumerate();
    Ok(neurons
        .map(|(j, w)| {
            let mean = means.get(class(j)?)?.as_ref()?;
            cosine(wide(w), mean.iter().copied())
        })
        .collect())
}
