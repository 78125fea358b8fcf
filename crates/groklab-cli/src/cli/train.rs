//! `groklab train`: one run.

use super::run::{Computer, ExecutionArgs, PrecisionArgs, execute};
use crate::{
    kinds,
    run::{self, Budget, ConfigError, Kind, Planned, parse_override},
};
use clap::Args;
use miette::IntoDiagnostic;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};
use toml::{Table, Value};

/// Which run: shared by `train` and `trace`.
#[derive(Args)]
pub struct RunArgs {
    /// Of operations: task name (see `groklab tasks list`) or the path of a task file
    pub task: Option<String>,
    /// What kind of run (see `groklab kinds`)
    #[arg(long, default_value = "operations")]
    pub kind: String,
    /// Of operations: share of the table used for training [default: 0.5]
    #[arg(long)]
    pub fraction: Option<f64>,
    /// Seed of parameters, batch order and, unless split_seed is set, of the split [default: 0]
    #[arg(long)]
    pub seed: Option<u64>,
    /// Starting point of the config [default: the first of the kind; of operations paper]
    #[arg(long)]
    pub preset: Option<String>,
    /// Set a config key, e.g. --set optim.weight_decay=0.1 (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    #[command(flatten)]
    precision: PrecisionArgs,
}

impl RunArgs {
    /// The run they describe.
    pub fn plan(&self) -> miette::Result<Arc<dyn Planned>> {
        let kind = kind(&self.kind)?;
        let names = |names: Vec<&str>| names.join(", ");
        let presets = kind.presets();
        let preset = match &self.preset {
            None => presets.first(),
            Some(name) => presets.iter().find(|preset| preset.name == name),
        };
        let preset = preset.ok_or_else(|| {
            miette::miette!(
                help = format!("presets: {}", names(presets.iter().map(|preset| preset.name).collect())),
                "{} has no preset {:?}",
                kind.name(),
                self.preset.as_deref().unwrap_or_default()
            )
        })?;
        let mut config: Table = toml::from_str(preset.toml).into_diagnostic()?;
        if self.task.is_none() && config.contains_key("task") {
            return Err(miette::miette!(
                help = "such as `groklab train add`; `groklab tasks list` names them",
                "a run on a binary operation needs a task"
            ));
        }
        self.put(kind, &mut config, "task", self.task.clone().map(Value::String))?;
        self.put(kind, &mut config, "train_fraction", self.fraction.map(Value::Float))?;
        let seed = self.seed.unwrap_or(0);
        let seed = i64::try_from(seed).map_err(|_| ConfigError::OutOfRange {
            key: "seed",
            value: seed.to_string(),
            rule: "the number is below 2^63 = 9223372036854775808",
        })?;
        let mut set = vec![("seed".to_owned(), Value::Integer(seed))];
        for text in &self.set {
            set.push(parse_override(text)?);
        }
        set.extend(self.precision.overrides());
        let given = |key: &str| {
            self.seed.is_some() && key == "seed" || self.fraction.is_some() && key == "train_fraction"
        };
        for (i, (key, _)) in set.iter().enumerate().skip(1) {
            if given(key) || set[1..i].iter().any(|(other, _)| other == key) {
                return Err(ConfigError::Twice(key.clone()).into());
            }
        }
        let config = run::set(kind, &config, &set)?;
        kind.check(&config)?;
        Ok(kind.planner().plan(&config)?)
    }

    /// Sets what only some kinds have.
    fn put(
        &self,
        kind: &dyn Kind,
        config: &mut Table,
        key: &str,
        value: Option<Value>,
    ) -> miette::Result<()> {
        let Some(value) = value else { return Ok(()) };
        if !config.contains_key(key) {
            return Err(miette::miette!(
                help = format!("leave it out; `--set KEY=VALUE` sets what {} have", kind.name()),
                "runs of the kind {} have no {key}",
                kind.name()
            ));
        }
        config.insert(key.to_owned(), value);
        Ok(())
    }
}

/// The kind of that name.
pub(super) fn kind(name: &str) -> miette::Result<&'static dyn Kind> {
    kinds::find(name).ok_or_else(|| {
        let known: Vec<_> = kinds::all().map(|kind| kind.name()).collect();
        miette::miette!(help = format!("kinds: {}", known.join(", ")), "no kind of run {name:?}")
    })
}

/// Where runs go that belong to no experiment.
const OUT: &str = "results/train";

/// Arguments of `groklab train`.
#[derive(Args)]
pub struct TrainArgs {
    #[command(flatten)]
    run: RunArgs,
    /// Epochs at most (steps, of kinds whose rounds are steps), instead of the preset's
    #[arg(long, visible_alias = "max-steps")]
    max_epochs: Option<u32>,
    /// Directory for the run's own directory
    #[arg(long, default_value = OUT)]
    out: PathBuf,
    #[command(flatten)]
    execution: ExecutionArgs,
}

/// Trains the run.
pub fn run(args: &TrainArgs) -> miette::Result<ExitCode> {
    let is_set =
        |text: &String| text.split_once('=').is_some_and(|(key, _)| key.trim() == "train.max_epochs");
    if args.max_epochs.is_some() && args.run.set.iter().any(is_set) {
        return Err(ConfigError::Twice("train.max_epochs".to_owned()).into());
    }
    let mut plan = [args.run.plan()?];
    if let Some(max_epochs) = args.max_epochs {
        let budget = plan[0].budget();
        plan[0] = plan[0].with_budget(Budget { max_epochs: max_epochs.into(), ..budget });
    }
    let computer = Computer::open(&args.execution.compute, &plan, None)?;
    // of a directory elsewhere nobody has said that experiments lie beside it
    let beside = (args.out == Path::new(OUT)).then(|| "results".into());
    Ok(execute(&plan, args.out.clone(), beside, None, &args.execution, &computer)?.into())
}
