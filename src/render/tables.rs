//! The tables of `groklab table`: the paper's Table 1 with ours beside, and a line a task.

use crate::analysis::{Checkpoint, Group, RESAMPLES, RmseRow, RunSummary};
use crate::store::RunState;

use super::table::{Align, Table};

const NEVER: &str = "–";

/// RMSE of k95 against k_pred, ours and the paper's, four cells an experiment.
///
/// `rows` are those of all experiments; `runs` too, for the remarks.
pub fn rmse_table(rows: &[RmseRow], runs: &[RunSummary]) -> Table {
    let heads = ["experiment", "", "memorized", "grokked", "final (grokked)", "final (no grok)"];
    let mut table = Table {
        title: "RMSE of k95 against k_pred ± half of the 95 % bootstrap interval (runs)".into(),
        columns: columns(heads.map(str::to_owned), 2),
        rows: Vec::new(),
        notes: vec![format!(
            "Percentile bootstrap, {} resamples over runs. Paper: arXiv 2605.28975, Table 1.",
            thousands(RESAMPLES)
        )],
    };
    for rows in rows.chunk_by(|a, b| a.experiment == b.experiment) {
        let name = rows[0].experiment.clone();
        table.notes.extend(remark(&name, runs));
        let mut line = vec![name, "ours".into()];
        line.extend(rows.iter().map(|row| match row.ours {
            None => NEVER.to_owned(),
            Some(ours) => {
                let half = ours.half_ci.map_or(NEVER.to_owned(), |half| format!("{half:.2}"));
                format!("{:.2} ± {half} ({})", ours.rmse, ours.runs)
            }
        }));
        table.rows.push(line);
        if rows.iter().any(|row| row.paper.is_some()) {
            let mut line = vec![String::new(), "paper".into()];
            line.extend(rows.iter().map(|row| {
                row.paper.as_ref().map_or(NEVER.into(), |p| format!("{:.2} ± {:.2}", p.rmse, p.half_ci))
            }));
            table.rows.push(line);
        }
    }
    table
}

