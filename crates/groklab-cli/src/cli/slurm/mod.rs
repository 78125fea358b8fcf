//! `groklab slurm`: an experiment as a job array for a cluster.

mod mount;

use super::{report, say, sweep::overrides, tell};
use crate::{
    experiment::Experiment,
    kinds::operations::engine::{DeviceChoice, Precision},
    render::slurm::{JobArray, Memory, TimeLimit, Word, quoted, script},
    store::write_atomic,
};
use clap::{Args, ValueEnum};
use miette::{Context, IntoDiagnostic, miette};
use std::{
    fs, io,
    num::NonZeroUsize,
    path::{Path, PathBuf},
};

/// Arguments of `groklab slurm`.
#[derive(Args)]
#[command(after_help = AFTER)]
pub struct SlurmArgs {
    /// Experiment file, or the name of one that comes with the program (`groklab experiments` lists them)
    experiment: String,
    /// Tasks of the job array, one a node; never more than there are runs for
    #[arg(long, value_name = "N")]
    nodes: NonZeroUsize,
    /// Runs at a time, and CPUs, of each task [default: whole nodes, a run a core]; with --device cuda its CPUs, which
    /// have to be said
    #[arg(long, value_name = "J", required_if_eq("device", "cuda"))]
    jobs_per_node: Option<NonZeroUsize>,
    /// Time limit of a task, such as 12:00:00 or 2-00 (days-hours) [default: the partition's]
    #[arg(long, value_name = "LIMIT")]
    time: Option<TimeLimit>,
    /// Partition to run in
    #[arg(long, value_name = "NAME")]
    partition: Option<Word>,
    /// Account to charge
    #[arg(long, value_name = "NAME")]
    account: Option<Word>,
    /// Memory of each task, such as 16G
    #[arg(long, value_name = "SIZE")]
    memory: Option<Memory>,
    /// Seconds before the time limit at which a task stops and requeues itself
    #[arg(long, value_name = "SECONDS", default_value_t = 60,
        value_parser = clap::value_parser!(u16).range(1..))]
    warn_before: u16,
    /// Give each task a fixed share of the runs: where file locks do not reach from node to node
    #[arg(long)]
    shard: bool,
    /// Epochs at most, instead of the experiment's: runs that got less far go on
    #[arg(long)]
    max_epochs: Option<u32>,
    /// Where to compute; cuda gives each task one GPU (--gres=gpu:1) and a fixed share of the runs
    #[arg(long, value_enum, default_value_t)]
    device: DeviceChoice,
    /// How matrices are multiplied
    #[arg(long, value_enum, default_value_t)]
    precision: Precision,
    /// On a CUDA device: runs side by side at most [default: as many as fit]
    #[arg(long, value_name = "N")]
    replicas: Option<NonZeroUsize>,
    /// Directory for the experiment's directory, seen by every node
    #[arg(long, default_value = "results")]
    out: PathBuf,
    /// The program on the nodes [default: this one]
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
    /// The script to write [default: EXPERIMENT.sbatch]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the script if it is there and different
    #[arg(long)]
    force: bool,
}

const AFTER: &str = "\
The script starts in the present directory, so submit it from anywhere. Every task of the array runs the whole
experiment into the same directory and leaves to the others what they run; each run is done once. A task that is
preempted, loses its node or reaches its time limit goes back to the queue and resumes what is left. Each task ends
with the tables of what is finished: the last one's are complete (table.txt, runs.csv, rmse.csv).
Options of sbatch win over the script's: sbatch --constraint=skylake --time=4:00:00 EXPERIMENT.sbatch";

/// Writes the script and says how to submit it.
pub fn run(args: &SlurmArgs) -> miette::Result<()> {
    let experiment = Experiment::find(&args.experiment)?;
    let runs = experiment.plan(&overrides(args.max_epochs))?.len();
    let directory =
        std::env::current_dir().into_diagnostic().wrap_err("cannot tell the present directory")?;
    let results = args.out.join(&experiment.name);
    let on_gpus = args.device == DeviceChoice::Cuda;
    // a device takes all runs it has room for: without shares the first task would leave nothing to the others
    let shard = args.shard || on_gpus;
    let at_a_time = if on_gpus { Some(NonZeroUsize::MIN) } else { args.jobs_per_node };
    let job = JobArray {
        program: text("program", &program(args.program.as_deref())?)?,
        directory: text("present directory", &directory)?,
        experiment: args.experiment.clone(),
        out: text("results directory", &args.out)?,
        results: text("results directory", &results)?,
        tasks: tasks(args.nodes, at_a_time, runs),
        jobs: args.jobs_per_node,
        shard,
        max_epochs: args.max_epochs,
        gpu: on_gpus,
        compute: compute(args),
        time: args.time.clone(),
        partition: args.partition.clone(),
        account: args.account.clone(),
        memory: args.memory.clone(),
        warn_before: args.warn_before,
        name: experiment.name,
    };
    let script = script(&job)?;
    let output = args.output.clone().unwrap_or_else(|| format!("{}.sbatch", job.name).into());
    let verb = if write(&output, &script, args.force)? { "wrote" } else { "unchanged:" };
    let each = match job.jobs {
        _ if on_gpus => "side by side on a GPU".to_owned(),
        Some(jobs) => format!("{jobs} at a time"),
        None => "one a core".to_owned(),
    };
    say(&format!("{verb} {}: {runs} runs over {} tasks, {each} in each", output.display(), job.tasks));
    if let Some(warning) = mount::warning(&directory.join(&results)).filter(|_| !shard) {
        tell(&format!("warning: {} {warning}", results.display()));
    }
    say(&format!("submit it:  sbatch {}", quoted_if_needed(&text("script", &output)?)));
    Ok(())
}

