//! What an evaluation means for a run, whoever made it: milestones, the reason to stop, the row, spectra, diagnostics.

use super::{Pass, Record, TrainError, Trainer, diagnostics::Subject};
use crate::{
    kinds::operations::engine::{Engine, Evaluated},
    probe::{self, Moments, Probe, Spectra},
    store::{Checkpoint, End, Mark, MetricsRow, Part, StopReason},
};
use std::time::Instant;

/// An evaluation of a run, and what it led to.
#[derive(Clone, Debug)]
pub struct Assessed {
    mark: Mark,
    evaluated: Evaluated,
    /// Whether it is one of the trajectory, or only that of a budget's end.
    part: Part,
    /// The checkpoints whose spectra are recorded, each with what it belongs to.
    checkpoints: Vec<(Part, Checkpoint)>,
}

impl Trainer<'_> {
    /// Whether the epoch whose steps are done is evaluated.
    pub fn is_due(&self, pass: Pass) -> bool {
        self.stop_reason().is_some()
            || pass == Pass::NotFinite
            || self.run.config.probe.is_due(self.next_epoch)
    }

    /// Whether the run ends with the epoch whose steps are done, and why. Only an evaluation brings a reason that was
    /// not known before it.
    pub fn stop_reason(&self) -> Option<StopReason> {
        let end = self.end.filter(|end| end.epoch == self.next_epoch);
        let planned = || self.milestones.stop_reason(self.next_epoch, &self.run.config.train);
        end.map(|end| end.stopped).or_else(planned)
    }

    /// Both sides of the split under the present parameters.
    pub fn evaluate(&mut self, engine: &mut dyn Engine) -> Result<Evaluated, TrainError> {
        let start = Instant::now();
        let unembedding = (self.run.task.n_symbols, self.run.config.model.d_model);
        let sides = [self.split.train.as_slice(), &self.split.val];
        let evaluated = Evaluated::by(engine, &self.params, sides, unembedding)?;
        self.clock.evaluation += start.elapsed();
        Ok(evaluated)
    }

    /// Takes note of what an evaluation of the epoch whose steps are done means for the run.
    pub fn assess(&mut self, evaluated: Evaluated, pass: Pass) -> Assessed {
        let mark = Mark { epoch: self.next_epoch, step: self.step };
        let finite = pass == Pass::Complete;
        let mut milestones = self.milestones;
        let reached = milestones.update(mark, &evaluated.train, &evaluated.val, finite);
        // what a budget's end brings to light must not change what comes after it
        let is_due = !finite || self.run.config.probe.is_due(mark.epoch);
        let part = if is_due { Part::Trajectory } else { Part::End };
        if is_due {
            self.milestones = milestones;
        }
        let stopped = milestones.stop_reason(mark.epoch, &self.run.config.train);
        self.end = stopped.map(|stopped| End { epoch: mark.epoch, step: mark.step, stopped, milestones });
        let start = (mark.epoch == 0).then_some(Checkpoint::Initial);
        let seen = start.into_iter().chain(reached).map(|checkpoint| (part, checkpoint));
        let end = stopped.map(|_| (Part::End, Checkpoint::Final));
        Assessed { mark, evaluated, part, checkpoints: seen.chain(end).collect() }
    }

    /// Hands the row, the diagnostics and, at a checkpoint, the spectra of an evaluation to `record`. The parameters
    /// must still be those that were evaluated; the counters may have gone on.
    pub fn record(&mut self, assessed: &Assessed, record: &mut dyn Record) -> Result<(), TrainError> {
        let epoch = assessed.mark.epoch;
        let (row, spectra) = self.probe(assessed)?;
        record.row(assessed.part, &row)?;
        if !self.diagnostics.is_empty() {
            let values = self.diagnose(&assessed.evaluated.moments, spectra.as_ref())?;
            record.diagnostics(assessed.part, epoch, self.diagnostics.columns(), &values)?;
        }
        let Some(spectra) = &spectra else { return Ok(()) };
        if let (Some(note), false) = (spectra.notes().first(), self.noted) {
            tracing::warn!("{}, epoch {epoch}: {note}; such numbers are NaN, counts empty", self.run.id);
            self.noted = true;
        }
        if spectra.are_defined() {
            for &(part, checkpoint) in &assessed.checkpoints {
                record.spectra(part, checkpoint, epoch, spectra)?;
            }
        }
        Ok(())
    }

    /// Evaluates both sides of the split and probes the unembedding, as at the end of `epoch`; changes nothing but the
    /// clock. The spectra are missing only where the numbers are no longer finite; the probe columns are NaN, counts
    /// missing then.
    pub fn measure(
        &mut self,
        engine: &mut dyn Engine,
        epoch: u64,
    ) -> Result<(MetricsRow, Option<Spectra>), TrainError> {
        let evaluated = self.evaluate(engine)?;
        let mark = Mark { epoch, step: self.step };
        self.probe(&Assessed { mark, evaluated, part: Part::Trajectory, checkpoints: Vec::new() })
    }

    /// The row of an evaluation.
    fn probe(&mut self, assessed: &Assessed) -> Result<(MetricsRow, Option<Spectra>), TrainError> {
        let Assessed { mark, evaluated: Evaluated { train, val, moments }, .. } = assessed;
        let config = &self.run.config;
        let (n, m) = (config.model.d_model, self.run.task.n_symbols);
        let start = Instant::now();
        let w = &self.params[self.layout.unembedding(m, n)];
        let finite = train.loss.is_finite() && self.params.iter().all(|p| p.is_finite());
        let probed = if finite { Some(probe::probe(w, m, n, moments)?) } else { None };
        self.clock.probe += start.elapsed();

        let p = probed.as_ref().map_or(Probe::UNDEFINED, |(p, _)| *p);
        let row = MetricsRow {
            run: self.run.id.clone(),
            task: self.run.task.name.clone(),
            train_fraction: config.train_fraction,
            seed: config.seed,
            split_seed: config.split_seed,
            epoch: mark.epoch,
            step: mark.step,
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

    /// The diagnostics of an evaluation with its moments and spectra; NaN without spectra.
    pub fn diagnose(&mut self, moments: &Moments, spectra: Option<&Spectra>) -> Result<Vec<f64>, TrainError> {
        let start = Instant::now();
        let Self { run, layout, params, split, .. } = self;
        let values = match spectra {
            Some(spectra) => {
                self.diagnostics.values(&Subject { run, layout, params, split, moments, spectra })?
            }
            None => vec![f64::NAN; self.diagnostics.columns().len()],
        };
        self.clock.probe += start.elapsed();
        Ok(values)
    }
}
