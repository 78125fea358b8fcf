//! What `groklab probe` finds, written for people.

use super::outcome::{All, Layers, One, Series, Skipped, Weights};
use crate::{probe::Probe, tensors::shown};
use std::{collections::BTreeMap, fmt::Write as _};

pub(super) fn one(one: &One) -> String {
    let Weights { tensor, file, dtype, shape, layout, layout_from, .. } = &one.weights;
    let from = match *layout_from {
        "name" => "by its name",
        "width" => "by the width of the activations",
        "asked" => "as asked",
        _ => "a guess",
    };
    let mut text =
        format!("weights      {} {} {shape:?}, {layout} {from}, {file}\n", shown(tensor), shown(dtype));
    let files = one.activation_files.len();
    let files = if files == 1 { one.activation_files[0].clone() } else { format!("{files} files") };
    let _ = writeln!(text, "activations  {} rows of width {}, {files}", one.rows, one.width);
    let _ = writeln!(text, "method       {}", one.method);
    if let Some(resolution) = one.resolution {
        let _ =
            writeln!(text, "             singular values up to {resolution:.1e} of the largest count as 0");
    }
    notes(&mut text, &one.notes);
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
    text + &skipped(&one.skipped)
}

pub(super) fn all(all: &All) -> String {
    let head: Vec<String> = [
        "tensor",
        "shape",
        "dtype",
        "frobenius",
        "spectral",
        "stable_rank",
        "effective_rank",
        "alpha",
        "±",
        "x_min",
        "KS",
        "tail",
        "α̂",
        "spikes",
    ]
    .map(str::to_owned)
    .into();
    let shuffles = all.matrices.iter().any(|m| m.shuffled.is_some());
    let extra = ["above_shuffled", "distance"].map(str::to_owned);
    let head = head.into_iter().chain(extra.into_iter().filter(|_| shuffles)).collect();
    let rows = all.matrices.iter().map(|m| {
        let of_tail = |value: Option<f64>| value.map_or("–".to_owned(), number);
        let bound = if m.unresolved > 0 { "≥" } else { "" };
        let mut row = vec![
            shown(&m.tensor),
            format!("{:?}", m.shape),
            shown(&m.dtype),
            number(m.measures.frobenius_norm),
            number(m.measures.spectral_norm),
            number(m.measures.stable_rank),
            format!("{bound}{}", number(m.measures.effective_rank)),
            of_tail(m.tail.map(|t| t.alpha)),
            of_tail(m.tail.map(|t| t.alpha_error)),
            of_tail(m.tail.map(|t| t.x_min)),
            of_tail(m.tail.map(|t| t.ks)),
            m.tail.map_or("–".to_owned(), |t| t.tail.to_string()),
            of_tail(m.alpha_weighted),
            m.bulk.map_or("–".to_owned(), |b| b.spikes.to_string()),
        ];
        if shuffles {
            row.push(m.shuffled.map_or("–".to_owned(), |s| s.above.to_string()));
            row.push(of_tail(m.shuffled.map(|s| s.distance)));
        }
        row
    });
    let mut text = table(head, rows.collect());
    let remarks = all
        .matrices
        .iter()
        .flat_map(|m| m.notes.iter().chain(&m.no_tail).map(|note| (note.clone(), shown(&m.tensor))));
    text += &under_reasons("notes", remarks);
    methods(&mut text, all.matrices.iter().map(|m| (m.method, m.resolution)));
    text.push_str("alpha: power law of the eigenvalues' tail from x_min on, by maximum likelihood; KS: its distance from them\n");
    text + &skipped(&all.skipped)
}

