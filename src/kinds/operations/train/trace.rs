//! The first steps of a run with every number that is needed to replay them elsewhere.

use super::{TrainError, Trainer};
use crate::{kinds::operations::engine::Engine, run::Pass};
use std::cell::Cell;

/// What happened in the recorded steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// Parameters before the first step.
    pub initial: Vec<f32>,
    /// Rows of each step's batch, as row numbers of the training set, one batch after the other.
    pub batch_rows: Vec<i64>,
    /// Length of each batch.
    pub batch_sizes: Vec<i64>,
    /// Loss of each batch before its step: mean cross-entropy, and the Jacobian term if there is one.
    pub losses: Vec<f32>,
    /// Learning rate of each step.
    pub learning_rates: Vec<f64>,
}

/// Runs `steps` steps and records them; the trainer holds the final parameters and moments afterwards. `seen` is called
/// before the first step and after each one, with the completed epochs.
pub fn trace(
    trainer: &mut Trainer,
    engine: &mut dyn Engine,
    steps: u64,
    mut seen: impl FnMut(&mut Trainer, &mut dyn Engine, u64) -> Result<(), TrainError>,
) -> Result<Trace, TrainError> {
    let mut trace = Trace { initial: trainer.params.clone(), ..Trace::default() };
    let optim = &trainer.run.config.optim;
    let mut epochs = 0;
    seen(trainer, engine, epochs)?;
    while trainer.course.step < steps {
        let step = trainer.course.step;
        let is_first = Cell::new(true);
        let pass =
            trainer.steps_of_epoch(engine, epochs + 1, &|| is_first.replace(false), &mut |rows, loss| {
                trace.batch_rows.extend(rows.iter().map(|&r| i64::from(r)));
                trace.batch_sizes.push(rows.len() as i64);
                trace.losses.push(loss);
                trace.learning_rates.push(super::learning_rate(optim, step));
            })?;
        epochs += u64::from(pass == Pass::Complete);
        if pass == Pass::NotFinite {
            break;
        }
        seen(trainer, engine, epochs)?;
    }
    Ok(trace)
}
