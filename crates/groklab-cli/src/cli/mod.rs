//! The command line: one file a command, and the only place that prints.

mod bench;
mod claims;
mod completions;
mod config;
mod corpus;
mod diagnostics;
mod evidence;
mod experiments;
mod export;
mod gpu_check;
mod kinds;
mod man;
mod plot;
mod predict;
mod probe;
mod progress;
mod prune;
mod publish;
mod quick;
mod report;
mod run;
mod slurm;
mod status;
mod sweep;
mod table;
mod tasks;
mod trace;
mod train;
mod verify;
mod view;
mod watch;

use crate::{
    program::Program,
    store::{ReadError, write_output},
    studies::grokking::Pooling,
};
use clap::{Parser, Subcommand};
use miette::{Context, Diagnostic, IntoDiagnostic};
use std::{
    io::{self, IsTerminal, Write},
    path::Path,
    process::ExitCode,
};

/// A laboratory for grokking: train small transformers on binary operations and watch the log-alignment ratio.
#[derive(Parser)]
#[command(name = "groklab", version, arg_required_else_help = true, after_help = EXIT_CODES)]
struct Cli {
    /// Say more on standard error, such as the engine of each run
    #[arg(short, long, global = true)]
    verbose: bool,
    #[command(subcommand)]
    command: Command,
}

/// Which runs are put together.
#[derive(Debug, Default, clap::Args)]
pub struct PoolArgs {
    /// Put all settings of an experiment together, and without a plan all its runs; the output says so
    #[arg(long)]
    pool: bool,
}

impl PoolArgs {
    fn pooling(&self) -> Pooling {
        if self.pool { Pooling::All } else { Pooling::PerSetting }
    }
}

const EXIT_CODES: &str = "Exit codes: 0 all went well; 1 a run failed, or gave other bytes when run again; \
2 wrong usage; 3 unusable input (a task, an experiment, a config key, a directory, a damaged run); \
4 no CUDA device to check; \
129, 130, 143 stopped by SIGHUP, SIGINT (Ctrl-C) or SIGTERM after saving, a second one stops at once.";

#[derive(Subcommand)]
enum Command {
    /// See it work: a few minutes on two cores, then a table and figures
    Quick(quick::QuickArgs),
    /// Train one run
    Train(train::TrainArgs),
    /// Run an experiment: every run of its grid, several at a time
    Sweep(sweep::SweepArgs),
    /// The state of the runs of an experiment: planned, running, interrupted, done, failed
    Status(status::StatusArgs),
    /// Check every file of a results directory against its digest, or train a run again and compare
    Verify(verify::VerifyArgs),
    /// Give back the disk space that finished runs keep to go on from
    Prune(prune::PruneArgs),
    /// Keep the tables of an experiment, compressed and without parameters, as a directory that reads like it
    Publish(publish::PublishArgs),
    /// Write a job array that runs an experiment on a Slurm cluster
    Slurm(slurm::SlurmArgs),
    /// Summarise a results directory: runs.csv, rmse.csv and the paper's Table 1
    Table(table::TableArgs),
    /// Test each claim of the paper on a results directory: yes, no, mixed, or not enough data
    Claims(claims::ClaimsArgs),
    /// Hold early numbers of runs against the epoch at which they grokked
    Predict(predict::PredictArgs),
    /// Draw the figures of a results directory
    Plot(plot::PlotArgs),
    /// Write a report of a results directory: one HTML file with interactive figures
    Report(report::ReportArgs),
    /// Show the report of a results directory as a page that follows the runs while they train
    Watch(watch::WatchArgs),
    /// Write results in the formats of other programs
    #[command(subcommand)]
    Export(export::ExportCommand),
    /// List, show, check and export the operations to learn
    #[command(subcommand)]
    Tasks(tasks::TasksCommand),
    /// Show, sample or tokenise what language models read
    #[command(subcommand)]
    Corpus(corpus::CorpusCommand),
    /// List the experiments that come with the program
    Experiments,
    /// List the kinds of run, or show the presets, config keys, columns and milestones of one
    Kinds(kinds::KindsArgs),
    /// Explain the keys of a config, show those of a run or an experiment, or what two of them differ in
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// List what a run can record besides the probe, with formula, source and cost
    Diagnostics,
    /// Measure the training step on this machine against the machine's own limits
    Bench(bench::BenchArgs),
    /// Check that a CUDA device computes what the CPU computes: every kernel, gradients, training
    GpuCheck(gpu_check::GpuCheckArgs),
    /// Hold the diagnostics against any model: files of weights and of activations
    Probe(probe::ProbeArgs),
    /// Record every number of the first steps, for a replay in another framework
    Trace(trace::TraceArgs),
    /// Print a script that lets a shell complete commands and options
    Completions(completions::CompletionsArgs),
    /// Write manual pages, one a command
    Man(man::ManArgs),
}

