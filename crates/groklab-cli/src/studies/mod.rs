//! Studies: what a paper asks of runs. Each has its claims, with rules and thresholds fixed before the study is run, and the
//! figures that its paper shows and others do not need; an experiment file names the study it belongs to.
//!
//! [`grokking`], the study of binary operations, came first and reads its runs in its own way: their recipes by field, and the
//! paper's numbers beside them. The others are a [`Study`] each.

mod arrival;
mod contrast;
pub mod grokalign;
pub mod grokking;
pub mod lens;
pub mod pretraining;
pub mod regularisation;
pub mod strength;
#[cfg(test)]
mod tests;

use crate::{
    analysis::{claims::Claim, general},
    render::{figure::Figure, table::Table},
};

/// What a paper asks.
pub struct Study {
    /// As in experiment files.
    pub name: &'static str,
    /// Its paper.
    pub paper: &'static str,
    /// Every claim, answered on the runs of an experiment: yes, no, mixed, or not enough data.
    pub claims: fn(&general::Study) -> Vec<Claim>,
    /// Tables of an experiment beside that of its settings.
    pub tables: fn(&general::Study) -> Vec<Table>,
    /// Figures of an experiment beside the curves of its columns; what cannot be drawn says why.
    pub figures: fn(&general::Study) -> Vec<Figure>,
}

/// Every study of kinds other than binary operations.
pub static ALL: &[&Study] =
    &[&grokalign::STUDY, &strength::STUDY, &pretraining::STUDY, &lens::STUDY, &regularisation::STUDY];

/// The study that an experiment's plan names.
pub fn of(study: &general::Study) -> Option<&'static Study> {
    let name = study.study.as_deref()?;
    ALL.iter().copied().find(|known| known.name == name)
}
