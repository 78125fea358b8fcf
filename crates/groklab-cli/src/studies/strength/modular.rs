//! The output scale on modular addition with AdamW, which takes c out of the size of a step: own question.

use super::SCALE;
use crate::{
    analysis::{
        claims::{Claim, Range, Sample, judge},
        general::{FINAL, Run, Setting, Study, median},
    },
    render::table::{Align, Table},
    store::RunState,
    studies::contrast::{Series, pairs, series},
};

/// Milestones of binary operations.
const MEMORIZED: &str = "memorized";
pub(super) const GROKKED: &str = "grokked";

/// Epochs to grokking, and whether it got there: of a run that did not, those it was given. None of a run on its way.
fn epochs(run: &Run) -> Option<(f64, bool)> {
    match run.mark(GROKKED) {
        Some(mark) => Some((mark.epoch.max(1) as f64, true)),
        None if run.manifest.state == RunState::Finished => Some((run.manifest.epochs.max(1) as f64, false)),
        None => None,
    }
}

/// ln(epochs at the greater scale / at the smaller one), seed by seed, where one of them grokked.
fn ratios(series: &Series, greater: &[&Run], smaller: &[&Run]) -> Vec<Sample> {
    let ratio = |(greater, smaller): (&Run, &Run)| {
        let ((a, a_got), (b, b_got)) = (epochs(greater)?, epochs(smaller)?);
        (a_got || b_got).then(|| Sample { group: series.group(), value: (a / b).ln() })
    };
    pairs(greater, smaller).into_iter().filter_map(ratio).collect()
}

/// Whether the smaller of two output scales groks sooner: the least of the grid against 1, and 1 against the greatest.
pub(super) fn sooner(series: &[Series]) -> Claim {
    let mut parts = Vec::new();
    for series in series.iter().filter(|series| is_modular(series)) {
        let (Some((least, _)), Some((most, _))) = (series.arms.first(), series.arms.last()) else { continue };
        for (greater, smaller) in [(1.0, *least), (*most, 1.0)] {
            let what = series.named(&format!("ln(epochs to grokking, c = {greater} / c = {smaller})"));
            let ratios = ratios(series, series.arm(greater), series.arm(smaller));
            if greater > smaller && !ratios.is_empty() {
                parts.push(judge(&what, Range::Above(0.0), ratios));
            }
        }
    }
    let claim = "on modular addition with AdamW the smaller output scale groks sooner";
    Claim::new("fls-modular-sooner", claim, "own", parts)
}

fn is_modular(series: &Series) -> bool {
    series.arms.iter().flat_map(|(_, runs)| runs).any(|run| run.mark(GROKKED).is_some())
}

/// When runs memorized and grokked at each output scale, and LAR there and at the end.
pub(super) fn tables(study: &Study) -> Vec<Table> {
    let series = series(study, SCALE);
    if !series.iter().any(is_modular) {
        return Vec::new();
    }
    let columns = ["setting", "runs", "memorized", "grokked", "LAR memorized", "LAR grokked", "LAR final"];
    let align = |i: usize| if i == 0 { Align::Left } else { Align::Right };
    let columns = columns.iter().enumerate().map(|(i, name)| ((*name).to_owned(), align(i))).collect();
    let settings = study.settings();
    let rows = settings.iter().map(|setting| {
        let mut row = vec![setting.label.clone(), setting.runs.len().to_string()];
        row.extend([MEMORIZED, GROKKED].map(|mark| reached(setting, mark)));
        row.extend([MEMORIZED, GROKKED, FINAL].map(|mark| lar(setting, mark)));
        row
    });
    let notes = vec![
        "milestones: runs that met them, and their median epoch; LAR: that of W x, without c, median of the runs that got there"
            .to_owned(),
    ];
    vec![Table {
        title: format!("{}: grokking over the output scale", study.name),
        columns,
        rows: rows.collect(),
        notes,
    }]
}

fn reached(setting: &Setting, mark: &str) -> String {
    let epochs: Vec<f64> =
        setting.runs.iter().filter_map(|run| run.mark(mark)).map(|mark| mark.epoch as f64).collect();
    let all = setting.runs.len();
    if epochs.is_empty() {
        format!("0/{all}")
    } else {
        format!("{}/{all} @ {}", epochs.len(), median(&epochs))
    }
}

fn lar(setting: &Setting, mark: &str) -> String {
    let values = setting.values(mark, "lar");
    if values.is_empty() { "–".to_owned() } else { format!("{:.3}", median(&values)) }
}
