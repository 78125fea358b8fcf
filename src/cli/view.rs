//! What every command that reads results has in common: which runs count, and how far.

use super::{tell, warn_of_damage};
use crate::store::{Experiment, Limits, ReadError, Results, read_results};
use clap::Args;
use std::path::Path;

/// Names that are listed at most.
const LISTED: usize = 5;

/// How far the runs are looked at.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct ViewArgs {
    /// Look at the runs as if they had been given so many epochs at most [default: what the experiment asks for]
    #[arg(long, value_name = "N")]
    max_epochs: Option<u64>,
    /// Look at the runs as if they had gone on so many epochs after grokking [default: what the experiment asks for]
    #[arg(long, value_name = "N")]
    patience: Option<u64>,
}

impl ViewArgs {
    /// Reads the runs of `dir` that count, and tells of those that do not.
    pub fn read(self, dir: &Path) -> Result<Results, ReadError> {
        let results = read_results(dir, Limits { max_epochs: self.max_epochs, patience: self.patience })?;
        warn_of_damage(&results.damaged);
        for experiment in &results.experiments {
            tell_of_others(experiment);
        }
        Ok(results)
    }
}

fn tell_of_others(experiment: &Experiment) {
    let name = &experiment.name;
    if !experiment.unplanned.is_empty() {
        let ids = experiment.unplanned.iter().map(String::as_str);
        tell(&format!(
            "not counted: {} in {name} that its plan does not name: {}",
            runs(ids.len()),
            list(ids)
        ));
    }
    let without = experiment.runs.iter().filter(|run| run.end.is_some_and(|end| !end.is_evaluated));
    let ids: Vec<&str> = without.map(|run| run.manifest.run.as_str()).collect();
    if !ids.is_empty() {
        let count = runs(ids.len());
        tell(&format!(
            "{count} in {name} went past the end asked for without an evaluation there, the last one before it counts: {}",
            list(ids.into_iter())
        ));
    }
}

fn runs(count: usize) -> String {
    if count == 1 { "1 run".to_owned() } else { format!("{count} runs") }
}

fn list<'a>(ids: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = ids.len().saturating_sub(LISTED);
    let shown = ids.take(LISTED).collect::<Vec<_>>().join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}
