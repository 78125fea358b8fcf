//! `groklab table`: what the runs say, beside the paper.

use std::path::PathBuf;

use miette::IntoDiagnostic;

use crate::{
    analysis::{groups, rmse_rows, summarize},
    render::{
        csv::{rmse_csv, runs_csv},
        json::table_json,
        table::{Format, Table, latex, markdown, text},
        tables::{rmse_table, task_table},
    },
    store::write_atomic,
};

use super::{print, report, view::ViewArgs};

/// Print the RMSE of k95 against k_pred and a line a task; write DIR/runs.csv and DIR/rmse.csv.
#[derive(Debug, clap::Args)]
pub struct TableArgs {
    #[command(flatten)]
    view: ViewArgs,
    /// An experiment (results/NAME), a directory of experiments, or one run.
    pub dir: PathBuf,
    /// How to print; csv prints what rmse.csv holds.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Print one JSON object instead: the rows of rmse.csv and of runs.csv.
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
}

impl TableArgs {
    /// For `dir`, printed as text.
    pub fn of(dir: PathBuf) -> Self {
        Self { view: ViewArgs::default(), dir, format: Format::default(), json: false }
    }
}

/// Runs the command.
pub fn run(args: TableArgs) -> miette::Result<()> {
    let results = args.view.read(&args.dir)?;
    let mut runs = Vec::new();
    let mut cells = Vec::new();
    let mut tables = Vec::new();
    for experiment in &results.experiments {
        let summaries = summarize(experiment);
        cells.extend(rmse_rows(&experiment.name, &summaries));
        runs.extend(summaries);
        tables.push(task_table(&experiment.name, &groups(experiment)));
    }
    tables.insert(0, rmse_table(&cells, &runs));
    let rmse_bytes = rmse_csv(&cells).into_diagnostic()?;
    write_atomic(&args.dir.join("runs.csv"), &runs_csv(&runs).into_diagnostic()?).map_err(report)?;
    write_atomic(&args.dir.join("rmse.csv"), &rmse_bytes).map_err(report)?;
    if args.json {
        return print(&table_json(&runs, &cells).into_diagnostic()?);
    }
    let joined = |set: fn(&Table) -> String| tables.iter().map(set).collect::<Vec<_>>().join("\n");
    let out = match args.format {
        Format::Text => joined(text),
        Format::Md => joined(markdown),
        Format::Latex => joined(latex),
        Format::Csv => String::from_utf8_lossy(&rmse_bytes).into_owned(),
    };
    print(&out)
}
