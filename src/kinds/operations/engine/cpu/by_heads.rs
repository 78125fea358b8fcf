//! A weight taken a head at a time: d_head of its rows (keys and values) or of its columns (the output projection).

use super::{
    attention::Heads,
    product::{Part, PartMut, Products},
};
use groklab_kernels::{Finish, Packed};
use std::ops::Range;

/// Which side of W (out, in) is divided into heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    Outputs,
    Inputs,
}

/// A row-major buffer with one stretch of columns for every head: they begin `start` into the row.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a> {
    pub data: &'a [f32],
    pub stride: usize,
    pub start: usize,
}

/// A buffer like [`Columns`] to write.
pub(super) struct ColumnsMut<'a> {
    pub data: &'a mut [f32],
    pub stride: usize,
    pub start: usize,
}

/// The weight W (d, d) of one projection and what is packed of it.
pub(super) struct ByHeads {
    weight: Range<usize>,
    heads: Heads,
    cut: Cut,
    forward: Vec<Packed>,
    backward: Vec<Packed>,
}

impl ByHeads {
    pub fn new(products: &Products, weight: Range<usize>, heads: Heads, cut: Cut) -> Self {
        let packed = || (0..heads.n_heads).map(|_| products.packed()).collect();
        Self { weight, heads, cut, forward: packed(), backward: packed() }
    }

    /// A head's part of W: its first entry and its shape.
    fn part(&self, head: usize) -> (usize, [usize; 2]) {
        let (d, width) = (self.heads.d_model(), self.heads.d_head);
        match self.cut {
            Cut::Outputs => (self.weight.start + head * width * d, [width, d]),
            Cut::Inputs => (self.weight.start + head * width, [d, width]),
        }
    }

    /// Outputs and inputs of one head.
    fn shape(&self) -> [usize; 2] {
        self.part(0).1
    }

    /// Takes over the weight for [`to_outputs`](Self::to_outputs).
    pub fn pack_to_outputs(&mut self, products: &Products, flat: &[f32]) {
        for head in 0..self.heads.n_heads {
            let (start, shape) = self.part(head);
            let part = Part::of(flat, start, shape, self.heads.d_model());
            products.pack_part(&mut self.forward[head], part, true);
        }
    }

    /// Takes over the weight for [`to_inputs`](Self::to_inputs).
    pub fn pack_to_inputs(&mut self, products: &Products, flat: &[f32]) {
        for head in 0..self.heads.n_heads {
            let (start, shape) = self.part(head);
            let part = Part::of(flat, start, shape, self.heads.d_model());
            products.pack_part(&mut self.backward[head], part, false);
        }
    }

    /// yₕ = xₕ·Wₕᵀ for `n` rows, and `row` (out of all heads) added to each.
    pub fn to_outputs(
        &self,
        m: &mut Products,
        n: usize,
        x: Columns<'_>,
        y: ColumnsMut<'_>,
        row: Option<&[f32]>,
    ) {
        let [outputs, inputs] = self.shape();
        for (head, packed) in self.forward.iter().enumerate() {
            let row = row.map(|row| &row[head * outputs..][..outputs]);
            let finish = Finish { row, ..Finish::default() };
            let y = PartMut::of(y.data, y.start + head * outputs, [n, outputs], y.stride);
            m.rows_part(x.part(head, [n, inputs]), packed, y, &finish);
        }
    }

    /// xₕ = yₕ·Wₕ for `n` rows.
    pub fn to_inputs(&self, m: &mut Products, n: usize, y: Columns<'_>, x: ColumnsMut<'_>) {
        let [outputs, inputs] = self.shape();
        for (head, packed) in self.backward.iter().enumerate() {
            let x = PartMut::of(x.data, x.start + head * inputs, [n, inputs], x.stride);
            m.rows_part(y.part(head, [n, outputs]), packed, x, &Finish::default());
        }
    }

    /// dWₕ = yₕᵀ·xₕ over `n` rows, or added to it.
    pub fn gradient(
        &self,
        m: &mut Products,
        n: usize,
        [y, x]: [Columns<'_>; 2],
        grads: &mut [f32],
        keep: bool,
    ) {
        let [outputs, inputs] = self.shape();
        for head in 0..self.heads.n_heads {
            let (start, shape) = self.part(head);
            let to = PartMut::of(grads, start, shape, self.heads.d_model());
            m.outer_part(y.part(head, [n, outputs]), x.part(head, [n, inputs]), to, keep);
        }
    }
}

impl<'a> Columns<'a> {
    /// Heads side by side from the first column on.
    pub fn all(data: &'a [f32], stride: usize) -> Self {
        Self { data, stride, start: 0 }
    }

    fn part(self, head: usize, shape: [usize; 2]) -> Part<'a> {
        Part::of(self.data, self.start + head * shape[1], shape, self.stride)
    }
}
