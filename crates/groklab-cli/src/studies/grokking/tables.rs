//! The tables of `groklab table`: the paper's Table 1 with ours beside, and a line a task.

use super::{
    Checkpoint, Group, RmseRow, RunSummary,
    paper::{BUDGET, PATIENCE},
};
use crate::{
    analysis::{
        Clustered, MIN_RUNS, RESAMPLES, Rmse,
        settings::{SHARED, within_groups},
    },
    render::table::{Align, Table, percent, thousands},
    store::RunState,
};

const NEVER: &str = "–";
/// What stands before a mean that leaves out runs.
const AT_LEAST: &str = "≥: the mean over all seeds of the group, those that did not grok counted at their last epoch; after it, over those that did.";

/// RMSE of k95 against k_pred, ours and the paper's, four cells a pool.
///
/// `rows` are those of all experiments; `runs` too, for the remarks.
pub fn rmse_table(rows: &[RmseRow], runs: &[RunSummary]) -> Table {
    let with_settings = rows.iter().any(|row| !row.setting.is_empty());
    let mut heads = vec!["experiment".to_owned()];
    if with_settings {
        heads.push("setting".into());
    }
    heads.push(String::new());
    let words = heads.len();
    heads.extend(["memorized", "grokked", "final (grokked)", "final (no grok)"].map(str::to_owned));
    let ours_of = || rows.iter().filter_map(|row| row.ours.as_ref());
    let title =
        match ours_of().any(|ours| ours.half_ci.is_some()) || rows.iter().any(|row| row.paper.is_some()) {
            true => "RMSE of k95 against k_pred ± half of the 95 % bootstrap interval (runs)",
            false => "RMSE of k95 against k_pred (runs)",
        };
    let mut table = Table {
        title: title.into(),
        columns: columns(heads, words),
        rows: Vec::new(),
        notes: vec![format!(
            "Percentile bootstrap, {} resamples: over runs as in the paper (arXiv 2605.28975, Table 1), and over tasks and the seeds of each.",
            thousands(RESAMPLES)
        )],
    };
    if ours_of().any(|ours| ours.half_ci.is_none()) {
        let note = "Fewer than {} runs have no interval: after the RMSE stands k95 − k_pred of each.";
        table.notes.push(note.replace("{}", &MIN_RUNS.to_string()));
    }
    for pool in rows.chunk_by(|a, b| (&a.experiment, &a.setting) == (&b.experiment, &b.setting)) {
        let lines = &mut table.rows;
        let mut line = |experiment: &str, setting: &str, name: &str, cells: Vec<String>| {
            let settings = with_settings.then(|| setting.to_owned());
            let words = [experiment.to_owned()].into_iter().chain(settings).chain([name.to_owned()]);
            lines.push(words.chain(cells).collect());
        };
        let cells = |cell: fn(&RmseRow) -> Option<String>| {
            pool.iter().map(|row| cell(row).unwrap_or_else(|| NEVER.to_owned())).collect::<Vec<_>>()
        };
        line(&pool[0].experiment, &pool[0].setting, "ours", cells(|row| row.ours.as_ref().map(ours)));
        if pool.iter().any(|row| row.ours.as_ref().is_some_and(|ours| ours.clustered.is_some())) {
            line(
                "",
                "",
                "over tasks and seeds",
                cells(|row| row.ours.as_ref()?.clustered.as_ref().map(over_tasks)),
            );
        }
        // fewer runs have their errors in the first line
        if pool.iter().any(|row| row.ours.as_ref().is_some_and(|ours| ours.half_ci.is_some())) {
            let mean = |row: &RmseRow| Some(format!("{:+.2}", row.ours.as_ref()?.mean).replace('-', "−"));
            line("", "", "mean k95 − k_pred", cells(mean));
        }
        if pool.iter().any(|row| row.paper.is_some()) {
            let paper = |row: &RmseRow| {
                Some(format!("{:.2} ± {:.2}", row.paper.as_ref()?.rmse, row.paper.as_ref()?.half_ci))
            };
            line("", "", "paper", cells(paper));
            if pool.iter().any(|row| row.paper_points.is_some()) {
                line(
                    "",
                    "",
                    "points of its Fig. 3b",
                    cells(|row| row.paper_points.map(|rmse| format!("{rmse:.2}"))),
                );
            }
            table.notes.extend(ends(&pool[0], runs));
        }
    }
    for name in rows.chunk_by(|a, b| a.experiment == b.experiment).map(|rows| &rows[0].experiment) {
        table.notes.extend(remark(name, runs));
    }
    table
}

