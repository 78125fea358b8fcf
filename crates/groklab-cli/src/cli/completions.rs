//! `groklab completions`: what a shell needs to complete commands and options.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, print};

/// Arguments of `groklab completions`.
#[derive(Args)]
pub struct CompletionsArgs {
    /// Which shell
    shell: Shell,
}

/// Prints the script.
pub fn run(args: &CompletionsArgs) -> miette::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "groklab", &mut script);
    print(&String::from_utf8_lossy(&script))
}
