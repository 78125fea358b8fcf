//! Linear layers in the flat parameter buffer: y = x·Wᵀ + b with W (out, in).
//!
//! Weights are packed once a step and used for all of its rows: Wᵀ forward, W backward.

use super::{product::Products, vector::add};
use groklab_kernels::{Finish, Packed};
use pulp::{Arch, Simd, WithSimd};
use std::ops::Range;

/// Place and shape of one linear layer, or of adjacent ones taken as one.
#[derive(Clone, Debug)]
pub(in crate::kinds::operations::engine) struct Linear {
    pub weight: Range<usize>,
    pub bias: Option<Range<usize>>,
    pub inputs: usize,
    pub outputs: usize,
    /// Its place among all linear layers of the model.
    pub slot: usize,
}

/// The weight of one linear layer as right factors.
pub(in crate::kinds::operations::engine) struct PackedLinear {
    forward: Packed,
    backward: Packed,
}

/// The parameters of a step: as given, and every linear layer's weight packed.
#[derive(Clone, Copy)]
pub(in crate::kinds::operations::engine) struct Weights<'a> {
    pub flat: &'a [f32],
    pub packed: &'a [PackedLinear],
}

impl PackedLinear {
    pub fn new(products: &Products) -> Self {
        Self { forward: products.packed(), backward: products.packed() }
    }

    /// Takes over the layer's weight for [`Linear::forward`].
    pub fn pack_forward(&mut self, products: &Products, linear: &Linear, flat: &[f32]) {
        products.pack(&mut self.forward, &flat[linear.weight.clone()], linear.inputs, true);
    }

    /// Takes over the layer's weight for [`Linear::backward_input`].
    pub fn pack_backward(&mut self, products: &Products, linear: &Linear, flat: &[f32]) {
        products.pack(&mut self.backward, &flat[linear.weight.clone()], linear.inputs, false);
    }
}

impl Linear {
    /// y = finish(x·Wᵀ + b)
    pub fn forward(&self, m: &mut Products, w: Weights<'_>, x: &[f32], y: &mut [f32], finish: Finish<'_>) {
        let row = self.bias.as_ref().map(|bias| &w.flat[bias.clone()]);
        m.rows(x, &w.packed[self.slot].forward, y, &Finish { row, ..finish });
    }

    /// dx = finish(dy·W)
    pub fn backward_input(
        &self,
        m: &mut Products,
        w: Weights<'_>,
        dy: &[f32],
        dx: &mut [f32],
        finish: Finish<'_>,
    ) {
        m.rows(dy, &w.packed[self.slot].backward, dx, &finish);
    }

    /// dW = dyᵀ·x, or added to it; the bias' gradient is always added.
    pub fn backward_weight(
        &self,
        (m, arch): (&mut Products, Arch),
        x: &[f32],
        dy: &[f32],
        grads: &mut [f32],
        keep: bool,
    ) {
        let shape = [self.outputs, x.len() / self.inputs, self.inputs];
        m.outer(dy, x, &mut grads[self.weight.clone()], shape, keep);
        if let Some(bias) = &self.bias {
            arch.dispatch(AddRows { sum: &mut grads[bias.clone()], rows: dy });
        }
    }
}

/// sum += each row.
pub(in crate::kinds::operations::engine) struct AddRows<'a> {
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
