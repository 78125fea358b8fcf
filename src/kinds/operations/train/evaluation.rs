//! What an evaluation means for a run, whoever made it: milestones, the reason to stop, the row, spectra, diagnostics.

use super::{TrainError, Trainer, diagnostics::Subject};
use crate::{
    kinds::operations::{
        columns::{self, Measured},
        engine::{Engine, Evaluated},
        milestones::{self, GROKKED},
    },
    probe::{self, Moments, Probe, Spectra},
    run::{Failure, Noted, Pass, Record},
};
use std::time::Instant;

/// An evaluation of a run, and what it led to.
#[derive(Clone, Debug)]
pub struct Assessed {
    evaluated: Evaluated,
    noted: Noted,
}

impl Trainer<'_> {
    /// Both sides of the split under the present parameters.
    pub fn evaluate(&mut self, engine: &mut dyn Engine) -> Result<Evaluated, TrainError> {
        let start = Instant::now();
        let unembedding = (self.run.task.n_symbols, self.run.config.model.d_model);
        let sides = [self.split.train.as_slice(), &self.split.val];
        let evaluated = Evaluated::by(engine, &self.params, sides, unembedding)?;
        self.course.clock.evaluation += start.elapsed();
        Ok(evaluated)
    }

    /// Takes note of what an evaluation of the epoch whose steps are done means for the run.
    pub fn assess(&mut self, evaluated: Evaluated, pass: Pass) -> Assessed {
        let (train, val) = (&evaluated.train, &evaluated.val);
        let is_finite = train.loss.is_finite() && val.loss.is_finite();
        let has_grokked = self.course.milestones.get(GROKKED).is_some();
        let noted = self.course.note(pass, is_finite, &milestones::seen(train, val, has_grokked));
        Assessed { evaluated, noted }
    }

    /// Hands the row, the diagnostics and, at a checkpoint, the spectra of an evaluation to `record`. The parameters
    /// must still be those that were evaluated; the counters may have gone on.
    pub fn record(&mut self, assessed: &Assessed, record: &mut dyn Record) -> Result<(), Failure> {
        let Noted { mark, part, ref checkpoints } = assessed.noted;
        let (row, spectra) = self.probe(&assessed.evaluated)?;
        record.row(part, mark, &row)?;
        if !self.diagnostics.is_empty() {
            let values = self.diagnose(&assessed.evaluated.moments, spectra.as_ref())?;
            record.diagnostics(part, mark.epoch, self.diagnostics.columns(), &values)?;
        }
        let Some(spectra) = &spectra else { return Ok(()) };
        if let (Some(note), false) = (spectra.notes().first(), self.noted) {
            let (id, epoch) = (&self.run.id, mark.epoch);
            tracing::warn!("{id}, epoch {epoch}: {note}; such numbers are NaN, counts empty");
            self.noted = true;
        }
        if spectra.are_defined() {
            for &(part, checkpoint) in checkpoints {
                record.spectra(part, checkpoint, mark.epoch, spectra)?;
            }
        }
        Ok(())
    }

    /// Evaluates both sides of the split and probes the unembedding; changes nothing but the clock. A number for each of
    /// the [`COLUMNS`](columns::COLUMNS). The spectra are missing only where the numbers are no longer finite; the probe
    /// columns are NaN then.
    pub fn measure(&mut self, engine: &mut dyn Engine) -> Result<(Vec<f64>, Option<Spectra>), TrainError> {
        let evaluated = self.evaluate(engine)?;
        self.probe(&evaluated)
    }

    /// The row of an evaluation.
    fn probe(&mut self, evaluated: &Evaluated) -> Result<(Vec<f64>, Option<Spectra>), TrainError> {
        let Evaluated { train, val, moments } = evaluated;
        let (n, m) = (self.run.config.model.d_model, self.run.task.n_symbols);
        let start = Instant::now();
        let w = &self.params[self.layout.unembedding(m, n)];
        let finite = train.loss.is_finite() && self.params.iter().all(|p| p.is_finite());
        let probed = if finite { Some(probe::probe(w, m, n, moments)?) } else { None };
        self.course.clock.probe += start.elapsed();

        let probe = probed.as_ref().map_or(Probe::UNDEFINED, |(probe, _)| *probe);
        let weight_norm = probe::weight_norm(&self.params);
        let row = columns::row(&Measured { train, val, probe: &probe, weight_norm });
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
        self.course.clock.probe += start.elapsed();
        Ok(values)
    }
}
