//! The command line: one file a command, and the only place that prints.
#![allow(clippy::print_stdout, clippy::print_stderr)] // the one place where output belongs

mod progress;
mod run;
mod sweep;
mod tasks;
mod trace;
mod train;

use clap::{Parser, Subcommand};
use miette::Diagnostic;
use std::process::ExitCode;

/// A laboratory for grokking: train small transformers on binary operations and watch the log-alignment ratio.
#[derive(Parser)]
#[command(name = "groklab", version, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 all went well; 1 a run failed; 2 wrong usage; \
3 unusable input (a task, an experiment, a config key, a directory).";

#[derive(Subcommand)]
enum Command {
    /// Train one run
    Train(train::TrainArgs),
    /// Run an experiment: every run of its grid, several at a time
    Sweep(sweep::SweepArgs),
    /// List, show, check and export the operations to learn
    #[command(subcommand)]
    Tasks(tasks::TasksCommand),
    /// Record every number of the first steps, for a replay in another framework
    Trace(trace::TraceArgs),
}

/// Parses the command line, runs the command and maps what happened to an exit code.
pub fn main() -> ExitCode {
    // one thread a run: a product must never wait for, or steal from, another run's threads
    gemm::set_threading_threshold(usize::MAX);
    let result = match Cli::parse().command {
        Command::Train(args) => train::run(&args),
        Command::Sweep(args) => sweep::run(&args),
        Command::Tasks(command) => tasks::run(command).map(|()| ExitCode::SUCCESS),
        Command::Trace(args) => trace::run(&args),
    };
    result.unwrap_or_else(|report| {
        eprintln!("{report:?}");
        ExitCode::from(3)
    })
}

/// A library error as a report with its sources.
fn report(error: impl std::error::Error + Send + Sync + 'static) -> miette::Report {
    #[derive(Debug, thiserror::Error, Diagnostic)]
    #[error(transparent)]
    struct Plain(#[from] Box<dyn std::error::Error + Send + Sync>);
    Plain(Box::new(error)).into()
}
