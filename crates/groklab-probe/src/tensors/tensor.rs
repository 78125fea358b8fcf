//! Where a tensor lies, and whether it can be read as a matrix of real numbers.

use super::{Element, TensorError, error::quote};
use std::{path::PathBuf, sync::Arc};

/// A tensor inside a file; its data are still there.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Its name; for `.npy` the file's, without the extension.
    pub name: String,
    /// The file.
    pub path: Arc<PathBuf>,
    /// Its type as the file calls it.
    pub dtype: String,
    /// Its type, if it is one that is read.
    pub element: Option<Element>,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Whether the first dimension, not the last, is the contiguous one.
    pub fortran_order: bool,
    /// First byte of its data in the file.
    pub(super) start: u64,
}

/// Why a tensor cannot be read as a matrix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Integers, booleans, 8-bit floats, complex numbers, big-endian numbers.
    #[error("has type {0}, which is not read")]
    Type(String),
    /// Too few or too many dimensions.
    #[error("has {0} dimensions, not two")]
    Rank(usize),
    /// Without a last dimension there is no width.
    #[error("is a single number")]
    Scalar,
    /// A dimension is 0.
    #[error("is empty, of shape {0:?}")]
    Empty(Vec<usize>),
    /// Fortran order with more than two dimensions.
    #[error("is of shape {0:?} in Fortran order, which is read for two dimensions only")]
    FortranOrder(Vec<usize>),
}

impl Tensor {
    /// Reads the tensor as rows that run along its last dimension, all others together counting as rows.
    ///
    /// # Errors
    /// If it is not of a float type, is empty or a single number, or is of more than two dimensions in Fortran order.
    pub fn as_rows(&self) -> Result<(Element, usize, usize), Unfit> {
        let element = self.element.ok_or_else(|| Unfit::Type(quote(&self.dtype)))?;
        let (&width, rest) = self.shape.split_last().ok_or(Unfit::Scalar)?;
        if self.shape.contains(&0) {
            return Err(Unfit::Empty(self.shape.clone()));
        }
        if self.fortran_order && self.shape.len() > 2 {
            return Err(Unfit::FortranOrder(self.shape.clone()));
        }
        // The product fits: it was checked against the file's length.
        Ok((element, rest.iter().product(), width))
    }

    /// Reads the tensor as a matrix of weights: exactly two dimensions.
    ///
    /// # Errors
    /// As [`as_rows`](Self::as_rows), and if it has another number of dimensions.
    pub fn as_matrix(&self) -> Result<(Element, usize, usize), Unfit> {
        let (element, rows, columns) = self.as_rows()?;
        if self.shape.len() == 2 { Ok((element, rows, columns)) } else { Err(Unfit::Rank(self.shape.len())) }
    }

    /// The error that says why the tensor cannot be used.
    pub fn unfit(&self, reason: impl ToString) -> TensorError {
        let (name, path) = (quote(&self.name), self.path.as_ref().clone());
        TensorError::Unfit { name, path, reason: reason.to_string() }
    }
}

/// Bytes a tensor of this shape takes, if they can be counted.
pub(super) fn bytes(shape: &[usize], element: Element) -> Option<u64> {
    let size = shape.iter().try_fold(element.size(), |product, &dimension| product.checked_mul(dimension))?;
    // An empty tensor may claim huge other dimensions; their product must not overflow later either.
    shape.iter().filter(|&&d| d > 0).try_fold(element.size(), |product, &d| product.checked_mul(d))?;
    u64::try_from(size).ok()
}
