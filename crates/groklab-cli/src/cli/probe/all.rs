//! Every matrix of a model by its weights alone: norms, ranks, the tail and the bulk of its spectrum.

use super::{
    choose::{called, skipped},
    outcome::{All, MINUTE, Measured, Method, SECONDS, Skipped, work},
    read::{gram, pooled, whole},
    report,
};
use crate::{
    probe::{
        MIN_VALUES, WeightSpectrum, compare_shuffled, fit_bulk, fit_tail, shuffle, weight_spectrum,
        weight_spectrum_by_gram,
    },
    tensors::{Catalog, View},
};

/// The seed of every shuffle: the same file gives the same numbers.
const SEED: u64 = 0;

/// Measures every matrix, or the one that was named; what is no matrix, or unusable, is skipped with its reason.
pub(super) fn measure(
    catalog: &Catalog,
    named: Option<&str>,
    method: Method,
    shuffles: bool,
) -> miette::Result<All> {
    let found = catalog.matrices();
    let mut all = All { matrices: Vec::new(), skipped: Vec::new() };
    let one = named.map(|name| called(catalog, &found, name)).transpose()?;
    let mut numbers = Vec::new();
    for view in one.map_or(&found.views[..], std::slice::from_ref) {
        match measure_one(view, method, shuffles, &mut numbers) {
            Ok(measured) => all.matrices.push(measured),
            Err(error) => all.skipped.push(Skipped {
                tensor: view.name.clone(),
                file: view.tensor.path.display().to_string(),
                reason: error.to_string(),
            }),
        }
    }
    if one.is_none() {
        all.skipped.extend(skipped(catalog, &found));
    }
    Ok(all)
}

/// Measures one matrix; `numbers` is room that the next one uses again.
pub(super) fn measure_one(
    view: &View<'_>,
    method: Method,
    shuffles: bool,
    numbers: &mut Vec<f64>,
) -> miette::Result<Measured> {
    /// Numbers that are held at once to be shuffled: 2 GB.
    const HELD: usize = 1 << 28;
    // Singular values are those of the transpose; the smaller Gram matrix is the one to form.
    let is_wide = view.shape[0] < view.shape[1];
    let mut matrix = view.open(is_wide)?;
    let (m, n) = (matrix.rows(), matrix.columns());
    let is_small = method == Method::Svd || method == Method::Auto && work(m, n) <= SECONDS;
    let (spectrum, after) = if is_small {
        matrix.read_rows(0..m, numbers)?;
        let spectrum = of_numbers(numbers, m, n, method)?;
        let after = shuffles.then(|| {
            shuffle(numbers, SEED);
            of_numbers(numbers, m, n, method)
        });
        (spectrum, after.transpose()?)
    } else {
        let mut spectrum = gram(&mut matrix, method)?.spectrum().map_err(report)?;
        if method == Method::Auto && spectrum.unresolved() > 0 && work(m, n) <= MINUTE {
            spectrum = weight_spectrum(&whole(&mut matrix)?, m, n).map_err(report)?;
        }
        let after = (shuffles && m * n <= HELD).then(|| {
            let mut numbers = whole(&mut matrix)?;
            shuffle(&mut numbers, SEED);
            pooled(&numbers, n)?.spectrum().map_err(report)
        });
        (spectrum, after.transpose()?)
    };
    let mut measured = of_spectrum(view, method, &spectrum, after.as_ref());
    if shuffles && after.is_none() {
        measured.notes.push("not shuffled: too large to be held at once".into());
    }
    Ok(measured)
}

/// The singular values of (m, n) numbers: with `auto` the quick way if it loses nothing.
fn of_numbers(numbers: &[f64], m: usize, n: usize, method: Method) -> miette::Result<WeightSpectrum> {
    if method == Method::Auto
        && let Some(found) = weight_spectrum_by_gram(numbers, m, n).map_err(report)?
    {
        return Ok(found);
    }
    weight_spectrum(numbers, m, n).map_err(report)
}

fn of_spectrum(
    view: &View<'_>,
    method: Method,
    spectrum: &WeightSpectrum,
    after: Option<&WeightSpectrum>,
) -> Measured {
    let [m, n] = view.shape;
    let measures = spectrum.measures();
    // squares of rounding are no eigenvalues
    let negligible = m.max(n) as f64 * f64::EPSILON * measures.spectral_norm;
    let eigenvalues: Vec<f64> =
        spectrum.singular_values.iter().map(|&s| if s > negligible { s * s } else { 0.0 }).collect();
    let resolved: Vec<f64> = eigenvalues.iter().copied().filter(|&v| v > 0.0).collect();
    let tail = fit_tail(&resolved);
    let no_tail = tail.is_none().then(|| match resolved.len() {
        count if count < MIN_VALUES => {
            format!("too few values for a power law: fewer than {MIN_VALUES} above rounding")
        }
        _ => "all values are the same".to_owned(),
    });
    let log_spectral_norm = measures.spectral_norm.powi(2).log10();
    Measured {
        tensor: view.name.clone(),
        file: view.tensor.path.display().to_string(),
        dtype: view.tensor.dtype.clone(),
        shape: view.shape.to_vec(),
        notes: view.note.clone().into_iter().collect(),
        method: method.says(spectrum.resolution),
        resolution: spectrum.resolution,
        unresolved: spectrum.unresolved(),
        measures,
        log_norm: spectrum.square_sum.log10(),
        log_spectral_norm,
        alpha_weighted: tail.map(|tail| tail.alpha * log_spectral_norm),
        log_alpha_norm: tail.map(|tail| log_sum_of_powers(&resolved, tail.alpha)),
        tail,
        no_tail,
        bulk: fit_bulk(&spectrum.singular_values, m, n),
        shuffled: after.map(|after| compare_shuffled(&spectrum.eigenvalues(), &after.eigenvalues())),
        eigenvalues,
    }
}

/// log₁₀ Σ λ^α, by the largest: the powers themselves may overflow.
fn log_sum_of_powers(eigenvalues: &[f64], alpha: f64) -> f64 {
    let largest = eigenvalues.iter().copied().fold(0.0, f64::max);
    let shares: f64 = eigenvalues.iter().map(|v| (v / largest).powf(alpha)).sum();
    alpha * largest.log10() + shares.log10()
}
