//! Whether a device computes what the CPU computes: every kernel against its CPU twin on random inputs, gradients and
//! training of whole models against the CPU engine, and the promises of [`super`]. What `groklab gpu-check` prints.

mod kernels;
mod models;
mod rig;

use super::Precision;
use crate::{kinds::operations::data::stream, kinds::operations::engine::EngineError};
use candle_core::cuda_backend::CudaDevice;
use rand::Rng;
use rand_chacha::ChaCha12Rng;
use serde::Serialize;

/// One check.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What was compared.
    pub name: String,
    /// Largest error, relative to the largest expected entry unless the name says otherwise.
    pub error: f64,
    /// Largest error that passes.
    pub bound: f64,
    /// Why the check could not be made.
    pub problem: Option<String>,
}

impl Finding {
    /// Whether the check was made and its error is within the bound.
    pub fn passed(&self) -> bool {
        self.problem.is_none() && self.error <= self.bound
    }
}

/// Makes all checks; `seen` gets each as it is done. `small` leaves out those at the paper's size.
pub fn check(
    device: &CudaDevice,
    precision: Precision,
    small: bool,
    seen: &mut dyn FnMut(&Finding),
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut note = |name: &str, bound: f64, error: Result<f64, EngineError>| {
        let (error, problem) = match error {
            Ok(error) => (error, None),
            Err(e) => (f64::NAN, Some(e.to_string())),
        };
        let finding = Finding { name: name.to_owned(), error, bound, problem };
        seen(&finding);
        findings.push(finding);
    };
    kernels::check(device, precision, &mut note);
    models::check(device, precision, small, &mut note);
    findings
}

/// Takes a check's name, bound and error.
type Note<'a> = &'a mut dyn FnMut(&str, f64, Result<f64, EngineError>);

/// Largest difference over the largest expected entry; infinite where one is NaN and the other is not.
fn worst(got: &[f32], expected: &[f32]) -> f64 {
    let wide = |x: &[f32]| x.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
    worst_f64(&wide(got), &wide(expected))
}

fn worst_f64(got: &[f64], expected: &[f64]) -> f64 {
    if got.len() != expected.len() {
        return f64::INFINITY;
    }
    let largest = expected.iter().fold(f64::MIN_POSITIVE, |a, e| a.max(e.abs()));
    let error = |(g, e): (&f64, &f64)| if (g - e).is_nan() { f64::INFINITY } else { (g - e).abs() };
    got.iter().zip(expected).map(error).fold(0.0, f64::max) / largest
}

fn random(name: &str, index: u64) -> ChaCha12Rng {
    stream(0, &format!("gpu-check {name}"), index)
}

fn numbers(rng: &mut ChaCha12Rng, n: usize) -> Vec<f32> {
    (0..n).map(|_| rng.random_range(-2.0f32..2.0)).collect()
}
