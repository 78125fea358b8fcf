//! How fast a training step is on this machine, against the machine's own limits: what `groklab bench` prints.
//!
//! Everything is measured in turn in one run, rounds interleaved, and reported as medians: on a shared machine
//! only ratios within one run mean something.

#[cfg(feature = "cuda")]
pub mod cuda;

use crate::{
    kinds::operations::config::{PlannedRun, Preset, RunConfig},
    kinds::operations::data::{BatchOrder, Split},
    kinds::operations::engine::{
        Engine, EngineError, PlainEngine,
        cpu::{FactoredEngine, Work},
    },
    kinds::operations::model::{ParamLayout, initial_parameters},
    kinds::operations::optim::{AdamW, OptimError, Optimizer},
    kinds::operations::task::{Equation, Task},
    probe::{self, Moments},
};
use candle_core::Device;
use groklab_kernels::{Finish, InstructionSet, Matrix, MatrixMut, Packed, multiply, multiply_adds};
use serde::Serialize;
use std::{
    sync::Barrier,
    time::{Duration, Instant},
};

/// Side of the square product that is measured beside the step.
const SIDE: usize = 768;
/// Multiply-adds in registers, of one measurement.
const MULTIPLY_ADDS: u64 = 20_000_000;
/// Steps of the factored engine in a round.
const STEPS: usize = 10;

/// The figures of one benchmark.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Preset and shape.
    pub setting: String,
    /// Who computed the factored step.
    pub engine: String,
    /// Multiply-adds that never leave the registers, in the same run: what the core can do at most, GFLOP/s.
    pub peak_gflops: f64,
    /// A product of 768³ in the same run, packing included, GFLOP/s.
    pub product_gflops: f64,
    /// The whole training step: forward, backward, AdamW.
    pub step: Step,
    /// A sum of two arrays into a third, each as long as the model's parameters, in the same run; GB/s read and written.
    pub bandwidth: f64,
    /// Where the step spends its time.
    pub stages: Vec<StageShare>,
    /// The same step of the plain candle model with the same AdamW.
    pub plain: Plain,
    /// Evaluation and probing at the paper's cadence (every 20 epochs of x + y at 50 %).
    pub cadence: Cadence,
    /// Several runs at once, one thread each.
    pub threads: Threads,
}

/// The factored step.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Median, milliseconds.
    pub ms: f64,
    /// Arithmetic of its matrix products, GFLOP.
    pub gflop: f64,
    /// gflop / time.
    pub gflops: f64,
    /// gflops / peak_gflops.
    pub share_of_peak: f64,
}

/// One stage of the step.
#[derive(Clone, Debug, Serialize)]
pub struct StageShare {
    /// Of [`Stage`](crate::kinds::operations::engine::cpu::Stage), or `adamw`.
    pub name: String,
    /// Of the step's time; the shares of all stages sum to 1.
    pub share: f64,
    /// `arithmetic` or `bandwidth`: what its work is counted in.
    pub bound: &'static str,
    /// Its rate over `peak_gflops` or `bandwidth`; a stage whose data stays in the first cache can exceed the latter.
    pub share_of_bound: f64,
}

/// The plain step.
#[derive(Clone, Debug, Serialize)]
pub struct Plain {
    /// Median, milliseconds.
    pub ms: f64,
    /// Plain over factored time.
    pub ratio: f64,
}

/// The cost of looking.
#[derive(Clone, Debug, Serialize)]
pub struct Cadence {
    /// Loss and accuracy over the whole table, moments over the training rows; milliseconds.
    pub evaluation_ms: f64,
    /// Pooling of moments (part of the evaluation), spectra and eigenvalues; milliseconds.
    pub probe_ms: f64,
    /// probe_ms in the time of 20 epochs with their evaluation.
    pub probe_share: f64,
    /// evaluation_ms (without pooling) in the same time.
    pub evaluation_share: f64,
}

/// Throughput of several threads.
#[derive(Clone, Debug, Serialize)]
pub struct Threads {
    /// Threads.
    pub threads: usize,
    /// Steps a second of all together over those of one alone.
    pub speedup: f64,
}

