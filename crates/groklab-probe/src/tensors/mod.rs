//! Tensors in other people's files, read block by block: safetensors (one file, shards, an index) and NumPy's `.npy`.
//!
//! Promises: nothing in a file is believed. Lengths, offsets and shapes are checked against the file before a byte of
//! data is read; a file cut short while it is read is an error, since nothing is mapped into memory; a NaN or an
//! infinity is reported with its place. No tensor is held whole unless it is asked for whole.
//!
//! ```no_run
//! use groklab_probe::tensors::{Catalog, Location, Matrix};
//!
//! let location: Location = Location::parse("model.safetensors:lm_head.weight");
//! let catalog = Catalog::open(&[location])?;
//! let tensor = catalog.get("lm_head.weight")?;
//! let mut matrix = Matrix::open(tensor, false)?; // (rows, columns) as stored
//! let mut block: Vec<f32> = Vec::new();
//! matrix.read_rows(0..16.min(matrix.rows()), &mut block)?; // (16, columns), widened from f16 or bf16
//! # Ok::<(), groklab_probe::tensors::TensorError>(())
//! ```

mod catalog;
mod element;
mod error;
mod matrix;
mod npy;
mod safetensors;
mod tensor;
#[cfg(test)]
mod tests;

pub use catalog::{Catalog, Choice, Location};
pub use element::{Element, Number};
pub use error::TensorError;
pub use matrix::Matrix;
pub use tensor::{Tensor, Unfit};
