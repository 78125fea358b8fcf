//! The product: which tile comes when, and what the left factor is read from.

use super::{
    INNER_BLOCK, Matrix, MatrixMut, Packed, SizeError,
    isa::Kernels,
    packed::Right,
    tile::{Side, Tiles},
};

/// Numbers of the left factor taken together: they stay in the second cache while the panels pass by.
const LEFT_BLOCK: usize = 24 * 1024;

/// What happens to an entry of A·B before it is stored: the additions in the order of the fields, then the rest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Finish<'a> {
    /// Add what C holds; otherwise C is not read.
    pub keep: bool,
    /// Add this to every row, (n).
    pub row: Option<&'a [f32]>,
    /// Add this, (m, n), a row at a time.
    pub residual: Option<Matrix<'a>>,
    /// max(·, 0); NaN stays NaN.
    pub relu: bool,
    /// Multiply by this, (m, n).
    pub times: Option<Matrix<'a>>,
    /// Set to 0 where this, (m, n), is not positive; NaN counts as positive.
    pub gate: Option<Matrix<'a>>,
}

/// C (m, n) = finish(A (m, k) · B (k, n)).
///
/// # Errors
/// [`SizeError`] if the sizes do not fit each other, or a matrix of `finish` is not stored by rows.
pub fn multiply(c: MatrixMut<'_>, a: Matrix<'_>, b: &Packed, finish: &Finish<'_>) -> Result<(), SizeError> {
    product(c, a, &b.right(), finish)
}

/// C (m, n) = finish(A (m, k) · B (k, n)) for a B that is used once: read where it lies if `spare`'s instruction set has
/// panels wide enough for that and B whole vectors in its rows, otherwise packed into `spare`.
///
/// # Errors
/// As [`multiply`].
pub fn multiply_once(
    c: MatrixMut<'_>,
    a: Matrix<'_>,
    b: Matrix<'_>,
    finish: &Finish<'_>,
    spare: &mut Packed,
) -> Result<(), SizeError> {
    if let Some(right) = Right::in_place(spare.set(), b) {
        return product(c, a, &right, finish);
    }
    spare.pack(b);
    multiply(c, a, spare, finish)
}

fn product(mut c: MatrixMut<'_>, a: Matrix<'_>, b: &Right<'_>, finish: &Finish<'_>) -> Result<(), SizeError> {
    let ([m, k], [inner, n]) = (a.shape(), b.shape);
    if c.shape() != [m, n] || inner != k {
        return Err(SizeError(format!(
            "{} x {} = {m} x {k} · {inner} x {n} is no product",
            c.shape()[0],
            c.shape()[1],
        )));
    }
    let sides = Sides::new(finish, [m, n])?;
    let (kernels, c_row, c) = (b.set.kernels(), c.row_stride(), c.pointer());
    let rows_at_once = (LEFT_BLOCK / k.clamp(1, INNER_BLOCK)).next_multiple_of(kernels.rows);
    let [a_row, a_column] = a.strides();

    for start in (0..k.max(1)).step_by(INNER_BLOCK) {
        let depth = INNER_BLOCK.min(k - start);
        let (first, last) = (start == 0, start + depth == k);
        for row in (0..m).step_by(rows_at_once) {
            let rows = rows_at_once.min(m - row);
            // after the last one the first again, for the next rows
            let followers = b.panels().skip(1).chain(b.panels());
            for (panel, next) in b.panels().zip(followers) {
                for (i, height, count) in groups(rows, kernels) {
                    // SAFETY: row + i + count · height ≤ m and panel.start + panel.width ≤ n, so what the tile reads and
                    // writes lies in the matrices whose sizes were compared above, each checked when its view was
                    // made; B has `depth` rows of whole vectors in each panel. C is borrowed mutably, so only the
                    // side that is C itself overlaps it, with C's stride. An `InstructionSet` is only made for a
                    // processor that has it, and `height` and `vectors` are at most the tile's.
                    unsafe {
                        let at = |side: Side| side.from(row + i, panel.start);
                        let c = c.add((row + i) * c_row + panel.start);
                        let old = Side { pointer: c, stride: c_row };
                        let tiles = Tiles {
                            count,
                            k: depth,
                            a: a.pointer_to(row + i, start),
                            a_row,
                            a_column,
                            a_tile: height * a_row,
                            b: b.pointer(&panel, start, depth),
                            b_row: b.row(&panel),
                            next_b: b.pointer(&next, start, depth),
                            c,
                            c_row,
                            width: panel.width,
                            add: match first {
                                true => [
                                    if finish.keep { old } else { Side::NONE },
                                    at(sides.row),
                                    at(sides.residual),
                                ],
                                false => [old, Side::NONE, Side::NONE],
                            },
                            relu: last && finish.relu,
                            times: if last { at(sides.times) } else { Side::NONE },
                            gate: if last { at(sides.gate) } else { Side::NONE },
                        };
                        kernels.tiles[height - 1][panel.vectors - 1](&tiles);
                    }
                }
            }
        }
    }
    Ok(())
}

/// The matrices of a [`Finish`] that were found to fit.
struct Sides {
    row: Side,
    residual: Side,
    times: Side,
    gate: Side,
}

impl Sides {
    fn new(finish: &Finish<'_>, [m, n]: [usize; 2]) -> Result<Self, SizeError> {
        let side = |name: &str, matrix: &Option<Matrix<'_>>| match matrix {
            None => Ok(Side::NONE),
            Some(s) if s.shape() == [m, n] && (s.strides()[1] == 1 || n <= 1) => {
                Ok(Side { pointer: s.pointer(), stride: s.strides()[0] })
            }
            Some(s) => Err(SizeError(format!(
                "`{name}` is {} x {} with columns {} apart; the product is {m} x {n} and takes them side by side",
                s.shape()[0],
                s.shape()[1],
                s.strides()[1]
            ))),
        };
        let row = match finish.row {
            None => Side::NONE,
            Some(row) if row.len() == n => Side { pointer: row.as_ptr(), stride: 0 },
            Some(row) => {
                return Err(SizeError(format!("`row` has {} entries, the product {n} columns", row.len())));
            }
        };
        Ok(Self {
            row,
            residual: side("residual", &finish.residual)?,
            times: side("times", &finish.times)?,
            gate: side("gate", &finish.gate)?,
        })
    }
}

/// First row, height and number of tiles of equal height. A remainder too low to keep the arithmetic units busy (eight
/// sums in flight) shares the last full tile's rows.
fn groups(rows: usize, kernels: &Kernels) -> impl Iterator<Item = (usize, usize, usize)> {
    let (full, rest) = (kernels.rows, rows % kernels.rows);
    let shared = rest > 0 && rest * kernels.vectors < 8 && rows > full;
    let whole = rows / full - usize::from(shared);
    let left = rows - whole * full;
    let halves = if shared { [left.div_ceil(2), left / 2] } else { [left, 0] };
    let groups = [(0, full, whole), (whole * full, halves[0], 1), (whole * full + halves[0], halves[1], 1)];
    groups.into_iter().filter(|&(_, height, count)| height * count > 0)
}