pub(super) fn layers(layers: &Layers) -> String {
    let head = [
        "tensor",
        "rows",
        "width",
        "lar",
        "k_pred",
        "k95",
        "rankme",
        "particip.",
        "head_slope",
        "tail_slope",
    ];
    let count = |count: Option<u32>| count.map_or("–".to_owned(), |count| count.to_string());
    let rows = layers.layers.iter().map(|l| {
        let given = |value: Option<f64>| value.map_or("–".to_owned(), number);
        vec![
            shown(&l.tensor),
            l.rows.to_string(),
            l.width.to_string(),
            given(l.lar),
            given(l.k_pred),
            count(l.k95),
            number(l.rankme),
            number(l.participation_ratio),
            number(l.head_slope),
            number(l.tail_slope),
        ]
    });
    let mut text = table(head.map(str::to_owned).into(), rows.collect());
    let remarks =
        layers.layers.iter().flat_map(|l| l.notes.iter().map(|note| (note.clone(), shown(&l.tensor))));
    text += &under_reasons("notes", remarks);
    methods(&mut text, layers.layers.iter().filter_map(|l| Some((l.method?, l.resolution))));
    text + &skipped(&layers.skipped)
}

pub(super) fn series(series: &Series) -> String {
    let head = ["step", "tensor", "lar", "k_pred", "k95", "alpha", "stable_rank", "effective_rank", "spikes"];
    let given = |value: Option<f64>| value.map_or("–".to_owned(), number);
    let rows = series.steps.iter().map(|s| {
        vec![
            s.step.to_string(),
            shown(&s.tensor),
            given(s.lar),
            given(s.k_pred),
            s.k95.map_or("–".to_owned(), |k95| k95.to_string()),
            given(s.alpha),
            number(s.stable_rank),
            format!("{}{}", if s.unresolved > 0 { "≥" } else { "" }, number(s.effective_rank)),
            s.spikes.map_or("–".to_owned(), |spikes| spikes.to_string()),
        ]
    });
    let mut text = table(head.map(str::to_owned).into(), rows.collect());
    methods(&mut text, series.steps.iter().map(|s| (s.method, s.resolution)));
    if !series.notes.is_empty() {
        text.push('\n');
        notes(&mut text, &series.notes);
    }
    text
}

fn notes(text: &mut String, notes: &[String]) {
    for note in notes {
        let _ = writeln!(text, "note         {note}");
    }
}

/// How the singular values of a table were found, each way once with the coarsest of its resolutions.
fn methods(text: &mut String, used: impl Iterator<Item = (&'static str, Option<f64>)>) {
    let mut coarsest: BTreeMap<&str, f64> = BTreeMap::new();
    for (method, resolution) in used {
        let known = coarsest.entry(method).or_insert(0.0);
        *known = known.max(resolution.unwrap_or(0.0));
    }
    for (method, resolution) in coarsest {
        let resolved = match resolution {
            0.0 => String::new(),
            resolution => format!(", resolved down to {resolution:.1e} of the largest"),
        };
        let _ = writeln!(text, "\nsingular values: {method}{resolved}");
    }
}

/// The first column to the left, the others to the right.
fn table(head: Vec<String>, rows: Vec<Vec<String>>) -> String {
    let lines: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| {
        lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let mut row = String::new();
        for (i, (cell, &width)) in line.iter().zip(&widths).enumerate() {
            let _ = if i == 0 { write!(row, "{cell:<width$}") } else { write!(row, "  {cell:>width$}") };
        }
        let _ = writeln!(text, "{}", row.trim_end());
    }
    text
}

/// Every skipped tensor under its reason.
fn skipped(skipped: &[Skipped]) -> String {
    let reasons = skipped.iter().map(|one| (one.reason.clone(), shown(&one.tensor)));
    under_reasons(&format!("skipped: {}", skipped.len()), reasons)
}

/// Tensors under what is to be said of them; nothing if there is nothing to say.
fn under_reasons(title: &str, said: impl Iterator<Item = (String, String)>) -> String {
    let by_reason = by_reason(said);
    if by_reason.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{title}\n");
    for (reason, names) in by_reason {
        let _ = writeln!(text, "  {reason}: {}", names.join(", "));
    }
    text
}

pub(super) fn by_reason(said: impl Iterator<Item = (String, String)>) -> BTreeMap<String, Vec<String>> {
    let mut by_reason: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (reason, tensor) in said {
        by_reason.entry(reason).or_default().push(tensor);
    }
    by_reason
}

/// Five significant digits; counts as they are.
pub(super) fn number(value: f64) -> String {
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
