//! Classifiers of vectors: the numerics of GrokAlign (arXiv 2506.12284) and of feature-learning strength
//! (arXiv 2602.00827), for anyone's training loop.
//!
//! | room | what |
//! |---|---|
//! | [`samples`] | digits, IDX and `.npy` files, Gaussian mixtures, XOR clusters; label and pixel noise |
//! | [`mlp`] | ReLU networks, losses, gradients, the Jacobian term in closed form |
//! | [`optim`] | SGD with momentum, AdamW, with their state in named slots |
//! | [`probe`] | centroid and class alignment, ‖J‖, robustness, neurons, Fourier sparsity |
//!
//! Nothing here plans, stores or prints. Every draw is a function of (seed, name of its stream, index).
//!
//! ```
//! use groklab_vectors::{mlp::{Engine, Init, Loss, Mlp, Penalty, directions}, optim::{AdamW, Optimizer}, probe, samples};
//!
//! let (train, rest) = samples::digits()?.split(200, 0)?;
//! let mlp = Mlp::new(&[64, 32, 10], false, 1.0)?;
//! let mut params = Init::Uniform { scale: 1.0 }.draw(&mlp, 0)?;
//! let mut engine = Engine::new(&mlp);
//! let mut optimizer = AdamW::new(0.01, params.len());
//! let (mut grads, mut v) = (vec![0.0; params.len()], vec![0.0; 200 * 10]);
//! let penalty = Penalty { strength: 1e-3, level: None };
//! for step in 1..=100 {
//!     directions(0, step, 10, &mut v);
//!     let term = Some((&penalty, &v[..]));
//!     engine.gradient(&params, train.inputs(), train.labels(), Loss::CrossEntropy, term, &mut grads)?;
//!     optimizer.step(&mut params, &grads, 1e-3)?;
//! }
//! assert!(probe::accuracy(&mut engine, &params, rest.inputs(), rest.labels())? > 0.6);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod mlp;
pub mod optim;
pub mod probe;
pub mod samples;
mod stream;

pub use stream::stream;
