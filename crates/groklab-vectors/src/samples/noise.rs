//! Wrong labels and blurred inputs, drawn once.

use super::{Samples, SamplesError, error::demand};
use crate::stream::stream;
use rand::{Rng, seq::SliceRandom};
use rand_distr::StandardNormal;

/// Gives round(share · rows) rows, drawn without replacement with the stream `label_noise` of `seed`, a class drawn
/// evenly from the others: every row drawn is wrong. Returns the samples and the drawn rows in ascending order.
///
/// # Errors
/// [`SamplesError::Setting`] unless the share lies in [0, 1] and there are two classes.
pub fn label_noise(
    mut samples: Samples,
    share: f64,
    seed: u64,
) -> Result<(Samples, Vec<usize>), SamplesError> {
    demand((0.0..=1.0).contains(&share), "label noise", share, "a share of the rows lies between 0 and 1")?;
    let classes = samples.classes;
    demand(share == 0.0 || classes > 1, "classes", classes as f64, "a wrong label needs a second class")?;
    let mut generator = stream(seed, "label_noise", 0);
    let mut rows: Vec<usize> = (0..samples.rows()).collect();
    rows.shuffle(&mut generator);
    rows.truncate((share * samples.rows() as f64).round() as usize);
    for &row in &rows {
        let other = generator.random_range(1..classes as u32);
        samples.labels[row] = (samples.labels[row] + other) % classes as u32;
    }
    rows.sort_unstable();
    Ok((samples, rows))
}

/// Adds N(0, deviation²) to every input, drawn with the stream `pixels` of (seed, row).
///
/// # Errors
/// [`SamplesError::Setting`] if the deviation is negative or not finite.
pub fn pixel_noise(mut samples: Samples, deviation: f32, seed: u64) -> Result<Samples, SamplesError> {
    let fits = deviation >= 0.0 && deviation.is_finite();
    demand(fits, "pixel noise", deviation.into(), "a deviation is a number from 0 on")?;
    for (row, inputs) in (0..).zip(samples.inputs.chunks_exact_mut(samples.width)) {
        let mut generator = stream(seed, "pixels", row);
        inputs.iter_mut().for_each(|x| *x += deviation * generator.sample::<f32, _>(StandardNormal));
    }
    Ok(samples)
}
