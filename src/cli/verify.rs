//! `groklab verify`: are the files what the manifests say, and does a run give the same bytes again?

use super::{
    report,
    run::{ComputeArgs, Computer, Ended, ExecutionArgs, execute},
    say, tell,
};
use crate::{
    config::PlannedRun,
    store::{read_results, read_run, verify_run},
    task::Task,
};
use clap::Args;
use miette::{IntoDiagnostic, WrapErr};
use std::{fs, path::PathBuf, process::ExitCode, sync::Arc};

/// Arguments of `groklab verify`.
#[derive(Args)]
pub struct VerifyArgs {
    /// A run, an experiment (results/NAME), or a directory of experiments
    dir: PathBuf,
    /// Train this finished run of DIR again and compare its files byte by byte
    #[arg(long, value_name = "RUN")]
    rerun: Option<String>,
    #[command(flatten)]
    compute: ComputeArgs,
}

/// Verifies; exit code 3 when something is damaged, 1 when the run gave other bytes.
pub fn run(args: VerifyArgs) -> miette::Result<ExitCode> {
    match &args.rerun {
        Some(run) => rerun(args.dir.join(run), args.compute),
        None => verify(&args),
    }
}

fn verify(args: &VerifyArgs) -> miette::Result<ExitCode> {
    let results = read_results(&args.dir)?;
    let mut damaged: Vec<_> = results.damaged.into_iter().map(miette::Report::new).collect();
    let broken = damaged.len();
    let mut whole = 0;
    for run in results.experiments.iter().flat_map(|experiment| &experiment.runs) {
        let found = verify_run(&run.dir);
        whole += usize::from(found.is_empty());
        damaged.extend(found.into_iter().map(miette::Report::new));
    }
    for damage in &damaged {
        tell(&format!("{damage:?}"));
    }
    let runs = broken + results.experiments.iter().map(|experiment| experiment.runs.len()).sum::<usize>();
    say(&format!("{whole} of {runs} runs are whole"));
    Ok(if damaged.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

fn rerun(dir: PathBuf, compute: ComputeArgs) -> miette::Result<ExitCode> {
    let run = read_run(&dir)?;
    let id = run.manifest.run.clone();
    if !run.is_finished() {
        return Err(miette::miette!(
            help = "`groklab status` says how it stands; the command that began it takes it up again",
            "the run {id} is not finished: there is nothing to compare with"
        ));
    }
    let planned = PlannedRun::new(run.config.clone(), Arc::new(Task::find(&run.config.task)?));
    if planned.id != id {
        return Err(miette::miette!(
            help = "bring back the task file with which it was made",
            "the task {} has changed since the run {id}: its table would be another one",
            run.config.task
        ));
    }
    let again = tempfile::tempdir().into_diagnostic().wrap_err("cannot make a temporary directory")?;
    let execution = ExecutionArgs { compute, checkpoint_every: 60.0, replicas: None };
    let plan = [planned];
    let computer = Computer::open(&execution.compute, &plan, None)?;
    let ended = execute(&plan, again.path().to_owned(), None, &execution, &computer)?;
    if ended != Ended::Well {
        return Ok(ended.into());
    }
    let engine = read_run(&again.path().join(&id))?.manifest.engine;
    if engine != run.manifest.engine {
        say(&format!("another engine: {engine}, the run had {}", run.manifest.engine));
    }
    let mut same = true;
    // all that it vouches for must be the same again; the manifest itself holds times
    for name in run.manifest.newest().into_iter().flat_map(|point| point.files.keys()) {
        let read = |path: PathBuf| fs::read(&path).into_diagnostic().wrap_err(path.display().to_string());
        let (first, second) = (read(dir.join(name))?, read(again.path().join(&id).join(name))?);
        match first.iter().zip(&second).position(|(a, b)| a != b) {
            None if first.len() == second.len() => say(&format!("{name}: the same {} bytes", first.len())),
            at => {
                same = false;
                let at = at.unwrap_or(first.len().min(second.len()));
                let line = 1 + first[..at].iter().filter(|&&b| b == b'\n').count();
                let place =
                    if name.ends_with(".safetensors") { String::new() } else { format!(", line {line}") };
                say(&format!("{name}: differs from byte {at}{place}"));
            }
        }
    }
    again.close().map_err(report)?;
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
