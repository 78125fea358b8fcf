//! `groklab man`: the help texts as manual pages, one a command.

use std::path::PathBuf;

use clap::{Args, Command, CommandFactory};
use miette::IntoDiagnostic;

use super::{Cli, report, tell};
use crate::store::write_atomic;

/// Arguments of `groklab man`.
#[derive(Args)]
pub struct ManArgs {
    /// Where the pages go; `man DIR/groklab.1` shows the first
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Writes the pages.
pub fn run(args: &ManArgs) -> miette::Result<()> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    collect(&command, &mut pages)?;
    for (name, page) in &pages {
        write_atomic(&args.out.join(name), page).map_err(report)?;
    }
    tell(&format!("wrote {} pages to {}", pages.len(), args.out.display()));
    Ok(())
}

/// The page of `command` and those of its subcommands.
fn collect(command: &Command, pages: &mut Vec<(String, Vec<u8>)>) -> miette::Result<()> {
    let man = clap_mangen::Man::new(command.clone());
    let mut page = Vec::new();
    man.render(&mut page).into_diagnostic()?;
    pages.push((man.get_filename(), page));
    command.get_subcommands().try_for_each(|below| collect(below, pages))
}
