//! `groklab report`: results as one HTML file.

use std::{
    collections::BTreeMap,
    path::{Component, Path, PathBuf},
};

use miette::{Context, IntoDiagnostic};

use super::{
    PoolArgs,
    claims::answered,
    deliver,
    evidence::evidence,
    is_standard_output, report as diagnostic,
    view::{Seen, ViewArgs},
};
use crate::{
    analysis::general::Study,
    render::claims::claim_set,
    report::{GeneralSection, Probed, ReportError, Section, address_part, html},
    studies::{
        self,
        grokking::{Experiment, Pooling, claims::answers, figures::spectra::is_enough, groups, pools},
    },
};

/// Write a report: one HTML file with tables, interactive figures and a page a run; needs no network.
#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    #[command(flatten)]
    view: ViewArgs,
    /// An experiment (results/NAME), a directory of experiments, or one run.
    pub dir: PathBuf,
    /// The file to write, `-` for standard output; its links to the runs' files hold as long as both stay where they are.
    #[arg(long, default_value = "report.html")]
    pub out: PathBuf,
    #[command(flatten)]
    pub pool: PoolArgs,
    /// Besides, a section on these weights of any model, as `groklab probe --all` measures them
    #[arg(long, value_name = "FILE[:TENSOR]", num_args = 1..)]
    pub probed: Vec<String>,
}

/// Runs the command.
pub fn run(args: &ReportArgs) -> miette::Result<()> {
    let seen = args.view.digests(&args.dir)?;
    if args.out.is_dir() {
        let help = format!("name a file, such as --out {}", args.out.join("report.html").display());
        return Err(miette::miette!(help = help, "{} is a directory", args.out.display()));
    }
    // a page on standard output goes where nobody here knows: its links lead from the present directory
    let out = if is_standard_output(&args.out) { Path::new("report.html") } else { &args.out };
    let from = place_of(out).into_diagnostic().wrap_err("failed to find where the report goes")?;
    let probed = if args.probed.is_empty() { Vec::new() } else { vec![super::probe::section(&args.probed)?] };
    let contents = Contents { seen: &seen, pooling: args.pool.pooling(), probed: &probed };
    let page = contents.page(&|dir: &Path| address(&from, dir), None).map_err(diagnostic)?;
    deliver(&args.out, &page)
}

/// What a report is made of.
pub(super) struct Contents<'a> {
    pub seen: &'a Seen,
    pub pooling: Pooling,
    pub probed: &'a [Probed],
}

impl Contents<'_> {
    /// The page; `address` leads from it to a run's directory, see [`html`] for `followed`.
    pub fn page(
        &self,
        address: &dyn Fn(&Path) -> Option<String>,
        followed: Option<&str>,
    ) -> Result<Vec<u8>, ReportError> {
        let Seen { digests: results, studies } = self.seen;
        let mut sections = Vec::new();
        for experiment in &results.experiments {
            let (groups, pooling) = (groups(experiment), self.pooling);
            // every run has its spectra on its page, unless there are too many
            let is_thinned = results.thinned().is_some();
            let evidence =
                evidence(&groups, results.resolution(), |group, found| is_thinned && is_enough(group, found));
            let claims = answers(&pools(experiment, &groups, pooling)).iter().map(claim_set).collect();
            sections.push(Section {
                experiment,
                evidence,
                links: links(experiment, address),
                claims,
                pooling,
            });
        }
        let notes =
            results.thinned().map(|thinned| format!("{thinned}; of the spectra there is one run a group"));
        let thinned = studies.iter().filter_map(Study::thinned);
        let notes = notes.into_iter().chain(thinned).collect::<Vec<_>>().join("; ");
        let notes = Some(notes).filter(|notes| !notes.is_empty());
        let general: Vec<_> = studies
            .iter()
            .map(|study| {
                let links = study.runs.iter().map(|run| Some((run.id().to_owned(), address(&run.dir)?)));
                let claims = answered(study).map(|(_, answers)| claim_set(&answers));
                let figures = studies::of(study).map_or_else(Vec::new, |asked| (asked.figures)(study));
                let links = links.flatten().collect();
                GeneralSection { study, links, claims: claims.into_iter().collect(), figures }
            })
            .collect();
        html(&sections, &general, self.probed, notes.as_deref(), followed)
    }
}

/// Addresses of the runs' directories, by run id.
fn links(experiment: &Experiment, address: &dyn Fn(&Path) -> Option<String>) -> BTreeMap<String, String> {
    let links = experiment.runs.iter().map(|run| Some((run.id().to_owned(), address(&run.files().dir)?)));
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
