//! What an evaluation of a run on a binary operation records: one line a column, with everything there is to it.
//!
//! W is the unembedding, (m, n); X its inputs over the whole training set, (N, n); see [`crate::probe`] for formulas.

use super::engine::Evaluation;
use crate::{
    probe::Probe,
    run::{Column, Unit},
};

/// What the columns are made of.
pub(super) struct Measured<'a> {
    pub train: &'a Evaluation,
    pub val: &'a Evaluation,
    pub probe: &'a Probe,
    pub weight_norm: f64,
}

type Made = (Column, fn(&Measured) -> f64);

const fn column(name: &'static str, unit: Unit, about: &'static str, of: fn(&Measured) -> f64) -> Made {
    (Column { name, unit, about }, of)
}

fn count(count: Option<u32>) -> f64 {
    count.map_or(f64::NAN, f64::from)
}

use Unit::{Count, Nats, Number, Share};

const MADE: [Made; 21] = [
    column("train_loss", Nats, "mean cross-entropy over the training rows", |m| m.train.loss),
    column("val_loss", Nats, "mean cross-entropy over the validation rows", |m| m.val.loss),
    column("train_accuracy", Share, "share of training rows answered correctly", |m| m.train.accuracy),
    column("val_accuracy", Share, "share of validation rows answered correctly", |m| m.val.accuracy),
    column("lar", Number, "log-alignment ratio, from norms (arXiv 2605.28975, eq. 1)", |m| m.probe.lar),
    column(
        "lar_spectra",
        Number,
        "the same from the spectra: 1 + ½·log_n Σ p_i q_i; a check that travels with every row",
        |m| m.probe.lar_spectra,
    ),
    column("k_pred", Number, "predicted dimension n^(2(1−LAR))", |m| m.probe.k_pred),
    column(
        "k90",
        Count,
        "least number of principal components of X (centred) that hold 90 % of the variance",
        |m| count(m.probe.k90),
    ),
    column("k95", Count, "the same for 95 %", |m| count(m.probe.k95)),
    column("k99", Count, "the same for 99 %", |m| count(m.probe.k99)),
    column("p1", Share, "share of W's energy in its first right singular vector", |m| m.probe.p1),
    column("q1", Share, "share of X's energy along that vector", |m| m.probe.q1),
    column("l1", Number, "LAR of the first singular direction alone: 1 + ½·log_n(p₁q₁)", |m| {
        m.probe.l1
    }),
    column("sigma_p", Number, "standard deviation of p over its n entries", |m| m.probe.sigma_p),
    column("sigma_q", Number, "standard deviation of q over its n entries", |m| m.probe.sigma_q),
    column("pearson", Number, "Pearson correlation of p and q", |m| m.probe.pearson),
    column("spearman", Number, "Spearman rank correlation of p and q", |m| m.probe.spearman),
    column("stable_rank", Number, "‖W‖²_F / s₁²", |m| m.probe.stable_rank),
    column("effective_rank", Number, "exp(entropy of s/Σs) (Roy & Vetterli 2007)", |m| {
        m.probe.effective_rank
    }),
    column("weight_norm", Number, "Euclidean norm of all parameters together", |m| m.weight_norm),
    column("zero_loss_share", Share, "share of training rows whose loss is exactly zero in f32", |m| {
        m.train.zero_loss_share
    }),
];

/// The columns in order.
pub static COLUMNS: [Column; MADE.len()] = {
    let mut columns = [MADE[0].0; MADE.len()];
    let mut i = 0;
    while i < MADE.len() {
        columns[i] = MADE[i].0;
        i += 1;
    }
    columns
};

/// A number for each column.
pub(super) fn row(measured: &Measured) -> Vec<f64> {
    MADE.iter().map(|(_, of)| of(measured)).collect()
}