/// Parses the command line, runs the command and maps what happened to an exit code.
pub fn main() -> ExitCode {
    this_program().announce();
    crate::sweep::limit_threads();
    let cli = Cli::parse();
    let level = if cli.verbose { tracing::Level::INFO } else { tracing::Level::WARN };
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(io::stderr).without_time();
    log.with_ansi(has_colours()).init();
    let result = match cli.command {
        Command::Quick(args) => quick::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Sweep(args) => sweep::run(&args),
        Command::Status(args) => status::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Verify(args) => verify::run(args),
        Command::Publish(args) => publish::run(&args),
        Command::Prune(args) => prune::run(&args),
        Command::Slurm(args) => slurm::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Table(args) => table::run(args).map(|()| ExitCode::SUCCESS),
        Command::Claims(args) => claims::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Predict(args) => predict::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Plot(args) => plot::run(args).map(|()| ExitCode::SUCCESS),
        Command::Report(args) => report::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Watch(args) => watch::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Export(command) => export::run(&command).map(|()| ExitCode::SUCCESS),
        Command::Tasks(command) => tasks::run(command).map(|()| ExitCode::SUCCESS),
        Command::Corpus(command) => corpus::run(&command).map(|()| ExitCode::SUCCESS),
        Command::Experiments => experiments::run().map(|()| ExitCode::SUCCESS),
        Command::Kinds(args) => kinds::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Config(command) => config::run(&command).map(|()| ExitCode::SUCCESS),
        Command::Diagnostics => diagnostics::run().map(|()| ExitCode::SUCCESS),
        Command::Bench(args) => bench::run(&args),
        Command::GpuCheck(args) => gpu_check::run(&args),
        Command::Probe(args) => probe::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Trace(args) => trace::run(&args),
        Command::Completions(args) => completions::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Man(args) => man::run(&args).map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|report| {
        tell(&format!("{report:?}"));
        ExitCode::from(3)
    })
}

/// As manifests name it.
fn this_program() -> Program {
    let features = [("cuda", cfg!(feature = "cuda")), ("parquet", cfg!(feature = "parquet"))];
    Program {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: option_env!("GROKLAB_COMMIT").filter(|commit| !commit.is_empty()).map(str::to_owned),
        features: features.iter().filter(|(_, is_on)| *is_on).map(|(name, _)| (*name).to_owned()).collect(),
    }
}

/// Whether the log may have colours: on a terminal, unless NO_COLOR (no-color.org) says otherwise. Help, error
/// reports and progress bars see to it themselves.
fn has_colours() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Prints a result to standard output. A reader that has seen enough is no failure, a full disk is.
fn print(text: &str) -> miette::Result<()> {
    print_bytes(text.as_bytes())
}

fn print_bytes(bytes: &[u8]) -> miette::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.into_diagnostic().wrap_err("failed to write to standard output"),
    }
}

/// Writes what a command makes where `--out` says: `-` and `/dev/stdout` are standard output, a link, a pipe or a device is
/// written through, a file replaced. Says where it went, unless that is standard output.
fn deliver(path: &Path, bytes: &[u8]) -> miette::Result<()> {
    // opened by its name it would be written from its start, over what this program has printed
    if is_standard_output(path) {
        return print_bytes(bytes);
    }
    write_output(path, bytes).map_err(report)?;
    tell(&format!("wrote {}", path.display()));
    Ok(())
}

fn is_standard_output(path: &Path) -> bool {
    ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].iter().any(|name| path == Path::new(name))
}