/// The RMSE over runs: with half of its interval, or with the errors of the runs.
fn ours(ours: &Rmse) -> String {
    let of = |error: &f64| format!("{error:.2}").replace('-', "−");
    match ours.half_ci {
        Some(half) => format!("{:.2} ± {half:.2} ({})", ours.rmse, ours.runs),
        None => {
            let errors: Vec<String> = ours.errors.iter().map(of).collect();
            format!("{:.2} ({}: {})", ours.rmse, ours.runs, errors.join(", "))
        }
    }
}

fn over_tasks(clustered: &Clustered) -> String {
    format!("± {:.2} ({} groups)", 0.5 * (clustered.high - clustered.low), clustered.groups)
}

/// When our runs ended and when the paper's did: what the columns at the end are of.
fn ends(row: &RmseRow, runs: &[RunSummary]) -> Option<String> {
    let RmseRow { experiment, setting, .. } = row;
    let range = |epochs: Vec<u64>| {
        let (least, most) = (*epochs.iter().min()?, *epochs.iter().max()?);
        let set = |epoch: u64| thousands(epoch as usize);
        Some(if least == most { set(least) } else { format!("{} to {}", set(least), set(most)) })
    };
    let is_in =
        |run: &&RunSummary| run.experiment == *experiment && (setting.is_empty() || run.variant == *setting);
    let ended = || runs.iter().filter(is_in).filter(|run| run.last.is_some());
    let never = ended().filter(|run| !run.has_grokked).filter_map(|run| Some(run.last?.epoch));
    let after = ended().filter_map(|run| Some(run.last?.epoch.saturating_sub(run.grokked?.epoch)));
    let never = range(never.collect()).map(|range| format!("without grokking at epoch {range}"));
    let after = range(after.collect()).map(|range| format!("{range} epochs after grokking"));
    let ours: Vec<String> = after.into_iter().chain(never).collect();
    (!ours.is_empty()).then(|| {
        format!(
            "{experiment}: runs end {}; the paper's {} epochs after grokking, or at {}.",
            ours.join(", or "),
            thousands(PATIENCE as usize),
            thousands(BUDGET as usize)
        )
    })
}

