//! A run as far as a budget goes: what it would be had it never been asked for more.
//!
//! Promises: the view under a budget is the same whether the run ended there or went on; a run that has not got to the
//! end of the budget is unfinished in it, though it may have finished under a smaller one.

use super::{Metrics, ReadError, RunRecord, RunState, files::METRICS, run::ViewEnd};
use crate::run::Budget;

impl RunRecord {
    /// The whole record, seen under a budget.
    pub(super) fn under(mut self, budget: Budget) -> Result<Self, ReadError> {
        let is_over = self.manifest.covers(&budget);
        let m = &mut self.manifest;
        m.budget = budget;
        if !is_over {
            // finished under a smaller budget: under this one it is on its way
            m.stopped = None;
            m.state = if m.state == RunState::Failed { RunState::Failed } else { RunState::Running };
            return Ok(self);
        }
        let (end, reason) = m.milestones.end(&budget, &m.rules);
        let at_end = m.end_at(end).cloned();
        (m.state, m.failure, m.epochs) = (RunState::Finished, None, end);
        m.stopped = Some(at_end.as_ref().map_or(reason, |at_end| at_end.stopped.clone()));
        m.milestones =
            at_end.as_ref().map_or_else(|| m.milestones.until(end), |at_end| at_end.milestones.clone());
        self.end = Some(ViewEnd { epoch: end, is_evaluated: true });
        self.metrics.cut(end);
        if self.metrics.last().is_none_or(|row| row.mark.epoch < end) {
            let rows = self.end_metrics(METRICS)?;
            self.end = Some(ViewEnd { epoch: end, is_evaluated: !rows.is_empty() });
            self.metrics.extend(rows);
        }
        let m = &mut self.manifest;
        m.steps = at_end.map_or_else(|| steps(&self.metrics, end, m.steps), |at_end| at_end.step);
        Ok(self)
    }
}

/// Steps of the first `epochs` epochs, each as long as those before an evaluation; `otherwise` where none tells.
fn steps(rows: &Metrics, epochs: u64, otherwise: u64) -> u64 {
    let marks = rows.iter().rev().map(|row| row.mark);
    match marks.into_iter().find(|mark| mark.epoch > 0 && mark.step.is_multiple_of(mark.epoch)) {
        Some(mark) => mark.step / mark.epoch * epochs,
        None => otherwise,
    }
}
