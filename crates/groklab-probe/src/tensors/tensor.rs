//! Where a tensor lies, and whether it can be read as a matrix of real numbers.

use super::{Element, TensorError, error::quote};
use std::{path::PathBuf, sync::Arc};

/// A tensor inside a file; its data are still there.
#[derive(Clone, Debug)]
#[non_exhaustive]
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
    /// Whether the most significant byte of a number comes first.
    pub big_endian: bool,
    /// First byte of its data in the file.
    pub(super) start: u64,
}

/// Why a tensor cannot be read as a matrix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// Integers, booleans, complex numbers, records.
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
}

impl Tensor {
    /// Reads the tensor as rows that run along its last dimension, all others together counting as rows, the last of
    /// these fastest, or the first in Fortran order.
    ///
    /// # Errors
    /// If it is not of a float type, is empty or a single number.
    pub fn as_rows(&self) -> Result<(Element, usize, usize), Unfit> {
        let element = self.element.ok_or_else(|| Unfit::Type(quote(&self.dtype)))?;
        let (&width, rest) = self.shape.split_last().ok_or(Unfit::Scalar)?;
        if self.shape.contains(&0) {
            return Err(Unfit::Empty(self.shape.clone()));
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

/// Numbers in a tensor of this shape, if they and eight times as many can be counted.
pub(super) fn count(shape: &[usize]) -> Option<u64> {
    // An empty tensor may claim huge other dimensions; their product must not overflow later either.
    shape.iter().filter(|&&d| d > 0).try_fold(8usize, |product, &d| product.checked_mul(d))?;
    u64::try_from(shape.iter().product::<usize>()).ok()
}

/// Bytes a tensor of this shape takes, if they can be counted.
pub(super) fn bytes(shape: &[usize], element: Element) -> Option<u64> {
    count(shape)?.checked_mul(element.size() as u64)
}
