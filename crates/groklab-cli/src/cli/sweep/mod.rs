//! `groklab sweep`: an experiment file, every run of its grid.

mod dry;

use super::{
    report,
    run::{Computer, ExecutionArgs, PrecisionArgs, execute},
    say,
};
use crate::{
    excerpt::clipped,
    experiment::Experiment,
    run::{ConfigError, parse_override},
    store::{PlanChange, record_plan},
    sweep::shard,
};
use clap::Args;
use miette::Context;
use std::{num::NonZeroUsize, path::PathBuf, process::ExitCode};
use toml::Value;

/// Arguments of `groklab sweep`.
#[derive(Args)]
pub struct SweepArgs {
    /// Experiment file, or the name of one that comes with the program (`groklab experiments` lists them)
    experiment: String,
    /// Runs at a time; with runs side by side on a device, threads [default: one a core]
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    #[command(flatten)]
    precision: PrecisionArgs,
    /// Set a config key of every run, instead of the experiment's value (repeatable): other runs, with other ids
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Epochs at most (steps, of kinds whose rounds are steps), instead of the experiment's: runs that got less far go on,
    /// those that got further stay as they are
    #[arg(long, visible_alias = "max-steps")]
    max_epochs: Option<u32>,
    /// Only every n-th run, starting with the i-th, as i/n
    #[arg(long, value_name = "I/N", value_parser = parse_shard)]
    shard: Option<(usize, usize)>,
    /// Directory for the experiment's directory
    #[arg(long, default_value = "results")]
    out: PathBuf,
    /// Say what would be done, and what of it is done already; run nothing and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    execution: ExecutionArgs,
}

/// Runs the experiment.
pub fn run(args: &SweepArgs) -> miette::Result<ExitCode> {
    let experiment = Experiment::find(&args.experiment)?;
    let mut extra = overrides(args.max_epochs);
    extra.extend(args.precision.overrides());
    for text in &args.set {
        extra.push(parse_override(text)?);
    }
    if let Some((i, _)) =
        extra.iter().enumerate().find(|(i, (key, _))| extra[..*i].iter().any(|(k, _)| k == key))
    {
        return Err(ConfigError::Twice(extra[i].0.clone()).into());
    }
    let mut plan = experiment.plan(&extra)?;
    let computer = Computer::open(&args.execution.compute, &plan, args.jobs)
        .wrap_err_with(|| format!("cannot run {}", clipped(&args.experiment, 240)))?;
    say(&format!("{}: {} ({} runs)", experiment.name, experiment.title, plan.len()));
    let results = args.out.join(&experiment.name);
    if args.dry_run {
        if let Some((i, n)) = args.shard {
            plan = shard(plan, i, n);
            say(&format!("shard {i} of {n}: {} runs", plan.len()));
        }
        return dry::tell(&plan, &results).map(|()| ExitCode::SUCCESS);
    }
    let PlanChange { dropped, rebudgeted } =
        record_plan(&results, &plan, experiment.study.as_deref()).map_err(report)?;
    if rebudgeted > 0 {
        say(&format!("{rebudgeted} runs planned before now have another budget"));
    }
    if dropped > 0 {
        say(&format!("{dropped} runs planned before are not in this plan: they stay, and count no more"));
    }
    if let Some((i, n)) = args.shard {
        plan = shard(plan, i, n);
        say(&format!("shard {i} of {n}: {} runs", plan.len()));
    }
    Ok(execute(&plan, results, Some(args.out.clone()), args.jobs, &args.execution, &computer)?.into())
}

/// What `--max-epochs` changes in an experiment.
pub(super) fn overrides(max_epochs: Option<u32>) -> Vec<(String, Value)> {
    max_epochs.map(|n| ("train.max_epochs".to_owned(), Value::Integer(n.into()))).into_iter().collect()
}

fn parse_shard(text: &str) -> Result<(usize, usize), String> {
    let parts = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    match parts {
        Some((i, n)) if 1 <= i && i <= n => Ok((i, n)),
        _ => Err("a shard is i/n with 1 ≤ i ≤ n, for example 2/8".to_owned()),
    }
}
