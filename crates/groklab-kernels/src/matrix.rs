//! Matrices as views of slices, checked once when they are made: what the kernels read and write lies inside.

/// Sizes that do not fit each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SizeError(pub(crate) String);

impl std::fmt::Display for SizeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SizeError {}

/// Entries that (rows, columns) with these strides reach: one more than the last one's place.
fn reach([rows, columns]: [usize; 2], [row, column]: [usize; 2]) -> Option<usize> {
    if rows == 0 || columns == 0 {
        return Some(0);
    }
    let last = (rows - 1).checked_mul(row)?.checked_add((columns - 1).checked_mul(column)?)?;
    last.checked_add(1)
}

fn check(len: usize, shape: [usize; 2], strides: [usize; 2]) -> Result<(), SizeError> {
    match reach(shape, strides) {
        Some(n) if n <= len => Ok(()),
        _ => Err(SizeError(format!(
            "a matrix of {} x {} with strides {} and {} does not fit into {len} numbers",
            shape[0], shape[1], strides[0], strides[1]
        ))),
    }
}

/// A matrix to read: entry (i, j) lies at i·row stride + j·column stride.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a> {
    data: &'a [f32],
    shape: [usize; 2],
    strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// A row-major matrix of (rows, columns) without gaps.
    ///
    /// # Errors
    /// [`SizeError`] if `data` has another length than rows · columns.
    pub fn new(data: &'a [f32], shape: [usize; 2]) -> Result<Self, SizeError> {
        if shape[0].checked_mul(shape[1]) != Some(data.len()) {
            return Err(SizeError(format!(
                "a matrix of {} x {} does not have {} entries",
                shape[0],
                shape[1],
                data.len()
            )));
        }
        Self::strided(data, shape, [shape[1], 1])
    }

    /// A matrix with any strides; 0 repeats a row or a column.
    ///
    /// # Errors
    /// [`SizeError`] if the last entry lies beyond `data`.
    pub fn strided(data: &'a [f32], shape: [usize; 2], strides: [usize; 2]) -> Result<Self, SizeError> {
        check(data.len(), shape, strides)?;
        Ok(Self { data, shape, strides })
    }

    /// Rows and columns exchanged, without moving anything.
    #[must_use]
    pub fn transposed(self) -> Self {
        let ([rows, columns], [row, column]) = (self.shape, self.strides);
        Self { data: self.data, shape: [columns, rows], strides: [column, row] }
    }

    /// (rows, columns)
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    pub(crate) fn strides(&self) -> [usize; 2] {
        self.strides
    }

    /// Where entry (0, 0) lies; every entry is inside the slice, as checked when the view was made.
    pub(crate) fn pointer(&self) -> *const f32 {
        self.data.as_ptr()
    }

    /// To entry (i, j), and valid for all others.
    pub(crate) fn pointer_to(&self, i: usize, j: usize) -> *const f32 {
        self.pointer().wrapping_add(i * self.strides[0] + j * self.strides[1])
    }

    /// Entries `start`.. of row i, of a matrix whose columns lie side by side.
    pub(crate) fn row_part(&self, i: usize, start: usize, n: usize) -> &'a [f32] {
        &self.data[i * self.strides[0] + start..][..n]
    }

    /// Entries `start`.. of column j, of a matrix whose rows lie side by side.
    pub(crate) fn column_part(&self, start: usize, n: usize, j: usize) -> &'a [f32] {
        &self.data[j * self.strides[1] + start..][..n]
    }

    /// Entry (i, j).
    pub(crate) fn at(&self, i: usize, j: usize) -> f32 {
        self.data[i * self.strides[0] + j * self.strides[1]]
    }
}

/// A row-major matrix to write; rows may lie apart.
#[derive(Debug)]
pub struct MatrixMut<'a> {
    data: &'a mut [f32],
    shape: [usize; 2],
    row: usize,
}

impl<'a> MatrixMut<'a> {
    /// (rows, columns) without gaps.
    ///
    /// # Errors
    /// [`SizeError`] if `data` has another length than rows · columns.
    pub fn new(data: &'a mut [f32], shape: [usize; 2]) -> Result<Self, SizeError> {
        Matrix::new(data, shape)?;
        Ok(Self { data, shape, row: shape[1] })
    }

    /// Rows that start `row` entries apart.
    ///
    /// # Errors
    /// [`SizeError`] if rows overlap or the last entry lies beyond `data`.
    pub fn strided(data: &'a mut [f32], shape: [usize; 2], row: usize) -> Result<Self, SizeError> {
        check(data.len(), shape, [row, 1])?;
        if row < shape[1] {
            return Err(SizeError(format!("rows of {} entries cannot start {row} apart", shape[1])));
        }
        Ok(Self { data, shape, row })
    }

    /// (rows, columns)
    pub fn shape(&self) -> [usize; 2] {
        self.shape
    }

    pub(crate) fn row_stride(&self) -> usize {
        self.row
    }

    pub(crate) fn pointer(&mut self) -> *mut f32 {
        self.data.as_mut_ptr()
    }
}
