//! Binary operations as one of the kinds of run.

use super::{
    columns::COLUMNS,
    config::{PlannedRun, RunConfig, check_split},
    engine,
    milestones::MILESTONES,
    task::{Task, TaskError},
    train::{Solo, Trainer},
};
use crate::run::{
    BUDGET_SOURCE, Budget, Cadence, Column, ConfigError, Data, Document, Failure, Headline, KeyDoc, Kind,
    Label, Milestone, Place, PlanError, Planned, Planner, Preset, Started, meanings,
};
use crate::store::{ReadError, RunRecord};
use miette::Diagnostic;
use std::{collections::BTreeMap, path::Path, sync::Arc};
use toml::Table;

/// Rows of the tables of all tasks of a plan together at most: they are in memory at once.
const MAX_TABLE_ROWS: usize = 1 << 22;
/// What a run's directory keeps of its task.
const TASK: &str = "task.toml";
const TASK_TABLE: &str = "task.csv";
/// A definition takes a few lines.
const MAX_DOCUMENT_BYTES: u64 = 1 << 20;

/// Binary operations.
#[derive(Debug)]
pub struct Operations;

impl Kind for Operations {
    fn name(&self) -> &'static str {
        "operations"
    }

    fn about(&self) -> &'static str {
        "binary operations x ∘ y = z, learned by a small transformer"
    }

    fn columns(&self) -> &'static [Column] {
        &COLUMNS
    }

    fn milestones(&self) -> &'static [Milestone] {
        &MILESTONES
    }

    fn headline(&self) -> &'static [Headline] {
        &[
            Headline { name: "loss", columns: &["train_loss", "val_loss"] },
            Headline { name: "accuracy", columns: &["train_accuracy", "val_accuracy"] },
            Headline { name: "LAR", columns: &["lar"] },
            Headline { name: "k95", columns: &["k95"] },
        ]
    }

    fn presets(&self) -> &'static [Preset] {
        &[
            Preset {
                name: "paper",
                about: "the log-alignment study (arXiv 2605.28975)",
                toml: include_str!("presets/paper.toml"),
            },
            Preset {
                name: "power",
                about: "Power et al. 2022 (arXiv 2201.02177)",
                toml: include_str!("presets/power.toml"),
            },
        ]
    }

    fn meanings(&self) -> BTreeMap<String, KeyDoc> {
        let alignment = include_str!("config/alignment.rs");
        meanings("RunConfig", &[include_str!("config/mod.rs"), alignment, BUDGET_SOURCE])
    }

    fn lists(&self) -> &'static [(&'static str, &'static str)] {
        &[("tasks", "task"), ("train_fractions", "train_fraction")]
    }

    fn types(&self, config: &Table) -> Result<(), String> {
        RunConfig::of(config).map(drop).map_err(|e| e.message().to_owned())
    }

    fn check(&self, config: &Table) -> Result<(), ConfigError> {
        typed(config)?.check()
    }

    fn planner(&self) -> Box<dyn Planner + '_> {
        Box::new(Tasks::default())
    }

    fn replan(&self, config: &Table, dir: &Path, name: &str) -> Result<Arc<dyn Planned>, PlanError> {
        let path = dir.join(TASK);
        let text = super::task::read_text(&path, MAX_DOCUMENT_BYTES).map_err(data_error)?;
        let task = Task::from_str(name, &text, &path).map_err(data_error)?;
        Ok(Arc::new(PlannedRun::new(typed(config)?, Arc::new(task))))
    }
}

/// What a run on a binary operation learns, from the files in its own directory.
pub fn task_of(run: &RunRecord) -> Result<Task, ReadError> {
    let wrong = |reason: String, help: String| ReadError::Data { dir: run.dir.clone(), reason, help };
    let text = run
        .document(TASK)?
        .ok_or_else(|| wrong(format!("the manifest names no {TASK}"), "run it again".to_owned()))?;
    let task = Task::from_str(&run.manifest.data, &text, &run.dir.join(TASK)).map_err(|error| {
        let help = error.help().map_or_else(String::new, |help| help.to_string());
        wrong(error.to_string(), help)
    })?;
    if task.digest() != run.manifest.data_digest {
        let what = format!("{TASK} is not the task that the manifest names");
        return Err(ReadError::Inconsistent { dir: run.dir.clone(), what });
    }
    Ok(task)
}

