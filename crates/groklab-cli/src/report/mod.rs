//! The report: one HTML file that holds its data, its figures and all it needs to draw them, and asks no network.
//!
//! Tables and the list of runs are plain HTML, made here; figures and the page of a run are drawn by JavaScript from
//! one JSON block, with uPlot (`vendor/`). The same results give the same bytes. Names of runs, tasks and experiments
//! are other people's text: they are escaped wherever they stand, and reach the page as text only.

mod claims;
mod curve;
mod data;
mod dip;
mod drawn;
mod frequencies;
mod general;
mod matrices;
mod page;
mod probed;

pub use general::GeneralSection;
pub use page::address_part;
pub use probed::{Probed, ProbedMatrix};

use std::collections::BTreeMap;

use crate::studies::grokking::{Experiment, Pooling};
use crate::{
    render::{claims::ClaimSet, figure::FigureError},
    studies::grokking::figures::Evidence,
};

const STYLE: &str = include_str!("report.css");
const SCRIPTS: [&str; 4] = [
    include_str!("plot.js"),
    include_str!("figures.js"),
    include_str!("evidence.js"),
    include_str!("page.js"),
];
/// What a page that is followed does besides.
const FOLLOW: &str = include_str!("follow.js");
const UPLOT: &str = include_str!("vendor/uPlot.iife.min.js");
const UPLOT_STYLE: &str = include_str!("vendor/uPlot.min.css");
const UPLOT_LICENSE: &str = include_str!("vendor/LICENSE");

/// An experiment and what belongs to it beyond its metrics.
#[derive(Clone, Debug)]
pub struct Section<'a> {
    /// Its runs.
    pub experiment: &'a Experiment,
    /// What its runs have beyond their metrics: the spectra of all of them that have any, in the order of
    /// `spectra.csv`, and what the figures need.
    pub evidence: Evidence,
    /// Addresses of the runs' directories seen from the report, percent-encoded, with a slash at their end, by run id;
    /// none if there is no way from one to the other.
    pub links: BTreeMap<String, String>,
    /// What its runs say to the paper's claims; the heading is left out if there are none.
    pub claims: Vec<ClaimSet>,
    /// Whether different settings are put together.
    pub pooling: Pooling,
}

/// The report could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A run cannot be written as JSON.
    #[error("cannot write the data of the report as JSON")]
    Json(#[from] serde_json::Error),
    /// A figure cannot be drawn.
    #[error("cannot draw a figure of the report")]
    Figure(#[from] FigureError),
}

/// The whole file: experiments on binary operations, then those of other kinds, then models that were probed. `note`
/// says what the curves lack. A page that is `followed` is of that version of the results, and asks the program that serves it
/// for newer ones.
pub fn html(
    sections: &[Section<'_>],
    general: &[GeneralSection<'_>],
    probed: &[Probed],
    note: Option<&str>,
    followed: Option<&str>,
) -> Result<Vec<u8>, ReportError> {
    let names = sections.iter().map(|section| section.experiment.name.as_str());
    let names = names.chain(general.iter().map(|section| section.study.name.as_str()));
    let names: Vec<&str> = names.chain(probed.iter().map(|probed| probed.name.as_str())).collect();
    let title = names.join(", ");
    let title = if title.is_empty() { "groklab".to_owned() } else { escaped(&format!("{title} · groklab")) };
    let mut others = general.iter().map(general::section).collect::<Result<Vec<_>, _>>()?.concat();
    for (at, probed) in probed.iter().enumerate() {
        others.push_str(&probed::section(probed, at)?);
    }
    let body = page::body(sections, &names, &others, (general, probed), note);
    let mut script = SCRIPTS.join("\n");
    let (mut version, mut ask) = (String::new(), "");
    if let Some(followed) = followed {
        script.push_str(FOLLOW);
        version = format!(" data-version=\"{}\"", escaped(followed));
        ask = "; connect-src 'self'";
    }
    let mut page = format!(
        r#"<!doctype html>
<html lang="en"{version}>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:{ask}">
<link rel="icon" href="data:,">
<title>{title}</title>
<style>
{UPLOT_STYLE}
{STYLE}</style>
</head>
<body>
{body}
<script id="data" type="application/json">"#
    )
    .into_bytes();
    drop(body);
    data::write_json(&mut page, sections)?;
    // uPlot reads the pixel ratio once: two at least, so that a printed figure is sharp
    let end = format!(
        r#"</script>
<script>
/*
{UPLOT_LICENSE}
*/
const uPlot = ((devicePixelRatio) => {{
{UPLOT}
return uPlot;
}})(Math.max(2, window.devicePixelRatio));
</script>
<script>
{script}</script>
</body>
</html>
"#
    );
    page.extend_from_slice(end.as_bytes());
    Ok(page)
}

/// `text` as the content of an element or of a quoted attribute.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

/// Anchor of the `i`-th experiment.
fn anchor(i: usize) -> String {
    format!("experiment-{i}")
}

#[cfg(test)]
mod tests;
