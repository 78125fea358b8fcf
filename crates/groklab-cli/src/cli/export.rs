//! `groklab export`: results in the formats of other programs.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
#[cfg(feature = "parquet")]
use miette::IntoDiagnostic;

use super::{report, tell, view::ViewArgs};
use crate::{
    kinds,
    render::{pooled::pooled, tensorboard::event_file},
    run::Unit,
    store::{Results, write_output},
};

/// What to export.
#[derive(Subcommand)]
pub enum ExportCommand {
    /// Write the metrics of each run as a TensorBoard event file, OUT/EXPERIMENT/RUN/events.out.tfevents.0.groklab
    Tensorboard(ExportArgs),
    /// Write the tables of all runs of each experiment as OUT/EXPERIMENT/{runs,metrics,spectra,diagnostics}.csv
    Tables(ExportArgs),
    /// Write the spectra of each experiment as OUT/EXPERIMENT-spectra.parquet (cargo feature parquet)
    Parquet(ExportArgs),
}

/// From where to where.
#[derive(Args)]
pub struct ExportArgs {
    #[command(flatten)]
    view: ViewArgs,
    /// An experiment (results/NAME), a directory of experiments, or one run
    dir: PathBuf,
    /// Where the files go
    #[arg(long)]
    out: PathBuf,
}

/// Runs the command.
pub fn run(command: &ExportCommand) -> miette::Result<()> {
    let (args, export): (_, fn(&Results, &Path) -> miette::Result<()>) = match command {
        ExportCommand::Tensorboard(args) => (args, tensorboard),
        ExportCommand::Tables(args) => (args, tables),
        ExportCommand::Parquet(args) => (args, parquet),
    };
    let results = args.view.read(&args.dir)?;
    export(&results, &args.out)
}

fn tensorboard(results: &Results, out: &Path) -> miette::Result<()> {
    let mut written = 0;
    for experiment in &results.experiments {
        for run in &experiment.runs {
            // TensorBoard takes a directory for a run, and a file with "tfevents" in its name for events
            let dir = out.join(&experiment.name).join(&run.manifest.run);
            let bytes = event_file(&run.metrics, &counts(&run.manifest.kind));
            write_output(&dir.join("events.out.tfevents.0.groklab"), &bytes).map_err(report)?;
            written += 1;
        }
    }
    tell(&format!("wrote {written} runs; look at them with `tensorboard --logdir {}`", out.display()));
    Ok(())
}

fn tables(results: &Results, out: &Path) -> miette::Result<()> {
    for experiment in &results.experiments {
        for (name, bytes) in pooled(&experiment.runs).map_err(report)? {
            write_output(&out.join(&experiment.name).join(name), &bytes).map_err(report)?;
        }
        tell(&format!("wrote {} runs of {}", experiment.runs.len(), experiment.name));
    }
    Ok(())
}

/// The columns of a kind that are counts.
fn counts(kind: &str) -> Vec<&'static str> {
    let columns = kinds::find(kind).map_or(&[] as &[_], |kind| kind.columns());
    columns.iter().filter(|column| column.unit == Unit::Count).map(|column| column.name).collect()
}

#[cfg(feature = "parquet")]
fn parquet(results: &Results, out: &Path) -> miette::Result<()> {
    use crate::render::parquet::{RunSpectra, spectra_file};
    for experiment in &results.experiments {
        let runs = experiment.runs.iter().map(|run| {
            let seed =
                |key: &str| run.recipe.get(key).and_then(toml::Value::as_integer).map(|seed| seed as u64);
            let fraction = run.recipe.get("train_fraction").and_then(toml::Value::as_float);
            Ok(RunSpectra {
                task: run.manifest.data.clone(),
                // other kinds may have neither a fraction nor a seed of the split
                train_fraction: fraction.unwrap_or(f64::NAN),
                seed: seed("seed").unwrap_or(0),
                split_seed: seed("split_seed").or(seed("seed")).unwrap_or(0),
                rows: run.spectra()?,
            })
        });
        let runs = runs.collect::<miette::Result<Vec<_>>>()?;
        let path = out.join(format!("{}-spectra.parquet", experiment.name));
        write_output(&path, &spectra_file(&runs).into_diagnostic()?).map_err(report)?;
        tell(&format!("wrote {}", path.display()));
    }
    Ok(())
}

#[cfg(not(feature = "parquet"))]
fn parquet(_: &Results, _: &Path) -> miette::Result<()> {
    Err(miette::miette!(
        help = "build it with `cargo build --release --features parquet`; spectra.csv of each run holds the same numbers",
        "this groklab was built without Parquet"
    ))
}
