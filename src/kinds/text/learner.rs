//! A run in memory: its steps, and its state.

use super::{
    columns::{self, Evaluation},
    diagnostics::{self, Chosen},
    feed::{Batch, Feed},
    measure::Subject,
    milestones::{MILESTONES, Memory},
    optimizer,
    plan::TextRun,
    source::CorpusKind,
};
use crate::run::{Counters, Course, Failure, Layout, Learner, Part, Pass, Planned, Record, Snapshot, State};
use candle_core::{DType, Device};
use groklab_kernels::InstructionSet;
use groklab_probe::weight_norm;
use groklab_text::{
    model::{AnyConfig, Architecture, Decoder, ModelError},
    optim::{Optimizer, Schedule, clip_global_norm},
};
use std::time::Instant;

/// Shares of `optim.schedule_steps`, in percent, at which full spectra are kept, besides those of the beginning; the
/// first evaluation that is not before each.
pub const SPECTRA_AT: [(u64, &str); 5] =
    [(10, "at_10"), (20, "at_20"), (40, "at_40"), (70, "at_70"), (100, "at_100")];

/// One run: everything a step needs, and everything that a later process needs to go on.
pub struct TextLearner<'a> {
    run: &'a TextRun,
    model: Decoder<AnyConfig>,
    layout: Layout,
    params: Vec<f32>,
    grads: Vec<f32>,
    optimizer: Box<dyn Optimizer>,
    schedule: Schedule,
    feed: Feed<'a>,
    floor: f64,
    diagnostics: Chosen,
    course: Course,
    memory: Memory,
}

impl<'a> TextLearner<'a> {
    /// Draws the initial parameters; `plain`: a model of ordinary operations of candle even where fused ones are there.
    pub fn new(run: &'a TextRun, device: &Device, plain: bool) -> Result<Self, Failure> {
        let config = &run.config;
        let architecture = config.architecture();
        let params = architecture.initial_parameters(config.seed);
        let model = Decoder::new(architecture, DType::F32, device)?;
        let model = if plain { model.plain() } else { model };
        let maps = diagnostics::linear_maps(model.layout(), model.config().unembedding());
        let named = model.layout().iter().map(|param| (param.name.clone(), param.shape.clone()));
        let floor = match &run.corpus.kind {
            CorpusKind::Language(language) => language.floor(config.model.n_ctx),
            CorpusKind::Periodic(_) | CorpusKind::Text { .. } => f64::NAN,
        };
        Ok(Self {
            run,
            layout: Layout::new(named),
            grads: vec![0.0; params.len()],
            params,
            optimizer: optimizer::build(config, model.layout())?,
            schedule: config.optim.schedule(),
            feed: Feed::new(config, &run.corpus)?,
            floor,
            diagnostics: Chosen::new(config, &run.corpus, &maps)?,
            course: Course::new(run.budget(), run.cadence(), &MILESTONES),
            memory: Memory::default(),
            model,
        })
    }

    /// What the steps are computed with, for the manifest.
    pub fn engine(&self) -> String {
        match self.model.is_fused() {
            true => format!("fused, {}", InstructionSet::best().name()),
            false => "plain".into(),
        }
    }

    /// One step; not complete where loss or gradients are not finite, and nothing has changed then.
    fn step(&mut self) -> Result<Pass, Failure> {
        let (inputs, targets) = self.feed.batch(self.course.step);
        self.model.set(&self.params)?;
        let (length, pull) = (self.run.config.model.n_ctx, self.run.config.alignment.lar_strength);
        let (loss, whole) = if pull == 0.0 {
            let loss = self.model.loss(&inputs, &targets, length, &mut |_, _| Ok(()))?;
            (loss.clone(), loss)
        } else {
            let (loss, lar) = self.model.loss_and_lar(&inputs, &targets, length)?;
            let whole = (&loss - (lar * pull)?)?;
            (loss, whole)
        };
        let value = f64::from(loss.to_scalar::<f32>()?);
        if !value.is_finite() {
            self.memory.step(value, f64::NAN);
            return Ok(Pass::NotFinite);
        }
        match self.model.gradients(&whole, &mut self.grads) {
            Err(ModelError::NotFinite { .. }) => {
                self.memory.step(value, f64::NAN);
                return Ok(Pass::NotFinite);
            }
            other => other?,
        }
        let most = Some(self.run.config.optim.clip).filter(|&clip| clip > 0.0).unwrap_or(f64::INFINITY);
        let norm = clip_global_norm(&mut self.grads, most);
        self.optimizer.step(&mut self.params, &self.grads, self.schedule.at(self.course.step))?;
        self.memory.step(value, norm);
        self.course.step += 1;
        Ok(Pass::Complete)
    }

    /// The batches over which LAR of training inputs is pooled.
    fn pool(&mut self) -> Vec<Batch> {
        let config = &self.run.config;
        let count = config.probe.tokens.div_ceil(config.tokens_per_step()) as u64;
        Feed::pool(self.course.step, count).map(|step| self.feed.batch(step)).collect()
    }

