//! `groklab predict`: does an early number say when a run will grok?

use std::path::PathBuf;

use miette::IntoDiagnostic;

use super::{
    print, report, tell,
    view::{Seen, ViewArgs},
    warn_of_damage,
};
use crate::{
    render::{
        figure::{png, svg},
        table::text,
    },
    store::write_output,
    studies::grokking::{
        groups,
        predict::{
            Lot,
            early::Subject,
            figure, findings,
            table::{answers, by_group, crossings, predict_csv},
        },
    },
};

/// Hold the early numbers of runs against the epoch at which they grokked: Kendall's τ with censoring, within and across groups.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub struct PredictArgs {
    #[command(flatten)]
    view: ViewArgs,
    /// Experiments (results/NAME ...), or a directory of experiments
    #[arg(required = true)]
    dirs: Vec<PathBuf>,
    /// Write predict.csv, predict.svg and predict.png into this directory
    #[arg(long)]
    out: Option<PathBuf>,
}

const AFTER: &str = "\
Numbers are those at the evaluation that saw a run memorize, and 40 and 80 epochs later. The rule by which a number \"orders\" the \
grokking epochs is in docs/predict.md, and was there before the study `predict` was run.";

/// Runs the command; every answer is a success.
pub fn run(args: &PredictArgs) -> miette::Result<()> {
    let mut lots: Vec<Lot> = Vec::new();
    let mut experiments = 0;
    for dir in &args.dirs {
        let Seen { digests, studies } = args.view.digests(dir)?;
        for study in &studies {
            tell(&format!(
                "left out: {}: its runs are of another kind, or of a study that asks something else",
                study.name
            ));
        }
        for experiment in &digests.experiments {
            experiments += 1;
            for group in groups(experiment) {
                let of = |(summary, run): (_, &&crate::studies::grokking::RunDigest)| {
                    let diagnostics = run.files().diagnostics().unwrap_or_else(|error| {
                        warn_of_damage(&[error]);
                        None
                    });
                    Subject::of(summary, run, diagnostics.as_ref())
                };
                let runs: Vec<Subject> = group.runs.iter().zip(&group.records).filter_map(of).collect();
                let never_memorized = group.runs.len() - runs.len();
                lots.push(Lot {
                    name: format!("{}: {}", experiment.name, group.label()),
                    runs,
                    never_memorized,
                });
            }
        }
    }
    if experiments == 1 {
        let short =
            |lot: &mut Lot| lot.name = lot.name.split_once(": ").map_or("", |(_, name)| name).to_owned();
        lots.iter_mut().for_each(short);
    }
    let found = findings(&lots);
    let tables = [answers(&found, &lots), by_group(&found, &lots)].into_iter().chain(crossings(&lots));
    print(&tables.map(|table| text(&table)).collect::<Vec<_>>().join("\n"))?;
    let Some(out) = &args.out else { return Ok(()) };
    let mut files = vec![("predict.csv", predict_csv(&found, &lots).into_diagnostic()?)];
    match figure::page(&found) {
        Ok(pages) => {
            for scene in &pages {
                files.push(("predict.svg", svg(scene).into_diagnostic()?.into_bytes()));
                files.push(("predict.png", png(scene).into_diagnostic()?));
            }
        }
        Err(reason) => tell(&format!("not drawn: predict: {reason}")),
    }
    for (name, bytes) in files {
        let path = out.join(name);
        write_output(&path, &bytes).map_err(report)?;
        tell(&format!("wrote {}", path.display()));
    }
    Ok(())
}
