//! The covariance spectrum of hidden states (Spectral Lens, arXiv 2605.05683), over fixed sequences of the data set.
//!
//! | column | |
//! |---|---|
//! | `activation.rankme` | exp of the entropy of λ/Σλ, λ the eigenvalues of the centred covariance: not Garrido's RankMe |
//! | `activation.top10` | share of the ten largest in Σλ |
//! | `activation.alpha_head`, `.r2_head` | −slope of ln λ_i on ln i over ranks 1 to 10, and R² of the line |
//! | `activation.alpha_tail`, `.r2_tail` | the same over ranks ⌊25d/64⌋ to d |
//! | `activation.tail_first`, `.tail_last` | that window, as far as eigenvalues are above 0 |
//! | `activation.n`, `.d` | samples, and width |
//! | `activation.js_floor` | Jensen–Shannon divergence, nats, of the spectra of two disjoint sets of as many sequences: what sampling alone leaves |
//! | `activation.eigenvalue.{rank}` | λ, descending |

use super::{super::config::Config, super::feed::Batch, super::measure::host, Subject};
use crate::run::Failure;
use candle_core::Tensor;
use groklab_probe::{ActivationSpectrum, Activations, jensen_shannon, unit_rms};
use groklab_text::model::Architecture;

/// Columns of [`Part::Numbers`].
const NUMBERS: [&str; 11] = [
    "rankme",
    "top10",
    "alpha_head",
    "r2_head",
    "alpha_tail",
    "r2_tail",
    "tail_first",
    "tail_last",
    "n",
    "d",
    "js_floor",
];

/// What is recorded of a spectrum.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// Its numbers.
    Numbers,
    /// Its eigenvalues.
    Values,
}

/// The spectra of both sets of sequences.
pub struct Spectra {
    width: usize,
    /// None where numbers are no longer finite.
    own: Option<ActivationSpectrum>,
    floor: f64,
}

pub fn columns(part: Part, config: &Config) -> Vec<String> {
    match part {
        Part::Numbers => NUMBERS.map(|name| format!("activation.{name}")).to_vec(),
        Part::Values => (1..=config.model.d_model).map(|i| format!("activation.eigenvalue.{i}")).collect(),
    }
}

pub fn measure(subject: &Subject, sets: &[Vec<Batch>; 2], is_finite: bool) -> Result<Spectra, Failure> {
    let width = subject.config.model.d_model;
    if !is_finite {
        return Ok(Spectra { width, own: None, floor: f64::NAN });
    }
    let [own, other] = [spectrum(subject, &sets[0])?, spectrum(subject, &sets[1])?];
    let floor = match (&own, &other) {
        (Some(own), Some(other)) => jensen_shannon(&own.eigenvalues, &other.eigenvalues),
        _ => f64::NAN,
    };
    Ok(Spectra { width, own, floor })
}

/// None where hidden states are not finite.
fn spectrum(subject: &Subject, batches: &[Batch]) -> Result<Option<ActivationSpectrum>, Failure> {
    let settings = &subject.config.probe.activations;
    let (width, length) = (subject.config.model.d_model, subject.config.model.n_ctx);
    let mut pool = Activations::new(width, settings.pooling.pooling());
    let mut is_finite = true;
    for (inputs, _) in batches {
        let states = states(subject, inputs, length, settings.layer)?;
        is_finite &= states.iter().all(|v| v.is_finite());
        pool.add(&states, length)?;
    }
    Ok(if is_finite { Some(pool.spectrum()?) } else { None })
}

/// (B·T, d) row-major.
fn states(subject: &Subject, inputs: &[u32], length: usize, layer: usize) -> Result<Vec<f64>, Failure> {
    if layer > 0 {
        let outputs = subject.model.block_outputs(inputs, length)?;
        let states = outputs.get(layer - 1).ok_or("the model has no such block")?;
        let width = subject.config.model.d_model;
        return Ok(unit_rms(&host(states)?, width, subject.config.model.norm_epsilon)?);
    }
    let unembedding = subject.model.config().unembedding();
    let mut read = None;
    subject.model.logits(inputs, length, &mut |name: &str, x: &Tensor| {
        if name == unembedding {
            read = Some(x.detach());
        }
        Ok(())
    })?;
    let read = read.ok_or("the model did not show the inputs of its unembedding")?;
    Ok(host(&read)?.into_iter().map(f64::from).collect())
}

pub fn values(part: Part, spectra: &Spectra) -> Vec<f64> {
    let Some(own) = &spectra.own else {
        let count = match part {
            Part::Numbers => NUMBERS.len(),
            Part::Values => spectra.width,
        };
        return vec![f64::NAN; count];
    };
    match part {
        Part::Values => own.eigenvalues.clone(),
        Part::Numbers => {
            let shape = own.shape();
            let (head, tail) = (shape.head, shape.tail);
            vec![
                shape.rankme,
                shape.top10,
                head.alpha,
                head.r2,
                tail.alpha,
                tail.r2,
                tail.first as f64,
                tail.last as f64,
                own.samples as f64,
                own.eigenvalues.len() as f64,
                spectra.floor,
            ]
        }
    }
}
