//! Reading a matrix out of a file, a block of rows at a time, as stored or transposed.

use super::{Element, Number, Tensor, TensorError, error::quote};
use rayon::prelude::*;
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    ops::Range,
};

/// A tensor, or a part of one, opened for reading as rows of equal width.
#[derive(Debug)]
pub struct Matrix<'a> {
    tensor: &'a Tensor,
    source: Source,
    element: Element,
    rows: usize,
    columns: usize,
    transposed: bool,
}

#[derive(Debug)]
enum Source {
    /// Numbers in the file, from number `first` of the tensor on.
    File {
        file: File,
        first: usize,
        /// From a number of the matrix to the next one in the file.
        step: usize,
        /// Whether a row is contiguous in the file, but for `step`; else a column is.
        row_major: bool,
        bytes: Vec<u8>,
    },
    /// Numbers that had to be computed, (rows, columns) row-major before any transposition.
    Memory(Vec<f32>),
}

/// Where a matrix lies in a tensor: every `step`-th number from number `first` on, (rows, columns) row-major, or
/// column-major.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) first: usize,
    pub(super) step: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_major: bool,
}

impl<'a> Matrix<'a> {
    /// Opens `tensor`; its rows run along the last dimension, or along the first of two if `transposed`.
    ///
    /// # Errors
    /// If the tensor is not one that is read, or the file cannot be opened.
    pub fn open(tensor: &'a Tensor, transposed: bool) -> Result<Self, TensorError> {
        let shape = if transposed { tensor.as_matrix() } else { tensor.as_rows() };
        let (element, rows, columns) = shape.map_err(|reason| tensor.unfit(reason))?;
        let part = Part { first: 0, step: 1, rows, columns, row_major: !tensor.fortran_order };
        Self::part(tensor, element, part, transposed)
    }

    /// Opens a part of `tensor`, whose numbers the file holds.
    pub(super) fn part(
        tensor: &'a Tensor,
        element: Element,
        part: Part,
        transposed: bool,
    ) -> Result<Self, TensorError> {
        let file = File::open(tensor.path.as_ref()).map_err(TensorError::read(&tensor.path))?;
        let Part { first, step, rows, columns, row_major } = part;
        let source =
            Source::File { file, first, step, row_major: row_major != transposed, bytes: Vec::new() };
        let (rows, columns) = if transposed { (columns, rows) } else { (rows, columns) };
        Ok(Self { tensor, source, element, rows, columns, transposed })
    }

    /// A matrix computed from `tensor`: `numbers`, (rows, columns) row-major.
    pub(super) fn computed(
        tensor: &'a Tensor,
        numbers: Vec<f32>,
        (rows, columns): (usize, usize),
        transposed: bool,
    ) -> Self {
        let source = Source::Memory(numbers);
        let (rows, columns) = if transposed { (columns, rows) } else { (rows, columns) };
        Self { tensor, source, element: Element::F32, rows, columns, transposed }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Width of a row.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// How a number is stored.
    pub fn element(&self) -> Element {
        self.element
    }

    /// Replaces `block` by the rows `rows`, (·, columns) row-major.
    ///
    /// # Errors
    /// If the file ends early or a number is not finite. Rows must lie inside the matrix, else it is the file that
    /// seems too short.
    pub fn read_rows<T: Number>(
        &mut self,
        rows: Range<usize>,
        block: &mut Vec<T>,
    ) -> Result<(), TensorError> {
        let (height, width) = (rows.len(), self.columns);
        block.clear();
        block.resize(height * width, T::default());
        match &self.source {
            Source::Memory(numbers) => {
                let stored = if self.transposed { (1, self.rows) } else { (width, 1) };
                for (i, row) in rows.clone().zip(block.chunks_exact_mut(width.max(1))) {
                    for (j, number) in row.iter_mut().enumerate() {
                        let found = numbers.get(i * stored.0 + j * stored.1);
                        *number = T::from_f32(found.copied().unwrap_or(f32::NAN));
                    }
                }
            }
            Source::File { row_major: true, .. } => self.read(rows.start * width, block)?,
            Source::File { .. } => self.read_columns(rows.start, height, block)?,
        }
        // by pieces: an iterator that may stop at any number is many times as slow
        const PIECE: usize = 1 << 14;
        let is_finite = |v: &T| (*v).into().is_finite();
        let Some(piece) = block.par_chunks(PIECE).position_first(|piece| !piece.iter().all(is_finite)) else {
            return Ok(());
        };
        let at =
            block[piece * PIECE..].iter().position(|v| !is_finite(v)).unwrap_or_default() + piece * PIECE;
        Err(self.not_finite(rows.start + at / width, at % width, block[at].into()))
    }

    /// `height` rows from `first` on, where the file holds column after column.
    fn read_columns<T: Number>(
        &mut self,
        first: usize,
        height: usize,
        block: &mut [T],
    ) -> Result<(), TensorError> {
        /// Columns taken at a time: a cache line of the block is filled before it is left.
        const STRIPE: usize = 16;
        let width = self.columns;
        let mut stripe = vec![T::default(); STRIPE * height];
        for left in (0..width).step_by(STRIPE) {
            let columns = STRIPE.min(width - left);
            for (j, column) in stripe.chunks_exact_mut(height).take(columns).enumerate() {
                self.read((left + j) * self.rows + first, column)?;
            }
            for (i, row) in block.chunks_exact_mut(width).enumerate() {
                row[left..left + columns]
                    .iter_mut()
                    .enumerate()
                    .for_each(|(j, v)| *v = stripe[j * height + i]);
            }
        }
        Ok(())
    }

    /// The numbers from `at` on, counted from the start of the matrix in the file.
    fn read<T: Number>(&mut self, at: usize, numbers: &mut [T]) -> Result<(), TensorError> {
        let Source::File { file, first, step, bytes, .. } = &mut self.source else { return Ok(()) };
        let size = self.element.size();
        // up to the last number, and not to the end of its step, which may lie behind the end of the file
        bytes.resize((numbers.len().saturating_sub(1) * *step + 1) * size, 0);
        let start = self.tensor.start + (*first + at * *step) as u64 * size as u64;
        let read = file.seek(SeekFrom::Start(start)).and_then(|_| file.read_exact(bytes));
        read.map_err(TensorError::read(&self.tensor.path))?;
        if self.tensor.big_endian {
            bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
        }
        if *step > 1 {
            for i in 1..numbers.len() {
                bytes.copy_within(i * *step * size..(i * *step + 1) * size, i * size);
            }
            bytes.truncate(numbers.len() * size);
        }
        self.element.decode(bytes, numbers);
        Ok(())
    }

    fn not_finite(&self, row: usize, column: usize, value: f64) -> TensorError {
        let (name, path) = (quote(&self.tensor.name), self.tensor.path.as_ref().clone());
        let Source::File { first, step, row_major, .. } = &self.source else {
            let index = if self.transposed { vec![column, row] } else { vec![row, column] };
            return TensorError::NotFinite { name, path, value, index };
        };
        let mut rest =
            first + step * if *row_major { row * self.columns + column } else { column * self.rows + row };
        let shape = &self.tensor.shape;
        let mut index = vec![0; shape.len()];
        // the dimension that changes fastest in the file comes first
        let order: Box<dyn Iterator<Item = usize>> = if self.tensor.fortran_order {
            Box::new(0..shape.len())
        } else {
            Box::new((0..shape.len()).rev())
        };
        for dimension in order {
            index[dimension] = rest % shape[dimension];
            rest /= shape[dimension];
        }
        TensorError::NotFinite { name, path, value, index }
    }
}
