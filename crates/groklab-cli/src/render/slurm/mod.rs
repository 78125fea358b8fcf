//! The batch script of an experiment for Slurm: a job array whose tasks share one results directory.
//!
//! No run is given to a task beforehand: each task runs `groklab sweep`, which claims what nobody is at.
//! Whatever the paths hold, the script's words are those of [`JobArray`]; what follows them, `body.sh`, is constant.

mod option;

pub use option::{Memory, OptionError, TimeLimit, Word};

use std::{fmt::Write, num::NonZeroUsize};

/// What the tasks do: waits, signals, requeueing, tables.
const BODY: &str = include_str!("body.sh");

/// A job array that runs one experiment.
#[derive(Clone, Debug)]
pub struct JobArray {
    /// Path of the program on the nodes.
    pub program: String,
    /// Where the tasks start: relative paths are meant from here.
    pub directory: String,
    /// The experiment, as `groklab sweep` takes it.
    pub experiment: String,
    /// The experiment's name, which names the job.
    pub name: String,
    /// Directory for the experiment's directory.
    pub out: String,
    /// The experiment's directory.
    pub results: String,
    /// Tasks of the array, each on a node of its own or on a part of one.
    pub tasks: NonZeroUsize,
    /// Runs, and CPUs, a task; none takes whole nodes and a run a core.
    pub jobs: Option<NonZeroUsize>,
    /// Give each task a fixed share of the runs.
    pub shard: bool,
    /// Epochs at most, instead of the experiment's.
    pub max_epochs: Option<u32>,
    /// A GPU a task.
    pub gpu: bool,
    /// Where and how `groklab sweep` is to compute: options of its own, words of a shell.
    pub compute: Vec<String>,
    /// `--time`, the cluster's default unless given.
    pub time: Option<TimeLimit>,
    /// `--partition`.
    pub partition: Option<Word>,
    /// `--account`.
    pub account: Option<Word>,
    /// `--mem`, a node.
    pub memory: Option<Memory>,
    /// Seconds before the time limit at which Slurm tells the script.
    pub warn_before: u16,
}

/// A job array that cannot be written down.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ScriptError {
    /// A line break would end the line of the script it stands in.
    #[error("{what} has a line break in it: {text:?}")]
    #[diagnostic(help("rename it, or reach it by another path, such as a symbolic link"))]
    LineBreak {
        /// Which path.
        what: &'static str,
        /// The path.
        text: String,
    },
    /// No time left between the start and the warning.
    #[error("the time limit {time} leaves nothing before the warning, {warn_before} s ahead of it")]
    #[diagnostic(help("give more --time or less --warn-before"))]
    NoTime {
        /// The limit.
        time: TimeLimit,
        /// Seconds.
        warn_before: u16,
    },
}

/// The script, for `sbatch`.
///
/// # Errors
/// If a path has a line break in it, or the time limit is not beyond the warning.
pub fn script(job: &JobArray) -> Result<String, ScriptError> {
    let words = [
        ("program", &job.program),
        ("directory", &job.directory),
        ("experiment", &job.experiment),
        ("out", &job.out),
        ("results", &job.results),
    ];
    if let Some((what, text)) = words.into_iter().find(|(_, text)| text.contains(['\n', '\r'])) {
        return Err(ScriptError::LineBreak { what, text: text.clone() });
    }
    if let Some(time) = job.time.as_ref().filter(|t| t.seconds() <= u64::from(job.warn_before)) {
        return Err(ScriptError::NoTime { time: time.clone(), warn_before: job.warn_before });
    }
    let mut out = "#!/bin/bash\n".to_owned();
    for option in directives(job) {
        let _ = writeln!(out, "#SBATCH --{option}");
    }
    out.push_str("# written by groklab slurm; options of the sbatch command line win over those above\n\n");
    for (name, text) in words {
        let _ = writeln!(out, "{name}={}", quoted(text));
    }
    let _ = writeln!(out, "options=({})\n", sweep_options(job).join(" "));
    out.push_str(BODY);
    Ok(out)
}

/// The options of sbatch, without their dashes.
fn directives(job: &JobArray) -> Vec<String> {
    let mut list = vec![
        format!("job-name=groklab-{}", plain(&job.name)),
        format!("array=1-{}", job.tasks),
        "nodes=1".to_owned(),
        "ntasks=1".to_owned(),
        job.jobs.map_or("exclusive".to_owned(), |jobs| format!("cpus-per-task={jobs}")),
    ];
    list.extend(job.gpu.then(|| "gres=gpu:1".to_owned()));
    list.extend(job.memory.iter().map(|memory| format!("mem={memory}")));
    list.extend(job.time.iter().map(|time| format!("time={time}")));
    list.extend(job.partition.iter().map(|partition| format!("partition={partition}")));
    list.extend(job.account.iter().map(|account| format!("account={account}")));
    list.extend(["requeue".to_owned(), "open-mode=append".to_owned()]);
    list.push(format!("signal=B:TERM@{}", job.warn_before));
    list
}

/// What `groklab sweep` is told besides the experiment and where its results go; words of bash.
fn sweep_options(job: &JobArray) -> Vec<String> {
    let jobs = job.jobs.map(|jobs| format!("--jobs {jobs}"));
    let shard = job.shard.then(|| format!("--shard \"$SLURM_ARRAY_TASK_ID/{}\"", job.tasks));
    let epochs = job.max_epochs.map(|epochs| format!("--max-epochs {epochs}"));
    [jobs, shard, epochs].into_iter().flatten().chain(job.compute.iter().cloned()).collect()
}

/// `text` as one word of a POSIX shell.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// `name` with what Slurm's option parser could trip over replaced.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect()
}

#[cfg(test)]
mod tests;
