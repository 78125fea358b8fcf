//! Language-model pre-training: does LAR of the unembedding show overfitting? The second half of arXiv 2605.28975, in the
//! small. And Spectral Lens (arXiv 2605.05683): what the spectra of activations and gradients say of optimisation.
//!
//! ```text
//! source (language, periodic, text) → feed: batch of a step → crates/groklab-text: loss, gradients, new parameters
//!    every probe.every steps → measure: forward passes → columns: a row, diagnostics: numbers of every matrix
//! ```
//! A round is a step. Every batch is a function of (seed, step), so that nothing of the data is remembered.

mod check;
mod columns;
mod config;
mod diagnostics;
mod feed;
mod identity;
mod learner;
#[cfg(test)]
mod lens_tests;
mod measure;
mod milestones;
mod optimizer;
mod plan;
mod source;
#[cfg(test)]
mod tests;

use crate::run::{Column, ConfigError, Headline, KeyDoc, Kind, Milestone, Planner, Preset, meanings};
use std::collections::BTreeMap;
use toml::Table;

/// As in files.
const NAME: &str = "text";

/// The kind.
pub struct Text;

/// The one there is.
pub static TEXT: Text = Text;

static PRESETS: [Preset; 4] = [
    Preset {
        name: "lm-small",
        about: "two Gemma-2 blocks of width 64 over a language of 512 words, 800 steps of 512 tokens by Adam: after \
                arXiv 2605.28975, at 1/15,000 of its size",
        toml: include_str!("lm-small.toml"),
    },
    Preset {
        name: "lm-medium",
        about: "four blocks of width 128, 2,048 words, 2,000 steps of 2,048 tokens",
        toml: include_str!("lm-medium.toml"),
    },
    Preset {
        name: "lens-small",
        about: "the toy of Spectral Lens (arXiv 2605.05683) at half its width, its last stage: periodic sequences of 32 over \
                256 ids, two blocks of width 64, Muon at a constant rate, 500 steps of 128 sequences",
        toml: include_str!("lens-small.toml"),
    },
    Preset {
        name: "lens-full",
        about: "the same at the authors' sizes: sequences of 64 over 1,024 ids, width 128, until the validation loss is 2",
        toml: include_str!("lens-full.toml"),
    },
];

static HEADLINE: [Headline; 2] = [
    Headline { name: "loss", columns: &["train_loss", "val_loss"] },
    Headline { name: "LAR", columns: &["lar", "lar_val"] },
];

impl Kind for Text {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "language models that are trained on a synthetic language, on periodic sequences or on a text"
    }

    fn round(&self) -> &'static str {
        "step"
    }

    fn columns(&self) -> &'static [Column] {
        columns::columns()
    }

    fn milestones(&self) -> &'static [Milestone] {
        &milestones::MILESTONES
    }

    fn headline(&self) -> &'static [Headline] {
        &HEADLINE
    }

    fn presets(&self) -> &'static [Preset] {
        &PRESETS
    }

    fn meanings(&self) -> BTreeMap<String, KeyDoc> {
        meanings("Config", &[include_str!("config.rs")])
    }

    fn types(&self, config: &Table) -> Result<(), String> {
        plan::typed(config).map(drop)
    }

    fn check(&self, config: &Table) -> Result<(), ConfigError> {
        plan::checked(config).map(drop)
    }

    fn planner(&self) -> Box<dyn Planner + '_> {
        Box::new(plan::TextPlanner::default())
    }
}
