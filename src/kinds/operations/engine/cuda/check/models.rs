//! Whole models: gradients, training and evaluation against the CPU engine, and what the replicas promise.

use super::{Note, random, worst, worst_f64};
use crate::{
    kinds::operations::config::{
        Activation, Decay, ModelConfig, Norm, OptimConfig, Positions, Preset, Pull, Sequence,
    },
    kinds::operations::engine::{
        Engine, EngineError, Evaluated, Precision, ReplicaEpoch, ReplicaState, ReplicaStep, Replicas, Shape,
        cpu::FactoredEngine,
        cuda::{CudaReplicas, open},
        samples::{random_batch, random_params, small_model},
    },
    kinds::operations::model::ParamLayout,
    kinds::operations::optim::{AdamW, AdamWStep, learning_rate},
    kinds::operations::task::Equation,
};
use candle_core::cuda_backend::CudaDevice;

type Checked = Result<f64, EngineError>;

/// Steps of the training that is compared, and those of an epoch.
const STEPS: usize = 200;
const EPOCH: usize = 10;

pub(super) fn check(device: &CudaDevice, precision: Precision, small: bool, note: Note<'_>) {
    let tf32 = precision == Precision::Tf32;
    // each of the two engines is within 1e-5 of f64. In TF32 the last bit of f32 decides which way a factor is rounded, and
    // that which side of a ReLU's kink a number falls, so single entries of two right gradients may differ by per cents, and
    // the CPU engine has other products, so other factors to round: there the device may be twice as far from f32 as that one,
    // in the geometric mean over the replicas of some draws
    let (gradients, gradient) = if tf32 {
        ("distance of all gradients from f32, over that of the CPU's TF32", 2.0)
    } else {
        ("gradients of every parameter", 2e-5)
    };
    let on = On { device, precision };
    for (name, model) in models() {
        note(&format!("{gradients}, {name}"), gradient, on.gradients(&model, 11, [20, 13, 1], [None; 3]));
        if model.n_layers == 1 {
            let name = format!("{gradients}, with a pull at LAR, {name}");
            note(&name, gradient, on.gradients(&model, 11, [20, 13, 1], PULLS));
        }
    }
    let loss = if tf32 { 1e-2 } else { 1e-4 };
    let small_training = (small_model(2), 13, 16);
    note("200 steps: loss of each", loss, on.training(&small_training));
    note(
        "evaluation: loss, accuracy, moments",
        if tf32 { 5e-3 } else { 1e-5 },
        on.evaluation(&small_training),
    );
    note("the same calls again: bytes that differ", 0.0, on.repetition(&small_training));
    note("epochs replayed and launch by launch: bytes that differ", 0.0, on.recording(&small_training));
    note("a paused replica: bytes that change", 0.0, on.pause(&small_training));
    note(
        "a loss that is not finite stops its replica alone: wrong losses",
        0.0,
        on.divergence(&small_training),
    );
    note("one run alone and among others: loss after 200 steps", loss, on.company(&small_training));
    if !small {
        for (name, preset, v, batch) in
            [("paper", Preset::Paper, 97, 512), ("power", Preset::Power, 120, 512)]
        {
            let model = preset.config("", 0.5, 0).model;
            let name = |what: &str| format!("{what}, preset {name} at full size");
            note(&name(gradients), gradient, on.gradients(&model, v, [batch, 96, 1], [None; 3]));
        }
        let full = (Preset::Paper.config("", 0.5, 0).model, 97, 512);
        note("200 steps: loss of each, preset paper at full size", loss, on.training(&full));
    }
}

