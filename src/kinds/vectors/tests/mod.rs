//! Runs against loops written out beside them, against themselves cut and resumed, and configs that must be refused.

mod configs;
mod experiments;
mod files;
mod resume;
mod runs;

use super::{VECTORS, config::Config, plan::VectorsRun, planner::VectorsPlanner, train::Trainer};
use crate::{
    probe::Spectra,
    run::{ConfigError, Failure, Kind, Mark, Part, Record, State, parse_override, set, train},
};
use std::cell::Cell;
use toml::Table;

/// The complete config of a preset with `key=value` set.
fn table(preset: &str, settings: &[&str]) -> Result<Table, ConfigError> {
    let preset = VECTORS.presets().iter().find(|p| p.name == preset).unwrap();
    let settings: Vec<_> = settings.iter().map(|text| parse_override(text).unwrap()).collect();
    set(&VECTORS, &toml::from_str(preset.toml).unwrap(), &settings)
}

/// The same, typed but not checked.
pub(super) fn config(preset: &str, settings: &[&str]) -> Config {
    table(preset, settings).unwrap().try_into().unwrap()
}

fn plan(preset: &str, settings: &[&str]) -> VectorsRun {
    let config = VECTORS.typed(&table(preset, settings).unwrap()).unwrap();
    VectorsPlanner::default().run(config).unwrap()
}

/// Why a config is refused.
fn refusal(preset: &str, settings: &[&str]) -> String {
    let config = match table(preset, settings).and_then(|table| VECTORS.typed(&table)) {
        Ok(config) => config,
        Err(error) => return error.to_string(),
    };
    VectorsPlanner::default().run(config).unwrap_err().to_string()
}

/// What a run recorded, as text that tells any two bits apart.
#[derive(Debug, Default)]
struct Notebook {
    lines: Vec<String>,
    rows: Vec<(Mark, Vec<f64>)>,
    diagnostics: Vec<(Vec<String>, Vec<f64>)>,
    /// Steps until the run is to stop.
    left: Option<Cell<u64>>,
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|v| v.to_bits()).collect()
}

impl Record for Notebook {
    fn row(&mut self, part: Part, mark: Mark, values: &[f64]) -> Result<(), Failure> {
        self.lines.push(format!("row {part:?} {mark:?} {:?}", bits(values)));
        self.rows.push((mark, values.to_vec()));
        Ok(())
    }
    fn spectra(&mut self, part: Part, checkpoint: &str, epoch: u64, s: &Spectra) -> Result<(), Failure> {
        let numbers = [&s.singular_values, &s.p, &s.q, &s.covariance_eigenvalues].map(|v| bits(v));
        self.lines.push(format!("spectra {part:?} {checkpoint} {epoch} {numbers:?}"));
        Ok(())
    }
    fn diagnostics(
        &mut self,
        part: Part,
        epoch: u64,
        columns: &[String],
        values: &[f64],
    ) -> Result<(), Failure> {
        assert_eq!(columns.len(), values.len());
        self.lines.push(format!("diagnostics {part:?} {epoch} {columns:?} {:?}", bits(values)));
        self.diagnostics.push((columns.to_vec(), values.to_vec()));
        Ok(())
    }
    fn is_stopping(&self) -> bool {
        self.left.as_ref().is_some_and(|left| left.replace(left.get().saturating_sub(1)) == 0)
    }
    fn round(&mut self, _: &dyn State) -> Result<(), Failure> {
        Ok(())
    }
}

impl Notebook {
    /// A column's values.
    fn column(&self, name: &str) -> Vec<f64> {
        let at = VECTORS.columns().iter().position(|column| column.name == name).unwrap();
        self.rows.iter().map(|(_, values)| values[at]).collect()
    }
    fn last(&self, name: &str) -> f64 {
        *self.column(name).last().unwrap()
    }
}

/// A run to its end: what it recorded, why it ended, its parameters.
fn run(preset: &str, settings: &[&str]) -> (Notebook, String, Vec<f32>) {
    let planned = plan(preset, settings);
    let mut trainer = Trainer::new(&planned).unwrap();
    let mut notebook = Notebook::default();
    let reason = train(&mut trainer, &mut notebook).unwrap().unwrap();
    (notebook, reason.name().to_owned(), trainer.params)
}
