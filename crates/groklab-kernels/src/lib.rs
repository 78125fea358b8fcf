//! Products of f32 matrices on one core, for models of a few hundred columns.
//!
//! C ← finish(A·B + …): A and B in any of the four transpositions, C row-major. What a general library cannot do
//! and this crate does:
//! - the right factor is packed once ([`Packed`]) and used as often as its content lasts, as a weight is for all rows of
//!   a step; one that is used once, as in the gradient of a weight, is read where it lies if that is faster
//!   ([`multiply_once`]); the left factor always is, in either order of storage;
//! - the last touch of every tile of C adds a bias or a residual, clips at zero or multiplies by a derivative
//!   ([`Finish`]), so that none of these costs a trip through memory;
//! - edges cost what they are: a remainder of rows is split evenly over two tiles, one of columns takes vectors, not
//!   tiles.
//!
//! The instruction set is chosen at run time ([`InstructionSet`]). One thread, always.
//!
//! **Sums.** An entry of A·B is summed along k in blocks of [`INNER_BLOCK`] terms, each block from zero in the order of
//! k, the block sums added in order. That order depends on k alone: an entry has the same bits whatever other rows
//! and columns the product has. Multiply-adds are fused with AVX2, AVX-512 and NEON, which therefore agree to the
//! last bit; the portable path rounds twice.
//!
//! ```
//! use groklab_kernels::{Finish, InstructionSet, Matrix, MatrixMut, Packed, multiply};
//!
//! let (x, w, bias) = ([1.0, 2.0], [3.0, 4.0, -5.0, -6.0], [0.5, 0.5]); // W is (out, in)
//! let set = InstructionSet::best();
//! let mut weights = Packed::new(set);
//! weights.pack(Matrix::new(&w, [2, 2])?.transposed()); // once
//! let mut y = [0.0; 2];
//! let finish = Finish { row: Some(&bias), relu: true, ..Finish::default() };
//! multiply(MatrixMut::new(&mut y, [1, 2])?, Matrix::new(&x, [1, 2])?, &weights, &finish)?;
//! assert_eq!(y, [11.5, 0.0]);
//! # Ok::<(), groklab_kernels::SizeError>(())
//! ```

mod copy;
mod isa;
mod matrix;
#[cfg(target_arch = "aarch64")]
mod neon;
mod packed;
mod portable;
mod product;
mod rate;
mod tile;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use isa::InstructionSet;
pub use matrix::{Matrix, MatrixMut, SizeError};
pub use packed::Packed;
pub use product::{Finish, multiply, multiply_once};
pub use rate::multiply_adds;

/// Terms of a sum that are added up in one run: a block of this depth and a tile's width stays in the first cache.
pub const INNER_BLOCK: usize = 256;
