//! Figures as SVG and PNG, from one drawing; docs/figures.md says what each shows.
//!
//! | figure | of the paper | |
//! |---|---|---|
//! | [`lar`] | 1a, 1b | LAR and accuracy, mean over seeds |
//! | [`spectra`] | 2, 21, 22 | p and q at the milestones |
//! | [`k95`] | 3 | k95 against k_pred |
//! | [`dip`] | 9 | the early dip of LAR against the batch size |
//! | [`seeds`] | 23, 24 | each seed by itself |
//! | [`agreement`] | – | RMSE of k95 against k_pred over training |
//! | [`frequencies`] | – | k95 against the key Fourier frequencies |
//! | [`matrices`] | – | LAR of every matrix |
//! | [`general`] | – | every column of runs of any kind |
//! | [`scale`] | – | a number at the end of runs against a setting |
//! | [`follows`] | – | one quantity against another over the steps of runs |
//! | [`lines`] | – | curves in panels of their own scales: spectra, numbers over a training |
//! | [`dots`] | – | numbers in rows beside their floors |
//! | [`series`] | – | checkpoints of anyone's training, for `groklab probe --series` |

pub mod agreement;
mod axes;
mod backend;
mod bins;
pub mod dip;
pub mod dots;
pub mod follows;
pub mod frequencies;
pub mod general;
mod grid;
pub mod k95;
pub mod lar;
mod legend;
pub mod lines;
mod looks;
pub mod matrices;
pub mod scale;
mod scene;
pub mod seeds;
pub mod series;
pub mod spectra;
pub(super) mod theme;
mod undrawn;

pub use backend::{FigureError, png, svg};
pub use scene::Scene;
pub use undrawn::Undrawn;

use std::collections::BTreeMap;

use crate::{
    analysis::{Group, Pool, RmseRow, UnembeddingFrequencies, paper::task_title, rmse_rows},
    store::{Diagnostics, SpectrumRow},
};

use super::tables::percent;

/// What figures need beyond the record of runs, by run id; a run without it is left out where it is needed.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// The rows of `spectra.csv`, until [`spectra::is_enough`].
    pub spectra: BTreeMap<String, Vec<SpectrumRow>>,
    /// Key frequencies of the final unembedding of runs of modular tasks.
    pub frequencies: BTreeMap<String, UnembeddingFrequencies>,
    /// The diagnostics of runs that recorded the LAR of every matrix.
    pub diagnostics: BTreeMap<String, Diagnostics>,
}

/// A figure of an experiment.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What it is called: the end of its files' names.
    pub name: &'static str,
    /// Its pages, at least one; or why there are none.
    pub pages: Result<Vec<Scene>, Undrawn>,
}

/// Every figure of the runs of an experiment, drawn or not. `pools` are these `groups`: what a figure puts together, it
/// puts together within a pool.
pub fn figures(groups: &[Group<'_>], pools: &[Pool<'_>], evidence: &Evidence) -> Vec<Figure> {
    let rmse = one_pool(pools);
    let figure = |name, pages| Figure { name, pages };
    vec![
        figure("lar", lar::pages(groups)),
        figure("seeds", seeds::pages(groups)),
        figure("spectra", spectra::pages(groups, &evidence.spectra)),
        figure("k95", k95::pages(groups, rmse.as_deref())),
        figure("dip", dip::pages(groups)),
        figure("rmse", agreement::pages(pools)),
        figure("frequencies", frequencies::pages(groups, rmse.is_some(), &evidence.frequencies)),
        figure("matrices", matrices::pages(groups, &evidence.diagnostics)),
    ]
}

/// The RMSE of all runs together; none where they are of several pools, and no number is theirs together.
pub(super) fn one_pool(pools: &[Pool<'_>]) -> Option<Vec<RmseRow>> {
    match pools {
        [] => Some(Vec::new()),
        [pool] => Some(rmse_rows("", pool)),
        _ => None,
    }
}

/// What stands in the place of an RMSE over several pools.
pub(super) const BY_SETTING: &str = "RMSE: by setting, in the table";

/// What tells a group from the others of its experiment, as a heading: task, and whatever else varies.
pub(super) fn title(group: &Group<'_>, groups: &[Group<'_>]) -> String {
    let mut parts = vec![task_title(&group.task).to_owned()];
    if groups.iter().any(|other| other.train_fraction != group.train_fraction) {
        parts.push(percent(group.train_fraction));
    }
    for setting in group.variant.split_whitespace() {
        // the last word of a dotted key says enough
        let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
        parts.push(format!("{} {value}", key.rsplit('.').next().unwrap_or(key).replace('_', " ")));
    }
    parts.join(", ")
}

pub(super) fn plural(runs: usize) -> String {
    if runs == 1 { "1 run".into() } else { format!("{runs} runs") }
}

#[cfg(test)]
mod tests;
