//! The right factor of a product in the order the kernels read it.
//!
//! Blocks of [`INNER_BLOCK`](super::INNER_BLOCK) rows; in each, panels as wide as a tile; in a panel, row after row.
//! The last panel is as narrow as whole vectors allow and filled up with zeros.

use super::{INNER_BLOCK, InstructionSet, Matrix, copy::Rows};

/// A cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(crate) struct Line([f32; 16]);

/// Numbers that begin at a cache line.
#[derive(Clone, Default)]
pub(crate) struct Lines(Vec<Line>);

impl Lines {
    /// Room for `n` numbers; their content is anything.
    pub fn room(&mut self, n: usize) -> &mut [f32] {
        let lines = n.div_ceil(16);
        if self.0.len() < lines {
            self.0.resize(lines, Line([0.0; 16]));
        }
        // SAFETY: `lines` lines of 16 numbers each lie there without gaps (`repr(C)`, size 64).
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), lines * 16) }
    }

    pub fn pointer(&self) -> *const f32 {
        self.0.as_ptr().cast()
    }
}

/// A matrix (k, n), packed as the right factor for one instruction set.
#[derive(Clone)]
pub struct Packed {
    set: InstructionSet,
    shape: [usize; 2],
    lines: Lines,
}

/// A vertical strip of a packed block.
pub(crate) struct Panel {
    /// First column.
    pub start: usize,
    /// Columns that are there.
    pub width: usize,
    /// Vectors that hold them.
    pub vectors: usize,
}

impl Packed {
    /// An empty one; its room is kept from one [`pack`](Packed::pack) to the next.
    pub fn new(set: InstructionSet) -> Self {
        Self { set, shape: [0, 0], lines: Lines::default() }
    }

    /// The instruction set it is packed for.
    pub fn set(&self) -> InstructionSet {
        self.set
    }

    /// (k, n)
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    /// Takes over `b`, (k, n), in either order of storage.
    pub fn pack(&mut self, b: Matrix<'_>) {
        self.shape = b.shape();
        let [k, n] = self.shape;
        let (set, padded) = (self.set, self.padded());
        let to = self.lines.room(k * padded);
        for start in (0..k).step_by(INNER_BLOCK) {
            let depth = INNER_BLOCK.min(k - start);
            let block = &mut to[start * padded..(start + depth) * padded];
            match b.strides() {
                [1, _] => pack_columns(set, b, (start, depth), n, block),
                [_, 1] => pack_rows(set, b, (start, depth), n, block),
                _ => pack_any(set, b, (start, depth), n, block),
            }
        }
    }

    /// n, filled up to whole vectors.
    fn padded(&self) -> usize {
        self.shape[1].next_multiple_of(self.set.kernels().lanes)
    }

    /// The panels of every block.
    pub(crate) fn panels(&self) -> impl Iterator<Item = Panel> {
        panels(self.set, self.shape[1])
    }

    /// Where the panel lies in the block that begins at row `start` and has `depth` rows.
    pub(crate) fn pointer(&self, panel: &Panel, start: usize, depth: usize) -> *const f32 {
        self.lines.pointer().wrapping_add(start * self.padded() + panel.start * depth)
    }
}

fn panels(set: InstructionSet, n: usize) -> impl Iterator<Item = Panel> {
    let lanes = set.kernels().lanes;
    let full = set.kernels().vectors * lanes;
    (0..n).step_by(full).map(move |start| {
        let width = full.min(n - start);
        Panel { start, width, vectors: width.div_ceil(lanes) }
    })
}

/// Storage by rows: a few rows at a time, so that both what is read and what is written stays in the first cache.
fn pack_rows(
    set: InstructionSet,
    b: Matrix<'_>,
    (start, depth): (usize, usize),
    n: usize,
    block: &mut [f32],
) {
    const ROWS: usize = 16;
    let kernels = set.kernels();
    for first in (0..depth).step_by(ROWS) {
        let rows = first..(first + ROWS).min(depth);
        for panel in panels(set, n) {
            let padded = panel.vectors * kernels.lanes;
            let to = &mut block[panel.start * depth..][..padded * depth];
            let to = &mut to[rows.start * padded..rows.end * padded];
            if panel.width == kernels.vectors * kernels.lanes {
                let from = b.row_part(start + rows.start, panel.start, panel.width);
                b.row_part(start + rows.end - 1, panel.start, panel.width);
                // SAFETY: the first and the last row were just found to lie inside the matrix, and `to` has room for
                // as many rows. An `InstructionSet` is only made for a processor that has it.
                unsafe {
                    (kernels.copy_panel)(Rows {
                        from: from.as_ptr(),
                        from_stride: b.strides()[0],
                        to: to.as_mut_ptr(),
                        count: rows.len(),
                    });
                }
                continue;
            }
            for (l, to) in rows.clone().zip(to.chunks_exact_mut(padded)) {
                let (to, rest) = to.split_at_mut(panel.width);
                to.copy_from_slice(b.row_part(start + l, panel.start, panel.width));
                rest.fill(0.0);
            }
        }
    }
}

/// Storage by columns: those of a panel are read along and written side by side.
fn pack_columns(
    set: InstructionSet,
    b: Matrix<'_>,
    (start, depth): (usize, usize),
    n: usize,
    block: &mut [f32],
) {
    const SIDE: usize = 8;
    let lanes = set.kernels().lanes;
    for panel in panels(set, n) {
        let padded = panel.vectors * lanes;
        let to = &mut block[panel.start * depth..][..padded * depth];
        if panel.width < padded {
            to.fill(0.0);
        }
        for first in (0..panel.width).step_by(SIDE) {
            if first + SIDE <= panel.width {
                let columns: [&[f32]; SIDE] =
                    std::array::from_fn(|j| b.column_part(start, depth, panel.start + first + j));
                for (l, to) in to.chunks_exact_mut(padded).enumerate() {
                    for (to, column) in to[first..first + SIDE].iter_mut().zip(columns) {
                        *to = column[l];
                    }
                }
            } else {
                for j in first..panel.width {
                    let column = b.column_part(start, depth, panel.start + j);
                    for (to, &x) in to.chunks_exact_mut(padded).zip(column) {
                        to[j] = x;
                    }
                }
            }
        }
    }
}

/// Any strides, entry by entry.
fn pack_any(set: InstructionSet, b: Matrix<'_>, (start, depth): (usize, usize), n: usize, block: &mut [f32]) {
    let lanes = set.kernels().lanes;
    for panel in panels(set, n) {
        let padded = panel.vectors * lanes;
        let to = &mut block[panel.start * depth..][..padded * depth];
        for (l, to) in to.chunks_exact_mut(padded).enumerate() {
            for (j, to) in to.iter_mut().enumerate() {
                *to = if j < panel.width { b.at(start + l, panel.start + j) } else { 0.0 };
            }
        }
    }
}

impl std::fmt::Debug for Packed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Packed({} x {}, {:?})", self.shape[0], self.shape[1], self.set)
    }
}
