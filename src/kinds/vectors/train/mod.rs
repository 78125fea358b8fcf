//! A run in memory: its steps and its evaluations.

mod state;

use super::{
    MILESTONES,
    config::{Config, LossName, OptimizerName},
    evaluation::Seen,
    layers,
    plan::VectorsRun,
};
use crate::run::{Course, Failure, Layout, Learner, Pass, Planned, Record};
use groklab_vectors::{
    mlp::{Engine, Mlp, Penalty, directions},
    optim::{AdamW, Optimizer, Sgd},
    samples::Samples,
    stream,
};
use rand::seq::SliceRandom;
use std::time::Instant;

/// A run between two steps.
pub(super) struct Trainer<'a> {
    pub run: &'a VectorsRun,
    pub course: Course,
    pub mlp: Mlp,
    pub engine: Engine,
    pub params: Vec<f32>,
    /// The parameters as they began.
    pub start: Vec<f32>,
    pub train: Samples,
    pub val: Samples,
    /// Columns of `diagnostics.csv`.
    pub diagnostics: Vec<String>,
    layout: Layout,
    optimizer: Box<dyn Optimizer>,
    grads: Vec<f32>,
    /// Training rows in the order of an epoch; only where batches are not all rows.
    order: Vec<usize>,
    /// A batch, and the directions of its Jacobian term.
    batch: Batch,
}

/// Room for a batch.
#[derive(Debug, Default)]
struct Batch {
    inputs: Vec<f32>,
    labels: Vec<u32>,
    directions: Vec<f32>,
}

impl<'a> Trainer<'a> {
    /// Chooses the rows and draws the initial parameters of `run`.
    pub fn new(run: &'a VectorsRun) -> Result<Self, Failure> {
        let (config, mlp) = (&run.config, run.mlp.clone());
        let [train, val] = run.sides()?;
        let params = config.model.init().draw(&mlp, config.seed)?;
        Ok(Self {
            course: Course::new(run.budget(), run.cadence(), &MILESTONES),
            engine: Engine::new(&mlp),
            start: params.clone(),
            diagnostics: layers::columns(config, &mlp),
            layout: state::layout(&mlp),
            optimizer: optimizer(config, params.len()),
            grads: vec![0.0; params.len()],
            order: Vec::new(),
            batch: Batch::default(),
            run,
            mlp,
            params,
            train,
            val,
        })
    }

    /// Rows of a batch; the last one of an epoch may have fewer.
    fn batch_rows(&self) -> usize {
        match self.run.config.data.batch_size {
            0 => self.train.rows(),
            size => size.min(self.train.rows()),
        }
    }

    fn steps_an_epoch(&self) -> u64 {
        self.train.rows().div_ceil(self.batch_rows()) as u64
    }

    /// The steps of the next epoch that are still to do, while `go_on` says so.
    fn steps(&mut self, go_on: &dyn Fn() -> bool) -> Result<Pass, Failure> {
        let config = &self.run.config;
        let (epoch, steps) = (self.course.next_epoch, self.steps_an_epoch());
        let done = self.course.step.saturating_sub(epoch.saturating_sub(1) * steps);
        if steps > 1 {
            self.order.clear();
            self.order.extend(0..self.train.rows());
            if config.data.shuffle {
                self.order.shuffle(&mut stream(config.seed, "order", epoch));
            }
        }
        let rate = config.optim.rate(config.model.output_scale);
        for batch in done..steps {
            if !go_on() {
                return Ok(Pass::Cut);
            }
            if !self.gradient(batch as usize)?.is_finite() {
                return Ok(Pass::NotFinite);
            }
            self.optimizer.step(&mut self.params, &self.grads, rate)?;
            self.course.step += 1;
        }
        Ok(Pass::Complete)
    }

