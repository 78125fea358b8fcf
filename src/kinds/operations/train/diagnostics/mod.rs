//! What a run records in `diagnostics.csv`: the diagnostics of the [`registry`] that its config chooses.
//!
//! Promises: the columns are a function of config and task alone; the values of the run's parameters, rows and probe
//! alone, whichever engine trained. What needs activations takes them from the plain model, in f32 on the CPU.

mod activations;
mod jacobian;

use super::TrainError;
use crate::{
    kinds::operations::config::{ConfigError, PlannedRun},
    kinds::operations::data::Split,
    kinds::operations::engine::EngineError,
    kinds::operations::model::{ParamKind, ParamLayout},
    kinds::operations::task::{Symbols, Task},
    probe::{
        self, Fourier, Moments, Spectra,
        registry::{self, Diagnostic, KEY_FREQUENCIES, Kind, MAX_PAIRS_MODULUS, Needs, PARTIAL},
    },
};
use activations::Activations;

/// The diagnostics of one run.
#[derive(Debug)]
pub struct Diagnostics {
    chosen: Vec<&'static Diagnostic>,
    columns: Vec<String>,
    /// The basis over the operands of a task with a modulus, where a chosen diagnostic needs it.
    fourier: Option<Fourier>,
}

/// What is diagnosed: a run at an evaluation.
pub(super) struct Subject<'a> {
    pub run: &'a PlannedRun,
    pub layout: &'a ParamLayout,
    pub params: &'a [f32],
    pub split: &'a Split,
    /// Of the inputs of the unembedding over the training rows.
    pub moments: &'a Moments,
    pub spectra: &'a Spectra,
}

impl Diagnostics {
    /// Those that the config of `run` chooses and its task has.
    pub(super) fn new(run: &PlannedRun, layout: &ParamLayout) -> Result<Self, TrainError> {
        let names = &run.config.probe.diagnostics;
        let mut chosen = registry::choose(names).map_err(ConfigError::unknown_diagnostic)?;
        chosen.retain(|diagnostic| has(&run.task, diagnostic.needs));
        let columns = chosen.iter().flat_map(|diagnostic| columns(diagnostic.kind, run, layout)).collect();
        let is_modular = chosen.iter().any(|diagnostic| diagnostic.needs != Needs::Nothing);
        let fourier = is_modular.then(|| Fourier::new(run.task.n_symbols));
        Ok(Self { chosen, columns, fourier })
    }

    /// Names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Whether there is nothing to record.
    pub fn is_empty(&self) -> bool {
        self.chosen.is_empty()
    }

    /// A value for each column; NaN where it is not defined.
    pub(super) fn values(&self, subject: &Subject) -> Result<Vec<f64>, EngineError> {
        let mut values = Vec::with_capacity(self.columns.len());
        // one pass for all that need it
        let mut activations = None;
        for diagnostic in &self.chosen {
            if diagnostic.cost == registry::Cost::Forward && activations.is_none() {
                activations = Some(Activations::new(subject)?);
            }
            values.extend(match (diagnostic.kind, &self.fourier, &activations) {
                (Kind::FourierGini, Some(fourier), _) => vec![
                    probe::gini(&norms(fourier, subject.embedding())?),
                    probe::gini(&norms(fourier, subject.unembedding())?),
                ],
                (Kind::KeyFrequencies, Some(fourier), _) => {
                    let key = subject.key_frequencies(fourier)?;
                    let listed = (0..KEY_FREQUENCIES).map(|i| key.get(i).map_or(f64::NAN, |&k| k as f64));
                    [key.len() as f64].into_iter().chain(listed).collect()
                }
                (Kind::FourierLoss, Some(fourier), _) => {
                    let key = subject.key_frequencies(fourier)?;
                    activations::fourier_losses(subject, fourier, &key)?.to_vec()
                }
                (Kind::MatrixLar, _, Some(activations)) => activations.lars(subject),
                (Kind::AttentionEntropy, _, Some(activations)) => activations.attention_entropies(),
                (Kind::ClassDistance, _, Some(activations)) => {
                    let d = activations.class_distances();
                    vec![d.within, d.between, d.within / d.between]
                }
                (Kind::FourierGiniTokens, ..) => vec![gini_of_tokens(subject)?],
                (Kind::JacobianSpectrum, ..) => jacobian::spectrum(subject)?.to_vec(),
                (Kind::Alignment, ..) => jacobian::alignments(subject)?.to_vec(),
                (kind, ..) => of_spectra(kind, subject)?,
            });
        }
        Ok(values)
    }
}

/// The diagnostics that the probe's own numbers are enough for.
fn of_spectra(kind: Kind, subject: &Subject) -> Result<Vec<f64>, EngineError> {
    let Subject { spectra, moments, layout, params, .. } = subject;
    let (p, q, variances) = (&spectra.p, &spectra.q, &spectra.covariance_eigenvalues);
    Ok(match kind {
        Kind::PartialLar => {
            let lar = probe::lar_from_spectra(p, q);
            let partial = PARTIAL.map(|k| probe::partial_lar(p, q, k));
            partial.into_iter().chain(partial.map(|l| lar - l)).collect()
        }
        Kind::ParticipationRatio => vec![probe::participation_ratio(variances)],
        Kind::SpectralEntropy => vec![probe::spectral_entropy(variances)],
        Kind::RankMe => vec![probe::rankme(moments)?],
        Kind::PowerLaw => {
            // f32 inputs hold no variance below this: what is there is their rounding
            let resolved = moments.n as f64 * f64::from(f32::EPSILON).powi(2) * moments.input_square_sum()
                / moments.rows as f64;
            let (head, tail) =
                probe::head_and_tail(&variances[..variances.partition_point(|&v| v > resolved)]);
            vec![head.slope, head.r2, tail.slope, tail.r2]
        }
        Kind::WeightNorms => matrices(layout).map(|(_, range)| probe::weight_norm(&params[range])).collect(),
        // `values` has seen to the others
        _ => Vec::new(),
    })
}