    /// The checkpoints of [`SPECTRA_AT`] that this evaluation of the trajectory is the first not to be before.
    fn shares(&self) -> Vec<&'static str> {
        let (here, cadence) = (self.course.next_epoch, self.run.cadence());
        let before = (0..here).rev().find(|&round| cadence.is_due(round));
        let steps = u128::from(self.run.config.optim.schedule_steps);
        let is_past = |round: u64, percent: u64| 100 * u128::from(round) >= u128::from(percent) * steps;
        let is_first =
            |percent| is_past(here, percent) && before.is_some_and(|before| !is_past(before, percent));
        SPECTRA_AT.iter().filter(|(percent, _)| is_first(*percent)).map(|(_, name)| *name).collect()
    }

    fn evaluate(&mut self, energies_wanted: bool) -> Result<(Evaluation, Vec<f64>), Failure> {
        let start = Instant::now();
        self.model.set(&self.params)?;
        let pool = self.pool();
        let maps = diagnostics::linear_maps(self.model.layout(), self.model.config().unembedding());
        let Self { model, params, .. } = &*self;
        let subject = Subject { model, params, maps: &maps, all_maps: energies_wanted };
        let measured = subject.measure(&pool, self.feed.held_out())?;
        let config = &self.run.config;
        let diagnosed = self.diagnostics.values(&diagnostics::Subject {
            model,
            params,
            config,
            maps: &maps,
            measured: &measured,
        })?;
        let Memory { loss_sum, norm_sum, batches, .. } = self.memory;
        let evaluation = Evaluation {
            train_loss: if self.course.next_epoch == 0 { measured.pool_loss } else { loss_sum / batches },
            grad_norm: norm_sum / batches,
            floor: self.floor,
            weight_norm: weight_norm(params),
            learning_rate: self.schedule.at(self.course.step.saturating_sub(1)),
            tokens: self.course.step as f64 * self.run.config.tokens_per_step() as f64,
            measured,
        };
        self.course.clock.evaluation += start.elapsed();
        Ok((evaluation, diagnosed))
    }
}

impl State for TextLearner<'_> {
    fn course(&self) -> &Course {
        &self.course
    }

    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn parameters(&self) -> &[f32] {
        &self.params
    }

    fn snapshot(&self) -> Option<Snapshot> {
        let Course { next_epoch, step, milestones, .. } = &self.course;
        let mut counters = Counters {
            next_epoch: *next_epoch,
            step: *step,
            milestones: milestones.clone(),
            ..Default::default()
        };
        self.memory.save(&mut counters);
        let slots = optimizer::slots(self.optimizer.as_ref(), self.model.layout());
        Some(Snapshot { counters, params: self.params.clone(), slots })
    }

    fn restore(&mut self, snapshot: Snapshot) -> Result<(), Failure> {
        let Snapshot { counters, params, slots } = snapshot;
        let (round, step) = (counters.next_epoch, counters.step);
        // the step that diverged is not counted
        let undone = 1 + u64::from(counters.milestones.diverged().is_some());
        if round < 1 || step > round || step + undone < round || params.len() != self.params.len() {
            return Err(
                format!("a checkpoint at step {step} before round {round} is not one of this run").into()
            );
        }
        let memory = Memory::load(&counters)?;
        optimizer::restore(self.optimizer.as_mut(), self.model.layout(), &slots, step)?;
        self.params = params;
        self.memory = memory;
        (self.course.next_epoch, self.course.step, self.course.milestones) =
            (round, step, counters.milestones);
        Ok(())
    }
}

impl Learner for TextLearner<'_> {
    fn course_mut(&mut self) -> &mut Course {
        &mut self.course
    }

    fn round(&mut self, go_on: &dyn Fn() -> bool) -> Result<Pass, Failure> {
        if self.course.step >= self.course.next_epoch {
            return Ok(Pass::Complete);
        }
        if !go_on() {
            return Ok(Pass::Cut);
        }
        let start = Instant::now();
        let pass = self.step()?;
        self.course.clock.training += start.elapsed();
        Ok(pass)
    }

    fn observe(&mut self, pass: Pass, record: &mut dyn Record) -> Result<(), Failure> {
        let (evaluation, diagnosed) = self.evaluate(self.run.has_diagnostics())?;
        let measured = &evaluation.measured;
        let is_finite = measured.val_loss.is_finite() && measured.pool_loss.is_finite();
        let (seen, after) =
            self.memory.see(measured.probe.lar, measured.val_loss, self.run.config.target.val_loss);
        let mut noted = self.course.note(pass, is_finite, &seen);
        if noted.part == Part::Trajectory {
            // what a budget's end shows must not change what comes after it
            self.memory = after;
            noted.checkpoints.extend(self.shares().into_iter().map(|name| (Part::Trajectory, name)));
        }
        let round = noted.mark.epoch;
        record.row(noted.part, noted.mark, &columns::values(&evaluation))?;
        if !self.diagnostics.is_empty() {
            record.diagnostics(noted.part, round, self.diagnostics.columns(), &diagnosed)?;
        }
        if let Some(spectra) = measured.spectra.as_ref().filter(|spectra| spectra.are_defined()) {
            for (part, checkpoint) in noted.checkpoints {
                record.spectra(part, checkpoint, round, spectra)?;
            }
        }
        Ok(())
    }
}
