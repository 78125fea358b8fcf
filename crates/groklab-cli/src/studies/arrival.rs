//! When runs came to a milestone: ratios of two sets of runs, and a table of all settings. A run that did not get there counts
//! with the epochs it was given, which are too few.

use crate::{
    analysis::{
        claims::Sample,
        general::{FINAL, Run, Setting, Study, median},
    },
    render::table::{Align, Table},
    store::RunState,
    studies::contrast::pairs,
};

/// Milestones of binary operations.
pub(super) const MEMORIZED: &str = "memorized";
pub(super) const GROKKED: &str = "grokked";

/// Epochs to a milestone, and whether the run got there; those of a run that did not are at least the epochs it was given.
/// None of a run that is still on its way there.
pub(super) fn epochs(run: &Run, to: &str) -> Option<(f64, bool)> {
    match run.mark(to) {
        Some(mark) => Some((mark.epoch.max(1) as f64, true)),
        None if run.manifest.state == RunState::Finished => Some((run.manifest.epochs.max(1) as f64, false)),
        None => None,
    }
}

/// ln(epochs to a milestone of `a` / of `b`) of each pair of seeds of which one got there.
pub(super) fn log_ratios(to: &str, a: &[&Run], b: &[&Run], group: &str) -> Vec<Sample> {
    let ratio = |(a, b): (&Run, &Run)| {
        let ((a, a_got), (b, b_got)) = (epochs(a, to)?, epochs(b, to)?);
        (a_got || b_got).then(|| Sample { group: group.to_owned(), value: (a / b).ln() })
    };
    pairs(a, b).into_iter().filter_map(ratio).collect()
}

/// When the runs of each setting memorized and grokked, LAR there, and what they end with.
pub(super) fn table(study: &Study, title: &str) -> Table {
    let columns = [
        "setting",
        "runs",
        "memorized",
        "grokked",
        "LAR memorized",
        "LAR grokked",
        "LAR final",
        "val_accuracy final",
        "k95 final",
    ];
    let align = |i: usize| if i == 0 { Align::Left } else { Align::Right };
    let columns = columns.iter().enumerate().map(|(i, name)| ((*name).to_owned(), align(i))).collect();
    let settings = study.settings();
    let rows = settings.iter().map(|setting| {
        let mut row = vec![setting.label.clone(), setting.runs.len().to_string()];
        row.extend([MEMORIZED, GROKKED].map(|mark| reached(setting, mark)));
        row.extend([MEMORIZED, GROKKED, FINAL].map(|mark| value(setting, mark, "lar", 3)));
        row.extend([("val_accuracy", 3), ("k95", 0)].map(|(column, d)| value(setting, FINAL, column, d)));
        row
    });
    let notes = vec![
        "milestones: runs that met them, and their median epoch; numbers: median of the runs that got there; LAR: that of W x"
            .to_owned(),
    ];
    Table { title: format!("{}: {title}", study.name), columns, rows: rows.collect(), notes }
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

fn value(setting: &Setting, mark: &str, column: &str, digits: usize) -> String {
    let values = setting.values(mark, column);
    if values.is_empty() { "–".to_owned() } else { format!("{:.digits$}", median(&values)) }
}
