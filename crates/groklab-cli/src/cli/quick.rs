//! `groklab quick`: the one command that shows it working.

use super::{
    plot, report,
    run::{Computer, Ended, ExecutionArgs, execute},
    say, table,
};
use crate::{experiment::Experiment, store::record_plan};
use clap::Args;
use std::{path::PathBuf, process::ExitCode};

/// Arguments of `groklab quick`.
#[derive(Args)]
pub struct QuickArgs {
    #[command(flatten)]
    execution: ExecutionArgs,
}

/// Trains the `quick` experiment, then writes its table and figures.
pub fn run(args: &QuickArgs) -> miette::Result<ExitCode> {
    let experiment = Experiment::find("quick")?;
    let plan = experiment.plan(&[])?;
    let computer = Computer::open(&args.execution.compute, &plan, None)?;
    say(&format!("{} ({} runs; a transformer groks before your eyes)", experiment.title, plan.len()));
    let results = PathBuf::from("results/quick");
    record_plan(&results, &plan, experiment.study.as_deref()).map_err(report)?;
    let ended = execute(&plan, results.clone(), Some("results".into()), None, &args.execution, &computer)?;
    if let Ended::BySignal(_) = ended {
        return Ok(ended.into());
    }
    say("");
    table::run(table::TableArgs::of(results.clone()))?;
    plot::run(plot::PlotArgs::of(results))?;
    Ok(ended.into())
}
