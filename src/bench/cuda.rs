//! How fast many replicas step on a CUDA device, against the device's own limits: `groklab bench --device cuda`.

use super::{BenchError, Subject, median, timed};
use crate::{
    config::{Preset, RunConfig},
    engine::{
        EngineError, Precision, ReplicaEpoch, ReplicaState, ReplicaStep, Replicas, Shape,
        cpu::FactoredEngine,
        cuda::{CudaReplicas, device_name, measure::limits, open},
    },
    optim::{AdamWStep, learning_rate},
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
    /// Arithmetic of the products of one step of one replica, GFLOP.
    pub gflop: f64,
    /// By number of replicas.
    pub rates: Vec<Rate>,
    /// Milliseconds of a step of all replicas by kind of work, largest first, with the most replicas that fit.
    pub work: Vec<(&'static str, f64)>,
    /// Bytes that AdamW has to move over its time, over `bandwidth`.
    pub adamw_share_of_bandwidth: f64,
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
    /// Rate of the products' arithmetic over `peak_gflops`.
    pub share_of_peak: f64,
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
    let config = preset.config("add", 0.5, 0);
    let run = Subject::new(config.clone())?.run;
    let batch = config.data.batch_size;
    let gflop = FactoredEngine::new(&config.model, run.task.n_symbols)?.flops(batch) / 1e9;
    let [product, copy] = limits(device, precision, PEAK_SIDE, ROUNDS)?.map(median);
    let side = PEAK_SIDE as f64;
    let (peak_gflops, bandwidth) = (2e-9 * side.powi(3) / product, 2.0 * 4e-9 * side * side / copy);
    let (mut rates, mut work, mut evaluation_share, mut adamw) = (Vec::new(), Vec::new(), f64::NAN, f64::NAN);
    for &replicas in numbers {
        let mut group = match open(device, &Shape::of(&run), replicas, precision, Some(replicas)) {
            Err(EngineError::Memory { .. }) => continue,
            group => group?,
        };
        let epochs = load(&mut group, &config)?;
        epoch(&mut group, &epochs)?;
        let (mut times, start) = (Vec::new(), Instant::now());
        while times.len() < ROUNDS || start.elapsed() < Duration::from_secs_f64(seconds) {
            times.push(timed(|| Ok(epoch(&mut group, &epochs)?))?);
        }
        let steps = epochs.first().map_or(0, |e| e.steps.len()) as f64;
        let rate = steps * replicas as f64 / median(times);
        rates.push(Rate { replicas, steps_per_second: rate, share_of_peak: rate * gflop / peak_gflops });

        let slots: Vec<usize> = (0..replicas).collect();
        let evaluation = timed(|| Ok(group.evaluate(&slots).map(drop)?))?;
        evaluation_share = evaluation / (evaluation + 20.0 * steps * replicas as f64 / rate);
        work = group.time_work(|group| epoch(group, &epochs))?;
        work.iter_mut().for_each(|(_, ms)| *ms /= steps);
        let bytes = 28.0 * (replicas * group.n_params()) as f64;
        let ms = work.iter().find(|(name, _)| *name == "adamw").map_or(f64::NAN, |&(_, ms)| ms);
        adamw = bytes / (ms * 1e6) / bandwidth;
    }
    Ok(CudaReport {
        setting: format!("preset {preset:?}, x + y, batch {batch}").to_lowercase(),
        device: device_name(device)?,
        precision: precision.name().to_owned(),
        peak_gflops,
        bandwidth,
        gflop,
        rates,
        work,
        adamw_share_of_bandwidth: adamw,
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
        let steps = order.batches().map(|batch| ReplicaStep { batch: rows(batch), update }).collect();
        epochs.push(ReplicaEpoch { slot, steps });
    }
    Ok(epochs)
}

fn epoch(group: &mut CudaReplicas, epochs: &[ReplicaEpoch]) -> Result<(), EngineError> {
    group.start_epoch(epochs)?;
    group.finish_epoch().map(drop)
}
