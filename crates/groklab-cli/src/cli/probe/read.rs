//! Reading of weights and pooling of activations, block by block.

use super::{choose::Chosen, outcome::Method, report};
use crate::{
    probe::{Moments, ProbeError, RowPool, WeightGram},
    tensors::{Catalog, Location, Matrix, Number, Tensor, TensorError},
};
use miette::miette;

/// Numbers read at a time: 64 MB in f64.
const BLOCK: usize = 1 << 23;

/// Moments of all activations, which must be as wide as one side of `weights`.
pub(super) fn pool_activations(texts: &[String], weights: Option<&Chosen<'_>>) -> miette::Result<Moments> {
    let mut pool: Option<RowPool> = None;
    let mut width = 0;
    for text in texts {
        let location = Location::parse(text);
        let catalog = Catalog::open(std::slice::from_ref(&location))?;
        let tensor = match &location.tensor {
            Some(name) => catalog.get(name)?,
            None => catalog.only(|tensor| tensor.element.is_some())?,
        };
        let mut rows = Matrix::open(tensor, false)?;
        if let Some(shape) = weights.map(|w| w.view.shape).filter(|shape| !shape.contains(&rows.columns())) {
            return Err(tensor
                .unfit(format!(
                    "is {:?}, rows of width {}, and the weights are {shape:?}: neither side fits",
                    tensor.shape,
                    rows.columns()
                ))
                .into());
        }
        let pool = match &mut pool {
            Some(pool) if rows.columns() == width => pool,
            Some(_) => {
                return Err(tensor
                    .unfit(format!("has rows of width {}, those before it {width}", rows.columns()))
                    .into());
            }
            empty => {
                width = rows.columns();
                empty.insert(RowPool::new(width).map_err(report)?)
            }
        };
        blocks(&mut rows, |block| pool.add_f64(block))?;
    }
    let pool = pool.ok_or_else(|| miette!("no activations were given"))?;
    Ok(pool.into_moments())
}

/// Moments of the rows of one tensor.
pub(super) fn moments_of(tensor: &Tensor) -> miette::Result<Moments> {
    let mut rows = Matrix::open(tensor, false)?;
    let mut pool = RowPool::new(rows.columns()).map_err(report)?;
    blocks(&mut rows, |block| pool.add_f64(block))?;
    Ok(pool.into_moments())
}

/// Hands all rows to `take`, a block at a time.
fn blocks<T: Number>(
    matrix: &mut Matrix,
    mut take: impl FnMut(&[T]) -> Result<(), ProbeError>,
) -> miette::Result<()> {
    // A multiple of what a pool multiplies at a time, so that the size of a block changes no result.
    let height = (BLOCK / matrix.columns()).next_multiple_of(1024);
    let mut block = Vec::new();
    for start in (0..matrix.rows()).step_by(height) {
        matrix.read_rows(start..matrix.rows().min(start + height), &mut block)?;
        take(&block).map_err(report)?;
    }
    Ok(())
}

pub(super) fn whole(matrix: &mut Matrix) -> Result<Vec<f64>, TensorError> {
    let mut numbers = Vec::new();
    matrix.read_rows(0..matrix.rows(), &mut numbers)?;
    Ok(numbers)
}

pub(super) fn gram(matrix: &mut Matrix, method: Method) -> miette::Result<WeightGram> {
    let mut pool = RowPool::new(matrix.columns()).map_err(report)?;
    if method == Method::GramF32 {
        blocks(matrix, |block| pool.add_f32(block))?;
    } else {
        blocks(matrix, |block| pool.add_f64(block))?;
    }
    Ok(pool.into_weight_gram())
}

/// WᵀW of rows of width `n` at hand.
pub(super) fn pooled(rows: &[f64], n: usize) -> miette::Result<WeightGram> {
    let mut pool = RowPool::new(n).map_err(report)?;
    pool.add_f64(rows).map_err(report)?;
    Ok(pool.into_weight_gram())
}