/// Milestones and LAR, means over seeds, a line a group; the paper's in brackets where it has them.
pub fn task_table(experiment: &str, groups: &[Group<'_>]) -> Table {
    let with_paper = groups.iter().any(|group| group.paper.is_some());
    let with_variant = groups.iter().any(|group| !group.variant.is_empty());
    let mut heads = vec!["task".to_owned(), "train".into()];
    if with_variant {
        heads.push("settings".into());
    }
    let words = heads.len();
    heads.push("grokked".into());
    let measured = ["memorized at", "grokked at", "LAR memorized", "LAR grokked", "LAR final"];
    heads.extend(measured.map(str::to_owned));
    let rows = groups.iter().map(|group| {
        let mut row = vec![group.task.clone(), percent(group.train_fraction)];
        if with_variant {
            row.push(group.variant.clone());
        }
        row.push(format!("{}/{}", group.grokked(), group.runs.len()));
        let paper = group.paper.as_ref();
        let cell = |ours: Option<f64>, paper: Option<f64>, digits: usize| {
            let set = |value: Option<f64>| value.map_or(NEVER.to_owned(), |v| format!("{v:.digits$}"));
            if with_paper { format!("{} ({})", set(ours), set(paper)) } else { set(ours) }
        };
        let [memorized, grokked, last] = Checkpoint::ALL.map(|checkpoint| group.means(checkpoint));
        row.push(cell(memorized.map(|m| m.epoch), paper.and_then(|p| p.memorized_epoch_mean), 0));
        row.push(cell(grokked.map(|m| m.epoch), paper.and_then(|p| p.grokked_epoch_mean), 0));
        row.push(cell(memorized.map(|m| m.lar), paper.and_then(|p| p.lar_memorized), 3));
        row.push(cell(grokked.map(|m| m.lar), paper.and_then(|p| p.lar_grokked), 3));
        row.push(cell(last.map(|m| m.lar), paper.and_then(|p| p.lar_final), 3));
        row
    });
    let mut notes = vec!["Epochs and LAR are means over the seeds that got there.".to_owned()];
    if with_paper {
        notes.push("In brackets: the paper's means over five seeds, read from its figures.".into());
    }
    Table {
        title: format!("{experiment}: milestones and log-alignment ratio"),
        rows: rows.collect(),
        columns: columns(heads, words),
        notes,
    }
}

/// Share as a percentage without needless digits: 0.5 is `50 %`.
pub fn percent(share: f64) -> String {
    // 0.07 · 100 is not 7 in binary
    format!("{} %", (share * 1e8).round() / 1e6)
}

fn columns(heads: impl IntoIterator<Item = String>, words: usize) -> Vec<(String, Align)> {
    let align = |i| if i < words { Align::Left } else { Align::Right };
    heads.into_iter().enumerate().map(|(i, head)| (head, align(i))).collect()
}

/// What a reader must know about the runs behind a row of the RMSE table.
fn remark(experiment: &str, runs: &[RunSummary]) -> Option<String> {
    let runs: Vec<_> = runs.iter().filter(|run| run.experiment == experiment).collect();
    let count = |what: &dyn Fn(&RunSummary) -> bool| runs.iter().filter(|run| what(run)).count();
    let parts = [
        (count(&|run| run.collapsed_epoch.is_some()), "fell back after grokking (kept)"),
        (count(&|run| run.diverged_epoch.is_some()), "diverged (no final)"),
        (count(&|run| run.state == RunState::Running), "not finished (no final)"),
        (count(&|run| run.state == RunState::Failed), "failed (no final)"),
    ];
    let parts: Vec<_> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    (!parts.is_empty()).then(|| format!("{experiment}: of {} runs, {}.", runs.len(), parts.join(", ")))
}

/// With a comma between thousands: `10,000`.
pub(super) fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::{groups, rmse_rows, summarize},
        render::table::{latex, markdown, text},
        store::{Experiment, made::MadeRun},
    };

    fn experiment(name: &str) -> Experiment {
        let mut made = vec![
            MadeRun::new("add", 0.5, 0).grokked(40, 120),
            MadeRun::new("add", 0.5, 1).grokked(60, 140).collapsed(180).shift(0.02),
            MadeRun::new("s5_mul", 0.5, 0).grokked(80, 160).diverged(180),
            MadeRun::new("s5_mul", 0.5, 1).grokked(80, 160).state(RunState::Running),
        ];
        made.extend(
            (0..3).map(|seed| MadeRun::new("x3_xy", 0.5, seed).memorized(60).shift(0.01 * seed as f64)),
        );
        Experiment {
            name: name.into(),
            runs: made.iter().map(MadeRun::record).collect(),
            ..Default::default()
        }
    }

    fn both(name: &str) -> [Table; 2] {
        let experiment = experiment(name);
        let runs = summarize(&experiment);
        [rmse_table(&rmse_rows(name, &runs), &runs), task_table(name, &groups(&experiment))]
    }

    #[test]
    fn the_papers_study_has_the_papers_numbers_beside_ours() {
        insta::assert_snapshot!(both("binary-ops").map(|table| text(&table)).join("\n"));
    }

    #[test]
    fn another_experiment_has_none() {
        insta::assert_snapshot!(both("quick").map(|table| markdown(&table)).join("\n"));
    }

    #[test]
    fn the_rmse_table_sets_in_latex() {
        insta::assert_snapshot!(latex(&both("binary-ops")[0]));
    }

    #[test]
    fn settings_that_differ_have_a_column() {
        let runs = [64, 512].map(|rows| MadeRun::new("add", 0.5, 0).batch_size(rows).record()).to_vec();
        let experiment = Experiment { name: "batch-dip".into(), runs, ..Default::default() };
        insta::assert_snapshot!(text(&task_table("batch-dip", &groups(&experiment))));
    }

    #[test]
    fn percentages_have_no_needless_digits() {
        for (share, set) in [(0.5, "50 %"), (0.07, "7 %"), (0.123, "12.3 %"), (1.0, "100 %")] {
            assert_eq!(percent(share), set);
        }
        assert_eq!((thousands(10_000), thousands(999)), ("10,000".into(), "999".into()));
    }
}
