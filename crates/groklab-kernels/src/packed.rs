//! The right factor of a product in the order the kernels read it.
//!
//! Blocks of [`INNER_BLOCK`](super::INNER_BLOCK) rows; in each, panels as wide as a tile; in a panel, row after row.
//! The last panel is as narrow as whole vectors allow and filled up with zeros.

use super::{
    INNER_BLOCK, InstructionSet, Matrix,
    copy::{Columns, Rows, SIDE},
};
use std::marker::PhantomData;

/// Panels to which a row is dealt out at a time.
const PANELS: usize = 8;

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
        let (set, padded) = (self.set, padded(self.set, n));
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

    pub(crate) fn right(&self) -> Right<'_> {
        Right {
            set: self.set,
            shape: self.shape,
            pointer: self.lines.pointer(),
            row: None,
            lifetime: PhantomData,
        }
    }
}

/// The right factor of a product, packed or as it lies.
pub(crate) struct Right<'a> {
    pub set: InstructionSet,
    /// (k, n)
    pub shape: [usize; 2],
    pointer: *const f32,
    /// From one row to the next of one that is not packed.
    row: Option<usize>,
    lifetime: PhantomData<&'a f32>,
}

impl<'a> Right<'a> {
    /// `b` as it lies: for panels so wide that a row of one is whole cache lines, and rows of whole vectors, since what
    /// lies beyond a row's end must not be read.
    pub fn in_place(set: InstructionSet, b: Matrix<'a>) -> Option<Self> {
        let (kernels, [_, n], [row, column]) = (set.kernels(), b.shape(), b.strides());
        let whole = column == 1 && n.is_multiple_of(kernels.lanes);
        (kernels.right_in_place && whole).then(|| Self {
            set,
            shape: b.shape(),
            pointer: b.pointer(),
            row: Some(row),
            lifetime: PhantomData,
        })
    }

    /// The panels of every block.
    pub fn panels(&self) -> impl Iterator<Item = Panel> {
        panels(self.set, self.shape[1])
    }

    /// Where the panel lies in the block that begins at row `start` and has `depth` rows.
    pub fn pointer(&self, panel: &Panel, start: usize, depth: usize) -> *const f32 {
        let at = match self.row {
            Some(row) => start * row + panel.start,
            None => start * padded(self.set, self.shape[1]) + panel.start * depth,
        };
        self.pointer.wrapping_add(at)
    }

    /// From one row of the panel to the next.
    pub fn row(&self, panel: &Panel) -> usize {
        self.row.unwrap_or(panel.vectors * self.set.kernels().lanes)
    }
}

/// n columns, filled up to whole vectors.
fn padded(set: InstructionSet, n: usize) -> usize {
    n.next_multiple_of(set.kernels().lanes)
}

/// As few panels as there can be, as even as whole vectors allow, the wider ones first: a narrow one would leave the
/// arithmetic units waiting.
fn panels(set: InstructionSet, n: usize) -> impl Iterator<Item = Panel> {
    let lanes = set.kernels().lanes;
    let vectors = n.div_ceil(lanes);
    let count = vectors.div_ceil(set.kernels().vectors).max(1);
    let (narrow, wider) = (vectors / count, vectors % count);
    (0..if n == 0 { 0 } else { count }).map(move |i| {
        let start = (i * narrow + i.min(wider)) * lanes;
        let vectors = narrow + usize::from(i < wider);
        Panel { start, width: (vectors * lanes).min(n - start), vectors }
    })
}

/// Storage by rows: of each a stretch at a time, long enough for the processor to foresee what is read, and not so long
/// that the places it is dealt out to, which share their sets of the first cache, drive each other out.
fn pack_rows(
    set: InstructionSet,
    b: Matrix<'_>,
    (start, depth): (usize, usize),
    n: usize,
    block: &mut [f32],
) {
    let mut panels = panels(set, n).peekable();
    while let Some(first) = panels.next() {
        let (mut count, mut width) = (1, first.width);
        while count < PANELS
            && let Some(next) = panels.next_if(|next| next.vectors == first.vectors)
        {
            count += 1;
            width += next.width;
        }
        let to = &mut block[first.start * depth..][..padded(set, width) * depth];
        b.row_part(start, first.start, width);
        b.row_part(start + depth - 1, first.start, width);
        // SAFETY: the first and the last row were just found to lie inside the matrix, and `to` has room for as many rows
        // filled up to whole vectors, which are `count` panels. An `InstructionSet` is only made for a processor that
        // has it.
        unsafe {
            (set.kernels().copy_rows)(Rows {
                from: b.pointer_to(start, first.start),
                stride: b.strides()[0],
                width,
                to: to.as_mut_ptr(),
                rows: depth,
                vectors: first.vectors,
            });
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
    let kernels = set.kernels();
    for panel in panels(set, n) {
        let padded = panel.vectors * kernels.lanes;
        let to = &mut block[panel.start * depth..][..padded * depth];
        if panel.width < padded {
            to.fill(0.0);
        }
        for first in (0..panel.width).step_by(SIDE) {
            if first + SIDE <= panel.width {
                b.column_part(start, depth, panel.start + first);
                b.column_part(start, depth, panel.start + first + SIDE - 1);
                // SAFETY: the first and the last of SIDE columns were just found to lie inside the matrix; `to` has `depth`
                // rows, `padded` apart, of which SIDE numbers from `first` on are written. An `InstructionSet` is only
                // made for a processor that has it.
                unsafe {
                    (kernels.transpose)(Columns {
                        from: b.pointer_to(start, panel.start + first),
                        stride: b.strides()[1],
                        count: depth,
                        to: to[first..].as_mut_ptr(),
                        to_stride: padded,
                    });
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