impl Subject<'_> {
    /// E, the embedding of the operands, (V, d).
    fn embedding(&self) -> &[f32] {
        let length = self.run.task.n_symbols * self.run.config.model.d_model;
        self.layout.get("embed.token.weight").map_or(&[], |p| &self.params[p.range.clone()][..length])
    }

    /// W, (V, d).
    fn unembedding(&self) -> &[f32] {
        &self.params[self.layout.unembedding(self.run.task.n_symbols, self.run.config.model.d_model)]
    }

    fn key_frequencies(&self, fourier: &Fourier) -> Result<Vec<usize>, EngineError> {
        let key = fourier.key_frequencies_of(self.unembedding())?;
        Ok(key.map_or_else(Vec::new, |key| key.frequencies))
    }
}

/// Of the residues' rows of the embedding and that of "=".
fn gini_of_tokens(subject: &Subject) -> Result<f64, EngineError> {
    let (p, d) = (subject.run.task.n_symbols, subject.run.config.model.d_model);
    let tokens =
        subject.layout.get("embed.token.weight").map_or(&[][..], |p| &subject.params[p.range.clone()]);
    let equals = p + subject.run.config.model.sequence.operators();
    let rows = [&tokens[..p * d], &tokens[equals * d..]].concat();
    Ok(probe::gini(&norms(&Fourier::new(p + 1), &rows)?))
}

fn norms(fourier: &Fourier, a: &[f32]) -> Result<Vec<f64>, EngineError> {
    Ok(fourier.energies(a)?.into_iter().map(f64::sqrt).collect())
}

/// Whether a run on `task` has what a diagnostic needs.
fn has(task: &Task, needs: Needs) -> bool {
    let is_modular = matches!(task.symbols, Symbols::Residues { .. });
    let p = task.n_symbols;
    match needs {
        Needs::Nothing => true,
        Needs::Modulus => is_modular,
        Needs::AllPairs => is_modular && p <= MAX_PAIRS_MODULUS && task.equations.len() == p * p,
    }
}

/// Weight matrices and embeddings, by name without `.weight`.
fn matrices(layout: &ParamLayout) -> impl Iterator<Item = (&str, std::ops::Range<usize>)> {
    let is_matrix = |kind| matches!(kind, ParamKind::Weight | ParamKind::Embedding);
    layout
        .iter()
        .filter(move |param| is_matrix(param.kind))
        .map(|param| (param.name.trim_end_matches(".weight"), param.range.clone()))
}

/// The linear maps that have a LAR: the embedding of one-hot tokens, the layers of the blocks, the unembedding.
fn linear_maps(layout: &ParamLayout) -> Vec<String> {
    let blocks = matrices(layout).map(|(name, _)| name).filter(|name| name.starts_with("blocks."));
    ["embed.token"].into_iter().chain(blocks).chain(["unembed"]).map(str::to_owned).collect()
}

/// The columns of one diagnostic, in the order of its values.
fn columns(kind: Kind, run: &PlannedRun, layout: &ParamLayout) -> Vec<String> {
    let model = &run.config.model;
    match kind {
        Kind::PartialLar => {
            ["l", "delta"].iter().flat_map(|name| PARTIAL.map(|k| format!("{name}_{k}"))).collect()
        }
        Kind::ParticipationRatio => vec!["participation_ratio".into()],
        Kind::SpectralEntropy => vec!["spectral_entropy".into()],
        Kind::RankMe => vec!["rankme".into()],
        Kind::PowerLaw => ["head_slope", "head_r2", "tail_slope", "tail_r2"].map(str::to_owned).into(),
        Kind::WeightNorms => matrices(layout).map(|(name, _)| format!("norm.{name}")).collect(),
        Kind::FourierGini => ["gini_embed", "gini_unembed"].map(str::to_owned).into(),
        Kind::KeyFrequencies => {
            let each = (1..=KEY_FREQUENCIES).map(|i| format!("key_frequency_{i}"));
            ["key_frequencies".to_owned()].into_iter().chain(each).collect()
        }
        Kind::MatrixLar => linear_maps(layout).iter().map(|name| format!("lar.{name}")).collect(),
        Kind::AttentionEntropy => {
            let head = |l| move |h| format!("attention_entropy.blocks.{l}.head.{h}");
            (0..model.n_layers).flat_map(|l| (0..model.n_heads).map(head(l))).collect()
        }
        Kind::ClassDistance => ["within_class_distance", "between_class_distance", "class_distance_ratio"]
            .map(str::to_owned)
            .into(),
        Kind::FourierLoss => ["restricted_loss", "excluded_loss"].map(str::to_owned).into(),
        Kind::FourierGiniTokens => vec!["gini_embed_tokens".into()],
        Kind::JacobianSpectrum => jacobian::SPECTRUM.map(str::to_owned).into(),
        Kind::Alignment => jacobian::ALIGNMENTS.map(str::to_owned).into(),
    }
}

#[cfg(test)]
mod tests;
