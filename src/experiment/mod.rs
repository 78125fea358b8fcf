//! Experiment files: a named study as a grid of runs of one kind.
//!
//! ```toml
//! title = "x + y at four training fractions"
//! kind = "operations"                   # what it is without this line
//! preset = "paper"                      # or "power"
//! tasks = ["add"]
//! train_fractions = [0.05, 0.1, 0.2, 0.3]
//! seeds = [0, 1, 2, 3, 4]
//! [set]                                 # config keys for every run
//! "train.patience" = 2000
//! [grid]                                # every combination of these
//! "data.batch_size" = [128, 512]
//! [[cases]]                             # keys that change together: each of these with every combination of the grid
//! "optim.name" = "sgd"
//! "optim.learning_rate" = 0.1
//! ```

mod place;
mod plan;

use crate::{
    excerpt::{Span, clipped, quote},
    kinds::{
        self,
        operations::task::{Fault, Located, Place, TaskError, is_name, is_title, read_text, without_bom},
    },
    run::{ConfigError, Kind, PlanError, Preset, nearest},
};
use miette::Diagnostic;
use place::{Where, locate_name};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};
use toml::{Table, Value};

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../experiments/", $name, ".toml")))),*]
    };
}

/// The experiments that come with the program: (name, file).
pub static SHIPPED_EXPERIMENTS: &[(&str, &str)] = shipped![
    "quick",
    "binary-ops",
    "evening",
    "add-fractions",
    "batch-dip",
    "batch-dip-paper",
    "batch-dip-1009",
    "settings",
    "settings-sequence",
    "settings-test",
    "predict",
    "predict-sub",
    "predict-decay",
    "predict-seeds",
    "grokalign-quick",
    "grokalign-digits",
    "grokalign-digits-mse",
    "grokalign-xor",
    "grokalign-modular",
    "strength-quick",
    "strength-digits",
    "strength-size",
    "strength-mixture",
    "strength-minority",
    "strength-phase",
    "strength-modular",
    "regularisation-quick",
    "regularisation",
    "regularisation-30",
    "regularisation-decay",
    "regularisation-jacobian",
    "regularisation-text",
    "lm-quick",
    "lm-core",
    "lm-sizes",
    "lm-stop",
    "lm-tied",
    "lm-decay",
    "lm-schedule",
    "lm-text",
    "lm-medium",
    "lens-quick",
    "lens-stages",
    "lens-batch",
    "lens-early",
    "lens-untie",
    "lens-full",
];

/// Runs of one experiment at most.
const MAX_RUNS: usize = 100_000;
/// Limit for an experiment file, bytes: some ten thousand seeds fit.
const MAX_BYTES: u64 = 64 << 10;

/// A study: the kind's own lists × cases × grid × seeds.
#[derive(Clone)]
pub struct Experiment {
    /// Name of the file without its ending; names the results directory.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// What kind its runs are of.
    pub kind: &'static dyn Kind,
    /// The study that it belongs to, whose claims and figures are its own; none of an experiment by itself.
    pub study: Option<String>,
    preset: Preset,
    spec: Spec,
    /// The cases, each as dotted keys.
    cases: Vec<Vec<(String, Value)>>,
    /// Where the text comes from, and the text: for messages.
    origin: PathBuf,
    text: String,
}

#[derive(Clone, Deserialize)]
struct Spec {
    title: String,
    #[serde(default = "operations")]
    kind: String,
    #[serde(default)]
    preset: Option<String>,
    #[serde(default)]
    study: Option<String>,
    seeds: Vec<u64>,
    #[serde(default)]
    set: Table,
    #[serde(default)]
    grid: BTreeMap<String, Vec<Value>>,
    #[serde(default)]
    cases: Vec<Table>,
    /// The lists of its kind.
    #[serde(flatten)]
    lists: BTreeMap<String, Value>,
}

fn operations() -> String {
    "operations".to_owned()
}

/// An experiment that cannot be used.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum ExperimentError {
    /// The file cannot be read.
    #[error("cannot read the experiment {path}")]
    #[diagnostic(help("experiments that come with the program: {}", shipped_names()))]
    Read {
        /// Path as given, clipped.
        path: String,
        /// Why.
        source: TaskError,
    },
    /// The file's name cannot name a results directory.
    #[error("{path}: the file's name cannot name an experiment")]
    #[diagnostic(help(
        "the results directory is called after it: use 1 to 64 letters, digits, `_`, `-` and `.`, \
         no `-` or `.` in front, then `.toml`"
    ))]
    Name {
        /// Path as given, clipped.
        path: String,
    },
    /// Something at one place of the file.
    #[error(transparent)]
    #[diagnostic(transparent)]
    At(Box<Place>),
    /// Something in a file that it names.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Plan(PlanError),
    /// A key that the command line sets.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Config(ConfigError),
}

