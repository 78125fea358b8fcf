//! The training loop, evaluation, milestones and stopping.

mod milestones;
mod trace;

pub use milestones::{GROKKED_ACCURACY, MEMORIZED_VAL_ACCURACY};
pub use trace::{Trace, trace};

use crate::{
    config::{ConfigError, PlannedRun},
    data::{BatchOrder, Split, SplitError},
    engine::{Engine, EngineError},
    model::{ParamLayout, initial_parameters},
    optim::{self, OptimError, Optimizer, learning_rate},
    probe::{self, Moments, Probe, ProbeError, Spectra},
    store::{Checkpoint, MetricsRow, Milestones, StopReason, StoreError},
    task::Equation,
};
use std::time::{Duration, Instant};

/// One run in memory: everything a step needs.
pub struct Trainer<'a> {
    run: &'a PlannedRun,
    engine: Box<dyn Engine>,
    optimizer: Box<dyn Optimizer>,
    /// Names and places of the parameters.
    pub layout: ParamLayout,
    /// The parameters.
    pub params: Vec<f32>,
    grads: Vec<f32>,
    /// Training and validation rows.
    pub split: Split,
    order: BatchOrder,
    batch: Vec<Equation>,
    /// Completed steps.
    pub step: u64,
    /// Time spent so far.
    pub clock: Clock,
}

/// Where the time went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    /// Training steps.
    pub training: Duration,
    /// Forward passes over all rows.
    pub evaluation: Duration,
    /// Spectra and eigenvalues.
    pub probe: Duration,
}

/// What happens to a run's numbers; the loop does not know files or terminals.
pub trait Record {
    /// An evaluation.
    fn row(&mut self, row: &MetricsRow) -> Result<(), StoreError>;
    /// The full spectra of a checkpoint.
    fn spectra(&mut self, checkpoint: Checkpoint, epoch: u64, spectra: &Spectra) -> Result<(), StoreError>;
    /// The end of an epoch; false asks the run to stop here, unfinished.
    fn epoch(&mut self, epoch: u64) -> bool;
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Why; none when it was asked to stop.
    pub stopped: Option<StopReason>,
    /// Last completed epoch.
    pub epochs: u64,
    /// What happened when.
    pub milestones: Milestones,
}

