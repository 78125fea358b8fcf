//! `groklab train`: one run.

use super::run::{Computer, ExecutionArgs, PrecisionArgs, execute};
use crate::{
    kinds::operations::config::{PlannedRun, Preset, apply_overrides, check_split, parse_override},
    kinds::operations::task::Task,
};
use clap::Args;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};
use toml::Value;

/// Which run: shared by `train` and `trace`.
#[derive(Args)]
pub struct RunArgs {
    /// Task name (see `groklab tasks list`) or the path of a task file
    pub task: String,
    /// Share of the table used for training
    #[arg(long, default_value_t = 0.5)]
    pub fraction: f64,
    /// Seed of parameters, batch order and, unless split_seed is set, of the split
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Starting point of the config
    #[arg(long, value_enum, default_value_t)]
    pub preset: Preset,
    /// Set a config key, e.g. --set optim.weight_decay=0.1 (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    #[command(flatten)]
    precision: PrecisionArgs,
}

impl RunArgs {
    /// The run they describe.
    pub fn plan(&self) -> miette::Result<PlannedRun> {
        let mut set: Vec<(String, Value)> =
            self.set.iter().map(|s| parse_override(s)).collect::<Result<_, _>>()?;
        set.extend(self.precision.overrides());
        let config = apply_overrides(&self.preset.config(&self.task, self.fraction, self.seed), &set)?;
        let task = Task::find(&self.task)?;
        check_split(task.equations.len(), config.train_fraction)?;
        Ok(PlannedRun::new(config, Arc::new(task)))
    }
}

/// Where runs go that belong to no experiment.
const OUT: &str = "results/train";

/// Arguments of `groklab train`.
#[derive(Args)]
pub struct TrainArgs {
    #[command(flatten)]
    run: RunArgs,
    /// Directory for the run's own directory
    #[arg(long, default_value = OUT)]
    out: PathBuf,
    #[command(flatten)]
    execution: ExecutionArgs,
}

/// Trains the run.
pub fn run(args: &TrainArgs) -> miette::Result<ExitCode> {
    let plan = [args.run.plan()?];
    let computer = Computer::open(&args.execution.compute, &plan, None)?;
    // of a directory elsewhere nobody has said that experiments lie beside it
    let beside = (args.out == Path::new(OUT)).then(|| "results".into());
    Ok(execute(&plan, args.out.clone(), beside, None, &args.execution, &computer)?.into())
}
