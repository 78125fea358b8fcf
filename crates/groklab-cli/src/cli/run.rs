//! What every command that trains has in common: the options of execution, signals, and the end of a sweep.

use super::{progress::Progress, report, say, tell};
use crate::{
    kinds::operations::{
        engine::{DeviceChoice, Precision, Shape, open_device, open_replicas},
        lockstep::{Lockstep, beside_device, operations},
        task::hides_built_in,
    },
    run::{EngineChoice, Place, Planned},
    sweep::{Execution, Settled, Together, file_share, memory, sweep},
};
use candle_core::Device;
use clap::Args;
use miette::{Context, IntoDiagnostic};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
};
use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use toml::Value;

/// Who computes, and where.
#[derive(Args)]
pub struct ComputeArgs {
    /// Who computes the steps
    #[arg(long, value_enum, default_value_t)]
    pub engine: EngineChoice,
    /// Where to compute
    #[arg(long, value_enum, default_value_t)]
    pub device: DeviceChoice,
}

/// How matrices are multiplied: a part of what a run is.
#[derive(Args)]
pub struct PrecisionArgs {
    /// How matrices are multiplied, as the config key `precision`; makes other runs with other ids
    #[arg(long, value_enum)]
    pub precision: Option<Precision>,
}

impl PrecisionArgs {
    /// The config keys that the option sets.
    pub fn overrides(&self) -> Vec<(String, Value)> {
        self.precision
            .map(|precision| ("precision".to_owned(), precision.name().into()))
            .into_iter()
            .collect()
    }
}

/// How runs are carried out; nothing here changes what they are.
#[derive(Args)]
pub struct ExecutionArgs {
    #[command(flatten)]
    pub compute: ComputeArgs,
    /// Seconds between checkpoints, at epoch ends; milestones are saved at once
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = parse_seconds)]
    pub checkpoint_every: f64,
    /// On a CUDA device: runs side by side at most [default: as many as fit]
    #[arg(long, value_name = "N")]
    pub replicas: Option<NonZeroUsize>,
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().ok().filter(|s| (0.0..=1e9).contains(s));
    seconds.ok_or_else(|| "a number of seconds from 0 (every epoch) to 1e9".to_owned())
}

/// Where the runs of a plan are computed.
pub struct Computer {
    device: Device,
    is_side_by_side: bool,
}

impl Computer {
    /// Opens the device; refuses a plan of which this machine's memory cannot hold `jobs` runs (by default one a core)
    /// at a time. Call it before anything is written.
    pub fn open(
        args: &ComputeArgs,
        plan: &[Arc<dyn Planned>],
        jobs: Option<NonZeroUsize>,
    ) -> miette::Result<Self> {
        // a plan is of one kind
        let has_cuda = plan.first().is_none_or(|run| run.kind().has_cuda());
        let choice = match args.device {
            DeviceChoice::Auto if !has_cuda => DeviceChoice::Cpu,
            choice => choice,
        };
        let device = open_device(choice).map_err(report)?;
        // other kinds go one by one, on the device too
        let is_operations = plan.iter().any(|run| operations(run.as_ref()).is_some());
        let is_side_by_side = device.is_cuda() && args.engine != EngineChoice::Plain && is_operations;
        // beside a device as many as there is memory for
        if !is_side_by_side {
            memory::check(plan, jobs)?;
        }
        Ok(Self { device, is_side_by_side })
    }
}

/// How a command that trains ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every run is done, or run by another process.
    Well,
    /// A run failed.
    WithFailures,
    /// A signal of this number stopped it.
    BySignal(u8),
}

impl From<Ended> for ExitCode {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Well => Self::SUCCESS,
            Ended::WithFailures => Self::from(1),
            Ended::BySignal(signal) => Self::from(128 + signal),
        }
    }
}

