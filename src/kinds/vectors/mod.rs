//! Classifiers of vectors: ReLU networks that learn digits, mixtures and clusters, with the Jacobian term of GrokAlign
//! (arXiv 2506.12284) and the output scale of feature-learning strength (arXiv 2602.00827).
//!
//! The way data takes: `source` → rows → `train`: batches, steps of `groklab-vectors` → `evaluation`: what the
//! `column`s are made of → a row; `layers` → diagnostics. A run is a function of its `config`; every draw comes from a
//! stream of (seed, name, index), so that going on is computing on.

mod check;
mod column;
mod config;
mod error;
mod evaluation;
mod identity;
mod layers;
mod plan;
mod planner;
mod source;
#[cfg(test)]
mod tests;
mod train;

use crate::run::{
    BUDGET_SOURCE, Column, ConfigError, Headline, KeyDoc, Kind, Milestone, Planner, Preset, Stop, meanings,
};
use config::Config;
use std::collections::BTreeMap;
use toml::Table;

const NAME: &str = "vectors";

/// The kind.
pub static VECTORS: Vectors = Vectors;

/// Classifiers of vectors.
#[derive(Debug)]
pub struct Vectors;

/// The milestone of `target.quantity`.
const TARGET: &str = "target";
/// Training accuracy at which a run has fitted.
const FITTED: f64 = 0.99;
/// Logistic loss at which outputs are no longer those of the start, ln 2 = 0.693.
const ALIGNED: f64 = 0.6;

static MILESTONES: [Milestone; 3] = [
    Milestone {
        name: "aligned",
        about: "logistic training loss below 0.6, where outputs of 0 have ln 2: neurons have turned towards the data \
                (arXiv 2602.00827); not seen with other losses",
        has_spectra: false,
        stop: Stop::Never,
    },
    Milestone {
        name: "fitted",
        about: "training accuracy of 99 % or more",
        has_spectra: true,
        stop: Stop::Never,
    },
    Milestone {
        name: TARGET,
        about: "the quantity target.quantity has reached target.at; the run ends train.patience epochs later",
        has_spectra: true,
        stop: Stop::AfterPatience,
    },
];

static HEADLINE: [Headline; 3] = [
    Headline { name: "loss", columns: &["train_loss", "val_loss"] },
    Headline { name: "accuracy", columns: &["train_accuracy", "val_accuracy"] },
    Headline { name: "LAR", columns: &["lar"] },
];

static PRESETS: [Preset; 4] = [
    Preset {
        name: "grokalign-digits",
        about: "200 digits, an MLP that begins 8 times too large, AdamW, λ = 1e-3 (after arXiv 2506.12284)",
        toml: include_str!("presets/grokalign-digits.toml"),
    },
    Preset {
        name: "grokalign-xor",
        about: "XOR clusters in 4,000 dimensions, two layers, MSE, SGD, λ = 1 (after arXiv 2506.12284)",
        toml: include_str!("presets/grokalign-xor.toml"),
    },
    Preset {
        name: "strength-digits",
        about: "100 digits under noise, SGD at η/c, to 99 % training accuracy (after arXiv 2602.00827)",
        toml: include_str!("presets/strength-digits.toml"),
    },
    Preset {
        name: "strength-mixture",
        about: "two Gaussian clusters, two layers in balance, logistic loss, gradient descent at η/c (arXiv 2602.00827)",
        toml: include_str!("presets/strength-mixture.toml"),
    },
];

impl Vectors {
    /// The config of a complete table, checked.
    fn typed(&self, config: &Table) -> Result<Config, ConfigError> {
        let typed = self.parse(config).map_err(|reason| ConfigError::unusable(NAME, &reason))?;
        check::check(&typed)?;
        Ok(typed)
    }

    fn parse(&self, config: &Table) -> Result<Config, String> {
        config.clone().try_into().map_err(|error: toml::de::Error| error.message().to_owned())
    }
}

impl Kind for Vectors {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "classifiers of vectors: digits, mixtures, clusters, or your own files"
    }

    fn meanings(&self) -> BTreeMap<String, KeyDoc> {
        let parts = [
            include_str!("config/data.rs"),
            include_str!("config/model.rs"),
            include_str!("config/optim.rs"),
        ];
        let [data, model, optim] = parts;
        meanings("Config", &[include_str!("config/mod.rs"), data, model, optim, BUDGET_SOURCE])
    }

    fn has_cuda(&self) -> bool {
        false
    }

    fn columns(&self) -> &'static [Column] {
        &column::COLUMNS
    }

    fn milestones(&self) -> &'static [Milestone] {
        &MILESTONES
    }

    fn headline(&self) -> &'static [Headline] {
        &HEADLINE
    }

    fn presets(&self) -> &'static [Preset] {
        &PRESETS
    }

    fn types(&self, config: &Table) -> Result<(), String> {
        self.parse(config).map(drop)
    }

    fn check(&self, config: &Table) -> Result<(), ConfigError> {
        self.typed(config).map(drop)
    }

    fn planner(&self) -> Box<dyn Planner + '_> {
        Box::new(planner::VectorsPlanner::default())
    }
}
