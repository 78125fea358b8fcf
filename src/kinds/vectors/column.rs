//! The columns of `metrics.csv`, each with how it is computed: to add one is to add its line.

use super::evaluation::Seen;
use crate::run::{Column, Unit};

/// How a column comes from an evaluation.
type Value = fn(&Seen) -> f64;

const fn column(name: &'static str, unit: Unit, about: &'static str, value: Value) -> (Column, Value) {
    (Column { name, unit, about }, value)
}

fn count(of: Option<u32>) -> f64 {
    of.map_or(f64::NAN, f64::from)
}

/// A column of the probe of the last layer.
macro_rules! last {
    ($field:ident, $about:literal) => {
        column(stringify!($field), Unit::Number, $about, |seen| seen.last.$field)
    };
    ($field:ident, count, $about:literal) => {
        column(stringify!($field), Unit::Count, $about, |seen| count(seen.last.$field))
    };
}

const TABLE: [(Column, Value); 34] = [
    column(
        "train_loss",
        Unit::Number,
        "mean loss of the training rows, without the Jacobian term: cross-entropy or logistic in nats, or squared error \
         over rows and outputs",
        |seen| seen.train.loss,
    ),
    column("val_loss", Unit::Number, "the same of the validation rows", |seen| seen.val.loss),
    column(
        "train_accuracy",
        Unit::Share,
        "share of training rows whose label has the largest output; with one output, the sign",
        |seen| seen.train.accuracy,
    ),
    column("val_accuracy", Unit::Share, "the same of the validation rows", |seen| seen.val.accuracy),
    column(
        "penalty",
        Unit::Number,
        "R = mean_i √max(C‖v_iᵀJ(x_i)‖², 1e-8) of the training rows, v_i fresh on the unit sphere, before λ and the level \
         (arXiv 2506.12284); computed where λ > 0 or `jacobian` is asked for",
        |seen| seen.penalty,
    ),
    column(
        "jacobian_norm",
        Unit::Number,
        "mean ‖J(x)‖_F over the first probe.jacobian_rows training rows; probe `jacobian`",
        |seen| seen.jacobian.map_or(f64::NAN, |jacobian| jacobian.norm),
    ),
    column(
        "jacobian_pc1",
        Unit::Share,
        "mean s₁²/Σ s_j² of the singular values of J(x), the same rows; probe `jacobian`",
        |seen| seen.jacobian.and_then(|jacobian| jacobian.first_share).unwrap_or(f64::NAN),
    ),
    column(
        "jacobian_align",
        Unit::Number,
        "mean |cos(v₁, x)|, v₁ the first right singular vector of J(x), the same rows; probe `jacobian`",
        |seen| seen.jacobian.and_then(|jacobian| jacobian.first_alignment).unwrap_or(f64::NAN),
    ),
    column(
        "centroid_align_train",
        Unit::Number,
        "mean cos(μ_x, x), μ_x = J(x)ᵀ1, of the first probe.rows training rows (arXiv 2506.12284). ⟨μ_x, x⟩ = Σ_c f_c(x) \
         without biases, which cross-entropy leaves free; with one output both classes' signs are mixed; probe `alignment`",
        |seen| seen.alignment(0, |alignment| alignment.centroid),
    ),
    column(
        "centroid_align_val",
        Unit::Number,
        "the same of the first probe.rows validation rows; probe `alignment`",
        |seen| seen.alignment(1, |alignment| alignment.centroid),
    ),
    column(
        "centroid_norm",
        Unit::Number,
        "mean ‖μ_x‖ of the first probe.rows training rows; probe `alignment`",
        |seen| seen.alignment(0, |alignment| Some(alignment.centroid_norm)),
    ),
    column(
        "class_align",
        Unit::Number,
        "mean cos(∇_x(f_y − mean_c f_c), x) of the first probe.rows training rows, with one output y·cos(∇_x f, x): the \
         part of centroid_align_train that the loss sees; own definition; probe `alignment`",
        |seen| seen.alignment(0, |alignment| alignment.class),
    ),
    column(
        "class_align_val",
        Unit::Number,
        "the same of the first probe.rows validation rows; probe `alignment`",
        |seen| seen.alignment(1, |alignment| alignment.class),
    ),
    column(
        "logit_sum",
        Unit::Number,
        "mean ⟨μ_x, x⟩ of the first probe.rows training rows: without biases the mean of Σ_c f_c(x); probe `alignment`",
        |seen| seen.alignment(0, |alignment| Some(alignment.logit_sum)),
    ),
    column(
        "neuron_cosine",
        Unit::Number,
        "mean over neurons of cos(w_j, mean input of the class of the neuron's largest outgoing weight, with one output of \
         its sign), two layers; probe `neurons` (arXiv 2602.00827)",
        |seen| seen.neurons.map_or(f64::NAN, |neurons| neurons.cosine),
    ),
    column(
        "neuron_angle",
        Unit::Number,
        "mean over neurons of the angle of that cosine, in radians; probe `neurons`",
        |seen| seen.neurons.map_or(f64::NAN, |neurons| neurons.angle),
    ),
    column(
        "moved",
        Unit::Number,
        "‖W₁ − W₁(0)‖_F / ‖W₁(0)‖_F of the first matrix; NaN if it began at zero",
        |seen| seen.moved,
    ),
    column(
        "lar",
        Unit::Number,
        "log-alignment ratio of the last matrix W, (C, n), and its inputs X over the training rows, \
         log_n(RMS(XWᵀ)/(RMS(W)·RMS(X))) (arXiv 2605.28975); it and the next 14 are NaN above n = 1,024",
        |seen| seen.last.lar,
    ),
    last!(lar_spectra, "the same from the spectra: 1 + ½·log_n Σ p_i q_i"),
    last!(k_pred, "predicted dimension n^(2(1 − LAR))"),
    last!(k90, count, "least number of principal components of X, centred, that hold 90 % of its variance"),
    last!(k95, count, "the same for 95 %"),
    last!(k99, count, "the same for 99 %"),
    last!(p1, "share of W's energy in its first right singular vector"),
    last!(q1, "share of X's energy along that vector"),
    last!(l1, "LAR of the first singular direction alone, 1 + ½·log_n(p₁q₁)"),
    last!(sigma_p, "standard deviation of p over its n entries"),
    last!(sigma_q, "standard deviation of q over its n entries"),
    last!(pearson, "Pearson correlation of p and q"),
    last!(spearman, "Spearman rank correlation of p and q"),
    last!(stable_rank, "‖W‖²_F / s₁²"),
    last!(effective_rank, "exp(entropy of s/Σs) (Roy & Vetterli 2007)"),
    column("weight_norm", Unit::Number, "Euclidean norm of all parameters together", |seen| seen.weight_norm),
    column(
        "zero_loss_share",
        Unit::Share,
        "share of training rows whose loss is exactly zero in f32",
        |seen| seen.train.zero_loss_share,
    ),
];

/// The columns, in order.
pub(super) static COLUMNS: [Column; TABLE.len()] = {
    let mut columns = [TABLE[0].0; TABLE.len()];
    let mut i = 0;
    while i < columns.len() {
        columns[i] = TABLE[i].0;
        i += 1;
    }
    columns
};

/// A value for each of them.
pub(super) fn values(seen: &Seen) -> Vec<f64> {
    TABLE.iter().map(|(_, value)| value(seen)).collect()
}
