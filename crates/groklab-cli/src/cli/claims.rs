//! `groklab claims`: what our runs say to the paper's claims.

use std::path::PathBuf;

use miette::IntoDiagnostic;

use super::{
    PoolArgs, print, tell,
    view::{Seen, ViewArgs},
};
use crate::{
    analysis::{claims::Answers, general::Study},
    render::{
        claims::claims_table,
        json::{Answered, claims_json},
        table::text,
    },
    studies::{
        self,
        grokking::{PAPER, claims::answers, groups, pools, times::time_table},
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
    let mut all = Vec::new();
    for experiment in &results.experiments {
        let pools = pools(experiment, &groups(experiment), args.pool.pooling());
        all.extend(answers(&pools).into_iter().map(|answers| (&experiment.name, PAPER, answers)));
    }
    for study in &studies {
        match answered(study) {
            Some((paper, answers)) => all.push((&study.name, paper, answers)),
            None => tell(&format!("{}: its plan names no study, so there are no claims", study.name)),
        }
    }
    if args.json {
        let answered = all.iter().map(|(experiment, _, answers)| Answered { experiment, answers });
        return print(&claims_json(&answered.collect::<Vec<_>>()).into_diagnostic()?);
    }
    let tables = all.iter().flat_map(|(name, paper, answers)| {
        let times = (!answers.time_to_grok.is_empty()).then(|| time_table(name, answers));
        [claims_table(name, paper, answers)].into_iter().chain(times)
    });
    print(&tables.map(|table| text(&table)).collect::<Vec<_>>().join("\n"))
}

/// The claims of the study that an experiment belongs to, answered, and its paper.
pub(super) fn answered(study: &Study) -> Option<(&'static str, Answers)> {
    let asked = studies::of(study)?;
    let answers = Answers {
        setting: String::new(),
        pooled: Vec::new(),
        runs: study.runs.len(),
        claims: (asked.claims)(study),
        time_to_grok: Vec::new(),
    };
    Some((asked.paper, answers))
}
