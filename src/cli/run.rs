//! What every command that trains has in common: the options of execution and the end of a sweep.

use super::{progress::Progress, report, say, tell};
use crate::{
    config::PlannedRun,
    engine::{DeviceChoice, EngineChoice, open_device},
    sweep::{Execution, Settled, sweep},
};
use clap::Args;
use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::AtomicBool,
};

/// How runs are carried out; nothing here changes what they are.
#[derive(Args)]
pub struct ExecutionArgs {
    /// Who computes the steps
    #[arg(long, value_enum, default_value_t)]
    pub engine: EngineChoice,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    pub device: DeviceChoice,
}

/// Runs the plan into `results`, showing progress, and says how it ended.
pub fn execute(
    plan: &[PlannedRun],
    results: PathBuf,
    jobs: Option<NonZeroUsize>,
    args: &ExecutionArgs,
) -> miette::Result<ExitCode> {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let stop = AtomicBool::new(false);
    let execution = Execution {
        jobs: jobs.map_or(cores, NonZeroUsize::get).min(plan.len()).max(1),
        engine: args.engine,
        device: open_device(args.device).map_err(report)?,
        results,
        stop: &stop,
    };
    let progress = Progress::new(plan.len());
    let settled = sweep(plan, &execution, &progress).map_err(report)?;
    progress.finish();
    Ok(summarise(plan, &settled, &execution.results))
}

fn summarise(plan: &[PlannedRun], settled: &[Settled], results: &Path) -> ExitCode {
    let count = |f: fn(&Settled) -> bool| settled.iter().filter(|s| f(s)).count();
    let failed = count(|s| matches!(s, Settled::Failed(_)));
    let elsewhere = count(|s| matches!(s, Settled::Elsewhere));
    if elsewhere > 0 {
        say(&format!("{elsewhere} runs were left to other processes that are at them"));
    }
    say(&format!(
        "{} of {} runs finished ({} before), {} failed; results in {}",
        count(|s| matches!(s, Settled::Finished(_) | Settled::Already(_))),
        plan.len(),
        count(|s| matches!(s, Settled::Already(_))),
        failed,
        results.display()
    ));
    for (run, settled) in plan.iter().zip(settled) {
        if let Settled::Failed(reason) = settled {
            tell(&format!("failed: {}: {reason}", run.id));
        }
    }
    if failed > 0 { ExitCode::from(1) } else { ExitCode::SUCCESS }
}
