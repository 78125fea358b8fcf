//! `groklab plot`: the paper's figures from our own runs.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use miette::IntoDiagnostic;

use super::report;
use crate::{
    analysis::{groups, rmse_rows, summarize},
    render::figure::{k95, lar, png, svg},
    store::{ReadError, read_results, write_atomic},
};

/// Draw LAR against the epoch and k95 against k_pred, as SVG and PNG.
#[derive(Debug, clap::Args)]
pub struct PlotArgs {
    /// An experiment (results/NAME), a directory of experiments, or one run.
    pub dir: PathBuf,
    /// Where the figures go, as EXPERIMENT-lar and EXPERIMENT-k95.
    #[arg(long, default_value = "plots")]
    pub out: PathBuf,
}

impl PlotArgs {
    /// For `dir`, into `plots`.
    pub fn of(dir: PathBuf) -> Self {
        Self { dir, out: "plots".into() }
    }
}

/// Runs the command.
pub fn run(args: PlotArgs) -> miette::Result<()> {
    let results = read_results(&args.dir)?;
    warn_of_damage(&results.damaged)?;
    for experiment in &results.experiments {
        let groups = groups(experiment);
        let cells = rmse_rows(&experiment.name, &summarize(experiment));
        for (kind, scene) in [("lar", lar::figure(&groups)), ("k95", k95::figure(&groups, &cells))] {
            let path = |extension| args.out.join(format!("{}-{kind}.{extension}", experiment.name));
            write_atomic(&path("svg"), svg(&scene).into_diagnostic()?.as_bytes()).map_err(report)?;
            write_atomic(&path("png"), &png(&scene).into_diagnostic()?).map_err(report)?;
            for extension in ["svg", "png"] {
                writeln!(io::stderr(), "wrote {}", path(extension).display()).into_diagnostic()?;
            }
        }
    }
    Ok(())
}

/// Names the runs that were left out; a command goes on without them.
pub(super) fn warn_of_damage(damaged: &[ReadError]) -> miette::Result<()> {
    let mut stderr = io::stderr().lock();
    for error in damaged {
        let mut causes = String::new();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            causes.push_str(&format!(": {}", cause.to_string().trim().replace('\n', " ")));
            source = cause.source();
        }
        writeln!(stderr, "left out: {error}{causes}").into_diagnostic()?;
    }
    Ok(())
}
