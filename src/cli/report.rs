//! `groklab report`: results as one HTML file.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

use miette::{Context, IntoDiagnostic};

use super::{evidence::evidence, report as diagnostic, tell, view::ViewArgs};
use crate::{
    analysis::{claims::claims, groups},
    render::{
        claims::claim_rows,
        report::{Section, address_part, html},
    },
    store::{Experiment, write_atomic},
};

/// Write a report: one HTML file with tables, interactive figures and a page a run; needs no network.
#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    #[command(flatten)]
    view: ViewArgs,
    /// An experiment (results/NAME), a directory of experiments, or one run.
    pub dir: PathBuf,
    /// The file to write; its links to the runs' files hold as long as both stay where they are.
    #[arg(long, default_value = "report.html")]
    pub out: PathBuf,
}

/// Runs the command.
pub fn run(args: &ReportArgs) -> miette::Result<()> {
    let results = args.view.read(&args.dir)?;
    if args.out.is_dir() {
        let help = format!("name a file, such as --out {}", args.out.join("report.html").display());
        return Err(miette::miette!(help = help, "{} is a directory", args.out.display()));
    }
    let from = place_of(&args.out).into_diagnostic().wrap_err("failed to find where the report goes")?;
    let mut sections = Vec::new();
    for experiment in &results.experiments {
        // every run has its spectra on its page
        let evidence = evidence(&groups(experiment), |_, _| false);
        let claims = claim_rows(&claims(experiment));
        sections.push(Section { experiment, evidence, links: links(experiment, &from), claims });
    }
    let page = html(&sections).map_err(diagnostic)?;
    write_atomic(&args.out, page.as_bytes()).map_err(diagnostic)?;
    tell(&format!("wrote {}", args.out.display()));
    Ok(())
}

/// Addresses of the runs' directories, by run id.
fn links(experiment: &Experiment, from: &Path) -> BTreeMap<String, String> {
    let links = experiment.runs.iter().map(|run| Some((run.manifest.run.clone(), address(from, &run.dir)?)));
    links.flatten().collect()
}

/// The directory of `file`, absolute and without symbolic links as far as it exists.
fn place_of(file: &Path) -> std::io::Result<PathBuf> {
    let file = std::path::absolute(file)?;
    let dir = file.parent().unwrap_or(Path::new("/"));
    let known = dir.ancestors().find_map(|part| Some((part, part.canonicalize().ok()?)));
    Ok(match known {
        Some((part, real)) => real.join(dir.strip_prefix(part).unwrap_or(Path::new(""))),
        None => dir.to_owned(),
    })
}

/// The way from a directory to another, both absolute, as the address of a link; none between two drives, or
/// through a name that is not Unicode.
fn address(from: &Path, to: &Path) -> Option<String> {
    let (from, to): (Vec<_>, Vec<_>) = (from.components().collect(), to.components().collect());
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    if shared == 0 {
        return None;
    }
    let mut out = if from.len() == shared { "./".to_owned() } else { "../".repeat(from.len() - shared) };
    for part in &to[shared..] {
        let Component::Normal(name) = part else { return None };
        out.push_str(&address_part(name.to_str()?));
        out.push('/');
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_leads_from_the_report_to_the_run() {
        let way = |from: &str, to: &str| address(Path::new(from), Path::new(to));
        assert_eq!(way("/a/b", "/a/b/results/x").unwrap(), "./results/x/");
        assert_eq!(way("/a/out/deep", "/a/results/x").unwrap(), "../../results/x/");
        assert_eq!(
            way("/a", "/a/50 % of #1?/javascript:x").unwrap(),
            "./50%20%25%20of%20%231%3F/javascript%3Ax/"
        );
        assert_eq!(way("/a", "/a/x\u{b3}").unwrap(), "./x%C2%B3/");
        assert_eq!(way("a", "/b"), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_leads_to_the_run_through_symbolic_links_and_missing_directories() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("real/deep/runs/one")).unwrap();
        std::os::unix::fs::symlink(root.join("real/deep"), root.join("short")).unwrap();
        let from = place_of(&root.join("short/new/report.html")).unwrap();
        assert_eq!(from, root.join("real/deep/new"));
        assert_eq!(address(&from, &root.join("real/deep/runs/one")).unwrap(), "../runs/one/");
    }
}