/// Milestones and LAR, means over seeds, a line a group; the paper's in brackets where it has them.
pub fn task_table(experiment: &str, groups: &[Group<'_>]) -> Table {
    let with_paper = groups.iter().any(|group| group.paper.is_some());
    let labels: Vec<_> =
        groups.iter().map(|group| ((&group.task, group.train_fraction), group.variant.as_str())).collect();
    let own = within_groups(&labels);
    let with_variant = own.iter().any(|settings| !settings.is_empty());
    let mut heads = vec!["task".to_owned(), "train".into()];
    if with_variant {
        heads.push("settings".into());
    }
    let words = heads.len();
    heads.push("grokked".into());
    let measured = ["memorized at", "grokked at", "LAR memorized", "LAR grokked", "LAR final"];
    heads.extend(measured.map(str::to_owned));
    let rows = groups.iter().zip(&own).map(|(group, settings)| {
        let mut row = vec![group.task.clone(), percent(group.train_fraction)];
        if with_variant {
            row.push(settings.clone());
        }
        row.push(format!("{}/{}", group.grokked(), group.runs.len()));
        let paper = group.paper.as_ref();
        let cell = |ours: Option<f64>, paper: Option<f64>, digits: usize| {
            let set = |value: Option<f64>| value.map_or(NEVER.to_owned(), |v| format!("{v:.digits$}"));
            if with_paper { format!("{} ({})", set(ours), set(paper)) } else { set(ours) }
        };
        let [memorized, grokked, last] = Checkpoint::ALL.map(|checkpoint| group.means(checkpoint));
        row.push(cell(memorized.map(|m| m.epoch), paper.and_then(|p| p.memorized_epoch_mean), 0));
        let when = cell(grokked.map(|m| m.epoch), paper.and_then(|p| p.grokked_epoch_mean), 0);
        row.push(group.grokked_at_least().map_or(when.clone(), |least| format!("≥ {least:.0}; {when}")));
        row.push(cell(memorized.map(|m| m.lar), paper.and_then(|p| p.lar_memorized), 3));
        row.push(cell(grokked.map(|m| m.lar), paper.and_then(|p| p.lar_grokked), 3));
        row.push(cell(last.map(|m| m.lar), paper.and_then(|p| p.lar_final), 3));
        row
    });
    let mut notes = vec!["Epochs and LAR are means over the seeds that got there.".to_owned()];
    if groups.iter().any(|group| group.grokked_at_least().is_some()) {
        notes.push(AT_LEAST.to_owned());
    }
    if own.iter().zip(groups).any(|(settings, group)| settings.len() < group.variant.len()) {
        notes.push(SHARED.to_owned());
    }
    if with_paper {
        notes.push(format!(
            "In brackets: the paper's means over five seeds, read from its figures. Its runs end {} epochs after grokking, or at {}.",
            thousands(PATIENCE as usize),
            thousands(BUDGET as usize)
        ));
    }
    Table {
        title: format!("{experiment}: milestones and log-alignment ratio"),
        rows: rows.collect(),
        columns: columns(heads, words),
        notes,
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        render::table::{latex, markdown, text},
        store::made::MadeRun,
        studies::grokking::{
            Experiment, Pooling, groups, paper::with_tables, planned, pools, rmse_rows, summarize,
        },
    };

    /// x + y at the paper's fractions; a run of each kind.
    fn sweep(change: fn(MadeRun) -> MadeRun) -> Experiment {
        let mut made = vec![
            MadeRun::new("add", 0.3, 0).grokked(40, 120),
            MadeRun::new("add", 0.3, 1).grokked(60, 140).collapsed(180).shift(0.02),
            MadeRun::new("add", 0.2, 0).grokked(80, 160).diverged(180),
            MadeRun::new("add", 0.2, 1).grokked(80, 160).state(RunState::Running),
        ];
        made.extend(
            (0..3).map(|seed| MadeRun::new("add", 0.1, seed).memorized(60).shift(0.01 * seed as f64)),
        );
        made.extend(
            (0..2).map(|seed| MadeRun::new("add", 0.05, seed).memorized(60).shift(0.02 * seed as f64)),
        );
        let runs = made.into_iter().map(|run| change(run).record()).collect();
        planned("sweep", with_tables(runs))
    }

    fn both(experiment: &Experiment) -> [Table; 2] {
        let groups = groups(experiment);
        let pools = pools(experiment, &groups, Pooling::PerSetting);
        let rows: Vec<_> = pools.iter().flat_map(|pool| rmse_rows(&experiment.name, pool)).collect();
        [rmse_table(&rows, &summarize(experiment)), task_table(&experiment.name, &groups)]
    }

    #[test]
    fn the_papers_recipe_has_the_papers_numbers_beside_ours() {
        insta::assert_snapshot!(both(&sweep(|run| run)).map(|table| text(&table)).join("\n"));
    }

    #[test]
    fn another_recipe_has_none() {
        insta::assert_snapshot!(
            both(&sweep(|run| run.batch_size(64))).map(|table| markdown(&table)).join("\n")
        );
    }

    #[test]
    fn the_rmse_table_sets_in_latex() {
        insta::assert_snapshot!(latex(&both(&sweep(|run| run))[0]));
    }

    #[test]
    fn settings_have_lines_of_their_own() {
        let runs = [64, 512].map(|rows| MadeRun::new("add", 0.5, 0).batch_size(rows).memorized(40).record());
        let experiment = planned("batch-dip", runs.to_vec());
        let [rmse, _] = both(&experiment);
        assert_eq!(
            rmse.rows.iter().map(|row| &*row[1]).collect::<Vec<_>>(),
            ["data.batch_size=64", "data.batch_size=512"]
        );
        // one run each: its error and no interval
        assert!(rmse.rows.iter().flatten().all(|cell| !cell.contains('±')), "{:?}", rmse.rows);
    }

    #[test]
    fn settings_that_differ_have_a_column() {
        let runs = [64, 512].map(|rows| MadeRun::new("add", 0.5, 0).batch_size(rows).record()).to_vec();
        let experiment = planned("batch-dip", runs);
        insta::assert_snapshot!(text(&task_table("batch-dip", &groups(&experiment))));
    }
}
