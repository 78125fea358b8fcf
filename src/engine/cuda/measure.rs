//! How fast the replicas step on this device, against the device's own limits: what `groklab bench --device cuda` prints.

use super::{
    CudaReplicas, Precision,
    device::{Gpu, Matrix, Work},
    open,
};
use crate::{
    config::{PlannedRun, Preset},
    data::{BatchOrder, Split},
    engine::{EngineError, ReplicaEpoch, ReplicaState, ReplicaStep, Replicas, Shape, cpu::FactoredEngine},
    model::{ParamLayout, initial_parameters},
    optim::{AdamWStep, learning_rate},
    task::Equation,
};
use candle_core::cuda_backend::CudaDevice;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

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
    pub work: Vec<(String, f64)>,
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
) -> Result<CudaReport, EngineError> {
    let config = preset.config("add", 0.5, 0);
    let task = crate::task::Task::find("add").map_err(|e| EngineError::Shape(e.to_string()))?;
    let run = PlannedRun::new(config, task.into());
    let batch = run.config.data.batch_size;
    let gflop = FactoredEngine::new(&run.config.model, run.task.n_symbols)?.flops(batch) / 1e9;
    let (peak_gflops, bandwidth) = limits(device, precision)?;
    let (mut rates, mut work, mut evaluation_share, mut adamw) = (Vec::new(), Vec::new(), f64::NAN, f64::NAN);
    for &replicas in numbers {
        let mut subject = match Subject::new(device, &run, replicas, precision) {
            Err(EngineError::Memory { .. }) => continue,
            subject => subject?,
        };
        subject.epoch()?;
        let (mut epochs, start) = (Vec::new(), Instant::now());
        while epochs.len() < ROUNDS || start.elapsed() < Duration::from_secs_f64(seconds) {
            epochs.push(subject.epoch()?);
        }
        let steps = (replicas * subject.steps) as f64;
        let rate = steps / median(epochs);
        rates.push(Rate { replicas, steps_per_second: rate, share_of_peak: rate * gflop / peak_gflops });

        let start = Instant::now();
        subject.replicas.evaluate(&(0..replicas).collect::<Vec<_>>())?;
        let evaluation = start.elapsed().as_secs_f64();
        evaluation_share = evaluation / (evaluation + 20.0 * steps / rate);
        work = subject.work()?;
        let bytes = 28.0 * (replicas * subject.replicas.params.len) as f64;
        let ms = work.iter().find(|(name, _)| name == "adamw").map_or(f64::NAN, |&(_, ms)| ms);
        adamw = bytes / (ms * 1e6) / bandwidth;
    }
    let name = device.cuda_stream().context().name();
    Ok(CudaReport {
        setting: format!("preset {preset:?}, x + y, batch {batch}").to_lowercase(),
        device: name.map_err(|e| EngineError::Cuda(format!("asking for the device's name: {e}")))?,
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

/// GFLOP/s of a large product and GB/s of a large copy.
fn limits(device: &CudaDevice, precision: Precision) -> Result<(f64, f64), EngineError> {
    let bytes = 4 * PEAK_SIDE * PEAK_SIDE;
    let mut gpu = Gpu::new(device.cuda_stream(), 3 * bytes, precision)?;
    let matrix = |i: usize| Matrix { at: i * bytes, width: PEAK_SIDE };
    let mut time = |work: &mut dyn FnMut(&mut Gpu) -> Result<(), EngineError>| {
        let mut times = Vec::new();
        for _ in 0..=ROUNDS {
            gpu.synchronize()?;
            let start = Instant::now();
            work(&mut gpu)?;
            gpu.synchronize()?;
            times.push(start.elapsed().as_secs_f64());
        }
        Ok::<_, EngineError>(median(times.split_off(1)))
    };
    let product = time(&mut |gpu| gpu.forward((matrix(2), 0.0), matrix(0), bytes, PEAK_SIDE, (1, 0)))?;
    let copy = time(&mut |gpu| gpu.copy(0, bytes, bytes))?;
    Ok((2.0 * (PEAK_SIDE as f64).powi(3) / product / 1e9, 2.0 * bytes as f64 / copy / 1e9))
}

/// Replicas of one run with different seeds.
struct Subject {
    replicas: CudaReplicas,
    work: Vec<ReplicaEpoch>,
    steps: usize,
}

impl Subject {
    fn new(
        device: &CudaDevice,
        run: &PlannedRun,
        n: usize,
        precision: Precision,
    ) -> Result<Self, EngineError> {
        let (config, task) = (&run.config, &run.task);
        let layout = ParamLayout::new(&config.model, task.n_symbols);
        let mut replicas = open(device, &Shape::of(run), n, precision, Some(n))?;
        let zeros = vec![0.0; layout.len()];
        let mut work = Vec::new();
        for slot in 0..n {
            let seed = slot as u64;
            let split = Split::new(&task.equations, config.train_fraction, seed)
                .map_err(|e| EngineError::Shape(e.to_string()))?;
            let params = initial_parameters(&config.model, &layout, seed);
            let state =
                ReplicaState { params: &params, m: &zeros, v: &zeros, train: &split.train, val: &split.val };
            replicas.load(slot, &state)?;
            let mut order =
                BatchOrder::new(split.train.len(), config.data.batch_size, config.data.last_batch);
            order.shuffle(seed, 1);
            let update = AdamWStep::new(&config.optim, 100, learning_rate(&config.optim, 100));
            let rows =
                |rows: &[u32]| rows.iter().map(|&i| split.train[i as usize]).collect::<Vec<Equation>>();
            let steps = order.batches().map(|batch| ReplicaStep { batch: rows(batch), update }).collect();
            work.push(ReplicaEpoch { slot, steps });
        }
        let steps = work.first().map_or(0, |e| e.steps.len());
        Ok(Self { replicas, work, steps })
    }

    /// Seconds of one epoch of all.
    fn epoch(&mut self) -> Result<f64, EngineError> {
        let start = Instant::now();
        self.replicas.start_epoch(&self.work)?;
        self.replicas.finish_epoch()?;
        Ok(start.elapsed().as_secs_f64())
    }

    /// Milliseconds a step by kind of work, largest first.
    fn work(&mut self) -> Result<Vec<(String, f64)>, EngineError> {
        self.replicas.gpu.start_timing();
        self.epoch()?;
        let mut sums: BTreeMap<Work, f64> = BTreeMap::new();
        for (work, ms) in self.replicas.gpu.take_timings()? {
            *sums.entry(work).or_default() += ms / self.steps as f64;
        }
        let mut work: Vec<_> = sums.into_iter().map(|(work, ms)| (work.name().to_owned(), ms)).collect();
        work.sort_by(|a, b| b.1.total_cmp(&a.1));
        Ok(work)
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}
