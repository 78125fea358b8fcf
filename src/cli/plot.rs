//! `groklab plot`: the paper's figures, and some of our own, from our own runs.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::PathBuf,
};

use miette::IntoDiagnostic;

use super::{report, tell};
use crate::{
    analysis::{Group, UnembeddingFrequencies, groups, unembedding_frequencies},
    model::ParamLayout,
    render::figure::{Evidence, Figure, figures, matrices::has_matrix_lar, png, spectra::is_enough, svg},
    store::{ReadError, RunRecord, StoreError, read_results, write_atomic},
    task::{Symbols, Task},
};

/// Draw every figure that the runs have data for, as SVG and PNG, and name those that they have none for.
#[derive(Debug, clap::Args)]
pub struct PlotArgs {
    /// An experiment (results/NAME), a directory of experiments, or one run.
    pub dir: PathBuf,
    /// Where the figures go, as EXPERIMENT-FIGURE, with a page number where there are several pages.
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
        let evidence = evidence(&groups)?;
        for figure in figures(&experiment.name, &groups, &evidence) {
            write(&args, &experiment.name, &figure)?;
        }
    }
    Ok(())
}

fn write(args: &PlotArgs, experiment: &str, figure: &Figure) -> miette::Result<()> {
    let name = format!("{experiment}-{}", figure.name);
    let pages = match &figure.pages {
        Ok(pages) => pages,
        Err(reason) => {
            tell(&format!("not drawn: {name}: {reason}"));
            return Ok(());
        }
    };
    for (i, scene) in pages.iter().enumerate() {
        let page = if pages.len() > 1 { format!("-{}", i + 1) } else { String::new() };
        let path = |extension| args.out.join(format!("{name}{page}.{extension}"));
        write_atomic(&path("svg"), svg(scene).into_diagnostic()?.as_bytes()).map_err(report)?;
        write_atomic(&path("png"), &png(scene).into_diagnostic()?).map_err(report)?;
        tell(&format!("wrote {} and .png", path("svg").display()));
    }
    Ok(())
}

/// Reads what the figures need beyond the record: spectra of one run a group, the LAR of every matrix and the key
/// frequencies of every run that has them.
fn evidence(groups: &[Group<'_>]) -> miette::Result<Evidence> {
    let mut evidence = Evidence::default();
    for group in groups {
        for run in &group.records {
            match run.spectra() {
                Ok(rows) => drop(evidence.spectra.insert(run.manifest.run.clone(), rows)),
                Err(error) => warn_of_damage(&[error])?,
            }
            if is_enough(group, &evidence.spectra) {
                break;
            }
        }
    }
    for run in groups.iter().flat_map(|group| &group.records) {
        match run.diagnostics() {
            Ok(Some(found)) if has_matrix_lar(&found) => {
                evidence.diagnostics.insert(run.manifest.run.clone(), found);
            }
            Ok(_) => {}
            Err(error) => warn_of_damage(&[error])?,
        }
    }
    let mut tasks = BTreeMap::new();
    for run in groups.iter().flat_map(|group| &group.records).filter(|run| run.is_finished()) {
        let task = tasks.entry(&run.config.task).or_insert_with(|| Task::find(&run.config.task).ok());
        match task.as_ref().map(|task| frequencies(run, task)) {
            Some(Ok(Some(found))) => drop(evidence.frequencies.insert(run.manifest.run.clone(), found)),
            Some(Err(error)) => warn_of_damage(&[error.into()])?,
            _ => {}
        }
    }
    Ok(evidence)
}

/// Key frequencies of the final unembedding; none unless `task` is the one that was learned, and modular.
fn frequencies(run: &RunRecord, task: &Task) -> Result<Option<UnembeddingFrequencies>, StoreError> {
    let modular = matches!(task.symbols, Symbols::Residues { .. });
    if !modular || task.digest() != run.manifest.task_digest {
        return Ok(None);
    }
    let (symbols, width) = (run.manifest.n_symbols, run.config.model.d_model);
    let layout = ParamLayout::new(&run.config.model, symbols);
    let Some(parameters) = run.final_parameters(&layout)? else { return Ok(None) };
    Ok(unembedding_frequencies(&parameters[layout.unembedding(symbols, width)], symbols, width))
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
