//! `groklab trace`: the first steps of a run as one safetensors file, for a replay in another framework, and on demand
//! as rows of metrics, a step each.
//!
//! | tensor | shape | what |
//! |---|---|---|
//! | `initial.NAME`, `final.NAME` | the parameter's | parameters before the first and after the last step |
//! | `adamw.m.NAME`, `adamw.v.NAME` | the parameter's | the optimiser's slots after the last step, after its own name |
//! | `equations` | (train rows, 3), i64 | x, y and answer of the training set |
//! | `batch_rows` | (Σ sizes), i64 | training rows of the batches, one batch after the other |
//! | `batch_sizes` | (steps), i64 | rows of each batch |
//! | `losses` | (steps), f32 | mean cross-entropy of each batch before its step |
//! | `learning_rates` | (steps), f64 | rate of each step |
//!
//! The metadata entry `groklab` is a JSON object with `config` (TOML) and `n_symbols`; the tokens are x, n_symbols
//! (the operator), y, n_symbols + 1 (=), or with `model.sequence = "without-operator"` x, y, n_symbols (=).

use super::{deliver, report, tell, train::RunArgs};
use crate::{
    cli::run::ComputeArgs,
    kinds::operations::model::ParamLayout,
    kinds::operations::train::{Trainer, trace},
    kinds::operations::{engine, lockstep::operations},
    run::{Mark, State},
    store::{metrics_csv, named_tensors, read_parameters, safetensors_bytes},
    sweep::memory,
};
use clap::Args;
use safetensors::Dtype;
use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

/// Arguments of `groklab trace`.
#[derive(Args)]
pub struct TraceArgs {
    #[command(flatten)]
    run: RunArgs,
    /// Steps to record
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    steps: u64,
    /// Where to write
    #[arg(long)]
    out: PathBuf,
    /// Start from the tensors `initial.NAME` (or `NAME`) of this safetensors file
    #[arg(long)]
    from: Option<PathBuf>,
    /// Evaluate before the first step and after each, and write the rows, columns as in metrics.csv
    #[arg(long, value_name = "FILE.csv")]
    metrics: Option<PathBuf>,
    #[command(flatten)]
    compute: ComputeArgs,
}

/// Records the trace.
pub fn run(args: &TraceArgs) -> miette::Result<ExitCode> {
    let planned = args.run.plan()?;
    memory::check(std::slice::from_ref(&planned), None)?;
    let run = operations(planned.as_ref())
        .ok_or_else(|| miette::miette!("only runs on binary operations can be traced"))?;
    let (model, n_symbols) = (&run.config.model, run.task.n_symbols);
    let device = engine::open_device(args.compute.device).map_err(report)?;
    let (mut engine, name) = engine::build_for(run, args.compute.engine, &device).map_err(report)?;
    let mut trainer = Trainer::new(run).map_err(report)?;
    if let Some(from) = &args.from {
        trainer.params = read_parameters(from, "initial.", &ParamLayout::new(model, n_symbols).tensors())
            .map_err(report)?;
    }
    let mut rows = Vec::new();
    let trace = trace(&mut trainer, engine.as_mut(), args.steps, |trainer, engine, epochs| {
        if args.metrics.is_some() {
            let mark = Mark { epoch: epochs, step: trainer.course.step };
            rows.push((mark, trainer.measure(engine)?.0));
        }
        Ok(())
    })
    .map_err(report)?;

    let equations: Vec<i64> =
        trainer.split.train.iter().flat_map(|e| [e.x, e.y, e.answer].map(i64::from)).collect();
    let layout = trainer.layout();
    let mut tensors = named_tensors("initial.", layout, &trace.initial);
    tensors.extend(named_tensors("final.", layout, &trainer.params));
    let optimizer = run.config.optim.name.name();
    for (slot, values) in trainer.optimizer().slots().unwrap_or_default() {
        tensors.extend(named_tensors(&format!("{optimizer}.{slot}."), layout, values));
    }
    let steps = trace.losses.len();
    let mut push = |name: &str, dtype, shape: &[usize], bytes| {
        tensors.push((name.to_owned(), dtype, shape.to_vec(), bytes));
    };
    push("equations", Dtype::I64, &[trainer.split.train.len(), 3], bytemuck::cast_slice(&equations));
    push("batch_rows", Dtype::I64, &[trace.batch_rows.len()], bytemuck::cast_slice(&trace.batch_rows));
    push("batch_sizes", Dtype::I64, &[steps], bytemuck::cast_slice(&trace.batch_sizes));
    push("losses", Dtype::F32, &[steps], bytemuck::cast_slice(&trace.losses));
    push("learning_rates", Dtype::F64, &[steps], bytemuck::cast_slice(&trace.learning_rates));
    let metadata = BTreeMap::from([
        ("format", "groklab-trace-1".to_owned()),
        ("config", toml::to_string(&run.config).map_err(report)?),
        ("n_symbols", n_symbols.to_string()),
        ("engine", name.clone()),
    ]);
    if let Some(path) = &args.metrics {
        deliver(path, &metrics_csv(run, &rows).map_err(report)?)?;
    }
    deliver(&args.out, &safetensors_bytes(&args.out, &tensors, &metadata).map_err(report)?)?;
    let loss = |i: usize| trace.losses.get(i).copied().unwrap_or(f32::NAN);
    tell(&format!(
        "{steps} steps of {} ({name}), loss {} to {}",
        run.id,
        loss(0),
        loss(steps.saturating_sub(1))
    ));
    Ok(ExitCode::SUCCESS)
}
