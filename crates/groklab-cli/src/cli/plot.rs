//! `groklab plot`: the paper's figures, and some of our own, from our own runs.

use std::path::PathBuf;

use miette::IntoDiagnostic;

use super::{
    PoolArgs,
    evidence::evidence,
    report, tell,
    view::{Seen, ViewArgs},
};
use crate::{
    render::figure::{Figure, general, png, svg},
    store::write_output,
    studies::{
        self,
        grokking::{
            figures::{figures, spectra::is_enough},
            groups, pools,
        },
    },
};

/// Draw every figure that the runs have data for, as SVG and PNG, and name those that they have none for.
#[derive(Debug, clap::Args)]
pub struct PlotArgs {
    #[command(flatten)]
    view: ViewArgs,
    /// An experiment (results/NAME), a directory of experiments, or one run.
    pub dir: PathBuf,
    /// Where the figures go, as EXPERIMENT-FIGURE, with a page number where there are several pages.
    #[arg(long, default_value = "plots")]
    pub out: PathBuf,
    #[command(flatten)]
    pub pool: PoolArgs,
}

impl PlotArgs {
    /// For `dir`, into `plots`.
    pub fn of(dir: PathBuf) -> Self {
        Self { view: ViewArgs::default(), dir, out: "plots".into(), pool: PoolArgs::default() }
    }
}

/// Runs the command.
pub fn run(args: PlotArgs) -> miette::Result<()> {
    let Seen { digests: results, studies } = args.view.digests(&args.dir)?;
    results.thinned().iter().for_each(|thinned| tell(thinned));
    for experiment in &results.experiments {
        let groups = groups(experiment);
        let evidence = evidence(&groups, results.resolution(), is_enough);
        let pools = pools(experiment, &groups, args.pool.pooling());
        for figure in figures(&groups, &pools, &evidence) {
            write(&args, &experiment.name, &figure)?;
        }
    }
    for study in &studies {
        study.thinned().iter().for_each(|thinned| tell(thinned));
        write(&args, &study.name, &Figure { name: "curves", pages: general::pages(study) })?;
        for figure in studies::of(study).map_or_else(Vec::new, |asked| (asked.figures)(study)) {
            write(&args, &study.name, &figure)?;
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
        write_output(&path("svg"), svg(scene).into_diagnostic()?.as_bytes()).map_err(report)?;
        write_output(&path("png"), &png(scene).into_diagnostic()?).map_err(report)?;
        tell(&format!("wrote {} and .png", path("svg").display()));
    }
    Ok(())
}
