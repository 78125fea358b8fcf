//! Diagnostics as pure functions of matrices, usable from anyone's training loop.

mod moments;

pub use moments::Moments;
