//! `groklab claims`: what our runs say to the paper's claims.

use std::path::PathBuf;

use miette::IntoDiagnostic;

use super::{print, view::ViewArgs};
use crate::{
    analysis::{
        claims::{claims, times_to_grok},
        groups,
    },
    render::{
        claims::{claims_table, time_table},
        json::{Answers, claims_json},
        table::text,
    },
};

/// Test each claim of the paper on these results: yes, no, mixed, or not enough data, with the numbers.
#[derive(Debug, clap::Args)]
pub struct ClaimsArgs {
    #[command(flatten)]
    view: ViewArgs,
    /// An experiment (results/NAME), a directory of experiments, or one run.
    dir: PathBuf,
    /// Print a list with one JSON object an experiment.
    #[arg(long)]
    json: bool,
}

/// Runs the command; every answer is a success.
pub fn run(args: &ClaimsArgs) -> miette::Result<()> {
    let results = args.view.read(&args.dir)?;
    let answers: Vec<Answers<'_>> = results
        .experiments
        .iter()
        .map(|experiment| Answers {
            experiment: &experiment.name,
            runs: experiment.runs.len(),
            claims: claims(experiment),
            time_to_grok: times_to_grok(&groups(experiment)),
        })
        .collect();
    if args.json {
        return print(&claims_json(&answers).into_diagnostic()?);
    }
    let tables = answers.iter().flat_map(|answers| {
        let name = answers.experiment;
        [claims_table(name, answers.runs, &answers.claims), time_table(name, &answers.time_to_grok)]
    });
    print(&tables.map(|table| text(&table)).collect::<Vec<_>>().join("\n"))
}
