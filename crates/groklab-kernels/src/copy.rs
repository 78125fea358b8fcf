//! Packing: rows dealt out to panels, and columns turned into rows.

use super::tile::Vector;

/// Rows of a matrix that are dealt out to panels of `vectors` vectors each, but the last one's last, which may lack some.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    pub from: *const f32,
    /// From one row to the next.
    pub stride: usize,
    /// Numbers in a row.
    pub width: usize,
    pub rows: usize,
    pub vectors: usize,
    /// Panel after panel, (rows, vectors · LANES) each.
    pub to: *mut f32,
}

/// Copies them; what the last vector lacks becomes zeros.
///
/// # Safety
/// The processor must have V's instruction set. `from` must be valid for `width` numbers in every row, `to` for `rows`
/// rows of whole vectors, and those must be whole panels; they must not overlap.
#[inline(always)]
pub(crate) unsafe fn rows<V: Vector>(rows: Rows) {
    // SAFETY: the caller's contract.
    unsafe {
        // constants where they are most often known
        match rows.vectors {
            2 => deal::<V, 2>(rows),
            3 => deal::<V, 3>(rows),
            _ => deal::<V, 0>(rows),
        }
    }
}

/// For panels of NV vectors; 0 for any other number.
///
/// # Safety
/// As [`rows`].
#[inline(always)]
unsafe fn deal<V: Vector, const NV: usize>(Rows { from, stride, width, rows, vectors, to }: Rows) {
    let vectors = if NV == 0 { vectors } else { NV };
    let panel = vectors * V::LANES;
    for row in 0..rows {
        let (mut from, mut to) = (from.wrapping_add(row * stride), to.wrapping_add(row * panel));
        // SAFETY: the caller's contract: as many panels as fit into `width`, then what is left of it
        unsafe {
            for _ in 0..width / panel {
                for j in 0..vectors {
                    V::load(from.add(j * V::LANES)).store(to.add(j * V::LANES));
                }
                from = from.wrapping_add(panel);
                to = to.wrapping_add(rows * panel);
            }
            let left = width % panel;
            for j in 0..left / V::LANES {
                V::load(from.add(j * V::LANES)).store(to.add(j * V::LANES));
            }
            if left % V::LANES > 0 {
                let done = left - left % V::LANES;
                V::load_part(from.add(done), left % V::LANES).store(to.add(done));
            }
        }
    }
}

/// Columns that are turned into rows at a time.
pub(crate) const SIDE: usize = 8;

/// SIDE columns, `stride` apart, of `count` numbers each.
#[derive(Clone, Copy)]
pub(crate) struct Columns {
    pub from: *const f32,
    pub stride: usize,
    pub count: usize,
    pub to: *mut f32,
    /// From one row to the next.
    pub to_stride: usize,
}

/// Writes them as `count` rows of SIDE numbers, from number `done` on.
///
/// # Safety
/// `from` must be valid for `count` numbers in every column, `to` for SIDE in every row; they must not overlap.
pub(crate) unsafe fn transpose_from(columns: Columns, done: usize) {
    let Columns { from, stride, count, to, to_stride } = columns;
    for i in done..count {
        for j in 0..SIDE {
            // SAFETY: the caller's contract.
            unsafe { *to.add(i * to_stride + j) = *from.add(j * stride + i) };
        }
    }
}

/// As [`transpose_from`] the beginning.
///
/// # Safety
/// As [`transpose_from`].
pub(crate) unsafe fn transpose(columns: Columns) {
    // SAFETY: the caller's contract.
    unsafe { transpose_from(columns, 0) }
}
