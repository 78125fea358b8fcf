//! Spectral Lens (arXiv 2605.05683): do runs that reach the same loss by other ways sit in other spectra, and does the early
//! tail of a spectrum forecast how many tokens a run will need?
//!
//! Rules of the claims, fixed before the study was run: `docs/spectral-lens/README.md`.

mod claims;
mod figures;
mod forecast;
mod matched;
#[cfg(test)]
mod tests;
mod toy;

use super::Study;
use crate::analysis::{claims::Claim, general};

/// The study.
pub static STUDY: Study = Study {
    name: "lens",
    paper: "arXiv 2605.05683",
    claims: answers,
    tables: |_| Vec::new(),
    figures: figures::figures,
};

fn answers(study: &general::Study) -> Vec<Claim> {
    let toys = toy::toys(study);
    let families = forecast::families(&toys);
    vec![
        claims::order(&toys),
        claims::untied_moves_most(&toys),
        claims::stages_above_noise(&toys),
        claims::batch_geometry(&toys),
        claims::batch_order(&toys),
        claims::collapse(&toys),
        claims::token_optimal(&toys),
        claims::untie(&toys),
        forecast::early_tail(&families),
        forecast::early_rivals(&families),
    ]
}
