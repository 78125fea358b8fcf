//! ReLU networks of any depth and width: f(x) = c·(W_L relu(… relu(W₁x + b₁) …) + b_L), hand-written.
//!
//! [`Mlp`] says how the parameters lie in one flat f32 buffer, [`Engine`] computes with them: losses, gradients, and
//! the derivatives of the network by its inputs. One thread, sums in an order that depends on the sizes alone: the same
//! bits every time on the same instruction set (and across those that fuse multiply-adds).

mod engine;
mod error;
mod init;
mod layout;
mod loss;
mod penalty;
mod rows;

pub use engine::{Engine, Value};
pub use error::ModelError;
pub(crate) use error::{check_batch, check_length};
pub use init::Init;
pub use layout::Mlp;
pub use loss::{Loss, correct, is_correct};
pub use penalty::{FLOOR, Penalty, directions};