fn shipped_names() -> String {
    SHIPPED_EXPERIMENTS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

impl Experiment {
    /// By path (`experiments/quick.toml`) or by the name of a shipped one (`quick`).
    pub fn find(name_or_path: &str) -> Result<Self, ExperimentError> {
        let shipped = SHIPPED_EXPERIMENTS.iter().find(|(name, _)| *name == name_or_path);
        if let Some((name, text)) = shipped {
            return Self::from_str(name, text, Path::new(name));
        }
        let path = Path::new(name_or_path);
        let text = read_text(path, MAX_BYTES).map_err(|error| match error {
            TaskError::At(place) => ExperimentError::At(place),
            source => ExperimentError::Read { path: clipped(name_or_path, 240), source },
        })?;
        let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or("");
        Self::from_str(stem, &text, path)
    }

    /// The experiment called `name` that `text` defines; messages say it stands in the file `origin`.
    pub fn from_str(name: &str, text: &str, origin: &Path) -> Result<Self, ExperimentError> {
        // a name with a path in it would leave the results directory
        if name.starts_with('.') || !is_name(&name.replace('.', "_")) {
            return Err(ExperimentError::Name { path: clipped(&origin.to_string_lossy(), 240) });
        }
        let text = without_bom(text).to_owned();
        let spec: Spec = toml::from_str(&text).map_err(|error| {
            let place = error.span().unwrap_or(0..0);
            let remedy = "an experiment has title, seeds, the lists of its kind (of operations: tasks, train_fractions) and, if wanted, kind, preset, study, [set], [grid] and [[cases]]";
            let problem = match error.message() {
                limit if limit.contains("recurs") => "keys or values are nested too deep".to_owned(),
                message => clipped(message, 200),
            };
            at(origin, &text, Span::new(place.start, place.end), problem, remedy.to_owned())
        })?;
        let fault = |key: &str, problem: String, remedy: String| {
            let span = Where::section(key).locate(&text).unwrap_or(Span::new(0, 0));
            at(origin, &text, span, problem, remedy)
        };
        let kind = kinds::find(&spec.kind).ok_or_else(|| {
            let names: Vec<_> = kinds::all().map(|kind| kind.name()).collect();
            fault(
                "kind",
                format!("no kind of run {}", quote(&spec.kind)),
                format!("kinds: {}", names.join(", ")),
            )
        })?;
        let presets = kind.presets();
        let preset = match &spec.preset {
            None => presets.first(),
            Some(name) => presets.iter().find(|preset| preset.name == name),
        };
        let preset = *preset.ok_or_else(|| {
            let names: Vec<_> = presets.iter().map(|preset| preset.name).collect();
            let name = quote(spec.preset.as_deref().unwrap_or_default());
            let problem = format!("{} has no preset {name}", kind.name());
            fault("preset", problem, format!("presets: {}", names.join(", ")))
        })?;
        let (name, title, origin) = (name.to_owned(), spec.title.clone(), origin.to_owned());
        let study = spec.study.clone();
        let flat = |case: &Table| case.iter().flat_map(|(k, v)| plan::flatten(k, v)).collect();
        let cases = spec.cases.iter().map(flat).collect();
        let experiment = Self { name, title, kind, study, preset, spec, cases, origin, text };
        experiment.check_lists()?;
        experiment.check_once()?;
        Ok(experiment)
    }

    /// Number of its runs; saturates.
    fn n_runs(&self) -> usize {
        let spec = &self.spec;
        let lists = spec.lists.values().map(|list| list.as_array().map_or(1, Vec::len));
        let cases = spec.cases.len().max(1);
        let grid = spec.grid.values().map(Vec::len).chain(lists);
        grid.chain([cases, spec.seeds.len()]).fold(1, usize::saturating_mul)
    }

    /// Lists must be those of the kind, hold something, nothing twice, and not promise more runs than can be planned.
    fn check_lists(&self) -> Result<(), ExperimentError> {
        let spec = &self.spec;
        if !is_title(&spec.title) {
            let problem = "the title must be one line of 1 to 120 characters";
            let remedy = "write e.g. title = \"x + y, weight decay and depth\"";
            return Err(self.fault(Where::section("title"), problem, remedy));
        }
        if let Some(study) = spec.study.as_ref().filter(|study| !is_name(study)) {
            let problem = format!("{} cannot name a study", quote(study));
            let remedy = "use letters, digits, `_` and `-`, or take the line out";
            return Err(self.fault(Where::section("study"), &problem, remedy));
        }
        let known = self.kind.lists();
        if let Some(key) = spec.lists.keys().find(|key| known.iter().all(|(list, _)| list != key)) {
            let names: Vec<_> = known.iter().map(|(list, _)| *list).collect();
            let names = if names.is_empty() { String::new() } else { format!("{}, ", names.join(", ")) };
            let problem = format!("unknown key {}", quote(key));
            let own = ["title", "kind", "preset", "study", "seeds", "set", "grid", "cases"];
            let own = own.iter().copied().chain(known.iter().map(|(list, _)| *list)).map(str::to_owned);
            let near = nearest(key, &own.collect::<Vec<_>>())
                .map_or_else(String::new, |near| format!("did you mean `{near}`? "));
            let remedy = format!(
                "{near}an experiment of {} has title, {names}seeds and, if wanted, kind, preset, study, [set], [grid] and [[cases]]",
                self.kind.name()
            );
            let span = locate_name(&self.text, key).unwrap_or(Span::new(0, 0));
            return Err(at(&self.origin, &self.text, span, problem, remedy));
        }
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let mut lists: Vec<(Where, Vec<String>)> = Vec::new();
        for (list, _) in known {
            let Some(items) = spec.lists.get(*list).and_then(Value::as_array) else {
                let problem = format!("the experiment has no list {list}");
                return Err(self.fault(Where::section(list), &problem, "give at least one"));
            };
            lists.push((Where::section(list), items.iter().map(text).collect()));
        }
        lists.push((Where::section("seeds"), spec.seeds.iter().map(u64::to_string).collect()));
        lists.extend(spec.grid.iter().map(|(k, v)| (Where::key("grid", k), v.iter().map(text).collect())));
        for (place, items) in &lists {
            if items.is_empty() {
                let what = place.key.unwrap_or(place.section);
                let problem = format!("the experiment has no {}", clipped(what, 40));
                return Err(self.fault(*place, &problem, "give at least one"));
            }
            let mut seen = BTreeSet::new();
            if let Some(i) = items.iter().position(|item| !seen.insert(item)) {
                let problem = format!("{} stands twice in this list", quote(&items[i]));
                return Err(self.fault(place.item(i), &problem, "take it out: a run is done once"));
            }
        }
        if let Some(i) = spec.seeds.iter().position(|&seed| i64::try_from(seed).is_err()) {
            let problem = format!("the seed {} is out of range", spec.seeds[i]);
            return Err(self.fault(Where::section("seeds").item(i), &problem, "seeds are below 2^63"));
        }
        let runs = self.n_runs();
        match lists.iter().max_by_key(|(_, items)| items.len()) {
            Some((place, _)) if runs > MAX_RUNS => {
                let problem = format!("the experiment plans {runs} runs; {MAX_RUNS} are the most");
                Err(self.fault(*place, &problem, "split it into several files"))
            }
            _ => Ok(()),
        }
    }

    /// No key of [set] or of a case may be written in two ways, as `"optim.beta2"` and as `optim.beta2`.
    fn check_once(&self) -> Result<(), ExperimentError> {
        let set = self.spec.set.iter().flat_map(|(k, v)| plan::flatten(k, v)).collect();
        let sections = std::iter::once(("set", None, &set));
        let cases = self.cases.iter().enumerate().map(|(i, case)| ("cases", Some(i), case));
        for (section, item, settings) in sections.chain(cases) {
            let mut seen = BTreeSet::new();
            if let Some((key, _)) = settings.iter().find(|(key, _)| !seen.insert(key)) {
                let place = Where { item, ..Where::key(section, key) };
                let error = ConfigError::Twice(key.clone());
                return Err(self.reported(place, &error));
            }
        }
        Ok(())
    }

    /// `problem` at a place of the file.
    fn fault(&self, place: Where, problem: &str, remedy: &str) -> ExperimentError {
        let span = place.locate(&self.text).unwrap_or(Span::new(0, 0));
        at(&self.origin, &self.text, span, problem.to_owned(), remedy.to_owned())
    }

    /// An error of another room at a place of the file.
    fn reported(&self, place: Where, error: &dyn Diagnostic) -> ExperimentError {
        let remedy = error.help().map_or_else(String::new, |help| help.to_string());
        self.fault(place, &error.to_string(), &remedy)
    }
}

fn at(origin: &Path, text: &str, span: Span, problem: String, remedy: String) -> ExperimentError {
    let located: Located = span.fault(Fault::Definition { problem, remedy });
    ExperimentError::At(Box::new(Place::new(origin, text, located)))
}

#[cfg(test)]
mod tests;
