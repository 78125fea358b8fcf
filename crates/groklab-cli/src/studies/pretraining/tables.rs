//! The tables of arXiv 2605.28975 §5: how fast LAR declines, the gaps of the spectra; and what else follows the gap.

use super::{OVERFIT, RIVALS, TOKENS, alarm, column, correlation, flagged, peak, seeds, slope, stop};
use crate::{
    analysis::general::{Run, Setting, Study, median},
    render::table::{Align, Table, decimals},
    studies::contrast::{mean, series},
};

/// Parts of a training over which a decline is measured; the first, rise and peak, is left out.
const WINDOWS: u64 = 8;
/// Percent of the training at which spectra are compared.
const CHECKPOINTS: [u64; 5] = [20, 40, 60, 80, 99];

/// Those that the runs have something for.
pub(super) fn tables(study: &Study) -> Vec<Table> {
    let all = [rates(study), gaps(study), rivals(study), leads(study), stop::table(study)];
    all.into_iter().filter(|table| !table.rows.is_empty()).collect()
}

fn heads(first: &[&str], rest: impl Iterator<Item = String>) -> Vec<(String, Align)> {
    let words = first.iter().map(|head| ((*head).to_owned(), Align::Left));
    words.chain(rest.map(|head| (head, Align::Right))).collect()
}

fn label(setting: &Setting<'_>) -> String {
    if setting.label.is_empty() { "all".to_owned() } else { setting.label.clone() }
}

/// Mean over the runs that have it.
fn finite_mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    mean(values.filter(|value| value.is_finite()))
}

fn shown(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| decimals(value, digits))
}

/// −slope of LAR per 100 steps within window `i` of [`WINDOWS`].
fn decline(run: &Run, i: u64) -> Option<f64> {
    let lar = column(run, "lar");
    let last = *lar.keys().last()?;
    let within =
        lar.iter().filter(|(step, _)| **step * WINDOWS > i * last && **step * WINDOWS <= (i + 1) * last);
    Some(-100.0 * slope(&within.map(|(step, value)| (*step as f64, *value)).collect::<Vec<_>>())?)
}

fn rates(study: &Study) -> Table {
    let windows = (1..WINDOWS).map(|i| format!("{}–{} %", 100 * i / WINDOWS, 100 * (i + 1) / WINDOWS));
    let columns = heads(&["setting"], windows.chain(["peak at step", "overfit at step"].map(str::to_owned)));
    let settings = study.settings();
    let rows = settings.iter().map(|setting| {
        let mut row = vec![label(setting)];
        row.extend(
            (1..WINDOWS)
                .map(|i| shown(finite_mean(setting.runs.iter().filter_map(|run| decline(run, i))), 3)),
        );
        let peaks: Vec<f64> = setting.runs.iter().filter_map(|run| Some(peak(run)?.0 as f64)).collect();
        let flags: Vec<f64> =
            setting.runs.iter().filter_map(|run| Some(run.mark(OVERFIT)?.epoch as f64)).collect();
        row.push(shown((!peaks.is_empty()).then(|| median(&peaks)), 0));
        row.push(if flags.is_empty() {
            "–".to_owned()
        } else {
            format!("{:.0} ({}/{})", median(&flags), flags.len(), setting.runs.len())
        });
        row
    });
    Table {
        title: format!("{}: decline of LAR per 100 steps, by eighths of the training", study.name),
        columns,
        rows: rows.collect(),
        notes: vec![
            "−slope of LAR by least squares within the window, mean over seeds; the first eighth, rise and peak, is left out (the paper's Table 2).".into(),
            "peak: greatest LAR of the first quarter; overfit: validation loss 2 % above its least, median of the runs that got there.".into(),
        ],
    }
}

fn gaps(study: &Study) -> Table {
    let names = ["s1_over_s2", "q1_over_q2"];
    let columns = names.iter().flat_map(|name| {
        let short = if *name == "s1_over_s2" { "s₁/s₂" } else { "q₁/q₂" };
        CHECKPOINTS.iter().map(move |percent| format!("{short} {percent} %"))
    });
    let settings = study.settings();
    let rows = settings.iter().map(|setting| {
        let mut row = vec![label(setting)];
        for name in names {
            for percent in CHECKPOINTS {
                let at = |run: &&Run| {
                    let values = column(run, name);
                    let last = *values.keys().last()?;
                    // the last evaluation that is not after it
                    values.range(..=percent * last / 100).next_back().map(|(_, value)| *value)
                };
                row.push(shown(finite_mean(setting.runs.iter().filter_map(at)), 2));
            }
        }
        row
    });
    Table {
        title: format!("{}: gaps of the spectra over the training, mean over seeds", study.name),
        columns: heads(&["setting"], columns),
        rows: rows.collect(),
        notes: vec!["s: singular values of the unembedding; q: energy of its inputs along its right singular vectors, in the order of s (the paper's Tables 3 and 4).".into()],
    }
}

fn rivals(study: &Study) -> Table {
    let names = ["lar", "l1", "q1", "p1"].into_iter().chain(RIVALS);
    let rows = series(study, TOKENS).into_iter().flat_map(|series| {
        let seeds = seeds(&series);
        let names = names.clone();
        names
            .map(move |name| {
                let rho: Vec<f64> =
                    seeds.iter().filter_map(|seed| correlation(&series, seed, name)).collect();
                let range = |fold: fn(f64, f64) -> f64| rho.iter().copied().reduce(fold);
                let least = shown(range(f64::min), 3);
                vec![
                    series.group(),
                    name.to_owned(),
                    shown((!rho.is_empty()).then(|| median(&rho)), 3),
                    least,
                    shown(range(f64::max), 3),
                    rho.len().to_string(),
                ]
            })
            .collect::<Vec<_>>()
    });
    Table {
        title: format!("{}: what follows the generalisation gap, against the baseline with fresh text", study.name),
        columns: heads(&["runs", "column"], ["Spearman, median", "least", "greatest", "seeds"].map(str::to_owned).into_iter()),
        rows: rows.collect(),
        notes: vec!["Rank correlation over steps and sizes of (column of the fresh run − column) with the smoothed gap, from 10 % of the training on, seed by seed. A sign says the direction only.".into()],
    }
}

fn leads(study: &Study) -> Table {
    let rows = series(study, TOKENS).into_iter().flat_map(|series| {
        let name = series.group();
        flagged(&series)
            .map(|(fresh, run, flag)| {
                let loss = column(run, "val_loss");
                let least = loss.into_iter().min_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(step, _)| step);
                let alarm = alarm(fresh, run);
                let text = |step: Option<u64>| step.map_or_else(|| "–".to_owned(), |step| step.to_string());
                let lead = least.zip(alarm).map(|(least, alarm)| least as i64 - alarm as i64);
                let tokens = run.setting(TOKENS);
                vec![
                    name.clone(),
                    tokens,
                    run.seed(),
                    text(alarm),
                    text(least),
                    flag.to_string(),
                    lead.map_or_else(|| "–".to_owned(), |lead| lead.to_string()),
                ]
            })
            .collect::<Vec<_>>()
    });
    Table {
        title: format!("{}: when LAR leaves its baseline, run by run", study.name),
        columns: heads(&["runs", "tokens", "seed"], ["LAR leaves at", "least validation loss at", "overfit at", "lead"].map(str::to_owned).into_iter()),
        rows: rows.collect(),
        notes: vec!["LAR leaves at: the first step from which the smoothed differential stays above .015. Runs that overfit alone.".into()],
    }
}
