//! Vectors with class labels: where they come from, and how they are split, scaled and disturbed.
//!
//! Drawn data are a function of (seed, row): row 17 is the same row however many are drawn. Files are not believed:
//! sizes are checked against the file before anything is reserved, and every number and label is looked at.

mod clusters;
mod digits;
mod error;
mod file;
mod idx;
mod mixture;
mod noise;
mod npy;
mod parity;
#[cfg(test)]
mod tests;

pub use clusters::XorClusters;
pub use digits::{DIGITS_DEVIATION, DIGITS_MEAN, digits, hard_digits};
pub use error::SamplesError;
pub use idx::{idx, idx_directory};
pub use mixture::{Mixture, Variant};
pub use noise::{label_noise, pixel_noise};
pub use npy::npy;
pub use parity::Parity;

use crate::stream::stream;
use rand::seq::SliceRandom;

/// Most classes that labels may name: labels reserve an output each.
pub const MAX_CLASSES: usize = 1 << 16;

/// Rows of inputs, each with its class.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    inputs: Vec<f32>,
    width: usize,
    labels: Vec<u32>,
    classes: usize,
}

impl Samples {
    /// Of `inputs`, (rows, width) row-major, and `labels`, (rows), each below `classes`.
    ///
    /// # Errors
    /// [`SamplesError`] if there are none, the lengths disagree, an input is not finite, or a label is no class.
    pub fn new(
        inputs: Vec<f32>,
        width: usize,
        labels: Vec<u32>,
        classes: usize,
    ) -> Result<Self, SamplesError> {
        if labels.is_empty() || width == 0 || classes == 0 {
            let reason = format!("{} rows of {width} inputs, {classes} classes", labels.len());
            return Err(SamplesError::Unfit(reason));
        }
        if classes > MAX_CLASSES {
            return Err(SamplesError::Unfit(format!("{classes} classes, at most {MAX_CLASSES} are taken")));
        }
        if labels.len().checked_mul(width) != Some(inputs.len()) {
            let reason = format!("{} rows of {width} do not have {} inputs", labels.len(), inputs.len());
            return Err(SamplesError::Unfit(reason));
        }
        if let Some(at) = inputs.iter().position(|v| !v.is_finite()) {
            let (row, column) = (at / width, at % width);
            return Err(SamplesError::NotFinite { row, column, value: inputs[at].into() });
        }
        if let Some(row) = labels.iter().position(|&label| label as usize >= classes) {
            let wanted = format!("classes go from 0 to {}", classes - 1);
            return Err(SamplesError::Label { row, label: labels[row].into(), wanted });
        }
        Ok(Self { inputs, width, labels, classes })
    }

    /// All inputs, (rows, width) row-major.
    pub fn inputs(&self) -> &[f32] {
        &self.inputs
    }

    /// The class of each row.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Rows; at least one.
    pub fn rows(&self) -> usize {
        self.labels.len()
    }

    /// Inputs of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Classes that labels may name; not all need occur.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The inputs of row `i`, (width).
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, i: usize) -> &[f32] {
        &self.inputs[i * self.width..][..self.width]
    }

    /// The rows numbered in `rows`, in that order.
    ///
    /// # Errors
    /// [`SamplesError::Unfit`] if it is empty or names a row that is not there.
    pub fn select(&self, rows: &[usize]) -> Result<Self, SamplesError> {
        if let Some(row) = rows.iter().find(|&&row| row >= self.rows()) {
            return Err(SamplesError::Unfit(format!("there is no row {row}, there are {}", self.rows())));
        }
        let inputs = rows.iter().flat_map(|&row| self.row(row)).copied().collect();
        Self::new(inputs, self.width, rows.iter().map(|&row| self.labels[row]).collect(), self.classes)
    }

    /// `train` rows drawn with the stream `split` of `seed`, and the rest, both in the order drawn.
    ///
    /// # Errors
    /// [`SamplesError::Setting`] unless both sides get at least one row.
    pub fn split(&self, train: usize, seed: u64) -> Result<(Self, Self), SamplesError> {
        let fits = 0 < train && train < self.rows();
        error::demand(fits, "train", train as f64, "both sides of a split need at least one row")?;
        let mut order: Vec<usize> = (0..self.rows()).collect();
        order.shuffle(&mut stream(seed, "split", 0));
        Ok((self.select(&order[..train])?, self.select(&order[train..])?))
    }

    /// (x − mean) / deviation for every input, one mean and one deviation for all.
    ///
    /// # Errors
    /// [`SamplesError::Setting`] if the deviation is not positive; [`SamplesError::NotFinite`] if a result is not finite.
    pub fn standardised(self, mean: f32, deviation: f32) -> Result<Self, SamplesError> {
        error::demand(deviation > 0.0, "deviation", deviation.into(), "a deviation is positive")?;
        let inputs = self.inputs.iter().map(|x| (x - mean) / deviation).collect();
        Self::new(inputs, self.width, self.labels, self.classes)
    }

    /// Mean input of each class, (classes, width) in f64; `None` for a class without rows.
    pub fn class_means(&self) -> Vec<Option<Vec<f64>>> {
        let mut sums = vec![(0u32, vec![0.0; self.width]); self.classes];
        for (row, &label) in self.inputs.chunks_exact(self.width).zip(&self.labels) {
            let (count, sum) = &mut sums[label as usize];
            *count += 1;
            sum.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        let mean = |(count, sum): (u32, Vec<f64>)| {
            (count > 0).then(|| sum.iter().map(|s| s / f64::from(count)).collect())
        };
        sums.into_iter().map(mean).collect()
    }
}
