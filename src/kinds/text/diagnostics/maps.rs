//! Numbers of every linear map.

use super::Subject;
use crate::run::Failure;
use groklab_probe::{lar_from_norms, square_sum, weight_spectrum};
use groklab_text::Param;

/// A value for each column of a diagnostic.
pub type Values = fn(&Matrix) -> Result<Vec<f64>, Failure>;

/// A linear map and what went through it.
pub struct Matrix<'a> {
    weights: &'a [f32],
    shape: [usize; 2],
    /// ‖X Wᵀ‖² and ‖X‖².
    energies: [f64; 2],
}

/// Names of the columns: all maps of the first pattern, then of the next.
pub fn columns(patterns: &[&str], maps: &[(String, &Param)]) -> Vec<String> {
    let all = |pattern: &&str| -> Vec<String> {
        maps.iter().map(|(name, _)| pattern.replace("{matrix}", name)).collect()
    };
    patterns.iter().flat_map(all).collect()
}

/// A value for each; NaN where weights are no longer finite.
pub fn values(patterns: usize, of: Values, subject: &Subject) -> Result<Vec<f64>, Failure> {
    let mut families = vec![Vec::new(); patterns];
    for (at, (_, param)) in subject.maps.iter().enumerate() {
        let weights = &subject.params[param.range.clone()];
        let energies = subject.measured.energies.get(at).copied().unwrap_or([f64::NAN; 2]);
        let matrix = Matrix { weights, shape: [param.shape[0], param.shape[1]], energies };
        let of_matrix = match weights.iter().all(|w| w.is_finite()) {
            true => of(&matrix)?,
            false => vec![f64::NAN; patterns],
        };
        families.iter_mut().zip(of_matrix).for_each(|(family, value)| family.push(value));
    }
    Ok(families.concat())
}

pub fn lar(matrix: &Matrix) -> Result<Vec<f64>, Failure> {
    let [output, input] = matrix.energies;
    Ok(vec![lar_from_norms(output, square_sum(matrix.weights), input, matrix.shape[1])])
}

pub fn norm(matrix: &Matrix) -> Result<Vec<f64>, Failure> {
    Ok(vec![square_sum(matrix.weights).sqrt()])
}

pub fn ranks(matrix: &Matrix) -> Result<Vec<f64>, Failure> {
    let [m, n] = matrix.shape;
    let weights: Vec<f64> = matrix.weights.iter().map(|&w| f64::from(w)).collect();
    let measures = weight_spectrum(&weights, m, n)?.measures();
    Ok(vec![measures.stable_rank, measures.effective_rank])
}
