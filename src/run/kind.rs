//! What a kind of run is, and what it makes of a config.

use super::{Budget, Cadence, Column, ConfigError, KeyDoc, Learner, Milestone, identity};
use candle_core::Device;
use miette::{Diagnostic, LabeledSpan, SourceCode};
use std::{any::Any, collections::BTreeMap, fmt, path::Path, sync::Arc};
use toml::Table;

/// A kind of run. There is one list of them; nothing else tells them apart.
pub trait Kind: Sync {
    /// As in files: `operations`.
    fn name(&self) -> &'static str;
    /// What is learned, in a line.
    fn about(&self) -> &'static str;
    /// What a round is called: `epoch`, or `step`.
    fn round(&self) -> &'static str {
        "epoch"
    }
    /// The columns of `metrics.csv` behind the labels and the clock.
    fn columns(&self) -> &'static [Column];
    /// What may happen to its runs, in the order in which it usually does; divergence needs no entry.
    fn milestones(&self) -> &'static [Milestone];
    /// What is shown of an evaluation while a run is on its way, and in tables.
    fn headline(&self) -> &'static [Headline];
    /// Named starting points; the first is the default.
    fn presets(&self) -> &'static [Preset];
    /// What the keys of its config mean, by dotted key; see [`meanings`](super::meanings).
    fn meanings(&self) -> BTreeMap<String, KeyDoc> {
        BTreeMap::new()
    }
    /// Whether a run can be computed on a CUDA device.
    fn has_cuda(&self) -> bool {
        true
    }
    /// Lists of an experiment file besides `seeds`, slowest first: (name of the list, config key of its items).
    fn lists(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }
    /// Whether each value of a complete config is of its type; why not, in words.
    fn types(&self, config: &Table) -> Result<(), String>;
    /// Whether a complete config can be computed with; looks at no data.
    fn check(&self, config: &Table) -> Result<(), ConfigError>;
    /// Makes runs of configs; keeps the data they share.
    fn planner(&self) -> Box<dyn Planner + '_>;
    /// The run of a complete config, with the data that the directory of such a run keeps under `name`.
    fn replan(&self, config: &Table, _dir: &Path, _name: &str) -> Result<Arc<dyn Planned>, PlanError> {
        self.planner().plan(config)
    }
}

/// Columns that are shown side by side under one short name: `loss 0.015 / 0.016`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headline {
    /// The short name.
    pub name: &'static str,
    /// The columns.
    pub columns: &'static [&'static str],
}

/// A named starting point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// As in experiment files.
    pub name: &'static str,
    /// Where it comes from.
    pub about: &'static str,
    /// A complete config, all keys at their values, without `kind`; `seed` is one of them.
    pub toml: &'static str,
}

/// Makes runs of configs.
pub trait Planner {
    /// The run of a complete, checked config. Loads the data, and checks what concerns it.
    fn plan(&mut self, config: &Table) -> Result<Arc<dyn Planned>, PlanError>;
}

/// A run that cannot be planned.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// A key of its config.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Its data, which a config key asks for.
    #[error("{error}")]
    Data {
        /// The config key.
        key: &'static str,
        /// What is wrong.
        error: Box<dyn Diagnostic + Send + Sync>,
    },
}

impl PlanError {
    /// The error that says it.
    pub fn inner(&self) -> &dyn Diagnostic {
        match self {
            Self::Config(error) => error,
            Self::Data { error, .. } => error.as_ref(),
        }
    }
}

impl Diagnostic for PlanError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.inner().help()
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.inner().source_code()
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.inner().labels()
    }
}

/// One run as it is planned: plain data for everything that is written about it, and its start.
pub trait Planned: Any + fmt::Debug + Send + Sync {
    /// Name of its directory, see [`identity`](super::identity).
    fn id(&self) -> &str;
    /// Its kind.
    fn kind(&self) -> &'static dyn Kind;
    /// What tells it from others for people: the columns of `metrics.csv` between the run's id and the clock.
    fn labels(&self) -> Vec<(&'static str, Label)>;
    /// All choices that determine its numbers, as in `config.toml`; neither `kind` nor the budget.
    fn recipe(&self) -> Table;
    /// The keys in which the recipe of a directory differs from this one, with both values.
    fn differences(&self, found: &Table) -> Vec<String> {
        let mut found = found.clone();
        found.remove("kind");
        identity::differences(&found, &self.recipe(), &[])
    }
    /// How far it is to go.
    fn budget(&self) -> Budget;
    /// The same run with another budget.
    fn with_budget(&self, budget: Budget) -> Arc<dyn Planned>;
    /// When it is evaluated.
    fn cadence(&self) -> Cadence;
    /// What is learned.
    fn data(&self) -> Data;
    /// Whether it keeps a `diagnostics.csv`.
    fn has_diagnostics(&self) -> bool;
    /// Files besides `config.toml` that its directory needs to be understood, and planned again, alone.
    fn documents(&self) -> Vec<Document>;
    /// How matrices are multiplied.
    fn precision(&self) -> &'static str {
        "f32"
    }
    /// Bytes of memory that it takes at least.
    fn footprint(&self) -> u64;
    /// The run in memory at its beginning.
    fn start<'a>(&'a self, place: &Place) -> Result<Started<'a>, super::Failure>;
}

/// A run in memory, and who computes its steps, e.g. `factored (AVX-512)`.
pub type Started<'a> = (Box<dyn Learner + 'a>, String);

/// A word or a number that tells runs apart.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // the names are the documentation
pub enum Label {
    Text(String),
    Whole(u64),
    Real(f64),
}

/// What is learned.
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    /// Its name for people.
    pub name: String,
    /// SHA-256 of it, hexadecimal.
    pub digest: String,
    /// Sizes that the manifest keeps: `n_symbols`, `train_rows`, …
    pub sizes: Vec<(&'static str, usize)>,
}

/// A small file of a run's directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// File name.
    pub name: &'static str,
    /// Its text.
    pub text: String,
}

/// Where a run is computed, and by whom; changes nothing of what it is.
#[derive(Clone, Debug)]
pub struct Place {
    /// Which engine.
    pub engine: EngineChoice,
    /// Which device.
    pub device: Device,
}

/// Which engine was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum EngineChoice {
    /// The fastest engine that can do it.
    #[default]
    Auto,
    /// The factored step: on the CPU an engine a run, on a CUDA device many runs side by side.
    Factored,
    /// The reference model under candle's autograd.
    Plain,
}
