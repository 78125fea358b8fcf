//! Who computes a step. The plain engine is the model in candle operations; the factored engine does the same
//! arithmetic with less work; [`Replicas`] do it for many runs side by side on one device. All see parameters as one
//! flat buffer laid out by [`crate::kinds::operations::model::ParamLayout`].

mod choice;
pub mod cpu;
#[cfg(feature = "cuda")]
pub mod cuda;
mod footprint;
mod plain;
mod replicas;
#[cfg(any(test, feature = "cuda"))]
mod samples;
mod tally;

pub use crate::kinds::operations::config::Precision;
pub use choice::{DeviceChoice, EngineChoice, build, build_for, open_device, open_replicas};
pub use footprint::{footprint, footprint_beside_device};
pub use plain::PlainEngine;
pub use replicas::{Evaluated, ReplicaEpoch, ReplicaState, ReplicaStep, Replicas, Shape};
pub use tally::Tally;

use crate::{
    kinds::operations::{config::Pull, task::Equation},
    probe::Moments,
};
use groklab_vectors::mlp::Penalty;

/// Equations that the factored step evaluates at once.
const EVALUATION_ROWS: usize = 512;

/// Sums over the rows of one evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evaluation {
    /// Mean cross-entropy, nats (f64 accumulation).
    pub loss: f64,
    /// Share of rows whose largest logit is the answer's (the first of equal ones counts).
    pub accuracy: f64,
    /// Share of rows whose loss is exactly zero in f32: saturated softmax, no gradient any more.
    pub zero_loss_share: f64,
}

/// The instruction set found on this processor: `AVX-512`, `AVX2`, `NEON` or `portable`.
pub fn instruction_set() -> &'static str {
    cpu::instruction_set_name(pulp::Arch::new())
}

/// Something that can compute losses and gradients of the transformer.
pub trait Engine: Send {
    /// Mean cross-entropy of `batch` at the last position; overwrites `grads` with its gradient.
    fn loss_and_gradients(
        &mut self,
        params: &[f32],
        batch: &[Equation],
        grads: &mut [f32],
    ) -> Result<f32, EngineError> {
        self.pulled(params, batch, None, grads)
    }

    /// The same with the Jacobian term along `directions`, (batch, n_symbols), one on the unit sphere for each equation: the
    /// loss is cross-entropy + λ·R, or + λ·|R − level|.
    ///
    /// # Errors
    /// [`EngineError::JacobianIsForPlain`] of any engine but the plain one.
    fn penalised(
        &mut self,
        params: &[f32],
        batch: &[Equation],
        (term, directions): (&Penalty, &[f32]),
        grads: &mut [f32],
    ) -> Result<f32, EngineError> {
        let _ = (params, batch, term, directions, grads);
        Err(EngineError::JacobianIsForPlain)
    }

    /// Mean cross-entropy of `batch`; overwrites `grads` with the gradient of cross-entropy and the terms of `pull`, if any.
    fn pulled(
        &mut self,
        params: &[f32],
        batch: &[Equation],
        pull: Option<Pull>,
        grads: &mut [f32],
    ) -> Result<f32, EngineError>;

    /// Loss and accuracy over `rows`. With `moments`, also pools the inputs X of the unembedding
    /// (one row for each equation) and X Wᵀ, the logits before the output scale, into it.
    fn evaluate(
        &mut self,
        params: &[f32],
        rows: &[Equation],
        moments: Option<&mut Moments>,
    ) -> Result<Evaluation, EngineError>;
}

/// A step or an evaluation that could not be computed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A candle operation failed.
    #[error("candle: {0}")]
    Candle(#[from] candle_core::Error),
    /// Parameters, equations or sizes that do not belong to the model.
    #[error("{0}")]
    Shape(String),
    /// `--device cuda` without a device, or with a binary built without CUDA.
    #[error(
        "no CUDA device: {0}; build with `--features cuda` on a machine that has one, or use --device cpu"
    )]
    NoDevice(String),
    /// A call to the device that failed.
    #[error("CUDA: {0}")]
    Cuda(String),
    /// Fewer replicas fit into the device's memory than were wanted.
    #[error(
        "{wanted} runs side by side need {:.1} GB of the device's memory, {:.1} GB are free: {fits} would fit",
        *needed as f64 / 1e9, *usable as f64 / 1e9
    )]
    Memory {
        /// Replicas wanted.
        wanted: usize,
        /// Bytes they need.
        needed: usize,
        /// Bytes that may be taken.
        usable: usize,
        /// Replicas that would fit.
        fits: usize,
    },
    /// `--engine factored` for one run alone on a CUDA device.
    #[error(
        "the factored engine takes one run alone on the CPU only; use --device cpu, or --engine plain for this device"
    )]
    FactoredIsForCpu,
    /// `--precision tf32` for the plain engine.
    #[error("the plain engine multiplies in f32 only; leave --precision out, or use --engine factored")]
    PrecisionIsForFactored,
    /// A Jacobian term for the factored engine.
    #[error(
        "the factored engine knows no Jacobian term (jacobian.strength > 0); use --engine plain, or leave --engine out"
    )]
    JacobianIsForPlain,
    /// candle's backward pass left a parameter out.
    #[error(
        "no gradient reached the parameter {0}: an operation of the model has no backward pass in candle"
    )]
    MissingGradient(String),
    /// The activations do not fit the moments they are pooled into.
    #[error(transparent)]
    Probe(#[from] crate::probe::ProbeError),
}

/// That there are equations, of the symbols 0 to `n_symbols` - 1.
fn check_equations(equations: &[Equation], n_symbols: usize) -> Result<(), EngineError> {
    let outside = |e: &&Equation| [e.x, e.y, e.answer].iter().any(|&s| usize::from(s) >= n_symbols);
    match equations.iter().find(outside) {
        Some(e) => Err(EngineError::Shape(format!(
            "equation {} ∘ {} = {} has a symbol outside 0..{n_symbols}",
            e.x, e.y, e.answer
        ))),
        None if equations.is_empty() => Err(EngineError::Shape("no equations given".into())),
        None => Ok(()),
    }
}
