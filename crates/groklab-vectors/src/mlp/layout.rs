//! Which parameters a network has and where they lie.

use super::ModelError;
use std::ops::Range;

/// A ReLU network: widths from inputs to outputs, with biases or without, and the output scale c.
///
/// Its parameters lie in one buffer, layer by layer: W_l, (out, in) row-major as PyTorch keeps it, then b_l, (out).
/// c multiplies the outputs and is no parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Mlp {
    widths: Vec<usize>,
    biases: bool,
    output_scale: f32,
}

impl Mlp {
    /// Of `widths` = [inputs, hidden …, outputs].
    ///
    /// # Errors
    /// [`ModelError::Network`] if there is no layer, a width is 0, the parameters overflow, or c is not positive.
    pub fn new(widths: &[usize], biases: bool, output_scale: f32) -> Result<Self, ModelError> {
        let count = widths.windows(2).try_fold(0usize, |sum, w| w[0].checked_mul(w[1])?.checked_add(sum));
        if widths.len() < 2 || widths.contains(&0) || count.is_none_or(|n| n > isize::MAX as usize / 16) {
            return Err(ModelError::Network(format!("its widths are {widths:?}")));
        }
        if !(output_scale > 0.0 && output_scale.is_finite()) {
            return Err(ModelError::Network(format!("its output scale is {output_scale}, wanted is c > 0")));
        }
        Ok(Self { widths: widths.to_vec(), biases, output_scale })
    }

    /// Inputs, hidden widths, outputs.
    pub fn widths(&self) -> &[usize] {
        &self.widths
    }

    /// Weight matrices, L.
    pub fn layers(&self) -> usize {
        self.widths.len() - 1
    }

    /// Inputs, d.
    pub fn inputs(&self) -> usize {
        self.widths[0]
    }

    /// Outputs, C.
    pub fn outputs(&self) -> usize {
        self.widths[self.layers()]
    }

    /// Whether every layer has a bias.
    pub fn has_biases(&self) -> bool {
        self.biases
    }

    /// c.
    pub fn output_scale(&self) -> f32 {
        self.output_scale
    }

    /// Entries of the buffer.
    pub fn parameters(&self) -> usize {
        (0..self.layers()).map(|l| self.layer(l)).sum()
    }

    fn layer(&self, l: usize) -> usize {
        (self.widths[l] + usize::from(self.biases)) * self.widths[l + 1]
    }

    /// Where W_{l+1} lies, l from 0; `(widths[l + 1], widths[l])`.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn weight(&self, l: usize) -> Range<usize> {
        let start = (0..l).map(|l| self.layer(l)).sum();
        start..start + self.widths[l] * self.widths[l + 1]
    }

    /// Where b_{l+1} lies, (widths[l + 1]); `None` without biases.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn bias(&self, l: usize) -> Option<Range<usize>> {
        let start = self.weight(l).end;
        self.biases.then(|| start..start + self.widths[l + 1])
    }
}
