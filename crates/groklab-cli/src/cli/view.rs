//! What every command that reads results has in common: which runs count, and how far.

use super::{tell, warn_of_damage};
use crate::{
    analysis::general::{Run, Study},
    kinds,
    run::Kind,
    store::{Experiment, Limits, Listed, Listing, ReadError, Results, RunRecord, list_results, read_results},
    studies::{
        self,
        grokking::{Digests, RunDigest},
    },
};
use clap::Args;
use rayon::prelude::*;
use std::path::Path;

/// Runs read at once, for each thread that reads.
const AT_ONCE: usize = 4;

/// Names that are listed at most.
const LISTED: usize = 5;

/// How far the runs are looked at.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct ViewArgs {
    /// Look at the runs as if they had been given so many epochs at most [default: what the experiment asks for]
    #[arg(long, value_name = "N", visible_alias = "max-steps")]
    max_epochs: Option<u64>,
    /// Look at the runs as if they had gone on so many epochs after grokking [default: what the experiment asks for]
    #[arg(long, value_name = "N")]
    patience: Option<u64>,
}

impl ViewArgs {
    fn limits(self) -> Limits {
        Limits { max_epochs: self.max_epochs, patience: self.patience, is_ahead: false }
    }

    /// Reads the runs of `dir` that count, and tells of those that do not.
    pub fn read(self, dir: &Path) -> Result<Results, ReadError> {
        let results = read_results(dir, self.limits())?;
        warn_of_damage(&results.damaged);
        for experiment in &results.experiments {
            tell_of_others(experiment, |run| run);
        }
        Ok(results)
    }

    /// The same run by run, each as a digest, so that thousands of long runs fit into memory. Runs of other kinds than
    /// binary operations, and those of other studies, come beside them.
    pub fn digests(self, dir: &Path) -> Result<Seen, ReadError> {
        let (seen, damaged) = see(dir, self.limits())?;
        warn_of_damage(&damaged);
        for experiment in &seen.digests.experiments {
            tell_of_others(experiment, RunDigest::files);
        }
        Ok(seen)
    }

    /// The same without a word, of runs on their way with what they wrote since they were last saved.
    pub fn ahead(self, dir: &Path) -> Result<Seen, ReadError> {
        let (seen, _) = see(dir, Limits { is_ahead: true, ..self.limits() })?;
        Ok(seen)
    }
}

/// The runs of `dir` as digests, and what cannot be read.
fn see(dir: &Path, limits: Limits) -> Result<(Seen, Vec<ReadError>), ReadError> {
    let Listing { experiments, mut damaged } = list_results(dir, limits)?;
    let count = experiments.iter().map(|listed| listed.runs.len()).sum();
    let mut digests = Digests::default();
    let mut studies: Vec<Study> = Vec::new();
    for Listed { name, runs, is_planned, unplanned, study } in experiments {
        let experiment = name.clone();
        digests.experiments.push(Experiment { name, is_planned, unplanned, runs: Vec::new() });
        for runs in runs.chunks(AT_ONCE * rayon::current_num_threads()) {
            // one after the other would be as good, and slower
            let study = study.as_deref();
            let read = runs.par_iter().map(|run| digest(run.read()?, study, &digests, count));
            for run in read.collect::<Vec<_>>() {
                match run {
                    Ok(Digested::Operations(run)) => digests.add(*run),
                    Ok(Digested::Other(kind, run)) => {
                        let is_its =
                            |study: &&mut Study| study.name == experiment && study.kind.name() == kind.name();
                        match studies.iter_mut().find(is_its) {
                            Some(known) => known.runs.push(*run),
                            None => {
                                let name = experiment.clone();
                                let study = study.map(str::to_owned);
                                studies.push(Study { name, kind, study, runs: vec![*run] });
                            }
                        }
                    }
                    Err(error) => damaged.push(error),
                }
            }
        }
    }
    let is_other = |e: &Experiment<RunDigest>| studies.iter().any(|study| study.name == e.name);
    digests.experiments.retain(|e| !e.runs.is_empty() || !e.unplanned.is_empty() && !is_other(e));
    if digests.experiments.iter().all(|experiment| experiment.runs.is_empty()) && studies.is_empty() {
        return Err(ReadError::NothingReadable { dir: dir.into(), damaged });
    }
    Ok((Seen { digests, studies }, damaged))
}

/// What a directory of results holds.
pub struct Seen {
    /// Experiments on binary operations.
    pub digests: Digests,
    /// Experiments of other kinds or studies, as far as a kind of each is there.
    pub studies: Vec<Study>,
}

/// A run as its kind's readers need it.
enum Digested {
    Operations(Box<RunDigest>),
    Other(&'static dyn Kind, Box<Run>),
}

/// Binary operations of an experiment that belongs to a study go by what that study asks, as all other kinds do. What such a
/// run leaves unsaid is completed: runs of one study may differ in it.
fn digest(
    run: RunRecord,
    study: Option<&str>,
    digests: &Digests,
    count: usize,
) -> Result<Digested, ReadError> {
    let kind = kinds::of(&run)?;
    let is_asked = study.is_some_and(|name| studies::ALL.iter().any(|known| known.name == name));
    match kind.name() {
        "operations" if !is_asked => Ok(Digested::Operations(Box::new(digests.digest(run)?))),
        "operations" => {
            let recipe = kinds::recipe(&run)?;
            Ok(Digested::Other(kind, Box::new(Run::of(RunRecord { recipe, ..run }, count))))
        }
        _ => Ok(Digested::Other(kind, Box::new(Run::of(run, count)))),
    }
}

fn tell_of_others<R>(experiment: &Experiment<R>, files: fn(&R) -> &RunRecord) {
    let name = &experiment.name;
    if !experiment.unplanned.is_empty() {
        let ids = experiment.unplanned.iter().map(String::as_str);
        tell(&format!(
            "not counted: {} in {name} that its plan does not name: {}",
            runs(ids.len()),
            list(ids)
        ));
    }
    let without =
        experiment.runs.iter().map(files).filter(|run| run.end.is_some_and(|end| !end.is_evaluated));
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
