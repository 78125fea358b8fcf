//! The part of the report on runs of any kind: settings, curves, runs. It reads without JavaScript.

use super::{
    ReportError, claims, escaped,
    page::{scroll, table},
};
use crate::{
    analysis::general::{Run, Study},
    render::{
        claims::ClaimSet,
        figure::{Figure, general, svg},
        general::settings_table,
    },
    studies,
};
use std::collections::BTreeMap;

/// An experiment of any kind, and where its runs' directories are.
pub struct GeneralSection<'a> {
    /// Its runs.
    pub study: &'a Study,
    /// Addresses of the runs' directories seen from the report, by run id.
    pub links: BTreeMap<String, String>,
    /// What its runs say to the claims of its study.
    pub claims: Vec<ClaimSet>,
    /// The figures of its study.
    pub figures: Vec<Figure>,
}

/// The section as HTML.
pub(super) fn section(section: &GeneralSection<'_>) -> Result<String, ReportError> {
    let GeneralSection { study, links, claims, figures } = section;
    let mut out = format!("<section class=\"experiment\">\n<h2>{}</h2>\n", escaped(&study.name));
    out.push_str(&table(&settings_table(study)));
    for of_study in studies::of(study).map_or_else(Vec::new, |asked| (asked.tables)(study)) {
        out.push_str(&table(&of_study));
    }
    out.push_str(&claims::section(claims));
    out.push_str("<h3>Figures</h3>\n");
    let curves = general::pages(study);
    for (name, pages) in
        figures.iter().map(|figure| (figure.name, &figure.pages)).chain([("curves", &curves)])
    {
        match pages {
            Ok(pages) => {
                for page in pages {
                    out.push_str(&format!("<div class=\"scroll\">{}</div>\n", svg(page)?));
                }
            }
            Err(reason) => out.push_str(&format!("<p class=\"note\">Not drawn: {name}: {reason}.</p>\n")),
        }
    }
    out.push_str(&run_table(study, links));
    out.push_str("</section>\n");
    Ok(out)
}

fn run_table(study: &Study, links: &BTreeMap<String, String>) -> String {
    let kind = study.kind;
    let round = kind.round();
    let mut heads = vec!["run".to_owned(), "outcome".to_owned(), format!("{round}s")];
    heads.extend(kind.milestones().iter().map(|milestone| format!("{} at", milestone.name)));
    heads.extend(["wall time", "files"].map(str::to_owned));
    let heads: String =
        heads.iter().map(|head| format!("<th scope=\"col\">{}</th>", escaped(head))).collect();
    let mut rows = String::new();
    for setting in study.settings() {
        for run in &setting.runs {
            rows.push_str(&run_row(study, run, links.get(run.id())));
        }
    }
    format!(
        "<h3>Runs</h3>\n{}<table class=\"runs\">\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n",
        scroll("runs")
    )
}

fn run_row(study: &Study, run: &Run, link: Option<&String>) -> String {
    let manifest = &run.manifest;
    let mut cells = vec![escaped(run.id()), escaped(&run.outcome()), manifest.epochs.to_string()];
    cells.extend(study.kind.milestones().iter().map(|milestone| {
        let mark = manifest.milestones.get(milestone.name);
        mark.map_or_else(|| "–".to_owned(), |mark| mark.epoch.to_string())
    }));
    cells.push(format!("{:.1} s", manifest.wall_seconds));
    let vouched = manifest.newest().into_iter().flat_map(|point| point.files.keys());
    let tables = vouched.filter(|name| name.ends_with(".csv") || name.ends_with(".toml")).cloned();
    let files: Vec<String> = tables
        .chain(["manifest.json".to_owned()])
        .map(|file| match link {
            Some(link) => format!("<a href=\"{}{}\">{}</a>", escaped(link), escaped(&file), escaped(&file)),
            None => escaped(&file),
        })
        .collect();
    let cells: String = cells.iter().map(|cell| format!("<td>{cell}</td>")).collect();
    format!("<tr>{cells}<td class=\"files\">{}</td></tr>\n", files.join(" "))
}