fn typed(config: &Table) -> Result<RunConfig, ConfigError> {
    RunConfig::of(config).map_err(|e| ConfigError::unusable("operations", e.message()))
}

fn data_error(error: TaskError) -> PlanError {
    PlanError::Data { key: "task", error: Box::new(error) }
}

/// The tasks of a plan, each loaded once.
#[derive(Default)]
struct Tasks {
    loaded: BTreeMap<String, Arc<Task>>,
    rows: usize,
}

/// A share of the rows that is not what the task's table says: tables and labels would name another number of rows.
fn check_marks(task: &Task, fraction: f64) -> Result<(), ConfigError> {
    let (rows, marked) = (task.equations.len(), task.marked());
    let train = super::config::train_rows(rows, fraction);
    match marked.filter(|&marked| marked != train) {
        Some(marked) => Err(ConfigError::MarkedSplit { fraction, rows, train, marked }),
        None => Ok(()),
    }
}

/// Tables that are too large together.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("the tables up to this task have {rows} rows")]
#[diagnostic(help("split the experiment: {MAX_TABLE_ROWS} rows are the most for one"))]
struct TooManyRows {
    rows: usize,
}

impl Planner for Tasks {
    fn plan(&mut self, config: &Table) -> Result<Arc<dyn Planned>, PlanError> {
        let config = typed(config)?;
        let task = match self.loaded.get(&config.task) {
            Some(task) => task.clone(),
            None => {
                let task = Arc::new(Task::find(&config.task).map_err(data_error)?);
                self.rows += task.equations.len();
                if self.rows > MAX_TABLE_ROWS {
                    let error = Box::new(TooManyRows { rows: self.rows });
                    return Err(PlanError::Data { key: "task", error });
                }
                self.loaded.insert(config.task.clone(), task.clone());
                task
            }
        };
        check_split(task.equations.len(), config.train_fraction)?;
        check_marks(&task, config.train_fraction)?;
        Ok(Arc::new(PlannedRun::new(config, task)))
    }
}

impl Planned for PlannedRun {
    fn id(&self) -> &str {
        &self.id
    }

    fn kind(&self) -> &'static dyn Kind {
        &Operations
    }

    fn labels(&self) -> Vec<(&'static str, Label)> {
        vec![
            ("task", Label::Text(self.task.name.clone())),
            ("train_fraction", Label::Real(self.config.train_fraction)),
            ("seed", Label::Whole(self.config.seed)),
            ("split_seed", Label::Whole(self.config.split_seed)),
        ]
    }

    fn recipe(&self) -> Table {
        let mut table = Table::try_from(&self.config).unwrap_or_default();
        table.remove("train");
        table
    }

    fn differences(&self, found: &Table) -> Vec<String> {
        match RunConfig::of_recipe(found, self.config.train) {
            Ok(found) => found.differences(&self.config),
            Err(_) => Vec::new(),
        }
    }

    fn budget(&self) -> Budget {
        self.config.train
    }

    fn with_budget(&self, budget: Budget) -> Arc<dyn Planned> {
        let config = RunConfig { train: budget, ..self.config.clone() };
        Arc::new(Self { config, ..self.clone() })
    }

    fn cadence(&self) -> Cadence {
        self.config.probe.cadence()
    }

    fn data(&self) -> Data {
        let rows = self.task.equations.len();
        let train = super::config::train_rows(rows, self.config.train_fraction);
        let sizes =
            vec![("n_symbols", self.task.n_symbols), ("train_rows", train), ("val_rows", rows - train)];
        Data { name: self.task.name.clone(), digest: self.task.digest(), sizes }
    }

    fn has_diagnostics(&self) -> bool {
        !self.config.probe.diagnostics.is_empty()
    }

    fn documents(&self) -> Vec<Document> {
        let document = self.task.document(TASK_TABLE);
        let table = document.csv.map(|text| Document { name: TASK_TABLE, text });
        [Document { name: TASK, text: document.toml }].into_iter().chain(table).collect()
    }

    fn precision(&self) -> &'static str {
        self.config.precision.name()
    }

    fn footprint(&self) -> u64 {
        engine::footprint(&self.config, self.task.n_symbols, self.task.equations.len())
    }

    fn start<'a>(&'a self, place: &Place) -> Result<Started<'a>, Failure> {
        let (engine, name) = engine::build_for(self, place.engine, &place.device)?;
        Ok((Box::new(Solo::new(Trainer::new(self)?, engine)), name))
    }
}
