//! The columns of `metrics.csv`: one table of what they are and how they are computed.

use super::measure::Measured;
use crate::run::{Column, Unit};
use groklab_probe::partial_lar;
use std::sync::LazyLock;

/// An evaluation: what was measured, and what the run knows besides.
pub struct Evaluation {
    /// By forward passes.
    pub measured: Measured,
    /// Mean over the batches since the last evaluation.
    pub train_loss: f64,
    /// The same of the norms of their gradients.
    pub grad_norm: f64,
    /// Entropy of the language given its topic, nats; NaN of a text.
    pub floor: f64,
    /// Euclidean norm of all parameters.
    pub weight_norm: f64,
    /// Of the last step.
    pub learning_rate: f64,
    /// Targets so far.
    pub tokens: f64,
}

impl Evaluation {
    fn partial(&self, k: usize) -> f64 {
        self.measured.spectra.as_ref().map_or(f64::NAN, |spectra| partial_lar(&spectra.p, &spectra.q, k))
    }

    /// First over second.
    fn ratio(&self, of: fn(&groklab_probe::Spectra) -> &[f64]) -> f64 {
        match self.measured.spectra.as_ref().map(of) {
            Some([first, second, ..]) => first / second,
            _ => f64::NAN,
        }
    }
}

type Entry = (Column, fn(&Evaluation) -> f64);

const fn column(name: &'static str, unit: Unit, about: &'static str) -> Column {
    Column { name, unit, about }
}

fn count(count: Option<u32>) -> f64 {
    count.map_or(f64::NAN, f64::from)
}

/// Name, unit, definition and value of each column. W is the unembedding, (V, d), X its inputs at every position of
/// the training tokens of the pool, n = d; p, q and s as in `groklab_probe`.
static TABLE: [Entry; 31] = [
    (
        column(
            "tokens",
            Unit::Count,
            "targets trained on so far, steps · batch_size · n_ctx; those that come again count again",
        ),
        |e| e.tokens,
    ),
    (
        column(
            "train_loss",
            Unit::Nats,
            "mean cross-entropy of the batches since the last evaluation, each before its step; \
             at step 0 over the sequences of `lar`",
        ),
        |e| e.train_loss,
    ),
    (column("val_loss", Unit::Nats, "mean cross-entropy over the held-out sequences"), |e| {
        e.measured.val_loss
    }),
    (
        column(
            "val_excess",
            Unit::Nats,
            "val_loss − H, H the entropy of the language given its hidden topic, below which no model comes; NaN of a text",
        ),
        |e| e.measured.val_loss - e.floor,
    ),
    (
        column(
            "lar",
            Unit::Number,
            "log-alignment ratio log_n( RMS(X Wᵀ) / (RMS(W)·RMS(X)) ) (arXiv 2605.28975, eq. 1); X over the \
             last batches that hold probe.tokens tokens, as the model sees them now; before there are so many, over the first \
             batches, of which some are yet to come",
        ),
        |e| e.measured.probe.lar,
    ),
    (column("lar_val", Unit::Number, "the same over the held-out sequences"), |e| e.measured.lar_val),
    (
        column(
            "lar_spectra",
            Unit::Number,
            "lar from the spectra, 1 + ½·log_n Σ p_i q_i: a check that travels with every row",
        ),
        |e| e.measured.probe.lar_spectra,
    ),
    (column("k_pred", Unit::Number, "predicted dimension n^(2(1−LAR))"), |e| e.measured.probe.k_pred),
    (
        column(
            "k90",
            Unit::Count,
            "least number of principal components of X (centred) that hold 90 % of the variance",
        ),
        |e| count(e.measured.probe.k90),
    ),
    (column("k95", Unit::Count, "the same for 95 %"), |e| count(e.measured.probe.k95)),
    (column("k99", Unit::Count, "the same for 99 %"), |e| count(e.measured.probe.k99)),
    (column("p1", Unit::Share, "share of W's energy in its first right singular vector"), |e| {
        e.measured.probe.p1
    }),
    (column("q1", Unit::Share, "share of X's energy along that vector"), |e| e.measured.probe.q1),
    (
        column(
            "l1",
            Unit::Number,
            "LAR of the first singular direction alone, L₁ = 1 + ½·log_n(p₁q₁) (arXiv 2605.28975)",
        ),
        |e| e.measured.probe.l1,
    ),
    (column("l_3", Unit::Number, "L₃ = 1 + ½·log_n Σ_{i≤3} p_i q_i"), |e| e.partial(3)),
    (column("l_10", Unit::Number, "L₁₀ = 1 + ½·log_n Σ_{i≤10} p_i q_i"), |e| e.partial(10)),
    (
        column("delta_1", Unit::Number, "Δ₁ = LAR − L₁, of lar_spectra: what the other directions add"),
        |e| e.measured.probe.lar_spectra - e.measured.probe.l1,
    ),
    (column("s1_over_s2", Unit::Number, "s₁/s₂, the gap of W's singular values"), |e| {
        e.ratio(|s| &s.singular_values)
    }),
    (column("q1_over_q2", Unit::Number, "q₁/q₂"), |e| e.ratio(|s| &s.q)),
    (column("sigma_p", Unit::Number, "standard deviation of p over its n entries"), |e| {
        e.measured.probe.sigma_p
    }),
    (column("sigma_q", Unit::Number, "standard deviation of q over its n entries"), |e| {
        e.measured.probe.sigma_q
    }),
    (column("pearson", Unit::Number, "Pearson correlation of p and q"), |e| e.measured.probe.pearson),
    (column("spearman", Unit::Number, "Spearman rank correlation of p and q"), |e| e.measured.probe.spearman),
    (column("stable_rank", Unit::Number, "‖W‖²_F / s₁²"), |e| e.measured.probe.stable_rank),
    (column("effective_rank", Unit::Number, "exp(entropy of s/Σs) (Roy & Vetterli 2007)"), |e| {
        e.measured.probe.effective_rank
    }),
    (column("weight_norm", Unit::Number, "Euclidean norm of all parameters together"), |e| e.weight_norm),
    (
        column(
            "activation_rms",
            Unit::Number,
            "RMS(X): root mean square of the entries of the unembedding's inputs",
        ),
        |e| e.measured.activation_rms,
    ),
    (
        column(
            "grad_norm",
            Unit::Number,
            "mean over the batches since the last evaluation of the Euclidean norm of all gradients, before they are clipped; \
             NaN before the first step",
        ),
        |e| e.grad_norm,
    ),
    (column("learning_rate", Unit::Number, "rate of the last step; at step 0 that of the first"), |e| {
        e.learning_rate
    }),
    (
        column(
            "pool_loss",
            Unit::Nats,
            "mean cross-entropy over the sequences of `lar`, under the parameters of this row",
        ),
        |e| e.measured.pool_loss,
    ),
    (column("gap", Unit::Nats, "generalisation gap val_loss − train_loss"), |e| {
        e.measured.val_loss - e.train_loss
    }),
];

/// The columns.
pub fn columns() -> &'static [Column] {
    static COLUMNS: LazyLock<Vec<Column>> =
        LazyLock::new(|| TABLE.iter().map(|(column, _)| *column).collect());
    &COLUMNS
}

/// A value for each.
pub fn values(evaluation: &Evaluation) -> Vec<f64> {
    TABLE.iter().map(|(_, value)| value(evaluation)).collect()
}