/// The options of `groklab sweep` that say where and how to compute, but for those it would not need.
fn compute(args: &SlurmArgs) -> Vec<String> {
    fn chosen<T: ValueEnum + Default + PartialEq>(name: &str, value: T) -> Option<String> {
        let value = Some(value).filter(|value| *value != T::default())?.to_possible_value()?;
        Some(format!("--{name} {}", value.get_name()))
    }
    let replicas = args.replicas.map(|replicas| format!("--replicas {replicas}"));
    [chosen("device", args.device), chosen("precision", args.precision), replicas]
        .into_iter()
        .flatten()
        .collect()
}

/// No more tasks than it takes to have every run at work at the same time.
fn tasks(nodes: NonZeroUsize, jobs: Option<NonZeroUsize>, runs: usize) -> NonZeroUsize {
    let enough = runs.div_ceil(jobs.map_or(1, NonZeroUsize::get));
    NonZeroUsize::new(enough).map_or(NonZeroUsize::MIN, |enough| enough.min(nodes))
}

/// What the nodes run: the path given, found from the present directory, or this very program.
fn program(given: Option<&Path>) -> miette::Result<PathBuf> {
    match given {
        Some(path) => Ok(path.to_owned()),
        None => std::env::current_exe()
            .into_diagnostic()
            .wrap_err("cannot tell where this program is; give its path with --program"),
    }
}

/// Writes `script` to `path`; false if it is there already, word for word.
fn write(path: &Path, script: &str, force: bool) -> miette::Result<bool> {
    // only a regular file is read: a pipe would block
    let there = fs::metadata(path).map(|found| found.is_file());
    match there {
        Ok(true) => match fs::read(path).into_diagnostic() {
            Ok(old) if old == script.as_bytes() => return Ok(false),
            _ if force => {}
            _ => {
                return Err(miette!(
                    help = "give --force to replace it, or another file with --output",
                    "{} is there already and says something else",
                    path.display()
                ));
            }
        },
        Ok(false) => {
            return Err(miette!(
                help = "name another file with --output",
                "{} is not a file to write to",
                path.display()
            ));
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e).into_diagnostic().wrap_err(format!("cannot look at {}", path.display())),
    }
    write_atomic(path, script.as_bytes()).map_err(report)?;
    Ok(true)
}

/// A path as text, which a script needs.
fn text(what: &str, path: &Path) -> miette::Result<String> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        miette!(
            help = "rename it, or reach it by another path, such as a symbolic link",
            "the {what} {} is not UTF-8",
            path.display()
        )
    })
}

fn quoted_if_needed(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=,".contains(c);
    if text.chars().all(plain) && !text.starts_with('-') { text.to_owned() } else { quoted(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_has_no_task_without_a_run() {
        let n = |n| NonZeroUsize::new(n).unwrap();
        // runs, nodes, jobs a node: tasks
        let cases = [
            (60, 4, None, 4),
            (3, 4, None, 3),
            (60, 100, Some(8), 8),
            (8, 2, Some(8), 1),
            (9, 2, Some(8), 2),
            (0, 2, None, 1),
        ];
        for (runs, nodes, jobs, expected) in cases {
            assert_eq!(tasks(n(nodes), jobs.map(n), runs).get(), expected, "{runs} {nodes} {jobs:?}");
        }
    }

    #[test]
    fn a_script_is_not_replaced_unasked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sbatch");
        assert!(write(&path, "a", false).unwrap());
        assert!(!write(&path, "a", false).unwrap());
        assert!(write(&path, "b", false).unwrap_err().to_string().contains("says something else"));
        assert_eq!(fs::read(&path).unwrap(), b"a");
        assert!(write(&path, "b", true).unwrap());
        assert!(write(dir.path(), "b", true).is_err());
    }
}
