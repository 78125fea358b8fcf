//! `groklab status`: the state of the runs of an experiment.

use super::{print, report};
use crate::{
    excerpt::clipped,
    store::{ReadError, RunStatus, Stage, status},
};
use clap::Args;
use miette::IntoDiagnostic;
use std::{fmt::Write, path::PathBuf};

/// Arguments of `groklab status`.
#[derive(Args)]
pub struct StatusArgs {
    /// Directory of an experiment, such as results/binary-ops
    dir: PathBuf,
    /// Print one JSON object: a count for each stage, and the runs
    #[arg(long)]
    json: bool,
}

const STAGES: [Stage; 8] = [
    Stage::Planned,
    Stage::Running,
    Stage::Interrupted,
    Stage::Done,
    Stage::Diverged,
    Stage::Failed,
    Stage::Damaged,
    Stage::Unplanned,
];

/// Prints it.
pub fn run(args: &StatusArgs) -> miette::Result<()> {
    if !args.dir.is_dir() {
        return Err(ReadError::NoDirectory { dir: args.dir.clone() }.into());
    }
    let runs = status(&args.dir).map_err(report)?;
    if runs.is_empty() {
        return Err(miette::miette!(
            help = "name the directory of an experiment, such as results/quick; `groklab sweep` makes one",
            "no run, planned or begun, in {}",
            args.dir.display()
        ));
    }
    let count = |stage: Stage| runs.iter().filter(|run| run.stage == stage).count();
    let counts = STAGES.map(|stage| (name(stage), count(stage)));
    if args.json {
        let counts: serde_json::Map<String, serde_json::Value> =
            counts.into_iter().map(|(name, n)| (name.to_owned(), n.into())).collect();
        let whole = serde_json::json!({ "counts": counts, "runs": runs });
        return print(&format!("{}\n", serde_json::to_string_pretty(&whole).into_diagnostic()?));
    }
    let width = runs.iter().map(|run| run.run.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for run in &runs {
        let _ = writeln!(text, "{:<12} {:<width$}  {}", name(run.stage), run.run, story(run));
    }
    let told: Vec<String> =
        counts.iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{n} {name}")).collect();
    let _ = writeln!(text, "{} runs: {}", runs.len(), told.join(", "));
    print(&text)
}

fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Planned => "planned",
        Stage::Running => "running",
        Stage::Interrupted => "interrupted",
        Stage::Done => "done",
        Stage::Diverged => "diverged",
        Stage::Failed => "failed",
        Stage::Damaged => "damaged",
        Stage::Unplanned => "unplanned",
    }
}

/// What there is to say about a run, in one line.
fn story(run: &RunStatus) -> String {
    let mut parts = Vec::new();
    if run.stage != Stage::Planned {
        let most = run.max_epochs.map(|n| format!(" of {n}")).unwrap_or_default();
        parts.push(format!("{} {}{most}", run.round, run.epochs));
    }
    let mut milestones: Vec<_> = run.milestones.iter().collect();
    milestones.sort_by_key(|(_, epoch)| **epoch);
    parts.extend(milestones.into_iter().map(|(name, epoch)| format!("{name} at {epoch}")));
    match (&run.holder, run.stage) {
        (Some(holder), _) => parts.push(format!("by process {} on {}", holder.pid, holder.host)),
        (None, Stage::Running) => parts.push("by a process that cannot be named".to_owned()),
        _ => {}
    }
    parts.extend(run.reason.as_ref().map(|reason| clipped(reason.lines().next().unwrap_or_default(), 400)));
    parts.join(", ")
}
