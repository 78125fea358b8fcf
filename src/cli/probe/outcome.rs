//! What `groklab probe` finds, and how it is written for people.

use crate::probe::{Probe, Spectra, WeightMeasures};
use serde::Serialize;
use std::{collections::BTreeMap, fmt::Write as _};

#[derive(Serialize)]
pub(super) struct Weights {
    pub(super) tensor: String,
    pub(super) file: String,
    pub(super) dtype: String,
    pub(super) shape: Vec<usize>,
    pub(super) transposed: bool,
    pub(super) tied: bool,
    /// What to know about a tensor that nobody named.
    #[serde(skip)]
    pub(super) remark: Option<&'static str>,
}

#[derive(Serialize)]
pub(super) struct Skipped {
    pub(super) tensor: String,
    pub(super) file: String,
    pub(super) reason: String,
}

#[derive(Serialize)]
pub(super) struct One {
    pub(super) weights: Weights,
    pub(super) method: &'static str,
    /// Singular values at or below this share of the largest are given as 0.
    pub(super) resolution: Option<f64>,
    pub(super) activation_files: Vec<String>,
    pub(super) rows: u64,
    pub(super) width: usize,
    pub(super) probe: Probe,
    pub(super) skipped: Vec<Skipped>,
}

#[derive(Serialize)]
pub(super) struct Measured {
    pub(super) tensor: String,
    pub(super) file: String,
    pub(super) dtype: String,
    pub(super) shape: Vec<usize>,
    pub(super) method: &'static str,
    #[serde(flatten)]
    pub(super) measures: WeightMeasures,
}

#[derive(Serialize)]
pub(super) struct All {
    pub(super) matrices: Vec<Measured>,
    pub(super) skipped: Vec<Skipped>,
}

pub(super) fn one_text(one: &One) -> String {
    let Weights { tensor, file, dtype, shape, transposed, remark, .. } = &one.weights;
    let layout = if *transposed { ", read as (width, outputs)" } else { "" };
    let mut text = format!("weights      {tensor} {dtype} {shape:?}{layout}, {file}\n");
    if let Some(remark) = remark {
        let _ = writeln!(text, "             {remark}");
    }
    let files = one.activation_files.len();
    let files = if files == 1 { one.activation_files[0].clone() } else { format!("{files} files") };
    let _ = writeln!(text, "activations  {} rows of width {}, {files}", one.rows, one.width);
    let _ = writeln!(text, "method       {}", one.method);
    if let Some(resolution) = one.resolution {
        let _ =
            writeln!(text, "             singular values up to {resolution:.1e} of the largest count as 0");
    }
    let Probe {
        lar,
        lar_spectra,
        k_pred,
        k90,
        k95,
        k99,
        p1,
        q1,
        l1,
        sigma_p,
        sigma_q,
        pearson,
        spearman,
        stable_rank,
        effective_rank,
        ..
    } = one.probe;
    let count = |count: Option<u32>| count.map_or(f64::NAN, f64::from);
    text.push('\n');
    let mut line = |name: &str, value: f64, means: &str| {
        let _ = writeln!(text, "{name:<14}  {:>10}  {means}", number(value));
    };
    line("lar", lar, "log-alignment ratio: ½ no alignment, 1 one shared direction");
    line("lar_spectra", lar_spectra, "the same from p and q: a check");
    line("k_pred", k_pred, "dimension it predicts, n^(2(1 − LAR))");
    line("k90", count(k90), "principal components that hold 90 % of the variance of X");
    line("k95", count(k95), "… 95 %");
    line("k99", count(k99), "… 99 %");
    line("p1", p1, "share of W's energy in its first singular direction");
    line("q1", q1, "share of X's energy along that direction");
    line("l1", l1, "LAR of that direction alone");
    line("sigma_p", sigma_p, "spread of W's energy over the directions");
    line("sigma_q", sigma_q, "spread of X's energy over them");
    line("pearson", pearson, "correlation of p and q");
    line("spearman", spearman, "rank correlation of p and q");
    line("stable_rank", stable_rank, "‖W‖²_F / s₁²");
    line("effective_rank", effective_rank, "exp of the entropy of s / Σ s");
    text + &skipped_text(&one.skipped)
}

pub(super) fn all_text(all: &All) -> String {
    let width = all.matrices.iter().map(|m| m.tensor.chars().count()).max().unwrap_or(0).max(6);
    let mut text = format!(
        "{:width$}  {:>15}  {:>5}  {:>10}  {:>10}  {:>10}  {:>11}  {:>14}\n",
        "tensor", "shape", "dtype", "frobenius", "spectral", "p1", "stable_rank", "effective_rank"
    );
    for m in &all.matrices {
        let WeightMeasures { frobenius_norm, spectral_norm, p1, stable_rank, effective_rank, .. } =
            m.measures;
        let _ = writeln!(
            text,
            "{:width$}  {:>15}  {:>5}  {:>10}  {:>10}  {:>10}  {:>11}  {:>14}",
            m.tensor,
            format!("{:?}", m.shape),
            m.dtype,
            number(frobenius_norm),
            number(spectral_norm),
            number(p1),
            number(stable_rank),
            number(effective_rank)
        );
    }
    text + &skipped_text(&all.skipped)
}

/// Every skipped tensor under its reason.
fn skipped_text(skipped: &[Skipped]) -> String {
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for one in skipped {
        by_reason.entry(&one.reason).or_default().push(&one.tensor);
    }
    let mut text = String::new();
    if !skipped.is_empty() {
        let _ = writeln!(text, "\nskipped: {}", skipped.len());
    }
    for (reason, names) in by_reason {
        let _ = writeln!(text, "  {reason}: {}", names.join(", "));
    }
    text
}

/// Five significant digits; counts as they are.
fn number(value: f64) -> String {
    let magnitude = value.abs();
    if value.fract() == 0.0 && magnitude < 1e9 {
        format!("{value:.0}")
    } else if (1e-3..1e6).contains(&magnitude) {
        let before = magnitude.log10().floor().max(-1.0) as usize;
        format!("{value:.*}", if magnitude < 1.0 { 5 } else { 4usize.saturating_sub(before) })
    } else {
        format!("{value:.4e}")
    }
}

/// One row a direction; `singular_value` is empty beyond min(m, n).
pub(super) fn spectra_csv(spectra: &Spectra) -> String {
    let mut text = String::from("i,singular_value,p,q,covariance_eigenvalue\n");
    for i in 0..spectra.p.len() {
        let s = spectra.singular_values.get(i).map(f64::to_string).unwrap_or_default();
        let (p, q, variance) = (spectra.p[i], spectra.q[i], spectra.covariance_eigenvalues[i]);
        let _ = writeln!(text, "{},{s},{p},{q},{variance}", i + 1);
    }
    text
}