/// Every choice that changes the arithmetic.
fn models() -> Vec<(String, ModelConfig)> {
    let mut models = Vec::new();
    for n_layers in 1..=3 {
        for norm in [Norm::Pre, Norm::Post, Norm::None] {
            for plain in [true, false] {
                let activation = if plain { Activation::Gelu } else { Activation::Relu };
                let positions = if plain { Positions::Learned } else { Positions::Sinusoidal };
                let base = small_model(n_layers);
                let model = ModelConfig {
                    norm,
                    activation,
                    positions,
                    bias: !plain,
                    tied: !plain,
                    final_norm: plain,
                    ..base
                };
                let rest = if plain { "" } else { ", ReLU, sinusoids, biases, tied, no final norm" };
                let name = format!("{n_layers} layers, norm {}{rest}", format!("{norm:?}").to_lowercase());
                if plain == (norm == Norm::Pre) {
                    let sequence = Sequence::WithoutOperator;
                    models.push((format!("{name}, x y ="), ModelConfig { sequence, ..model.clone() }));
                }
                models.push((name, model));
            }
        }
    }
    models
}

/// Draws of parameters and batches over which TF32 is compared.
const TF32_DRAWS: u64 = 16;

/// Of three replicas side by side, one without.
const PULLS: [Option<Pull>; 3] = [
    Some(Pull { lar: 20.0, sigma_p: -30.0, norm: 5.0 }),
    None,
    Some(Pull { lar: -9.0, sigma_p: 0.0, norm: 0.0 }),
];

/// Model, symbols, batch size.
type Setting = (ModelConfig, usize, usize);

struct On<'a> {
    device: &'a CudaDevice,
    precision: Precision,
}

/// One run as both sides see it.
struct Run {
    params: Vec<f32>,
    train: Vec<Equation>,
    val: Vec<Equation>,
    optim: OptimConfig,
}

impl Run {
    /// x + y modulo v, half of it for training, in the order of the table's residues.
    fn new((model, v, batch): &Setting, index: u64) -> Self {
        let mut rng = random("run", index);
        let params =
            crate::kinds::operations::model::initial_parameters(model, &ParamLayout::new(model, *v), index);
        let mut table = random_batch(*v, EPOCH * batch + 37, &mut rng);
        for e in &mut table {
            e.answer = ((usize::from(e.x) + usize::from(e.y)) % v) as u16;
        }
        table.truncate(v * v);
        let half = table.len() / 2;
        let val = table.split_off(half);
        Self { params, train: table, val, optim: Preset::Paper.config("", 0.5, 0).optim }
    }

    fn state<'a>(&'a self, zeros: &'a [f32]) -> ReplicaState<'a> {
        ReplicaState { params: &self.params, m: zeros, v: zeros, train: &self.train, val: &self.val }
    }

    /// The steps of one epoch: batches of `size`, walking through the training rows.
    fn steps(&self, epoch: usize, size: usize) -> Vec<ReplicaStep> {
        let step = |i: usize| {
            let t = epoch * EPOCH + i;
            let row = |k: usize| self.train[(t * size + k) % self.train.len()];
            let lr = learning_rate(&self.optim, t as u64);
            ReplicaStep {
                batch: (0..size).map(row).collect(),
                update: AdamWStep::new(&self.optim, t as u64 + 1, lr),
                pull: None,
            }
        };
        (0..EPOCH).map(step).collect()
    }
}

