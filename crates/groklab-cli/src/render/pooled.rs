//! The tables of all runs of an experiment in one file each, every run as far as its budget goes.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    analysis::settings::{Settings, flatten, plain},
    store::{ReadError, RunRecord},
};

/// Why there is no such file.
#[derive(Debug, thiserror::Error)]
pub enum PooledError {
    /// A table of a run cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file cannot be made.
    #[error("cannot write a table: {0}")]
    Csv(#[from] csv::Error),
}

/// Name and content of each file: `runs.csv`, `metrics.csv`, `spectra.csv` and, where runs keep some, `diagnostics.csv`.
///
/// # Errors
/// If a run's table is damaged.
pub fn pooled(runs: &[RunRecord]) -> Result<Vec<(&'static str, Vec<u8>)>, PooledError> {
    let metrics = runs.iter().map(|run| {
        let rows = run.metrics.iter().map(|row| {
            let marks = [row.mark.epoch.to_string(), row.mark.step.to_string()];
            (marks.to_vec(), row.values.to_vec())
        });
        (run.manifest.run.as_str(), run.metrics.columns().to_vec(), rows.collect())
    });
    let mut files = vec![
        ("runs.csv", runs_csv(runs)?),
        ("metrics.csv", table(&["epoch", "step"], &metrics.collect::<Vec<_>>())?),
        ("spectra.csv", spectra_csv(runs)?),
    ];
    let mut diagnostics: Vec<Part> = Vec::new();
    for run in runs {
        if let Some(its) = run.diagnostics()? {
            let rows = its.rows.into_iter().map(|(epoch, values)| (vec![epoch.to_string()], values));
            diagnostics.push((&run.manifest.run, its.columns, rows.collect()));
        }
    }
    if !diagnostics.is_empty() {
        files.push(("diagnostics.csv", table(&["epoch"], &diagnostics)?));
    }
    Ok(files)
}

/// A run's id, its columns, and rows of marks and values.
type Part<'a> = (&'a str, Vec<String>, Vec<(Vec<String>, Vec<f64>)>);

/// All rows below one another; a column that a run lacks is empty there.
fn table(marks: &[&str], parts: &[Part]) -> Result<Vec<u8>, csv::Error> {
    let mut columns: Vec<&str> = Vec::new();
    for name in parts.iter().flat_map(|(_, names, _)| names) {
        if !columns.contains(&name.as_str()) {
            columns.push(name);
        }
    }
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(["run"].iter().chain(marks).chain(&columns))?;
    for (run, names, rows) in parts {
        let places: Vec<Option<usize>> =
            columns.iter().map(|column| names.iter().position(|name| name == column)).collect();
        for (marks, values) in rows {
            let values = places.iter().map(|place| place.map_or_else(String::new, |i| values[i].to_string()));
            out.write_record([(*run).to_owned()].into_iter().chain(marks.iter().cloned()).chain(values))?;
        }
    }
    finish(out)
}

fn spectra_csv(runs: &[RunRecord]) -> Result<Vec<u8>, PooledError> {
    let mut out = csv::Writer::from_writer(Vec::new());
    for run in runs {
        for row in run.spectra()? {
            out.serialize(row)?;
        }
    }
    Ok(finish(out)?)
}

/// A line a run: how it ended, when it met which milestone, and its recipe by dotted key.
fn runs_csv(runs: &[RunRecord]) -> Result<Vec<u8>, csv::Error> {
    let recipes: Vec<Settings> = runs
        .iter()
        .map(|run| {
            let mut flat = Settings::new();
            flatten("", &run.recipe, &mut flat);
            flat
        })
        .collect();
    let keys: BTreeSet<&String> = recipes.iter().flat_map(BTreeMap::keys).collect();
    let milestones: BTreeSet<&str> =
        runs.iter().flat_map(|run| run.manifest.milestones.iter().map(|(name, _)| name)).collect();
    let mut out = csv::Writer::from_writer(Vec::new());
    let fixed = ["run", "kind", "data", "state", "stopped", "budget", "epochs", "steps"];
    let fixed = fixed.iter().map(|name| (*name).to_owned());
    let met = milestones.iter().map(|name| format!("{name}_epoch"));
    out.write_record(fixed.chain(met).chain(keys.iter().map(|key| (*key).clone())))?;
    for (run, recipe) in runs.iter().zip(&recipes) {
        let manifest = &run.manifest;
        let fixed = [
            manifest.run.clone(),
            manifest.kind.clone(),
            manifest.data.clone(),
            format!("{:?}", manifest.state).to_lowercase(),
            manifest.stopped.as_ref().map_or_else(String::new, |reason| reason.name().to_owned()),
            manifest.budget.max_epochs.to_string(),
            manifest.epochs.to_string(),
            manifest.steps.to_string(),
        ];
        let met = milestones.iter().map(|name| {
            manifest.milestones.get(name).map_or_else(String::new, |mark| mark.epoch.to_string())
        });
        let recipe = keys.iter().map(|key| recipe.get(*key).map_or_else(String::new, plain));
        out.write_record(fixed.into_iter().chain(met).chain(recipe))?;
    }
    finish(out)
}

fn finish(out: csv::Writer<Vec<u8>>) -> Result<Vec<u8>, csv::Error> {
    out.into_inner().map_err(|e| csv::Error::from(e.into_error()))
}