    /// Loss and gradient of a batch of this epoch; allocates nothing once its room has been made.
    fn gradient(&mut self, batch: usize) -> Result<f64, Failure> {
        let (config, size) = (&self.run.config, self.batch_rows());
        let Batch { inputs, labels, directions: v } = &mut self.batch;
        let (x, y) = if size == self.train.rows() {
            (self.train.inputs(), self.train.labels())
        } else {
            inputs.clear();
            labels.clear();
            for &row in self.order.iter().skip(batch * size).take(size) {
                inputs.extend_from_slice(self.train.row(row));
                labels.push(self.train.labels()[row]);
            }
            (&inputs[..], &labels[..])
        };
        let term = penalty(config);
        if term.is_some() {
            v.resize(y.len() * self.mlp.outputs(), 0.0);
            directions(config.seed, self.course.step + 1, self.mlp.outputs(), v);
        }
        let term = term.as_ref().map(|term| (term, &v[..]));
        Ok(self.engine.gradient(&self.params, x, y, config.model.loss(), term, &mut self.grads)?.loss)
    }

    /// The milestones that an evaluation sees.
    fn milestones(&self, seen: &Seen) -> Vec<&'static str> {
        let Config { target, model, .. } = &self.run.config;
        let side = if target.quantity.is_of_train() { &seen.train } else { &seen.val };
        let is_aligned = model.loss == LossName::Logistic && seen.train.loss < super::ALIGNED;
        let marks = [
            ("aligned", is_aligned),
            ("fitted", seen.train.accuracy >= super::FITTED),
            (super::TARGET, side.reaches(target)),
        ];
        marks.into_iter().filter(|(_, is_seen)| *is_seen).map(|(name, _)| name).collect()
    }
}

fn penalty(config: &Config) -> Option<Penalty> {
    let super::config::JacobianConfig { strength, level } = config.jacobian;
    (strength > 0.0).then(|| Penalty { strength, level: (level > 0.0).then_some(level) })
}

fn optimizer(config: &Config, parameters: usize) -> Box<dyn Optimizer> {
    let optim = &config.optim;
    match optim.name {
        OptimizerName::Sgd => {
            Box::new(Sgd::new(optim.momentum as f32, optim.weight_decay as f32, parameters))
        }
        OptimizerName::AdamW => {
            let mut adamw = AdamW::new(optim.weight_decay, parameters);
            (adamw.betas, adamw.epsilon) = ([optim.beta1, optim.beta2], optim.epsilon);
            Box::new(adamw)
        }
    }
}

impl Learner for Trainer<'_> {
    fn course_mut(&mut self) -> &mut Course {
        &mut self.course
    }

    fn round(&mut self, go_on: &dyn Fn() -> bool) -> Result<Pass, Failure> {
        let start = Instant::now();
        let pass = self.steps(go_on)?;
        self.course.clock.training += start.elapsed();
        let start = Instant::now();
        let has_reached = pass == Pass::Complete && self.reaches_target()?;
        self.course.clock.evaluation += start.elapsed();
        Ok(if has_reached { Pass::Reached } else { pass })
    }

    fn observe(&mut self, pass: Pass, record: &mut dyn Record) -> Result<(), Failure> {
        let start = Instant::now();
        let (seen, pooled, spectra) = self.see()?;
        self.course.clock.evaluation += start.elapsed();
        let start = Instant::now();
        let values = if self.diagnostics.is_empty() { Vec::new() } else { self.diagnose(&seen, &pooled)? };
        self.course.clock.probe += start.elapsed();

        let milestones = self.milestones(&seen);
        let noted = self.course.note(pass, seen.is_finite(), &milestones);
        record.row(noted.part, noted.mark, &super::column::values(&seen))?;
        if !self.diagnostics.is_empty() {
            record.diagnostics(noted.part, noted.mark.epoch, &self.diagnostics, &values)?;
        }
        if let Some(spectra) = spectra.filter(crate::probe::Spectra::are_defined) {
            for (part, checkpoint) in noted.checkpoints {
                record.spectra(part, checkpoint, noted.mark.epoch, &spectra)?;
            }
        }
        Ok(())
    }
}
