//! `groklab claims`: what our runs say to the paper's claims.

use std::path::PathBuf;

use miette::IntoDiagnostic;

use super::{
    PoolArgs, print, tell,
    view::{Seen, ViewArgs},
};
use crate::{
    analysis::{claims::answers, groups, pools},
    render::{
        claims::{claims_table, time_table},
        json::{Answered, claims_json},
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
    /// Print a list with one JSON object for each experiment and setting.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    pool: PoolArgs,
}

/// Runs the command; every answer is a success.
pub fn run(args: &ClaimsArgs) -> miette::Result<()> {
    let Seen { digests: results, studies } = args.view.digests(&args.dir)?;
    for study in &studies {
        tell(&format!("{}: no claims are kept for {}", study.name, study.kind.name()));
    }
    let mut all = Vec::new();
    for experiment in &results.experiments {
        let pools = pools(experiment, &groups(experiment), args.pool.pooling());
        all.extend(answers(&pools).into_iter().map(|answers| (&experiment.name, answers)));
    }
    if args.json {
        let answered = all.iter().map(|(experiment, answers)| Answered { experiment, answers });
        return print(&claims_json(&answered.collect::<Vec<_>>()).into_diagnostic()?);
    }
    let tables = all.iter().flat_map(|(name, answers)| {
        let times = (!answers.time_to_grok.is_empty()).then(|| time_table(name, answers));
        [claims_table(name, answers)].into_iter().chain(times)
    });
    print(&tables.map(|table| text(&table)).collect::<Vec<_>>().join("\n"))
}
