//! The toy's runs: at which stage, with which batch and which learning rate, and what was logged of each.

use crate::analysis::general::{Run, Study};
use std::collections::BTreeMap;

/// The stages of arXiv 2605.05683 in their order.
pub const STAGES: [&str; 4] = ["baseline", "rope", "muon", "untied"];
/// Batch sizes of its table.
pub const BATCHES: [u64; 3] = [32, 128, 512];
/// The learning rates that it selected, by stage and batch.
const RATES: [[f64; 3]; 4] = [
    [6.0e-4, 1.697e-3, 3.394e-3],
    [6.0e-4, 2.4e-3, 6.787e-3],
    [4.24e-4, 1.697e-3, 2.4e-3],
    [6.0e-4, 1.2e-3, 1.697e-3],
];

/// A run of the toy.
#[derive(Clone)]
pub struct Toy<'a> {
    /// The run.
    pub run: &'a Run,
    /// A stage of [`STAGES`], or `muon` with what of the last stage it has: `muon + zero head`.
    pub stage: String,
    /// Sequences of a batch.
    pub batch: u64,
    /// The learning rate that its optimiser reads.
    pub rate: f64,
}

/// One logged evaluation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Logged {
    /// Its step.
    pub step: u64,
    /// Targets trained on so far.
    pub tokens: f64,
    /// Validation loss.
    pub loss: f64,
}

/// How the learning rate goes with the batch; all rules meet at 128.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// As selected by the authors.
    Authors,
    /// One for all.
    One,
    /// In proportion to √batch.
    Root,
}

impl Rule {
    /// All.
    pub const ALL: [Self; 3] = [Self::Authors, Self::One, Self::Root];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Authors => "the authors' rates",
            Self::One => "one rate",
            Self::Root => "rate ~ √B",
        }
    }

    /// The rate of a stage at a batch size; none where the authors selected none.
    pub fn rate(self, stage: &str, batch: u64) -> Option<f64> {
        let rates = RATES[STAGES.iter().position(|known| *known == stage)?];
        let at = |batch: u64| Some(rates[BATCHES.iter().position(|known| *known == batch)?]);
        match self {
            Self::Authors => at(batch),
            Self::One => at(128),
            Self::Root => Some(at(128)? * (batch as f64 / 128.0).sqrt()),
        }
    }
}

/// The runs of the toy in an experiment.
pub fn toys(study: &Study) -> Vec<Toy<'_>> {
    let toys = study.runs.iter().filter(|run| run.setting("model.architecture") == "lens");
    toys.filter_map(|run| {
        let is_muon = run.setting("optim.name") == "muon";
        let rate = if is_muon { "optim.muon.learning_rate" } else { "optim.learning_rate" };
        let (batch, rate) = (run.number("data.batch_size")? as u64, run.number(rate)?);
        Some(Toy { run, stage: stage(run, is_muon), batch, rate })
    })
    .collect()
}

fn stage(run: &Run, is_muon: bool) -> String {
    let is = |key: &str| run.setting(key) == "true";
    let own = !is("model.tied");
    let (zero, normalised) = (own && is("model.zero_head"), is("model.normalised_embedding"));
    let base = match (is("model.rotary"), is_muon) {
        (false, false) => "baseline",
        (true, false) => "rope",
        (true, true) => "muon",
        (false, true) => "baseline + muon",
    };
    if base == "muon" && zero && normalised {
        return "untied".to_owned();
    }
    let head = if zero { Some("zero head") } else { own.then_some("own head") };
    let parts = [Some(base), head, normalised.then_some("normalised embedding")];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" + ")
}

/// What was logged of a run after its first step, where the loss is a number.
pub fn logged(run: &Run) -> Vec<Logged> {
    let tokens: BTreeMap<u64, f64> =
        run.curve.column("tokens").into_iter().flatten().map(|(mark, value)| (mark.step, value)).collect();
    let losses = run.curve.column("val_loss").into_iter().flatten();
    let after = losses.filter(|(mark, loss)| mark.step > 0 && loss.is_finite());
    after
        .filter_map(|(mark, loss)| Some(Logged { step: mark.step, tokens: *tokens.get(&mark.step)?, loss }))
        .collect()
}

/// The eigenvalues of the activations' covariance at a step; empty where they were not recorded.
pub fn spectrum(run: &Run, step: u64) -> Vec<f64> {
    run.diagnostic_family(step, "activation.eigenvalue.")
}

/// Targets trained on when the validation loss first came to `loss`, between two evaluations in proportion; none of a run
/// that did not get there.
pub fn tokens_to(run: &Run, loss: f64) -> Option<f64> {
    let logged = logged(run);
    let at = logged.iter().position(|row| row.loss <= loss)?;
    let here = logged[at];
    Some(match at.checked_sub(1).map(|before| logged[before]) {
        Some(before) if before.loss > here.loss => {
            here.tokens + (loss - here.loss) / (before.loss - here.loss) * (before.tokens - here.tokens)
        }
        _ => here.tokens,
    })
}

/// The runs of a stage and batch under a rule for the rate.
pub fn at<'t, 'a>(toys: &'t [Toy<'a>], stage: &str, batch: u64, rule: Rule) -> Vec<&'t Toy<'a>> {
    let Some(rate) = rule.rate(stage, batch) else { return Vec::new() };
    let is_there =
        |toy: &&Toy| toy.stage == stage && toy.batch == batch && (toy.rate / rate - 1.0).abs() < 5e-3;
    toys.iter().filter(is_there).collect()
}

/// Those of two sets with the same seed.
pub fn same_seed<'t, 'a>(a: &[&'t Toy<'a>], b: &[&'t Toy<'a>]) -> Vec<(&'t Toy<'a>, &'t Toy<'a>)> {
    let seeded = |toy: &Toy| toy.run.seed();
    a.iter().filter_map(|a| Some((*a, *b.iter().find(|b| seeded(b) == seeded(a))?))).collect()
}
