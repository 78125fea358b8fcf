//! `groklab table`: what the runs say, beside the paper.

use std::path::PathBuf;

use miette::IntoDiagnostic;

use crate::{
    analysis::{groups, pools, rmse_rows, summarize},
    render::{
        claims::pooled,
        csv::{rmse_csv, runs_csv},
        json::table_json,
        table::{Format, Table, latex, markdown, text},
        tables::{rmse_table, task_table},
    },
    store::write_output,
};

use super::{PoolArgs, print, report, tell, view::ViewArgs};

/// Print the RMSE of k95 against k_pred and a line a task; write DIR/runs.csv and DIR/rmse.csv, if that is allowed.
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
    #[command(flatten)]
    pub pool: PoolArgs,
}

impl TableArgs {
    /// For `dir`, printed as text.
    pub fn of(dir: PathBuf) -> Self {
        Self {
            view: ViewArgs::default(),
            dir,
            format: Format::default(),
            json: false,
            pool: PoolArgs::default(),
        }
    }
}

/// Runs the command.
pub fn run(args: TableArgs) -> miette::Result<()> {
    let results = args.view.digests(&args.dir)?;
    let mut runs = Vec::new();
    let mut cells = Vec::new();
    let mut tables = Vec::new();
    let mut notes = Vec::new();
    for experiment in &results.experiments {
        let groups = groups(experiment);
        for pool in pools(experiment, &groups, args.pool.pooling()) {
            cells.extend(rmse_rows(&experiment.name, &pool));
            notes.extend(pooled(&pool.pooled).map(|note| format!("{}: {note}", experiment.name)));
        }
        runs.extend(summarize(experiment));
        tables.push(task_table(&experiment.name, &groups));
    }
    let mut rmse = rmse_table(&cells, &runs);
    rmse.notes.append(&mut notes);
    tables.insert(0, rmse);
    let rmse_bytes = rmse_csv(&cells).into_diagnostic()?;
    let joined = |set: fn(&Table) -> String| tables.iter().map(set).collect::<Vec<_>>().join("\n");
    let out = match args.format {
        _ if args.json => table_json(&runs, &cells).into_diagnostic()?,
        Format::Text => joined(text),
        Format::Md => joined(markdown),
        Format::Latex => joined(latex),
        Format::Csv => String::from_utf8_lossy(&rmse_bytes).into_owned(),
    };
    print(&out)?;
    for (name, bytes) in [("runs.csv", runs_csv(&runs).into_diagnostic()?), ("rmse.csv", rmse_bytes)] {
        let path = args.dir.join(name);
        match write_output(&path, &bytes) {
            // somebody else's results: what was asked for has been printed
            Err(error) if error.is_refusal() => tell(&error.to_string()),
            written => written.map_err(report)?,
        }
    }
    Ok(())
}
