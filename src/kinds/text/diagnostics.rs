//! What `diagnostics.csv` can hold: numbers of every matrix.
//!
//! | name in `probe.diagnostics` | columns | what they hold |
//! |---|---|---|
//! | `matrix_lar` | `lar.{matrix}` | LAR of every linear map over the training tokens of `lar` (arXiv 2605.28975 for each map) |
//! | `weight_norms` | `norm.{matrix}` | ‖matrix‖_F |
//! | `matrix_ranks` | `stable_rank.{matrix}`, `effective_rank.{matrix}` | ‖W‖²_F / s₁²; exp of the entropy of s/Σs |
//!
//! `{matrix}` is `blocks.0.attn.q` … `blocks.0.attn.o`, `blocks.0.mlp.gate`, `up`, `down`, …, and `unembed`, also where
//! that is the embedding.

use super::measure::Measured;
use crate::run::{ConfigError, Failure};
use groklab_probe::{lar_from_norms, square_sum, weight_spectrum};
use groklab_text::{Layout, Param, Role};

/// One diagnostic: its name, and its columns, of which `{matrix}` stands for each matrix.
#[derive(Debug)]
pub struct Diagnostic {
    name: &'static str,
    columns: &'static [&'static str],
    values: fn(&Matrix) -> Result<Vec<f64>, Failure>,
}

/// In the order of the columns of `diagnostics.csv`.
pub static DIAGNOSTICS: [Diagnostic; 3] = [
    Diagnostic { name: "matrix_lar", columns: &["lar.{matrix}"], values: lar },
    Diagnostic { name: "weight_norms", columns: &["norm.{matrix}"], values: norm },
    Diagnostic {
        name: "matrix_ranks",
        columns: &["stable_rank.{matrix}", "effective_rank.{matrix}"],
        values: ranks,
    },
];

/// A linear map and what went through it.
struct Matrix<'a> {
    weights: &'a [f32],
    shape: [usize; 2],
    /// ‖X Wᵀ‖² and ‖X‖².
    energies: [f64; 2],
}

/// Those that the names mean, in the order of the list.
pub fn choose(names: &[String]) -> Result<Vec<&'static Diagnostic>, ConfigError> {
    for (at, name) in names.iter().enumerate() {
        if !DIAGNOSTICS.iter().any(|known| known.name == name) || names[..at].contains(name) {
            return Err(ConfigError::OutOfRange {
                key: "probe.diagnostics",
                value: name.clone(),
                rule: "each name is matrix_lar, weight_norms or matrix_ranks, and stands there once",
            });
        }
    }
    Ok(DIAGNOSTICS.iter().filter(|known| names.iter().any(|name| name == known.name)).collect())
}

/// The linear maps, in the order they are computed, each with its name in columns.
pub fn linear_maps<'a>(layout: &'a Layout, unembedding: &str) -> Vec<(String, &'a Param)> {
    let maps = layout.iter().filter(|param| param.role == Role::Matrix);
    let named = maps.map(|param| (param.name.trim_end_matches(".weight").to_owned(), param));
    named.chain(layout.get(unembedding).map(|param| ("unembed".to_owned(), param))).collect()
}

/// Names of the columns.
pub fn columns(chosen: &[&Diagnostic], maps: &[(String, &Param)]) -> Vec<String> {
    let patterns = chosen.iter().flat_map(|diagnostic| diagnostic.columns);
    patterns.flat_map(|pattern| maps.iter().map(|(name, _)| pattern.replace("{matrix}", name))).collect()
}

/// A value for each column; NaN where the numbers are no longer finite.
pub fn values(
    chosen: &[&Diagnostic],
    maps: &[(String, &Param)],
    params: &[f32],
    measured: &Measured,
) -> Result<Vec<f64>, Failure> {
    let mut values = Vec::new();
    for diagnostic in chosen {
        let mut families = vec![Vec::new(); diagnostic.columns.len()];
        for (at, (_, param)) in maps.iter().enumerate() {
            let weights = &params[param.range.clone()];
            let energies = measured.energies.get(at).copied().unwrap_or([f64::NAN; 2]);
            let matrix = Matrix { weights, shape: [param.shape[0], param.shape[1]], energies };
            let of_matrix = match weights.iter().all(|w| w.is_finite()) {
                true => (diagnostic.values)(&matrix)?,
                false => vec![f64::NAN; families.len()],
            };
            families.iter_mut().zip(of_matrix).for_each(|(family, value)| family.push(value));
        }
        values.extend(families.into_iter().flatten());
    }
    Ok(values)
}

fn lar(matrix: &Matrix) -> Result<Vec<f64>, Failure> {
    let [output, input] = matrix.energies;
    Ok(vec![lar_from_norms(output, square_sum(matrix.weights), input, matrix.shape[1])])
}

fn norm(matrix: &Matrix) -> Result<Vec<f64>, Failure> {
    Ok(vec![square_sum(matrix.weights).sqrt()])
}

fn ranks(matrix: &Matrix) -> Result<Vec<f64>, Failure> {
    let [m, n] = matrix.shape;
    let weights: Vec<f64> = matrix.weights.iter().map(|&w| f64::from(w)).collect();
    let measures = weight_spectrum(&weights, m, n)?.measures();
    Ok(vec![measures.stable_rank, measures.effective_rank])
}
