//! What a classifier's Jacobian, neurons and weights say: pure functions of a network, its parameters and samples.
//!
//! J(x), (C, d), is the derivative of the outputs by the inputs; x in standardised units, as the network sees it.
//! An alignment is a cosine, from −1 to 1. `None` stands where one is undefined: a vector is zero or not finite.

mod alignment;
mod attack;
mod fourier;
mod jacobian;
mod weights;

pub use alignment::{Alignment, alignment, class_directions};
pub use attack::{accuracy, noisy_accuracy, pgd_accuracy};
pub use fourier::{fourier_norms, gini};
pub use jacobian::{JacobianStats, jacobian_stats, stats_of};
pub use weights::{moved, neuron_cosines};

/// a·b / (‖a‖‖b‖) in f64.
fn cosine(a: impl Iterator<Item = f64> + Clone, b: impl Iterator<Item = f64> + Clone) -> Option<f64> {
    let square = |v: &mut dyn Iterator<Item = f64>| v.map(|v| v * v).sum::<f64>();
    let norms = (square(&mut a.clone()) * square(&mut b.clone())).sqrt();
    let cosine = a.zip(b).map(|(a, b)| a * b).sum::<f64>() / norms;
    cosine.is_finite().then_some(cosine)
}

/// Mean of those that are defined.
fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let (count, sum) = values.flatten().fold((0u32, 0.0), |(n, sum), v| (n + 1, sum + v));
    (count > 0).then(|| sum / f64::from(count))
}

fn wide(values: &[f32]) -> impl Iterator<Item = f64> + Clone {
    values.iter().map(|&v| f64::from(v))
}
