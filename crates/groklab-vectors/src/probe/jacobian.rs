//! Norm and first singular direction of J(x), through its Gram matrix JJᵀ, (C, C).

use super::{cosine, mean, wide};
use crate::mlp::{Engine, ModelError};

/// Means over rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JacobianStats {
    /// ‖J‖_F, what R of the penalty estimates.
    pub norm: f64,
    /// s₁²/Σ s_j², the share of the first singular value in the energy; 1/C at least.
    pub first_share: Option<f64>,
    /// |cos(v₁, x)|, v₁ the first right singular vector. Where two singular values are equal it is not unique.
    pub first_alignment: Option<f64>,
}

/// Of J at each row of `inputs`, (rows, d); C backward passes.
///
/// # Errors
/// [`ModelError::Length`] if lengths do not fit or there are no rows.
pub fn jacobian_stats(
    engine: &mut Engine,
    params: &[f32],
    inputs: &[f32],
) -> Result<JacobianStats, ModelError> {
    let (d, outputs) = (engine.mlp().inputs(), engine.mlp().outputs());
    let rows = inputs.len() / d;
    if rows == 0 {
        return Err(ModelError::Length { name: "inputs", found: inputs.len(), wanted: d });
    }
    engine.forward(params, inputs)?;
    let mut all = Vec::with_capacity(outputs * inputs.len());
    for c in 0..outputs {
        let mut v = vec![0.0; rows * outputs];
        v.iter_mut().skip(c).step_by(outputs).for_each(|v| *v = 1.0);
        all.extend_from_slice(engine.pull_back(params, &v)?);
    }
    Ok(stats_of(&all, outputs, inputs, d))
}

/// Of the Jacobians of some rows, whoever computed them: `all`, (C, rows, d), has row c of each at place c; `inputs`, (rows, d),
/// are where.
pub fn stats_of(all: &[f32], outputs: usize, inputs: &[f32], d: usize) -> JacobianStats {
    let rows = inputs.len() / d.max(1);
    let mut norm = 0.0;
    let (mut shares, mut alignments) = (Vec::new(), Vec::new());
    for (i, x) in inputs.chunks_exact(d).enumerate() {
        // row c of this row's Jacobian
        let of = |c: usize| &all[c * inputs.len() + i * d..][..d];
        let dot = |a: &[f32], b: &[f32]| wide(a).zip(wide(b)).map(|(a, b)| a * b).sum::<f64>();
        let mut gram: Vec<f64> =
            (0..outputs * outputs).map(|k| dot(of(k / outputs), of(k % outputs))).collect();
        let energy: f64 = (0..outputs).map(|c| gram[c * (outputs + 1)]).sum();
        norm += energy.sqrt();
        let (square, left) = largest_eigenpair(&mut gram, outputs);
        shares.push((energy > 0.0 && energy.is_finite()).then(|| square / energy));
        // s₁v₁ = Jᵀu₁
        let right: Vec<f64> =
            (0..d).map(|j| (0..outputs).map(|c| left[c] * f64::from(of(c)[j])).sum()).collect();
        alignments.push(cosine(right.iter().copied(), wide(x)).map(f64::abs));
    }
    JacobianStats {
        norm: norm / rows as f64,
        first_share: mean(shares.into_iter()),
        first_alignment: mean(alignments.into_iter()),
    }
}

/// Largest eigenvalue and its vector of a symmetric matrix, (n, n), which is overwritten: cyclic Jacobi rotations.
fn largest_eigenpair(a: &mut [f64], n: usize) -> (f64, Vec<f64>) {
    /// Quadratic convergence: ten are plenty.
    const SWEEPS: usize = 30;
    let mut vectors = vec![0.0; n * n];
    (0..n).for_each(|i| vectors[i * (n + 1)] = 1.0);
    let size: f64 = a.iter().map(|v| v * v).sum();
    for _ in 0..SWEEPS {
        let off: f64 = (0..n * n).filter(|k| k / n != k % n).map(|k| a[k] * a[k]).sum();
        if off <= 1e-30 * size || off.is_nan() {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                if a[p * n + q] == 0.0 {
                    continue;
                }
                let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * a[p * n + q]);
                let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let c = 1.0 / t.hypot(1.0);
                let s = t * c;
                for k in 0..n {
                    let (x, y) = (a[k * n + p], a[k * n + q]);
                    (a[k * n + p], a[k * n + q]) = (c * x - s * y, s * x + c * y);
                    let (x, y) = (vectors[k * n + p], vectors[k * n + q]);
                    (vectors[k * n + p], vectors[k * n + q]) = (c * x - s * y, s * x + c * y);
                }
                for k in 0..n {
                    let (x, y) = (a[p * n + k], a[q * n + k]);
                    (a[p * n + k], a[q * n + k]) = (c * x - s * y, s * x + c * y);
                }
            }
        }
    }
    let first = (0..n).max_by(|&i, &j| a[i * (n + 1)].total_cmp(&a[j * (n + 1)])).unwrap_or(0);
    (a[first * (n + 1)], (0..n).map(|k| vectors[k * n + first]).collect())
}
