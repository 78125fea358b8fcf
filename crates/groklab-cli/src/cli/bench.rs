//! `groklab bench`: how fast a step is here, against the machine's own limits.

use super::{report, say};
use crate::{
    bench::{Report, measure},
    kinds::operations::config::Preset,
    kinds::operations::engine::{DeviceChoice, Precision, open_device},
};
use candle_core::Device;
use clap::Args;
use std::process::ExitCode;

/// Arguments of `groklab bench`.
#[derive(Args)]
pub struct BenchArgs {
    /// Which model
    #[arg(long, value_enum, default_value_t)]
    preset: Preset,
    /// How long to measure the step, in seconds
    #[arg(long, default_value_t = 10.0, value_parser = parse_seconds)]
    seconds: f64,
    /// One line of JSON instead of a table
    #[arg(long)]
    json: bool,
    /// What to measure: one core of the CPU, or many runs side by side on a CUDA device
    #[arg(long, value_enum, default_value_t = DeviceChoice::Cpu)]
    device: DeviceChoice,
    /// How a CUDA device multiplies matrices
    #[arg(long, value_enum, default_value_t)]
    precision: Precision,
    /// How many runs side by side on a CUDA device
    #[arg(long, value_delimiter = ',', default_values_t = [1, 4, 16, 64, 80])]
    replicas: Vec<usize>,
}

/// Measures and prints.
pub fn run(args: &BenchArgs) -> miette::Result<ExitCode> {
    if let Device::Cuda(_device) = open_device(args.device).map_err(report)? {
        #[cfg(feature = "cuda")]
        return run_cuda(args, &_device);
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let r = measure(args.preset, args.seconds, threads).map_err(report)?;
    if args.json {
        say(&serde_json::to_string(&r).map_err(report)?);
    } else {
        print(&r);
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(feature = "cuda")]
fn run_cuda(args: &BenchArgs, device: &candle_core::CudaDevice) -> miette::Result<ExitCode> {
    use crate::bench::cuda::measure;

    let r = measure(device, args.preset, args.precision, &args.replicas, args.seconds).map_err(report)?;
    if args.json {
        say(&serde_json::to_string(&r).map_err(report)?);
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!("{}; {}, {}", r.setting, r.device, r.precision));
    say(&format!(
        "product     {:8.0} GFLOP/s, 4096³; copy {:.0} GB/s, both in this run",
        r.peak_gflops, r.bandwidth
    ));
    for rate in &r.rates {
        say(&format!(
            "replicas    {:8}   {:>9.0} replica-steps/s ({:.0} with every launch queued by itself), {:.0} % of the product's rate, {:.0} % of the copy's",
            rate.replicas,
            rate.steps_per_second,
            rate.launched_per_second,
            100.0 * rate.share_of_peak,
            100.0 * rate.share_of_bandwidth
        ));
    }
    say(&format!(
        "a step      {:8.2} GFLOP of products, {:.0} MB read and written, mean of an epoch's batches",
        r.gflop, r.megabytes
    ));
    say(&format!("evaluation  {:8.1} % of a run at the paper's cadence", 100.0 * r.evaluation_share));
    let total: f64 = r.work.iter().map(|work| work.ms).sum();
    for work in &r.work {
        say(&format!(
            "work        {:8.3} ms a step, {:4.1} %, at {:3.0} % of the copy's rate  {}",
            work.ms,
            100.0 * work.ms / total,
            100.0 * work.share_of_bandwidth,
            work.name
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn print(r: &Report) {
    say(&format!("{}; {}", r.setting, r.engine));
    say(&format!(
        "step        {:8.2} ms   {:.2} GFLOP, {:.0} GFLOP/s",
        r.step.ms, r.step.gflop, r.step.gflops
    ));
    say(&format!(
        "peak        {:8.1} GFLOP/s of multiply-adds in registers in this run; the step reaches {:.0} % of it, a 768³ product {:.0} %",
        r.peak_gflops,
        100.0 * r.step.share_of_peak,
        100.0 * r.product_gflops / r.peak_gflops
    ));
    say(&format!("plain model {:8.2} ms   {:.1} times the factored step", r.plain.ms, r.plain.ratio));
    say(&format!(
        "evaluation  {:8.1} ms   {:.1} % of a run at the paper's cadence; probes {:.1} ms, {:.2} %",
        r.cadence.evaluation_ms,
        100.0 * r.cadence.evaluation_share,
        r.cadence.probe_ms,
        100.0 * r.cadence.probe_share
    ));
    say(&format!(
        "threads     {:8} runs at once do {:.2} times the steps of one",
        r.threads.threads, r.threads.speedup
    ));
    say(&format!("bandwidth   {:8.1} GB/s of a sum of arrays of the model's size in this run", r.bandwidth));
    for stage in r.stages.iter().filter(|stage| stage.share > 0.0) {
        say(&format!(
            "stage       {:8.1} % of the step, at {:3.0} % of its {}  {}",
            100.0 * stage.share,
            100.0 * stage.share_of_bound,
            stage.bound,
            stage.name
        ));
    }
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(s) if (0.0..=3600.0).contains(&s) => Ok(s),
        _ => Err("seconds are a number between 0 and 3600".to_owned()),
    }
}
