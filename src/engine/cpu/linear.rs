//! Linear layers in the flat parameter buffer: y = x·Wᵀ + b with W (out, in).
//!
//! The forward product runs on a transposed copy of W, made once a step: packing Wᵀ anew for every block of rows
//! costs more. The backward products take W and the rows as they lie.

use super::gemm::{Into, multiply, product, product_tn};
use super::vector::add;
use crate::engine::Precision;
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

/// Place and shape of one linear layer, or of adjacent ones taken as one.
#[derive(Clone, Debug)]
pub(in crate::engine) struct Linear {
    pub weight: Range<usize>,
    pub bias: Option<Range<usize>>,
    pub inputs: usize,
    pub outputs: usize,
    pub precision: Precision,
}

/// The parameters of a step: as given, and with every linear layer's weight transposed in place.
#[derive(Clone, Copy)]
pub(in crate::engine) struct Weights<'a> {
    pub flat: &'a [f32],
    pub transposed: &'a [f32],
}

impl Linear {
    fn rows(&self, x: &[f32]) -> usize {
        x.len() / self.inputs
    }

    /// y = x·Wᵀ + b
    pub fn forward(&self, w: Weights<'_>, x: &[f32], y: &mut [f32]) {
        let into = match &self.bias {
            Some(bias) => {
                y.chunks_exact_mut(self.outputs).for_each(|y| y.copy_from_slice(&w.flat[bias.clone()]));
                Into::Add
            }
            None => Into::Overwrite,
        };
        self.product(w, x, y, into);
    }

    /// y += x·Wᵀ + b
    pub fn forward_add(&self, arch: Arch, w: Weights<'_>, x: &[f32], y: &mut [f32]) {
        if let Some(bias) = &self.bias {
            arch.dispatch(AddToRows { rows: y, row: &w.flat[bias.clone()] });
        }
        self.product(w, x, y, Into::Add);
    }

    fn product(&self, w: Weights<'_>, x: &[f32], y: &mut [f32], into: Into) {
        let shape = [self.rows(x), self.inputs, self.outputs];
        multiply(self.precision, product, y, (x, &w.transposed[self.weight.clone()]), shape, into);
    }

    /// dx = dy·W, or added to it.
    pub fn backward_input(&self, w: Weights<'_>, dy: &[f32], dx: &mut [f32], into: Into) {
        let shape = [self.rows(dx), self.outputs, self.inputs];
        multiply(self.precision, product, dx, (dy, &w.flat[self.weight.clone()]), shape, into);
    }

    /// dW = dyᵀ·x, or added to it; the bias' gradient is always added.
    pub fn backward_weight(&self, arch: Arch, x: &[f32], dy: &[f32], grads: &mut [f32], into: Into) {
        let shape = [self.outputs, self.rows(x), self.inputs];
        multiply(self.precision, product_tn, &mut grads[self.weight.clone()], (dy, x), shape, into);
        if let Some(bias) = &self.bias {
            arch.dispatch(AddRows { sum: &mut grads[bias.clone()], rows: dy });
        }
    }

    /// Refreshes this layer's part of the transposed copy.
    pub fn transpose(&self, flat: &[f32], transposed: &mut [f32]) {
        transpose(&flat[self.weight.clone()], &mut transposed[self.weight.clone()], self.inputs);
    }
}

/// (rows, columns) to (columns, rows): sixteen rows at a time are read along and written side by side.
fn transpose(from: &[f32], to: &mut [f32], columns: usize) {
    const STRIP: usize = 16;
    let rows = from.len() / columns;
    let whole = rows / STRIP * STRIP;
    for r0 in (0..whole).step_by(STRIP) {
        let strip: [&[f32]; STRIP] = std::array::from_fn(|i| &from[(r0 + i) * columns..][..columns]);
        for (c, to) in to.chunks_exact_mut(rows).enumerate() {
            for (to, row) in to[r0..r0 + STRIP].iter_mut().zip(strip) {
                *to = row[c];
            }
        }
    }
    for r in whole..rows {
        for (to, &from) in to[r..].iter_mut().step_by(rows).zip(&from[r * columns..][..columns]) {
            *to = from;
        }
    }
}

/// Each row += row.
struct AddToRows<'a> {
    rows: &'a mut [f32],
    row: &'a [f32],
}

impl WithSimd for AddToRows<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        for row in self.rows.chunks_exact_mut(self.row.len()) {
            add(s, row, self.row);
        }
    }
}

/// sum += each row.
pub(in crate::engine) struct AddRows<'a> {
    pub sum: &'a mut [f32],
    pub rows: &'a [f32],
}

impl WithSimd for AddRows<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        for row in self.rows.chunks_exact(self.sum.len()) {
            add(s, self.sum, row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposing_any_shape_moves_every_entry() {
        for (rows, columns) in [(1, 1), (3, 17), (16, 16), (33, 5), (40, 48)] {
            let from: Vec<f32> = (0..rows * columns).map(|i| i as f32).collect();
            let mut to = vec![0.0; from.len()];
            transpose(&from, &mut to, columns);
            for r in 0..rows {
                for c in 0..columns {
                    assert_eq!(to[c * rows + r], from[r * columns + c]);
                }
            }
        }
    }
}