impl On<'_> {
    fn open(&self, (model, v, batch): &Setting, replicas: usize) -> Result<CudaReplicas, EngineError> {
        let shape = Shape {
            model: model.clone(),
            n_symbols: *v,
            table: v * v,
            batch_size: *batch,
            decay: Decay::All,
            precision: self.precision,
        };
        open(self.device, &shape, replicas, Some(replicas))
    }

    /// Opens a device with these runs in its slots.
    fn loaded(&self, setting: &Setting, runs: &[Run]) -> Result<CudaReplicas, EngineError> {
        let mut replicas = self.open(setting, runs.len())?;
        for (slot, run) in runs.iter().enumerate() {
            replicas.load(slot, &run.state(&vec![0.0; run.params.len()]))?;
        }
        Ok(replicas)
    }

    /// Error of f32; of TF32 the distance from f32 over that of the CPU's.
    fn gradients(
        &self,
        model: &ModelConfig,
        v: usize,
        sizes: [usize; 3],
        pulls: [Option<Pull>; 3],
    ) -> Checked {
        if self.precision == Precision::F32 {
            return Ok(self.errors(model, v, sizes, pulls, 0)?.into_iter().fold(0.0, f64::max));
        }
        let mut logs = Vec::new();
        for draw in 0..TF32_DRAWS {
            logs.extend(self.errors(model, v, sizes, pulls, draw)?.into_iter().map(f64::ln));
        }
        Ok((logs.iter().sum::<f64>() / logs.len() as f64).exp())
    }

    /// Of each of three replicas with batches of three sizes side by side; the update moves nothing.
    fn errors(
        &self,
        model: &ModelConfig,
        v: usize,
        sizes: [usize; 3],
        pulls: [Option<Pull>; 3],
        draw: u64,
    ) -> Result<Vec<f64>, EngineError> {
        let mut rng = random("gradients", draw);
        let setting = (model.clone(), v, sizes[0]);
        let mut replicas = self.open(&setting, 3)?;
        let still = AdamWStep {
            scale: 0.0,
            keep: 1.0,
            ..AdamWStep::new(&Preset::Paper.config("", 0.5, 0).optim, 1, 0.0)
        };
        let mut runs = Vec::new();
        for (slot, n) in sizes.into_iter().enumerate() {
            let (params, batch) = (random_params(model, v, &mut rng), random_batch(v, n, &mut rng));
            let zeros = vec![0.0; params.len()];
            let state = ReplicaState { params: &params, m: &zeros, v: &zeros, train: &batch, val: &batch };
            replicas.load(slot, &state)?;
            runs.push((params, batch));
        }
        let step =
            |batch: &Vec<Equation>, pull| vec![ReplicaStep { batch: batch.clone(), update: still, pull }];
        let epochs: Vec<_> = runs
            .iter()
            .enumerate()
            .map(|(slot, (_, batch))| ReplicaEpoch { slot, steps: step(batch, pulls[slot]) })
            .collect();
        replicas.start_epoch(&epochs)?;
        let losses = replicas.finish_epoch()?;
        let mut engine = FactoredEngine::with_precision(model, v, self.precision)?;
        let mut exact = FactoredEngine::new(model, v)?;
        let mut errors = Vec::new();
        for (slot, (params, batch)) in runs.iter().enumerate() {
            let (mut expected, mut got) = (vec![0.0; params.len()], vec![0.0; params.len()]);
            let loss = engine.pulled(params, batch, pulls[slot], &mut expected)?;
            replicas.read_gradients(slot, &mut got)?;
            if self.precision == Precision::Tf32 {
                let mut f32s = vec![0.0; params.len()];
                let exact_loss = exact.pulled(params, batch, pulls[slot], &mut f32s)?;
                let ours = squared(&got, &f32s) + squared(&losses[slot], &[exact_loss]);
                let cpus = squared(&expected, &f32s) + squared(&[loss], &[exact_loss]);
                errors.push((ours / cpus).sqrt());
                continue;
            }
            // a tiny gradient has an absolute floor, as in the CPU engine's own test
            let largest = expected.iter().fold(1e-2f32, |a, g| a.max(g.abs()));
            let scaled =
                |g: &[f32]| g.iter().map(|g| f64::from(g / largest)).chain([1.0]).collect::<Vec<_>>();
            errors.push(worst_f64(&scaled(&got), &scaled(&expected)).max(worst(&losses[slot], &[loss])));
        }
        Ok(errors)
    }

    /// All losses of some epochs of all runs side by side.
    fn train(
        &self,
        replicas: &mut CudaReplicas,
        runs: &[Run],
        batch: usize,
        epochs: usize,
    ) -> Result<Vec<Vec<f32>>, EngineError> {
        let mut losses = vec![Vec::new(); runs.len()];
        for epoch in 0..epochs {
            let work: Vec<_> = runs
                .iter()
                .enumerate()
                .map(|(slot, run)| ReplicaEpoch { slot, steps: run.steps(epoch, batch) })
                .collect();
            replicas.start_epoch(&work)?;
            for (all, new) in losses.iter_mut().zip(replicas.finish_epoch()?) {
                all.extend(new);
            }
        }
        Ok(losses)
    }

    fn training(&self, setting: &Setting) -> Checked {
        let (model, v, batch) = setting;
        let runs = [Run::new(setting, 0), Run::new(setting, 1)];
        let mut replicas = self.loaded(setting, &runs)?;
        let got = self.train(&mut replicas, &runs, *batch, STEPS / EPOCH)?;
        let layout = ParamLayout::new(model, *v);
        let mut error = 0f64;
        for (run, got) in runs.iter().zip(&got) {
            let mut engine = FactoredEngine::with_precision(model, *v, self.precision)?;
            let mut adamw = AdamW::new(&run.optim, &layout);
            let (mut params, mut grads) = (run.params.clone(), vec![0.0; run.params.len()]);
            let mut losses = Vec::new();
            for step in (0..STEPS / EPOCH).flat_map(|epoch| run.steps(epoch, *batch)) {
                losses.push(engine.loss_and_gradients(&params, &step.batch, &mut grads)?);
                adamw.update(&step.update, &mut params, &grads);
            }
            // every loss relative to itself
            let ratios = losses.iter().zip(got).map(|(a, b)| f64::from(b / a - 1.0).abs());
            error = ratios.fold(error, |worst, e| if e.is_nan() { f64::INFINITY } else { worst.max(e) });
            if losses.len() != got.len() {
                return Ok(f64::INFINITY);
            }
        }
        Ok(error)
    }

    fn evaluation(&self, setting: &Setting) -> Checked {
        let (model, v, batch) = setting;
        let runs = [Run::new(setting, 2), Run::new(setting, 3)];
        let mut replicas = self.loaded(setting, &runs)?;
        self.train(&mut replicas, &runs, *batch, 3)?;
        let mut error = 0f64;
        for (slot, got) in [1, 0].into_iter().zip(replicas.evaluate(&[1, 0])?) {
            let mut params = vec![0.0; runs[slot].params.len()];
            replicas.read_params(slot, &mut params)?;
            let mut engine = FactoredEngine::with_precision(model, *v, self.precision)?;
            let sides = [runs[slot].train.as_slice(), &runs[slot].val];
            let expected = Evaluated::by(&mut engine, &params, sides, (*v, model.d_model))?;
            for (got, expected) in [(got.train, expected.train), (got.val, expected.val)] {
                error = error.max(worst_f64(&[got.loss], &[expected.loss]));
                error = error.max((got.accuracy - expected.accuracy).abs());
                error = error.max((got.zero_loss_share - expected.zero_loss_share).abs());
            }
            let (got, expected) = (got.moments, expected.moments);
            let same = (got.rows, got.n, got.outputs) == (expected.rows, expected.n, expected.outputs);
            error = if same { error } else { f64::INFINITY };
            error = error.max(worst_f64(&got.gram, &expected.gram));
            error = error.max(worst_f64(&got.sum, &expected.sum));
            error = error.max(worst_f64(&[got.output_square_sum], &[expected.output_square_sum]));
        }
        Ok(error)
    }

    fn repetition(&self, setting: &Setting) -> Checked {
        let once = || {
            let runs = [Run::new(setting, 4), Run::new(setting, 5), Run::new(setting, 6)];
            let mut replicas = self.loaded(setting, &runs)?;
            let losses = self.train(&mut replicas, &runs, setting.2, 3)?;
            let state =
                (0..3).map(|slot| bits(&mut replicas, slot, &runs[slot])).collect::<Result<Vec<_>, _>>()?;
            let evaluated = replicas.evaluate(&[0, 1, 2])?.iter().map(evaluation_bits).collect::<Vec<_>>();
            Ok::<_, EngineError>((losses, state, evaluated))
        };
        let ((losses, state, evaluated), again) = (once()?, once()?);
        let differ =
            different(&state.concat(), &again.1.concat()) + different(&evaluated.concat(), &again.2.concat());
        Ok(differ + f64::from(u8::from(losses != again.0)))
    }

    /// Some epochs of two sizes in turn, so that recordings are made, used, dropped and made again.
    fn recording(&self, setting: &Setting) -> Checked {
        let once = |records: bool| {
            let runs = [Run::new(setting, 4), Run::new(setting, 5)];
            let mut replicas = self.loaded(setting, &runs)?;
            replicas.records = records;
            let mut losses = Vec::new();
            for batch in [setting.2, setting.2 / 2, setting.2] {
                losses.extend(self.train(&mut replicas, &runs, batch, 4)?);
            }
            let state = [bits(&mut replicas, 0, &runs[0])?, bits(&mut replicas, 1, &runs[1])?];
            Ok::<_, EngineError>([float_bits(&losses.concat()), state.concat()].concat())
        };
        Ok(different(&once(true)?, &once(false)?))
    }

    fn pause(&self, setting: &Setting) -> Checked {
        let runs = [Run::new(setting, 7), Run::new(setting, 8)];
        let mut replicas = self.loaded(setting, &runs)?;
        self.train(&mut replicas, &runs, setting.2, 1)?;
        let before = bits(&mut replicas, 0, &runs[0])?;
        replicas.start_epoch(&[ReplicaEpoch { slot: 1, steps: runs[1].steps(1, setting.2) }])?;
        replicas.finish_epoch()?;
        let after = bits(&mut replicas, 0, &runs[0])?;
        Ok(different(&before, &after))
    }

    /// The second of three runs begins with a weight that is not a number.
    fn divergence(&self, setting: &Setting) -> Checked {
        let mut runs = [Run::new(setting, 9), Run::new(setting, 10), Run::new(setting, 11)];
        let mut healthy = self.loaded(setting, &runs)?;
        let expected = self.train(&mut healthy, &runs, setting.2, 2)?;
        let middle = runs[1].params.len() / 2;
        runs[1].params[middle] = f32::NAN;
        let mut replicas = self.loaded(setting, &runs)?;
        let got = self.train(&mut replicas, &runs, setting.2, 2)?;
        // each of two epochs ends with its first loss
        let wrong = usize::from(got[1].len() != 2) + got[1].iter().filter(|l| l.is_finite()).count();
        let others = [0, 2].map(|r| different(&float_bits(&got[r]), &float_bits(&expected[r])));
        Ok(wrong as f64 + others[0] + others[1])
    }

    fn company(&self, setting: &Setting) -> Checked {
        let last = |runs: &[Run]| {
            let mut replicas = self.loaded(setting, runs)?;
            let losses = self.train(&mut replicas, runs, setting.2, STEPS / EPOCH)?;
            Ok::<_, EngineError>(losses[0][STEPS - 1])
        };
        let among = last(&(0..4).map(|i| Run::new(setting, 12 + i)).collect::<Vec<_>>())?;
        Ok(worst(&[among], &[last(&[Run::new(setting, 12)])?]))
    }
}

