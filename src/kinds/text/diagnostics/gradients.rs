//! The spectrum of per-sample gradients of a matrix (Spectral Lens, arXiv 2605.05683): singular values s of the stack of the
//! flattened gradients of each sequence's own mean loss, not centred.
//!
//! | column | |
//! |---|---|
//! | `gradient.s1.{matrix}` | s₁ |
//! | `gradient.rankme.{matrix}` | exp of the entropy of s²/Σs² |
//! | `gradient.top10.{matrix}` | share of the ten largest in Σs² |
//! | `gradient.alpha_head.{matrix}`, `.r2_head` | −slope of ln s_i on ln i over ranks 1 to 10, and R² of the line |
//! | `gradient.alpha_tail.{matrix}`, `.r2_tail` | the same over ranks 11 to N |
//! | `gradient.s.{matrix}.{rank}` | s, descending, N of them |
//!
//! NaN where no sequence has a gradient, as behind an output projection that is still zero.

use super::{super::config::Config, super::feed::Batch, Subject};
use crate::run::Failure;
use groklab_probe::{
    GradientFactors, GradientSpectrum, ProbeError, gradient_spectrum, rankme_of_eigenvalues, top_share,
};
use groklab_text::model::{ModelError, sample_factors, sample_gradients};

/// Columns of [`Part::Numbers`], each of every matrix.
const NUMBERS: [&str; 7] = ["s1", "rankme", "top10", "alpha_head", "r2_head", "alpha_tail", "r2_tail"];

/// What is recorded of a spectrum.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// Its numbers.
    Numbers,
    /// Its singular values.
    Values,
}

/// The spectra of the matrices in their order; none where numbers are not finite.
pub struct Spectra {
    samples: usize,
    of: Vec<Option<GradientSpectrum>>,
}

pub fn columns(part: Part, config: &Config) -> Vec<String> {
    let names = config.gradient_matrices();
    match part {
        Part::Numbers => NUMBERS
            .iter()
            .flat_map(|number| names.iter().map(move |name| format!("gradient.{number}.{name}")))
            .collect(),
        Part::Values => names
            .iter()
            .flat_map(|name| {
                (1..=config.probe.gradients.sequences).map(move |i| format!("gradient.s.{name}.{i}"))
            })
            .collect(),
    }
}

/// One backward pass a sequence where the embedding is among the matrices, which is no linear map; else one for all, and of
/// stack and Gram matrix the cheaper.
pub fn measure(subject: &Subject, batches: &[Batch], is_finite: bool) -> Result<Spectra, Failure> {
    let names = subject.config.gradient_matrices();
    let samples = subject.config.probe.gradients.sequences;
    let undefined = || Spectra { samples, of: names.iter().map(|_| None).collect() };
    if !is_finite {
        return Ok(undefined());
    }
    let full: Vec<String> = names.iter().map(|name| format!("{name}.weight")).collect();
    let full: Vec<&str> = full.iter().map(String::as_str).collect();
    let inputs: Vec<u32> = batches.iter().flat_map(|batch| batch.0.iter().copied()).collect();
    let targets: Vec<u32> = batches.iter().flat_map(|batch| batch.1.iter().copied()).collect();
    let (model, length) = (subject.model, subject.config.model.n_ctx);
    let of = if names.iter().any(|name| name == "embed") {
        let found = sample_gradients(model, &inputs, &targets, length, &full)?;
        let spectra = found.iter().map(|of| gradient_spectrum(&of.stack, of.samples, of.parameters));
        spectra.map(defined).collect::<Result<Vec<_>, ProbeError>>()?
    } else {
        let found = match sample_factors(model, &inputs, &targets, length, &full) {
            Err(ModelError::NotFinite { .. }) => return Ok(undefined()),
            other => other?,
        };
        // the model gives them in the order in which it computes them
        let in_order = full.iter().map(|name| found.iter().find(|factors| factors.name == *name));
        let spectra = in_order.flatten().map(|factors| {
            let samples = factors.samples;
            let factors = GradientFactors {
                inputs: &factors.inputs,
                output_gradients: &factors.output_gradients,
                samples,
                positions: factors.positions,
                shape: factors.shape,
            };
            factors.spectrum()
        });
        spectra.map(defined).collect::<Result<Vec<_>, ProbeError>>()?
    };
    Ok(Spectra { samples, of })
}

/// None where gradients are not finite: that ends no run.
fn defined(spectrum: Result<GradientSpectrum, ProbeError>) -> Result<Option<GradientSpectrum>, ProbeError> {
    match spectrum {
        Ok(spectrum) => Ok(Some(spectrum)),
        Err(ProbeError::NotFinite { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

pub fn values(part: Part, spectra: &Spectra) -> Vec<f64> {
    match part {
        Part::Values => {
            let all = spectra.of.iter().flat_map(|spectrum| {
                let values = spectrum.as_ref().map(|spectrum| spectrum.singular_values.clone());
                let mut values = values.unwrap_or_default();
                values.resize(spectra.samples, f64::NAN);
                values
            });
            all.collect()
        }
        Part::Numbers => {
            let rows: Vec<[f64; 7]> = spectra.of.iter().map(|spectrum| numbers(spectrum.as_ref())).collect();
            (0..NUMBERS.len()).flat_map(|i| rows.iter().map(move |row| row[i])).collect()
        }
    }
}

fn numbers(spectrum: Option<&GradientSpectrum>) -> [f64; 7] {
    let Some(spectrum) = spectrum else { return [f64::NAN; 7] };
    let squares: Vec<f64> = spectrum.singular_values.iter().map(|s| s * s).collect();
    let (head, tail) = spectrum.head_and_tail();
    [
        spectrum.singular_values.first().copied().unwrap_or(f64::NAN),
        rankme_of_eigenvalues(&squares),
        top_share(&squares, 10),
        head.alpha,
        head.r2,
        tail.alpha,
        tail.r2,
    ]
}