/// A run that could not be started or went wrong.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // each is the error of the module it names
pub enum TrainError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Split(#[from] SplitError),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Optimizer(#[from] OptimError),
    #[error(transparent)]
    Probe(#[from] ProbeError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Trains until the run has grokked and its patience is over, its budget is spent, it diverges, or `record` says stop.
pub fn train(trainer: &mut Trainer, record: &mut dyn Record) -> Result<Outcome, TrainError> {
    let config = &trainer.run.config;
    let mut milestones = Milestones::default();
    let mut epoch = 0;
    loop {
        let finite = epoch == 0 || trainer.epoch(epoch)?;
        let mut stopped = milestones.stop_reason(epoch, &config.train);
        if stopped.is_some() || !finite || config.probe.is_due(epoch) {
            let (row, spectra) = trainer.measure(epoch)?;
            let reached = milestones.update(&row, finite);
            stopped = milestones.stop_reason(epoch, &config.train);
            record.row(&row)?;
            let start = (epoch == 0).then_some(Checkpoint::Initial);
            let end = stopped.map(|_| Checkpoint::Final);
            for checkpoint in start.into_iter().chain(reached).chain(end) {
                if let Some(spectra) = &spectra {
                    record.spectra(checkpoint, epoch, spectra)?;
                }
            }
        }
        let go_on = record.epoch(epoch);
        if stopped.is_some() || !go_on {
            return Ok(Outcome { stopped, epochs: epoch, milestones });
        }
        epoch += 1;
    }
}

impl<'a> Trainer<'a> {
    /// Draws the split and the initial parameters of `run`; `engine` computes its steps.
    pub fn new(run: &'a PlannedRun, engine: Box<dyn Engine>) -> Result<Self, TrainError> {
        let config = &run.config;
        config.check()?;
        let layout = ParamLayout::new(&config.model, run.task.n_symbols);
        let split = Split::new(&run.task.equations, config.train_fraction, config.split_seed)?;
        Ok(Self {
            engine,
            optimizer: optim::build(&config.optim, &layout)?,
            params: initial_parameters(&config.model, &layout, config.seed),
            grads: vec![0.0; layout.len()],
            order: BatchOrder::new(split.train.len(), config.data.batch_size, config.data.last_batch),
            batch: Vec::with_capacity(config.data.batch_size.min(split.train.len())),
            step: 0,
            clock: Clock::default(),
            run,
            layout,
            split,
        })
    }

    /// One pass over the training rows; false when a loss was not finite.
    fn epoch(&mut self, epoch: u64) -> Result<bool, TrainError> {
        let start = Instant::now();
        let losses = self.steps_of_epoch(epoch, u64::MAX, &mut |_, _| ())?;
        self.clock.training += start.elapsed();
        Ok(losses)
    }

    /// The steps of `epoch`, at most until `step` reaches `until`; `seen` gets the rows and the loss of each.
    /// False when a loss was not finite; the steps after it are left out.
    pub fn steps_of_epoch(
        &mut self,
        epoch: u64,
        until: u64,
        seen: &mut dyn FnMut(&[u32], f32),
    ) -> Result<bool, TrainError> {
        let config = &self.run.config;
        self.order.shuffle(config.seed, epoch);
        for rows in self.order.batches() {
            if self.step == until {
                break;
            }
            self.batch.clear();
            self.batch.extend(rows.iter().map(|&i| self.split.train[i as usize]));
            let loss = self.engine.loss_and_gradients(&self.params, &self.batch, &mut self.grads)?;
            seen(rows, loss);
            if !loss.is_finite() {
                return Ok(false);
            }
            let lr = learning_rate(&config.optim, self.step);
            self.optimizer.step(&mut self.params, &self.grads, lr)?;
            self.step += 1;
        }
        Ok(true)
    }

    /// Evaluates both sides of the split and probes the unembedding. The spectra are missing only
    /// where the numbers are no longer finite; the probe columns are NaN (counts 0) then.
    pub fn measure(&mut self, epoch: u64) -> Result<(MetricsRow, Option<Spectra>), TrainError> {
        let config = &self.run.config;
        let (n, m) = (config.model.d_model, self.run.task.n_symbols);
        let start = Instant::now();
        let mut moments = Moments::new(n, m);
        let train = self.engine.evaluate(&self.params, &self.split.train, Some(&mut moments))?;
        let val = self.engine.evaluate(&self.params, &self.split.val, None)?;
        self.clock.evaluation += start.elapsed();

        let start = Instant::now();
        let w = &self.params[self.layout.unembedding(m, n)];
        let finite = train.loss.is_finite() && self.params.iter().all(|p| p.is_finite());
        let probed = if finite { Some(probe::probe(w, m, n, &moments)?) } else { None };
        self.clock.probe += start.elapsed();

        let p = probed.as_ref().map_or(Probe::UNDEFINED, |(p, _)| *p);
        let row = MetricsRow {
            run: self.run.id.clone(),
            task: self.run.task.name.clone(),
            train_fraction: config.train_fraction,
            seed: config.seed,
            split_seed: config.split_seed,
            epoch,
            step: self.step,
            train_loss: train.loss,
            val_loss: val.loss,
            train_accuracy: train.accuracy,
            val_accuracy: val.accuracy,
            lar: p.lar,
            lar_spectra: p.lar_spectra,
            k_pred: p.k_pred,
            k90: p.k90,
            k95: p.k95,
            k99: p.k99,
            p1: p.p1,
            q1: p.q1,
            l1: p.l1,
            sigma_p: p.sigma_p,
            sigma_q: p.sigma_q,
            pearson: p.pearson,
            spearman: p.spearman,
            stable_rank: p.stable_rank,
            effective_rank: p.effective_rank,
            weight_norm: probe::weight_norm(&self.params),
            zero_loss_share: train.zero_loss_share,
        };
        Ok((row, probed.map(|(_, spectra)| spectra)))
    }

    /// The optimiser, for those who want its state.
    pub fn optimizer(&self) -> &dyn Optimizer {
        self.optimizer.as_ref()
    }
}