/// Runs the plan into `results`, showing progress, and says how it ended. What an experiment `beside` has of a run is
/// taken over.
pub fn execute(
    plan: &[Arc<dyn Planned>],
    results: PathBuf,
    beside: Option<PathBuf>,
    jobs: Option<NonZeroUsize>,
    args: &ExecutionArgs,
    computer: &Computer,
) -> miette::Result<Ended> {
    tell_of_hidden_tasks(plan);
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let signals = Signals::watch()?;
    let choice = args.compute.engine;
    let limit = args.replicas.map(NonZeroUsize::get);
    let open = |shape: &Shape, waiting: usize| {
        let most = beside_device(shape);
        if most < waiting.min(limit.unwrap_or(usize::MAX)) {
            tell(&format!(
                "this machine's memory has room for {most} runs side by side, {waiting} are to be done"
            ));
        }
        open_replicas(&computer.device, shape, waiting.min(most), limit)
    };
    let lockstep = Lockstep { open: &open };
    let together: Option<&dyn Together> = if computer.is_side_by_side { Some(&lockstep) } else { None };
    if args.replicas.is_some() && together.is_none() {
        tell("--replicas is for runs side by side on a CUDA device; it changes nothing here");
    }
    let (place, most) = match together {
        // what does not go side by side goes alone on the CPU; every core works for the runs on the device
        Some(_) => (Place { engine: EngineChoice::Auto, device: Device::Cpu }, cores),
        None => (Place { engine: choice, device: computer.device.clone() }, plan.len()),
    };
    let execution = Execution {
        jobs: jobs.map_or(cores, NonZeroUsize::get).min(most).max(1),
        place,
        together,
        results,
        beside,
        checkpoint_every: Duration::from_secs_f64(args.checkpoint_every),
        stop: &signals.stop,
    };
    let progress = Progress::new(plan);
    let settled = sweep(plan, &execution, &progress).map_err(report)?;
    progress.finish();
    Ok(summarise(plan, &settled, &execution.results, signals.caught()))
}

/// Says which tasks of a plan only have the name of a built-in one.
fn tell_of_hidden_tasks(plan: &[Arc<dyn Planned>]) {
    let is_operation = |run: &&Arc<dyn Planned>| operations(run.as_ref()).is_some();
    let tasks: BTreeMap<String, String> =
        plan.iter().filter(is_operation).map(|run| run.data()).map(|data| (data.name, data.digest)).collect();
    for (name, _) in tasks.iter().filter(|(name, digest)| hides_built_in(name, digest)) {
        tell(&format!("the task {name} is that of a file here, not the built-in task of this name"));
    }
}

/// The first SIGINT, SIGTERM or SIGHUP (the terminal was closed) asks the runs to save and stop, the second ends the process at once.
struct Signals {
    stop: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
}

impl Signals {
    fn watch() -> miette::Result<Self> {
        let signals = Self { stop: Arc::default(), signal: Arc::default() };
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            let watch = || {
                // in this order: the second signal finds the flag that the first one set
                flag::register_conditional_shutdown(signal, 128 + signal, signals.stop.clone())?;
                flag::register_usize(signal, signals.signal.clone(), signal as usize)?;
                flag::register(signal, signals.stop.clone())
            };
            watch().into_diagnostic().wrap_err("cannot watch for signals")?;
        }
        Ok(signals)
    }

    fn caught(&self) -> Option<u8> {
        u8::try_from(self.signal.load(Ordering::Relaxed)).ok().filter(|&signal| signal > 0)
    }
}

fn summarise(plan: &[Arc<dyn Planned>], settled: &[Settled], results: &Path, signal: Option<u8>) -> Ended {
    let count = |f: fn(&Settled) -> bool| settled.iter().filter(|s| f(s)).count();
    let failed = count(|s| matches!(s, Settled::Failed(_)));
    let elsewhere = count(|s| matches!(s, Settled::Elsewhere));
    if elsewhere > 0 {
        say(&format!("{elsewhere} runs were left to other processes that run them"));
    }
    say(&format!(
        "{} of {} runs finished ({} before), {} failed; results in {}",
        count(|s| matches!(s, Settled::Finished(_) | Settled::Already(_))),
        plan.len(),
        count(|s| matches!(s, Settled::Already(_))),
        failed,
        results.display()
    ));
    if let Some(share) = file_share() {
        tracing::info!("files took {:.1} % of the runs' time", 100.0 * share);
    }
    for (run, settled) in plan.iter().zip(settled) {
        if let Settled::Failed(reason) = settled {
            tell(&format!("failed: {}: {reason}", run.id()));
        }
    }
    let stopped = count(|s| matches!(s, Settled::Stopped));
    match signal.filter(|_| stopped > 0) {
        Some(signal) => {
            tell(&format!(
                "stopped by a signal with {stopped} runs to go; the same command goes on from here"
            ));
            Ended::BySignal(signal)
        }
        None if failed > 0 => {
            tell(
                "the same command tries the failed runs again, from their last checkpoint where they have one",
            );
            Ended::WithFailures
        }
        None => Ended::Well,
    }
}
