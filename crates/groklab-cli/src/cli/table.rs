//! `groklab table`: what the runs say, beside the paper.

use std::path::PathBuf;

use miette::IntoDiagnostic;

use crate::{
    analysis::general::Study,
    render::{
        claims::pooled,
        general::{self, settings_table},
        table::{Format, Table, latex, markdown, text},
    },
    store::write_output,
    studies::{
        self,
        grokking::{
            csv::{rmse_csv, runs_csv},
            groups,
            json::table_json,
            pools, rmse_rows, summarize,
            tables::{rmse_table, task_table},
        },
    },
};

use super::{
    PoolArgs, print, report, tell,
    view::{Seen, ViewArgs},
};

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
    let Seen { digests: results, studies } = args.view.digests(&args.dir)?;
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
    if !results.experiments.is_empty() {
        let mut rmse = rmse_table(&cells, &runs);
        rmse.notes.append(&mut notes);
        tables.insert(0, rmse);
    }
    for study in &studies {
        tables.push(settings_table(study));
        tables.extend(studies::of(study).map_or_else(Vec::new, |asked| (asked.tables)(study)));
    }
    let rmse_bytes = rmse_csv(&cells).into_diagnostic()?;
    let joined = |set: fn(&Table) -> String| tables.iter().map(set).collect::<Vec<_>>().join("\n");
    let out = match args.format {
        _ if args.json => table_json(&runs, &cells).into_diagnostic()?,
        Format::Text => joined(text),
        Format::Md => joined(markdown),
        Format::Latex => joined(latex),
        Format::Csv if results.experiments.is_empty() => {
            let files = others(&studies, true)?;
            files.iter().map(|(_, bytes)| String::from_utf8_lossy(bytes)).collect::<Vec<_>>().join("\n")
        }
        Format::Csv => String::from_utf8_lossy(&rmse_bytes).into_owned(),
    };
    print(&out)?;
    let mut files = others(&studies, results.experiments.is_empty())?;
    if !results.experiments.is_empty() {
        files.push(("runs.csv".to_owned(), runs_csv(&runs).into_diagnostic()?));
        files.push(("rmse.csv".to_owned(), rmse_bytes));
    }
    for (name, bytes) in files {
        let path = args.dir.join(name);
        match write_output(&path, &bytes) {
            // somebody else's results: what was asked for has been printed
            Err(error) if error.is_refusal() => tell(&error.to_string()),
            written => written.map_err(report)?,
        }
    }
    Ok(())
}

/// A table of runs for each kind but binary operations: `runs.csv` where there is no other, `runs-KIND.csv` elsewhere.
fn others(studies: &[Study], are_alone: bool) -> miette::Result<Vec<(String, Vec<u8>)>> {
    let mut kinds: Vec<&str> = studies.iter().map(|study| study.kind.name()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let file = |kind: &&str| {
        let its: Vec<&Study> = studies.iter().filter(|study| study.kind.name() == *kind).collect();
        let is_alone = are_alone && kinds.len() == 1;
        let name = if is_alone { "runs.csv".to_owned() } else { format!("runs-{kind}.csv") };
        Ok((name, general::runs_csv(&its).into_diagnostic()?))
    };
    kinds.iter().map(file).collect()
}
