//! What happens to transformers on modular addition while they grok, without and with the term.

use super::is_frozen;
use crate::{
    analysis::general::Run,
    render::figure::{
        Figure,
        lines::{Axes, Panel, page},
    },
    studies::contrast::{Series, mean},
};
use std::collections::BTreeSet;

/// A column of the metrics or of the diagnostics, and what it is called.
const COLUMNS: [(&str, &str); 6] = [
    ("val_accuracy", "validation accuracy"),
    ("jacobian_norm", "norm of J at 64 training rows"),
    ("gini_unembed", "Gini of W over the residues"),
    ("gini_embed", "Gini of E over the residues"),
    ("class_align", "class by class: class_align"),
    ("centroid_align_train", "centroids: centroid_align_train"),
];

/// A panel a column, a curve for each embedding and strength; none of networks that have no embedding.
pub(super) fn figure(series: &[Series]) -> Option<Figure> {
    let arms: Vec<(String, &Vec<&Run>)> = series
        .iter()
        .filter(|series| is_frozen(series).is_some())
        .flat_map(|series| {
            series.arms.iter().map(|(value, runs)| (series.named(&format!("λ {value}")), runs))
        })
        .collect();
    let panel = |(column, title): (&str, &str)| Panel {
        title: title.to_owned(),
        remark: "mean over seeds".into(),
        curves: arms.iter().map(|(name, runs)| (name.clone(), course(runs, column))).collect(),
    };
    let axes = Axes { x: "epoch", y: "", is_log: (true, false) };
    (!arms.is_empty()).then(|| Figure { name: "transformer", pages: page(&COLUMNS.map(panel), axes) })
}

/// A column over the epochs at which all of these runs were evaluated that were still trained, mean over them.
pub(in crate::studies) fn course(runs: &[&Run], column: &str) -> Vec<(f64, f64)> {
    let epochs: BTreeSet<u64> =
        runs.iter().flat_map(|run| run.curve.iter().map(|row| row.mark.epoch)).collect();
    let value = |run: &Run, epoch: u64| {
        let metric = run.curve.columns().iter().position(|name| name == column);
        match metric {
            Some(i) => run.curve.at(epoch).map(|row| row.values[i]).filter(|value| value.is_finite()),
            None => run.diagnostic_at(epoch, column),
        }
    };
    let point = |epoch: u64| {
        let still = runs.iter().filter(|run| run.manifest.epochs >= epoch);
        let values: Option<Vec<f64>> = still.map(|run| value(run, epoch)).collect();
        Some((epoch as f64, mean(values?)?))
    };
    epochs.into_iter().filter_map(point).collect()
}