/// A benchmark that could not be run.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // each is the error of the module it names
pub enum BenchError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Product(#[from] groklab_kernels::SizeError),
    #[error(transparent)]
    Optimizer(#[from] OptimError),
    #[error(transparent)]
    Probe(#[from] probe::ProbeError),
    #[error(transparent)]
    Task(#[from] crate::kinds::operations::task::TaskError),
    #[error(transparent)]
    Split(#[from] crate::kinds::operations::data::SplitError),
}

/// A run of x + y whose steps can be timed.
struct Subject {
    run: PlannedRun,
    split: Split,
    params: Vec<f32>,
    grads: Vec<f32>,
    adamw: AdamW,
    batch: Vec<Equation>,
    order: BatchOrder,
}

impl Subject {
    fn new(config: RunConfig) -> Result<Self, BenchError> {
        let task = Task::find("add")?;
        let layout = ParamLayout::new(&config.model, task.n_symbols);
        let split = Split::of(&task, config.train_fraction, config.split_seed)?;
        let mut order = BatchOrder::new(split.train.len(), config.data.batch_size, config.data.last_batch);
        order.shuffle(config.seed, 1);
        let rows = order.batches().next().unwrap_or_default();
        Ok(Self {
            batch: rows.iter().map(|&i| split.train[i as usize]).collect(),
            params: initial_parameters(&config.model, &layout, config.seed),
            grads: vec![0.0; layout.len()],
            adamw: AdamW::new(&config.optim, &layout),
            run: PlannedRun::new(config, task.into()),
            split,
            order,
        })
    }

    fn step(&mut self, engine: &mut dyn Engine) -> Result<(), BenchError> {
        engine.loss_and_gradients(&self.params, &self.batch, &mut self.grads)?;
        Ok(self.adamw.step(&mut self.params, &self.grads, 1e-3)?)
    }
}

/// Measures a preset for about `seconds`; `threads` runs at once for the throughput.
pub fn measure(preset: Preset, seconds: f64, threads: usize) -> Result<Report, BenchError> {
    let mut subject = Subject::new(preset.config("add", 0.5, 0))?;
    let model = subject.run.config.model.clone();
    let n_symbols = subject.run.task.n_symbols;
    let mut factored = FactoredEngine::new(&model, n_symbols)?;
    let mut plain = PlainEngine::new(&model, n_symbols, Device::Cpu);
    let set = InstructionSet::best();
    let mut square = Square::new(set);

    let (mut steps, mut peaks, mut products) = (Vec::new(), Vec::new(), Vec::new());
    let (mut sums, mut plains) = (Vec::new(), Vec::new());
    let mut arrays =
        [vec![0.0f32; subject.params.len()], vec![1.0; subject.params.len()], subject.params.clone()];
    let start = Instant::now();
    subject.step(&mut factored)?; // first touch of all buffers
    subject.step(&mut plain)?;
    while steps.len() < 3 || start.elapsed().as_secs_f64() < seconds {
        steps.push(timed(|| (0..STEPS).try_for_each(|_| subject.step(&mut factored)))? / STEPS as f64);
        let mut done = 0;
        let seconds = timed(|| {
            done = multiply_adds(set, MULTIPLY_ADDS);
            Ok(())
        })?;
        peaks.push(seconds / done as f64);
        products.push(timed(|| square.multiply())?);
        add(&mut arrays); // into the cache that a step's parameters are found in
        sums.push(timed(|| {
            add(&mut arrays);
            Ok(())
        })?);
        plains.push(timed(|| subject.step(&mut plain))?);
    }
    let (step, plain) = (median(steps), median(plains));
    let gflop = factored.flops(&subject.batch) / 1e9;
    let (peak_gflops, product_gflops) =
        (2e-9 / median(peaks), 2e-9 * (SIDE * SIDE * SIDE) as f64 / median(products));
    let bandwidth = 12e-9 * subject.params.len() as f64 / median(sums);
    Ok(Report {
        setting: format!("{preset:?}: x + y, {n_symbols} symbols, batch {}", subject.batch.len())
            .to_lowercase(),
        engine: factored.describe(),
        peak_gflops,
        product_gflops,
        bandwidth,
        step: Step { ms: 1e3 * step, gflop, gflops: gflop / step, share_of_peak: gflop / step / peak_gflops },
        stages: stages(&mut subject, &mut factored, [peak_gflops, bandwidth])?,
        plain: Plain { ms: 1e3 * plain, ratio: plain / step },
        cadence: cadence(&mut subject, &mut factored, step)?,
        threads: throughput(preset, threads)?,
    })
}

/// Factors and result of the square product.
struct Square {
    factor: Vec<f32>,
    packed: Packed,
    result: Vec<f32>,
}

impl Square {
    fn new(set: InstructionSet) -> Self {
        let [factor, result] = [vec![0.5; SIDE * SIDE], vec![0.0; SIDE * SIDE]];
        Self { factor, packed: Packed::new(set), result }
    }

    fn multiply(&mut self) -> Result<(), BenchError> {
        let factor = Matrix::new(&self.factor, [SIDE; 2])?;
        self.packed.pack(factor);
        let result = MatrixMut::new(&mut self.result, [SIDE; 2])?;
        Ok(multiply(result, factor, &self.packed, &Finish::default())?)
    }
}

fn timed(work: impl FnOnce() -> Result<(), BenchError>) -> Result<f64, BenchError> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64())
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// dst = a + b, what a stream through memory can do at most with ordinary loads and stores.
fn add([dst, a, b]: &mut [Vec<f32>; 3]) {
    pulp::Arch::new().dispatch(|| {
        for ((dst, a), b) in dst.iter_mut().zip(a).zip(b) {
            *dst = *a + *b;
        }
    });
    std::hint::black_box(dst);
}

fn stages(
    subject: &mut Subject,
    engine: &mut FactoredEngine,
    [peak_gflops, bandwidth]: [f64; 2],
) -> Result<Vec<StageShare>, BenchError> {
    let steps = 5 * STEPS;
    engine.times().switch_on();
    let mut adamw = 0.0;
    for _ in 0..steps {
        engine.loss_and_gradients(&subject.params, &subject.batch, &mut subject.grads)?;
        adamw += timed(|| Ok(subject.adamw.step(&mut subject.params, &subject.grads, 1e-3)?))?;
    }
    let work = engine.work(&subject.batch);
    let mut stages: Vec<(String, f64, Work)> = work
        .map(|(stage, work)| (format!("{stage:?}").to_lowercase(), engine.times().seconds(stage), work))
        .into();
    // parameters and both moments in and out, gradients in
    stages.push(("adamw".to_owned(), adamw, Work::Bytes(28.0 * subject.params.len() as f64)));
    let total: f64 = stages.iter().map(|(_, seconds, _)| seconds).sum();
    let share = |(name, seconds, work): (String, f64, Work)| {
        let (bound, done, rate) = match work {
            Work::Flop(n) => ("arithmetic", n, peak_gflops),
            Work::Bytes(n) => ("bandwidth", n, bandwidth),
        };
        let share_of_bound = if done > 0.0 { steps as f64 * 1e-9 * done / seconds / rate } else { 0.0 };
        StageShare { name, share: seconds / total, bound, share_of_bound }
    };
    Ok(stages.into_iter().map(share).collect())
}

fn cadence(subject: &mut Subject, engine: &mut FactoredEngine, step: f64) -> Result<Cadence, BenchError> {
    let (n, m) = (subject.run.config.model.d_model, subject.run.task.n_symbols);
    let layout = ParamLayout::new(&subject.run.config.model, m);
    let w = &subject.params[layout.unembedding(m, n)];
    let (mut bare, mut pooled, mut probes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..5 {
        let mut moments = Moments::new(n, m);
        bare.push(timed(|| {
            engine.evaluate(&subject.params, &subject.split.train, None)?;
            engine.evaluate(&subject.params, &subject.split.val, None)?;
            Ok(())
        })?);
        pooled.push(timed(|| {
            engine.evaluate(&subject.params, &subject.split.train, Some(&mut moments))?;
            engine.evaluate(&subject.params, &subject.split.val, None)?;
            Ok(())
        })?);
        probes.push(timed(|| {
            probe::probe(w, m, n, &moments)?;
            Ok(())
        })?);
    }
    let (bare, pooled, spectra) = (median(bare), median(pooled), median(probes));
    let probe = (pooled - bare).max(0.0) + spectra;
    let steps = 20 * subject.order.steps();
    let total = steps as f64 * step + bare + probe;
    Ok(Cadence {
        evaluation_ms: 1e3 * pooled,
        probe_ms: 1e3 * probe,
        probe_share: probe / total,
        evaluation_share: bare / total,
    })
}

/// Steps a second of `threads` threads, each with a run of its own, over those of one; both for a second.
fn throughput(preset: Preset, threads: usize) -> Result<Threads, BenchError> {
    let rate = |threads: usize| -> Result<f64, BenchError> {
        let barrier = Barrier::new(threads);
        let rates = std::thread::scope(|scope| {
            let handles: Vec<_> = (0..threads)
                .map(|_| scope.spawn(|| steps_a_second(preset, &barrier, Duration::from_secs(1))))
                .collect();
            handles.into_iter().map(|h| h.join()).collect::<Vec<_>>()
        });
        // a thread that panicked counts as one that did nothing
        rates.into_iter().map(|r| r.unwrap_or(Ok(0.0))).sum()
    };
    let (mut ones, mut alls) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        ones.push(rate(1)?);
        alls.push(rate(threads)?);
    }
    Ok(Threads { threads, speedup: median(alls) / median(ones) })
}

fn steps_a_second(preset: Preset, barrier: &Barrier, time: Duration) -> Result<f64, BenchError> {
    let prepared = Subject::new(preset.config("add", 0.5, 0)).and_then(|subject| {
        let engine = FactoredEngine::new(&subject.run.config.model, subject.run.task.n_symbols)?;
        Ok((subject, engine))
    });
    barrier.wait(); // reached even by a thread whose preparation failed
    let (mut subject, mut engine) = prepared?;
    subject.step(&mut engine)?;
    let start = Instant::now();
    let mut steps = 0;
    while start.elapsed() < time {
        subject.step(&mut engine)?;
        steps += 1;
    }
    Ok(f64::from(steps) / start.elapsed().as_secs_f64())
}
