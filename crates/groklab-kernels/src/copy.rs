//! Packing with whole vectors: rows of a panel, and columns of a left factor a tile high.

use super::tile::Vector;

/// Where rows are copied from and to, in numbers; `count` of them.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    pub from: *const f32,
    pub from_stride: usize,
    pub to: *mut f32,
    pub count: usize,
}

/// Rows of NV vectors, side by side in `to`.
///
/// # Safety
/// The processor must have V's instruction set. `from` must be valid for NV · LANES numbers in every row, `to` for
/// `count` times as many; they must not overlap.
#[inline(always)]
pub(crate) unsafe fn panel<V: Vector, const NV: usize>(rows: Rows) {
    let Rows { mut from, from_stride, mut to, count } = rows;
    for _ in 0..count {
        // SAFETY: the caller's contract.
        unsafe {
            for j in 0..NV {
                V::load(from.add(j * V::LANES)).store(to.add(j * V::LANES));
            }
        }
        // past the end after the last row, and then not used
        from = from.wrapping_add(from_stride);
        to = to.wrapping_add(NV * V::LANES);
    }
}

/// Rows of MR numbers, side by side in `to`, moved as NV vectors: what a row writes beyond its MR numbers, the next row
/// overwrites.
///
/// # Safety
/// The processor must have V's instruction set. `from` must be valid for NV · LANES ≥ MR numbers in every row, `to` for
/// (count − 1) · MR + NV · LANES; they must not overlap.
#[inline(always)]
pub(crate) unsafe fn left<V: Vector, const MR: usize, const NV: usize>(rows: Rows) {
    let Rows { mut from, from_stride, mut to, count } = rows;
    for _ in 0..count {
        // SAFETY: the caller's contract.
        unsafe {
            for j in 0..NV {
                V::load(from.add(j * V::LANES)).store(to.add(j * V::LANES));
            }
        }
        from = from.wrapping_add(from_stride);
        to = to.wrapping_add(MR);
    }
}
