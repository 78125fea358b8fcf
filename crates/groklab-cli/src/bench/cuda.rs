//! How fast many replicas step on a CUDA device, against the device's own limits: `groklab bench --device cuda`.

use super::{BenchError, Subject, median, timed};
use crate::{
    kinds::operations::config::{Preset, RunConfig},
    kinds::operations::engine::{
        EngineError, Precision, ReplicaEpoch, ReplicaState, ReplicaStep, Replicas, Shape,
        cuda::{
            CudaReplicas, device_name,
            measure::{Timed, flops, limits},
            open,
        },
    },
    kinds::operations::optim::{AdamWStep, learning_rate},
};
use candle_core::cuda_backend::CudaDevice;
use serde::Serialize;
use std::time::{Duration, Instant};

/// Side of the square product that stands for the device's rate, and the rounds it is given.
const PEAK_SIDE: usize = 4096;
const ROUNDS: usize = 5;

/// The figures of one device.
#[derive(Clone, Debug, Serialize)]
pub struct CudaReport {
    /// Preset and shape.
    pub setting: String,
    /// Device.
    pub device: String,
    /// `f32` or `tf32`.
    pub precision: String,
    /// Rate of a 4096³ product in this precision in the same run, GFLOP/s.
    pub peak_gflops: f64,
    /// Rate of a copy on the device, bytes read and written, GB/s.
    pub bandwidth: f64,
    /// Arithmetic of the products of one step of one replica, GFLOP, mean over the batches of an epoch.
    pub gflop: f64,
    /// What its kernels and products have to read and write, MB, each number once for each of them.
    pub megabytes: f64,
    /// By number of replicas.
    pub rates: Vec<Rate>,
    /// A step of all replicas by kind of work, longest first, with the most replicas that fit.
    pub work: Vec<WorkShare>,
    /// Share of an evaluation with its moments, one every 20 epochs, in a run's time; eigenproblems are not in it.
    pub evaluation_share: f64,
}

/// A throughput.
#[derive(Clone, Debug, Serialize)]
pub struct Rate {
    /// Side by side.
    pub replicas: usize,
    /// Steps of all replicas together, a second; medians over epochs, batches packed and copied in that time.
    pub steps_per_second: f64,
    /// The same with every kernel and product launched by itself instead of recorded epochs.
    pub launched_per_second: f64,
    /// Rate of the products' arithmetic over `peak_gflops`.
    pub share_of_peak: f64,
    /// Rate of what is read and written over `bandwidth`.
    pub share_of_bandwidth: f64,
}

/// One kind of work.
#[derive(Clone, Debug, Serialize)]
pub struct WorkShare {
    /// A kernel, or a product with the sizes of its factors.
    pub name: String,
    /// Milliseconds a step.
    pub ms: f64,
    /// What it reads and writes over its time, over `bandwidth`.
    pub share_of_bandwidth: f64,
}

/// Measures x + y at one half of the table, each of the `numbers` of replicas for about `seconds`.
///
/// # Errors
/// As [`open`]; numbers of replicas that do not fit are left out.
pub fn measure(
    device: &CudaDevice,
    preset: Preset,
    precision: Precision,
    numbers: &[usize],
    seconds: f64,
) -> Result<CudaReport, BenchError> {
    let config = RunConfig { precision, ..preset.config("add", 0.5, 0) };
    let Subject { run, order, .. } = Subject::new(config.clone())?;
    let steps = order.steps() as f64;
    let gflop = order.batches().map(|rows| flops(&config.model, run.task.n_symbols, rows.len())).sum::<f64>()
        / steps
        / 1e9;
    let [product, copy] = limits(device, precision, PEAK_SIDE, ROUNDS)?.map(median);
    let side = PEAK_SIDE as f64;
    let (peak_gflops, bandwidth) = (2e-9 * side.powi(3) / product, 2.0 * 4e-9 * side * side / copy);
    let (mut rates, mut work, mut megabytes, mut evaluation_share) =
        (Vec::new(), Vec::new(), f64::NAN, f64::NAN);
    for &replicas in numbers {
        let mut group = match open(device, &Shape::of(&run), replicas, Some(replicas)) {
            Err(EngineError::Memory { .. }) => continue,
            group => group?,
        };
        let epochs = load(&mut group, &config)?;
        let rate = |group: &mut CudaReplicas, records: bool, seconds: f64| {
            group.records = records;
            // the first loads what it needs, the second is recorded
            (0..2).try_for_each(|_| epoch(group, &epochs))?;
            let (mut times, start) = (Vec::new(), Instant::now());
            while times.len() < ROUNDS || start.elapsed() < Duration::from_secs_f64(seconds) {
                times.push(timed(|| Ok(epoch(group, &epochs)?))?);
            }
            Ok::<_, BenchError>(steps * replicas as f64 / median(times))
        };
        let launched = rate(&mut group, false, seconds / 4.0)?;
        let rate = rate(&mut group, true, seconds)?;

        let slots: Vec<usize> = (0..replicas).collect();
        let evaluation = timed(|| Ok(group.evaluate(&slots).map(drop)?))?;
        evaluation_share = evaluation / (evaluation + 20.0 * steps * replicas as f64 / rate);
        let timed = group.time_work(|group| epoch(group, &epochs))?;
        megabytes = timed.iter().map(|work| work.bytes).sum::<f64>() / steps / replicas as f64 / 1e6;
        let share = |work: &Timed| WorkShare {
            name: work.name.clone(),
            ms: work.ms / steps,
            share_of_bandwidth: work.bytes / (work.ms * 1e6) / bandwidth,
        };
        work = timed.iter().map(share).collect();
        rates.push(Rate {
            replicas,
            steps_per_second: rate,
            launched_per_second: launched,
            share_of_peak: rate * gflop / peak_gflops,
            share_of_bandwidth: rate * megabytes / 1e3 / bandwidth,
        });
    }
    Ok(CudaReport {
        setting: format!("preset {preset:?}, x + y, batch {}", config.data.batch_size).to_lowercase(),
        device: device_name(device)?,
        precision: precision.name().to_owned(),
        peak_gflops,
        bandwidth,
        gflop,
        megabytes,
        rates,
        work,
        evaluation_share,
    })
}

/// Fills all slots with runs of different seeds; returns the first epoch of each, at the rate of its hundredth step.
fn load(group: &mut CudaReplicas, config: &RunConfig) -> Result<Vec<ReplicaEpoch>, BenchError> {
    let update = AdamWStep::new(&config.optim, 100, learning_rate(&config.optim, 100));
    let mut epochs = Vec::new();
    for slot in 0..group.slots() {
        let seed = slot as u64;
        let Subject { params, adamw, split, order, .. } =
            Subject::new(RunConfig { seed, split_seed: seed, ..config.clone() })?;
        let (m, v) = (&adamw.m, &adamw.v);
        group.load(slot, &ReplicaState { params: &params, m, v, train: &split.train, val: &split.val })?;
        let rows = |rows: &[u32]| rows.iter().map(|&i| split.train[i as usize]).collect();
        let steps =
            order.batches().map(|batch| ReplicaStep { batch: rows(batch), update, pull: None }).collect();
        epochs.push(ReplicaEpoch { slot, steps });
    }
    Ok(epochs)
}

fn epoch(group: &mut CudaReplicas, epochs: &[ReplicaEpoch]) -> Result<(), EngineError> {
    group.start_epoch(epochs)?;
    group.finish_epoch().map(drop)
}
