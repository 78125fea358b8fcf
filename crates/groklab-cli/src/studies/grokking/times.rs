//! How long runs took to grok, as `groklab claims` prints it.

use super::paper::BUDGET;
use crate::{
    analysis::{
        MIN_RUNS,
        claims::{Answers, TimeToGrok},
        settings::within_groups,
    },
    render::{
        claims::named,
        table::{Align, Table, percent, thousands},
    },
};
use std::fmt::Write;

const NONE: &str = "–";

/// A line for each group: how many of its runs grokked, and the median time.
pub fn time_table(experiment: &str, answers: &Answers) -> Table {
    let times: &[TimeToGrok] = &answers.time_to_grok;
    let labels: Vec<_> =
        times.iter().map(|time| ((&time.task, time.train_fraction), time.variant.as_str())).collect();
    let own = within_groups(&labels);
    let with_variant = own.iter().any(|settings| !settings.is_empty());
    let mut columns: Vec<(String, Align)> = vec![("task".into(), Align::Left), ("train".into(), Align::Left)];
    if with_variant {
        columns.push(("settings".into(), Align::Left));
    }
    let heads = ["grokked", "share", "median epoch [95 % interval]", "censored at", "paper's mean"];
    columns.extend(heads.map(|head| (head.to_owned(), Align::Right)));
    let epoch = |epoch: Option<f64>| epoch.map_or(NONE.to_owned(), |epoch| format!("{epoch:.0}"));
    let rows = times.iter().zip(&own).map(|(time, settings)| {
        let mut row = vec![time.task.clone(), percent(time.train_fraction)];
        if with_variant {
            row.push(settings.clone());
        }
        let mut median = time.median.map_or_else(|| "not reached".to_owned(), |epoch| format!("{epoch:.0}"));
        if let Some((Some(low), high)) = time.interval {
            let _ =
                write!(median, " [{low:.0}, {}", high.map_or("∞)".to_owned(), |high| format!("{high:.0}]")));
        }
        if time.median.is_some() && !time.epochs.is_empty() {
            let each = time.epochs.iter().map(|e| e.map_or(NONE.to_owned(), |epoch| epoch.to_string()));
            let _ = write!(median, " ({})", each.collect::<Vec<_>>().join(", "));
        }
        row.extend([
            format!("{}/{}", time.grokked, time.runs),
            format!("{:.0} %", 100.0 * time.grokked as f64 / time.runs as f64),
            median,
            epoch(time.censored_at.map(|epoch| epoch as f64)),
            epoch(time.paper_mean),
        ]);
        row
    });
    Table {
        title: format!("{}: time to grok", named(experiment, &answers.setting)),
        rows: rows.collect(),
        columns,
        notes: vec![
            "Kaplan-Meier: a run that has not grokked counts as not having done so by the epoch it reached."
                .into(),
            format!(
                "Fewer than {MIN_RUNS} runs have no interval: their epochs stand there. The paper gives a run up at epoch {}.",
                thousands(BUDGET as usize)
            ),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        render::{claims::claims_table, table::text},
        store::made::MadeRun,
        studies::grokking::{PAPER, Pooling, claims::answers, groups, paper::with_tables, planned, pools},
    };

    fn tables(runs: impl Iterator<Item = MadeRun>, pooling: Pooling) -> String {
        let runs = runs.map(|run| run.record()).collect();
        let experiment = planned("study", with_tables(runs));
        let all = answers(&pools(&experiment, &groups(&experiment), pooling));
        let both = all.iter().map(|one| [claims_table("study", PAPER, one), time_table("study", one)]);
        both.flatten().map(|table| text(&table)).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn answers_and_times_are_set_with_their_numbers() {
        let made = (0..5).flat_map(|seed| {
            let shift = 0.002 * seed as f64;
            let grokked = MadeRun::new("add", 0.5, seed).grokked(40, 120 + 20 * (seed % 3)).shift(shift);
            [grokked, MadeRun::new("x3_xy", 0.5, seed).memorized(60).shift(-0.05 - shift)]
        });
        insta::assert_snapshot!(tables(made, Pooling::PerSetting));
    }

    #[test]
    fn few_runs_stand_with_their_values_and_pooled_settings_are_named() {
        let made = || {
            [64, 512].into_iter().flat_map(|rows| {
                (0..3).map(move |seed| {
                    let made = MadeRun::new("add", 0.5, seed).batch_size(rows);
                    made.grokked(40, 100 + 20 * seed).shift(0.003 * seed as f64)
                })
            })
        };
        let apart = tables(made(), Pooling::PerSetting);
        assert!(!apart.contains('±') && apart.contains("0.503 (0.500, 0.503, 0.506)"), "{apart}");
        assert!(apart.contains("120 (100, 120, 140)"), "{apart}");
        assert!(apart.contains("study, data.batch_size=64: the claims"), "{apart}");
        let together = tables(made(), Pooling::All);
        let note = "Pooled, as asked, over 2 settings that differ: data.batch_size=512; data.batch_size=64.";
        assert!(together.contains(note) && together.contains("0.503 [0.50"), "{together}");
    }
}