/// Prints a line to standard output. Whoever reads may have seen enough: a closed pipe is no failure.
fn say(line: &str) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// Prints a line to standard error, which may be closed too.
fn tell(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Names the runs that were left out, not all of very many; a command goes on without them.
fn warn_of_damage(damaged: &[ReadError]) {
    const NAMED: usize = 10;
    for error in damaged.iter().take(NAMED) {
        let mut parts = vec![error.to_string()];
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            let cause_text = cause.to_string().trim().replace('\n', " ");
            // some errors end with their cause already
            if !parts.iter().any(|part| part.ends_with(&cause_text)) {
                parts.push(cause_text);
            }
            source = cause.source();
        }
        tell(&format!("left out: {}", parts.join(": ")));
    }
    if damaged.len() > NAMED {
        tell(&format!(
            "left out: {} more; `groklab verify` names all that is damaged",
            damaged.len() - NAMED
        ));
    }
}

/// A library error as a report with its sources.
fn report(error: impl std::error::Error + Send + Sync + 'static) -> miette::Report {
    #[derive(Debug, thiserror::Error, Diagnostic)]
    #[error(transparent)]
    struct Plain(#[from] Box<dyn std::error::Error + Send + Sync>);
    Plain(Box::new(error)).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::error::ErrorKind;

    /// README and everything in docs: (file, text).
    fn documents() -> Vec<(String, String)> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut files = vec![root.join("README.md"), root.join("CONTRIBUTING.md")];
        let mut folders = vec![root.join("docs")];
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                match path.extension() {
                    _ if path.is_dir() => folders.push(path),
                    Some(end) if end == "md" => files.push(path),
                    _ => {}
                }
            }
        }
        let read = |path: std::path::PathBuf| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path.strip_prefix(&root).unwrap().display().to_string(), text)
        };
        files.into_iter().map(read).collect()
    }

    /// The words of a command up to what ends it in a shell, as far as the documents use one; none without `groklab` in front.
    fn words(text: &str) -> Option<Vec<String>> {
        let text = text.trim().trim_start_matches("cargo run --release -- ");
        let text = text.strip_prefix("groklab ").or_else(|| (text == "quick").then_some(text))?;
        let (mut words, mut word, mut quote) = (vec!["groklab".to_owned()], String::new(), None);
        for c in text.chars() {
            match (quote, c) {
                (Some(open), c) if c == open => quote = None,
                (None, '\'' | '"') => quote = Some(c),
                (None, '|' | '&' | ';' | '>' | '#' | '(' | '\n') => break,
                (None, ' ') => words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty())),
                _ => word.push(c),
            }
        }
        words.extend(Some(word).filter(|word| !word.is_empty()));
        Some(words)
    }

    /// A command that the documents give has the subcommands and options that there are.
    #[test]
    fn the_commands_of_the_documents_are_commands_of_the_program() {
        let mut count = 0;
        for (file, text) in documents() {
            for (i, part) in text.split("```").enumerate() {
                // a block of shell is to be typed as it stands; a name in a sentence may be cut short
                let (is_block, is_shell) = (i % 2 == 1, part.starts_with("sh\n"));
                let commands: Vec<&str> = match is_block {
                    true if is_shell => part.lines().skip(1).flat_map(|line| line.split("&&")).collect(),
                    true => Vec::new(),
                    false => part.split('`').skip(1).step_by(2).collect(),
                };
                for command in commands {
                    let Some(mut words) = words(command) else { continue };
                    // a variable of a loop: a number, or a word
                    for word in &mut words {
                        *word = word.replace("$seed", "1").replace("$p", "f32");
                    }
                    count += 1;
                    let Err(error) = Cli::try_parse_from(&words) else { continue };
                    let is_short = matches!(
                        error.kind(),
                        ErrorKind::MissingRequiredArgument
                            | ErrorKind::MissingSubcommand
                            | ErrorKind::DisplayHelp
                            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
                            | ErrorKind::ValueValidation
                            | ErrorKind::InvalidValue
                    );
                    assert!(is_short && !is_block, "{file}: `{}`: {error}", command.trim());
                }
            }
        }
        assert!(count > 150, "{count} commands");
    }
}
