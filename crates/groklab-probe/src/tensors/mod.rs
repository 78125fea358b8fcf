//! Tensors in other people's files, read block by block: safetensors (one file, shards, an index, a directory of the
//! Hugging Face hub), NumPy's `.npy` and `.npz`.
//!
//! Promises: nothing in a file is believed. Lengths, offsets and shapes are checked against the file before a byte of
//! data is read, and a file that contradicts its format is refused; a file cut short while it is read is an error, since
//! nothing is mapped into memory; a NaN or an infinity is reported with its place. No tensor is held whole unless it is
//! asked for whole, but those that have to be dequantised.
//!
//! [`Catalog`] lists what there is, [`Catalog::matrices`] everything in it that is a matrix: slices of experts, kernels
//! of convolutions and quantised weights too. [`layout`] says which side of a matrix its inputs are on,
//! [`Catalog::head`] which is the unembedding.
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
mod content;
mod element;
mod error;
mod files;
mod head;
mod layout;
mod matrix;
mod npy;
mod npz;
mod quantised;
mod safetensors;
mod tensor;
#[cfg(test)]
mod tests;
mod view;
#[cfg(test)]
mod view_tests;

pub use catalog::{Aside, Catalog, Location};
pub use element::{Element, Number};
pub use error::{TensorError, is_steering, shown};
pub use head::Head;
pub use layout::{Layout, Named, layout};
pub use matrix::Matrix;
pub use tensor::{Tensor, Unfit};
pub use view::{Matrices, View};
