//! `groklab sweep --dry-run`: what a plan would do to a results directory.

use super::super::{print, report};
use crate::{
    run::Planned,
    store::{RunStatus, Stage, read_manifest, status},
};
use std::{collections::BTreeMap, fmt::Write, path::Path, sync::Arc};

/// Prints a line a run: what would happen to it, and how far it is; then the sums.
pub(super) fn tell(plan: &[Arc<dyn Planned>], results: &Path) -> miette::Result<()> {
    let known = if results.is_dir() { status(results).map_err(report)? } else { Vec::new() };
    let known: BTreeMap<&str, &RunStatus> = known.iter().map(|run| (run.run.as_str(), run)).collect();
    let width = plan.iter().map(|run| run.id().chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    let (mut counts, mut rounds): (BTreeMap<&str, usize>, u64) = (BTreeMap::new(), 0);
    for run in plan {
        let manifest = read_manifest(&results.join(run.id())).map_err(report)?;
        let most = run.budget().max_epochs;
        let is_done = manifest.as_ref().is_some_and(|manifest| manifest.covers(&run.budget()));
        let is_running = known.get(run.id()).is_some_and(|known| known.stage == Stage::Running);
        let at = manifest.as_ref().and_then(|manifest| manifest.newest()).map_or(0, |point| point.epochs);
        let verb = match (is_done, is_running, at) {
            (true, ..) => "done",
            (_, true, _) => "run elsewhere",
            (.., 0) => "begin",
            _ => "go on",
        };
        *counts.entry(verb).or_default() += 1;
        rounds += if is_done { 0 } else { most.saturating_sub(at) };
        let round = run.kind().round();
        let _ = writeln!(text, "{verb:<13}  {:<width$}  {round} {at} of {most}", run.id());
    }
    let counts: Vec<String> = counts.iter().map(|(verb, n)| format!("{n} {verb}")).collect();
    let round = plan.first().map_or("epoch", |run| run.kind().round());
    let largest = plan.iter().map(|run| run.footprint()).max().unwrap_or(0);
    let _ = writeln!(
        text,
        "{} runs: {}; {rounds} {round}s to do at most, {:.0} MiB of memory for the largest run; nothing was written",
        plan.len(),
        counts.join(", "),
        (largest as f64 / f64::from(1 << 20)).ceil()
    );
    print(&text)
}
