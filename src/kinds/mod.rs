//! The kinds of run. [`ALL`] is the one list of them: to add a kind is to write its folder and its line here.

pub mod operations;
pub mod text;
pub mod vectors;

use crate::{
    run::{Budget, Kind, Planned},
    store::{ReadError, RunRecord},
};
use miette::Diagnostic;
use std::sync::{Arc, OnceLock};
use toml::{Table, Value};

/// Every kind of this crate.
pub static ALL: &[&'static dyn Kind] = &[&operations::Operations, &vectors::VECTORS, &text::TEXT];

static ADDED: OnceLock<Vec<&'static dyn Kind>> = OnceLock::new();

/// Adds kinds of another crate to those here, once, before anything asks for them: see `docs/add-a-kind.md`.
pub fn add(kinds: &[&'static dyn Kind]) {
    // a second call changes nothing: what was planned would have another meaning
    let _ = ADDED.set(kinds.to_vec());
}

/// The kinds here and those that were added.
pub fn all() -> impl Iterator<Item = &'static dyn Kind> {
    ALL.iter().chain(ADDED.get().into_iter().flatten()).copied()
}

/// The kind of that name.
pub fn find(name: &str) -> Option<&'static dyn Kind> {
    all().find(|kind| kind.name() == name)
}

/// The kind of a run.
pub fn of(run: &RunRecord) -> Result<&'static dyn Kind, ReadError> {
    let unknown = || ReadError::Data {
        dir: run.dir.clone(),
        reason: format!("no kind of run {:?} is known here", run.manifest.kind),
        help: "a later groklab knows it".to_owned(),
    };
    find(&run.manifest.kind).ok_or_else(unknown)
}

/// The run that a directory holds, planned again from the directory alone, under the budget under which it is seen.
pub fn replan(run: &RunRecord) -> Result<Arc<dyn Planned>, ReadError> {
    let wrong = |reason: String, help: String| ReadError::Data { dir: run.dir.clone(), reason, help };
    let kind = of(run)?;
    let config =
        complete(kind, &run.recipe, run.manifest.budget).map_err(|e| wrong(e.to_string(), String::new()))?;
    let planned = kind.replan(&config, &run.dir, &run.manifest.data).map_err(|error| {
        let help = error.help().map_or_else(String::new, |help| help.to_string());
        wrong(error.to_string(), help)
    })?;
    if planned.data().digest != run.manifest.data_digest {
        let what = "what it learns is not what the manifest names".to_owned();
        return Err(ReadError::Inconsistent { dir: run.dir.clone(), what });
    }
    Ok(planned)
}

/// The recipe of a run with all its keys; those that its directory does not have are those of the first preset.
///
/// # Errors
/// [`ReadError::Data`] for a run of a kind that is not known here.
pub fn recipe(run: &RunRecord) -> Result<Table, ReadError> {
    let wrong = |reason: String, help: String| ReadError::Data { dir: run.dir.clone(), reason, help };
    let config = complete(of(run)?, &run.recipe, run.manifest.budget);
    let mut config = config.map_err(|e| wrong(e.to_string(), String::new()))?;
    config.remove("train");
    Ok(config)
}

/// The complete config of a recipe and its budget; keys that it does not have are those of the first preset.
pub fn complete(kind: &dyn Kind, recipe: &Table, budget: Budget) -> Result<Table, toml::de::Error> {
    let preset = kind.presets().first().map_or("", |preset| preset.toml);
    let mut config: Table = toml::from_str(preset)?;
    put(&mut config, recipe);
    config.remove("kind");
    if let Ok(budget) = Value::try_from(budget) {
        config.insert("train".to_owned(), budget);
    }
    Ok(config)
}

fn put(config: &mut Table, from: &Table) {
    for (key, value) in from {
        match (config.get_mut(key), value) {
            (Some(Value::Table(inner)), Value::Table(value)) => put(inner, value),
            _ => drop(config.insert(key.clone(), value.clone())),
        }
    }
}
