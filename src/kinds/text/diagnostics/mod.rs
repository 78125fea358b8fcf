//! What `diagnostics.csv` can hold: numbers of every matrix, and spectra of activations and of gradients.
//!
//! | name in `probe.diagnostics` | columns | what they hold |
//! |---|---|---|
//! | `matrix_lar` | `lar.{matrix}` | LAR of every linear map over the training tokens of `lar` (arXiv 2605.28975 for each map) |
//! | `weight_norms` | `norm.{matrix}` | ‖matrix‖_F |
//! | `matrix_ranks` | `stable_rank.{matrix}`, `effective_rank.{matrix}` | ‖W‖²_F / s₁²; exp of the entropy of s/Σs |
//! | `activation_spectrum` | `activation.…` | numbers of the covariance spectrum of hidden states (arXiv 2605.05683): [`activations`] |
//! | `activation_eigenvalues` | `activation.eigenvalue.{rank}` | that spectrum itself, d values |
//! | `gradient_spectrum` | `gradient.….{matrix}` | numbers of the spectrum of per-sample gradients: [`gradients`] |
//! | `gradient_singular_values` | `gradient.s.{matrix}.{rank}` | that spectrum itself, N values |
//!
//! `{matrix}` is `blocks.0.attn.q` … `blocks.0.attn.o`, `blocks.0.mlp.gate`, `up`, `down`, …, and `unembed`, also where
//! that is the embedding; of gradients it is those of `probe.gradients.matrices`, of which a tied embedding is `embed`.

pub mod activations;
pub mod gradients;
mod maps;

use super::{
    config::Config,
    feed::{self, Batch},
    measure::Measured,
    source::Corpus,
};
use crate::run::{ConfigError, Failure};
use groklab_text::{
    Layout, Param, Role,
    model::{AnyConfig, Decoder},
};

/// One diagnostic: its name, and what makes its columns and values.
#[derive(Debug)]
pub struct Diagnostic {
    name: &'static str,
    of: Of,
}

/// What a diagnostic is of.
#[derive(Debug)]
enum Of {
    /// Every linear map; `{matrix}` in a column stands for each.
    Maps(&'static [&'static str], maps::Values),
    /// Hidden states.
    Activations(activations::Part),
    /// Gradients of sequences.
    Gradients(gradients::Part),
}

/// In the order of the columns of `diagnostics.csv`.
pub static DIAGNOSTICS: [Diagnostic; 7] = [
    Diagnostic { name: "matrix_lar", of: Of::Maps(&["lar.{matrix}"], maps::lar) },
    Diagnostic { name: "weight_norms", of: Of::Maps(&["norm.{matrix}"], maps::norm) },
    Diagnostic {
        name: "matrix_ranks",
        of: Of::Maps(&["stable_rank.{matrix}", "effective_rank.{matrix}"], maps::ranks),
    },
    Diagnostic { name: "activation_spectrum", of: Of::Activations(activations::Part::Numbers) },
    Diagnostic { name: "activation_eigenvalues", of: Of::Activations(activations::Part::Values) },
    Diagnostic { name: "gradient_spectrum", of: Of::Gradients(gradients::Part::Numbers) },
    Diagnostic { name: "gradient_singular_values", of: Of::Gradients(gradients::Part::Values) },
];

/// Those that a config chooses, and the fixed sequences that they look at.
pub struct Chosen {
    chosen: Vec<&'static Diagnostic>,
    /// For activations, and as many again for their floor.
    activations: [Vec<Batch>; 2],
    gradients: Vec<Batch>,
    columns: Vec<String>,
}

/// What diagnostics are taken of.
pub struct Subject<'a> {
    /// With the parameters set.
    pub model: &'a Decoder<AnyConfig>,
    /// The same parameters.
    pub params: &'a [f32],
    /// Of the run.
    pub config: &'a Config,
    /// As [`linear_maps`] gives them.
    pub maps: &'a [(String, &'a Param)],
    /// What the forward passes of this evaluation showed.
    pub measured: &'a Measured,
}

/// Those that the names mean, in the order of the list.
pub fn choose(names: &[String]) -> Result<Vec<&'static Diagnostic>, ConfigError> {
    for (at, name) in names.iter().enumerate() {
        if !DIAGNOSTICS.iter().any(|known| known.name == name) || names[..at].contains(name) {
            return Err(ConfigError::OutOfRange {
                key: "probe.diagnostics",
                value: name.clone(),
                rule: "each name is matrix_lar, weight_norms, matrix_ranks, activation_spectrum, \
                       activation_eigenvalues, gradient_spectrum or gradient_singular_values, and stands there once",
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

impl Chosen {
    /// Of a checked config.
    pub fn new(config: &Config, corpus: &Corpus, maps: &[(String, &Param)]) -> Result<Self, ConfigError> {
        let chosen = choose(&config.probe.diagnostics)?;
        let most = config.data.batch_size.max(128);
        let fixed = |family: &str, first, count| match config.takes(family) {
            true => feed::fixed(config, corpus, first, count, most),
            false => Vec::new(),
        };
        let (own, gradients) = (config.probe.activations.sequences, config.probe.gradients.sequences);
        let columns = chosen.iter().flat_map(|diagnostic| match diagnostic.of {
            Of::Maps(patterns, _) => maps::columns(patterns, maps),
            Of::Activations(part) => activations::columns(part, config),
            Of::Gradients(part) => gradients::columns(part, config),
        });
        Ok(Self {
            columns: columns.collect(),
            activations: [fixed("activation_", 0, own), fixed("activation_", own, own)],
            gradients: fixed("gradient_", 0, gradients),
            chosen,
        })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.chosen.is_empty()
    }

    /// Names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// A value for each column; NaN where it is not defined, as where numbers are no longer finite.
    pub fn values(&self, subject: &Subject) -> Result<Vec<f64>, Failure> {
        let (mut activations, mut gradients) = (None, None);
        let is_finite = subject.params.iter().all(|p| p.is_finite());
        let mut values = Vec::with_capacity(self.columns.len());
        for diagnostic in &self.chosen {
            let more = match diagnostic.of {
                Of::Maps(patterns, of) => maps::values(patterns.len(), of, subject)?,
                Of::Activations(part) => {
                    if activations.is_none() {
                        activations = Some(activations::measure(subject, &self.activations, is_finite)?);
                    }
                    activations.as_ref().map(|spectra| activations::values(part, spectra)).unwrap_or_default()
                }
                Of::Gradients(part) => {
                    if gradients.is_none() {
                        gradients = Some(gradients::measure(subject, &self.gradients, is_finite)?);
                    }
                    gradients.as_ref().map(|spectra| gradients::values(part, spectra)).unwrap_or_default()
                }
            };
            values.extend(more);
        }
        Ok(values)
    }
}