/// Parameters and moments of a slot, bit by bit.
fn bits(replicas: &mut CudaReplicas, slot: usize, run: &Run) -> Result<Vec<u64>, EngineError> {
    let n = run.params.len();
    let (mut params, mut m, mut v) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    replicas.read_params(slot, &mut params)?;
    replicas.read_moments(slot, &mut m, &mut v)?;
    Ok(float_bits(&[params, m, v].concat()))
}

/// Squared Euclidean distance; infinite for different lengths.
fn squared(a: &[f32], b: &[f32]) -> f64 {
    let terms = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
    if a.len() == b.len() { terms.sum() } else { f64::INFINITY }
}

fn float_bits(values: &[f32]) -> Vec<u64> {
    values.iter().map(|v| u64::from(v.to_bits())).collect()
}

fn evaluation_bits(e: &Evaluated) -> Vec<u64> {
    let numbers = [e.train.loss, e.val.loss, e.moments.output_square_sum];
    numbers.iter().chain(&e.moments.gram).chain(&e.moments.sum).map(|n| n.to_bits()).collect()
}

fn different(a: &[u64], b: &[u64]) -> f64 {
    let pairs = a.iter().zip(b).filter(|(a, b)| a != b).count();
    (pairs + a.len().abs_diff(b.len())) as f64
}
