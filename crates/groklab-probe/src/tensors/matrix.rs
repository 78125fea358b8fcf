//! Reading a matrix out of a file, a block of rows at a time, as stored or transposed.

use super::{Element, Number, Tensor, TensorError, error::quote};
use rayon::prelude::*;
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    ops::Range,
};

/// A tensor opened for reading as rows of equal width.
#[derive(Debug)]
pub struct Matrix<'a> {
    tensor: &'a Tensor,
    file: File,
    element: Element,
    rows: usize,
    columns: usize,
    /// Whether a row is contiguous in the file; else a column is.
    row_major: bool,
    transposed: bool,
    bytes: Vec<u8>,
}

impl<'a> Matrix<'a> {
    /// Opens `tensor`; its rows run along the last dimension, or along the first of two if `transposed`.
    ///
    /// # Errors
    /// If the tensor is not one that is read, or the file cannot be opened.
    pub fn open(tensor: &'a Tensor, transposed: bool) -> Result<Self, TensorError> {
        let shape = if transposed { tensor.as_matrix() } else { tensor.as_rows() };
        let (element, rows, columns) = shape.map_err(|reason| tensor.unfit(reason))?;
        let file = File::open(tensor.path.as_ref()).map_err(TensorError::read(&tensor.path))?;
        let (rows, columns) = if transposed { (columns, rows) } else { (rows, columns) };
        let row_major = transposed == tensor.fortran_order;
        Ok(Self { tensor, file, element, rows, columns, row_major, transposed, bytes: Vec::new() })
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
        if self.row_major {
            self.read(rows.start * width, height * width)?;
            self.element.decode(&self.bytes, block);
        } else {
            self.read_columns(rows.start, height, block)?;
        }
        match block.par_iter().position_first(|&v| !v.into().is_finite()) {
            Some(at) => Err(self.not_finite(rows.start + at / width, at % width, block[at].into())),
            None => Ok(()),
        }
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
                self.read((left + j) * self.rows + first, height)?;
                self.element.decode(&self.bytes, column);
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

    /// The bytes of `count` numbers from number `first` on.
    fn read(&mut self, first: usize, count: usize) -> Result<(), TensorError> {
        let size = self.element.size();
        self.bytes.resize(count * size, 0);
        let start = self.tensor.start + first as u64 * size as u64;
        let read = self.file.seek(SeekFrom::Start(start)).and_then(|_| self.file.read_exact(&mut self.bytes));
        read.map_err(TensorError::read(&self.tensor.path))
    }

    fn not_finite(&self, row: usize, column: usize, value: f64) -> TensorError {
        let (row, column) = if self.transposed { (column, row) } else { (row, column) };
        let mut index = vec![column];
        let mut rest = row;
        for &dimension in self.tensor.shape.iter().rev().skip(1) {
            index.push(rest % dimension);
            rest /= dimension;
        }
        index.reverse();
        let (name, path) = (quote(&self.tensor.name), self.tensor.path.as_ref().clone());
        TensorError::NotFinite { name, path, value, index }
    }
}
