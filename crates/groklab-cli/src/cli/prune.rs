//! `groklab prune`: give back the disk space of finished runs.

use super::{report, say, tell};
use crate::store::{Pruned, Pruning, prune, run_directories};
use clap::Args;
use std::{path::PathBuf, process::ExitCode};

/// Arguments of `groklab prune`.
#[derive(Args)]
#[command(after_help = AFTER)]
pub struct PruneArgs {
    /// A run, an experiment (results/NAME), or a directory of experiments
    dir: PathBuf,
    /// Remove the final parameters too, and keep the tables alone
    #[arg(long)]
    all_but_tables: bool,
}

const AFTER: &str = "\
A finished run keeps the state of its end (parameters and moments: 12 bytes a parameter), so that a larger budget goes
on from there. Without it a larger budget computes the run again from the start. Without the final parameters (4 bytes a
parameter) there are no key frequencies in figures. Tables, spectra and the manifest stay, and the directory verifies.";

/// Prunes every finished run there.
pub fn run(args: &PruneArgs) -> miette::Result<ExitCode> {
    let pruning = if args.all_but_tables { Pruning::AllButTables } else { Pruning::States };
    let (mut removed, mut of_runs, mut freed, mut kept) = (0, 0, 0, 0);
    for dir in run_directories(&args.dir)? {
        match prune(&dir, pruning).map_err(report)? {
            Pruned::Removed { files, bytes } => {
                (removed, freed) = (removed + files, freed + bytes);
                of_runs += usize::from(files > 0);
            }
            Pruned::Unfinished => kept += 1,
            Pruned::Running => {
                kept += 1;
                tell(&format!("left alone, a process runs it: {}", dir.display()));
            }
        }
    }
    say(&format!("removed {removed} files of {of_runs} runs, {:.1} MB", freed as f64 / 1e6));
    if kept > 0 {
        say(&format!("{kept} runs that have not finished keep all they have"));
    }
    Ok(ExitCode::SUCCESS)
}
