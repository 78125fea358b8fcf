//! `groklab publish`: the tables of an experiment, small enough to be kept in a repository.

use super::say;
use crate::store::publish;
use clap::Args;
use miette::miette;
use std::{path::PathBuf, process::ExitCode};

/// Arguments of `groklab publish`.
#[derive(Args)]
#[command(after_help = AFTER)]
pub struct PublishArgs {
    /// An experiment (results/NAME)
    dir: PathBuf,
    /// Directory for the experiment's directory
    #[arg(long, default_value = "results/published")]
    out: PathBuf,
    /// Leave the diagnostics out: more than half of the bytes, and of use to `groklab predict`, curves and TensorBoard alone
    #[arg(long)]
    no_diagnostics: bool,
}

const AFTER: &str = "\
Of every finished run of the plan: config, manifest, and its tables compressed by gzip; no parameters, no states. `groklab table`,
`claims`, `plot`, `report`, `export` and `verify` take the directory as they take the experiment itself; key frequencies need
parameters and are left out. A larger budget begins a published run anew.";

/// Publishes the experiment.
pub fn run(args: &PublishArgs) -> miette::Result<ExitCode> {
    let real = args.dir.canonicalize().map_err(|e| miette!("cannot read {}: {e}", args.dir.display()))?;
    let name = real.file_name().ok_or_else(|| miette!("{} has no name", args.dir.display()))?;
    let to = args.out.join(name);
    if to.exists() {
        return Err(miette!(help = "remove it first", "{} is there already", to.display()));
    }
    let published = publish(&real, &to, !args.no_diagnostics)?;
    if published.runs == 0 {
        return Err(miette!("no finished run in {}", args.dir.display()));
    }
    say(&format!("{} runs, {:.1} MB, in {}", published.runs, published.bytes as f64 / 1e6, to.display()));
    if published.left_out > 0 {
        say(&format!("{} planned runs that have not finished are left out", published.left_out));
    }
    Ok(ExitCode::SUCCESS)
}
