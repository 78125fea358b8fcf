//! The part of the report that is plain HTML: tables, claims, the list of runs. It reads without JavaScript.

use super::{GeneralSection, Probed, Section, anchor, claims, data, escaped};
use crate::{
    render::{
        figure::plural,
        table::{Align, Table},
    },
    studies::grokking::{
        Group, Point, RmseRow, RunDigest, RunSummary, count_or_nan,
        figures::title,
        groups, pools, rmse_rows, summarize,
        tables::{rmse_table, task_table},
    },
};
use std::collections::BTreeMap;

/// Everything between `<body>` and the scripts.
pub(super) fn body(
    sections: &[Section<'_>],
    names: &[&str],
    others: &str,
    (general, probed): (&[GeneralSection<'_>], &[Probed]),
    note: Option<&str>,
) -> String {
    let runs: Vec<_> = sections.iter().flat_map(|section| summarize(section.experiment)).collect();
    let cells: Vec<RmseRow> = sections.iter().flat_map(cells).collect();
    let mut out = String::from(
        "<header class=\"top\"><p class=\"mark\">groklab <span>report</span></p>\
         <button type=\"button\" id=\"theme\" class=\"quiet\">Theme: auto</button></header>\n\
         <noscript><p class=\"notice\">Without JavaScript there are tables, but no figures.</p></noscript>\n\
         <main id=\"overview\">\n",
    );
    let names: Vec<_> = names.iter().map(|name| escaped(name)).collect();
    let parts = [lead(&runs), others_lead(general), probed_lead(probed)];
    let lead = parts.into_iter().flatten().collect::<Vec<_>>().join("; ");
    let heading = if names.is_empty() { "No evaluation yet".to_owned() } else { names.join(", ") };
    out.push_str(&format!("<h1>{heading}</h1>\n<p class=\"lead\">{lead}</p>\n"));
    if let Some(note) = note {
        out.push_str(&format!("<p class=\"note\">Thinned: {}.</p>\n", escaped(note)));
    }
    if sections.len() > 1 {
        let links = names[..sections.len()]
            .iter()
            .enumerate()
            .map(|(i, name)| format!("<a href=\"#{}\">{name}</a>", anchor(i)));
        out.push_str(&format!(
            "<nav aria-label=\"experiments\">{}</nav>\n",
            links.collect::<Vec<_>>().join(" ")
        ));
    }
    if !sections.is_empty() {
        out.push_str(&table(&rmse_table(&cells, &runs)));
    }
    // the title of the page says its name already
    let alone = if sections.len() == 1 { " alone" } else { "" };
    for (i, section) in sections.iter().enumerate() {
        let groups = groups(section.experiment);
        out.push_str(&format!(
            "<section class=\"experiment{alone}\" id=\"{}\">\n<h2>{}</h2>\n{}{}\
             <h3>Figures</h3>\n<p class=\"how\">Point at a curve for its value, drag to zoom, double-click to see all. \
             A click on a curve or a point opens its run.</p>\n\
             <div class=\"interactive\"></div>\n{}</section>\n",
            anchor(i),
            escaped(&section.experiment.name),
            table(&task_table(&section.experiment.name, &groups)),
            claims::section(&section.claims),
            run_table(section, &groups),
        ));
    }
    out.push_str(others);
    out.push_str(
        "</main>\n<main id=\"run\" hidden></main>\n\
         <footer><p>Definitions: W is the unembedding, X its inputs over the training set. \
         LAR = log<sub>n</sub>(RMS(XWᵀ) / (RMS(W)·RMS(X))); k_pred = n^(2(1−LAR)); k95: principal components of X that \
         hold 95 % of its variance (<a href=\"https://arxiv.org/abs/2605.28975\">arXiv 2605.28975</a>). ",
    );
    if !sections.is_empty() {
        out.push_str(
            "<em>Memorized</em>: training accuracy above 99 %, validation accuracy below 50 %; <em>grokked</em>: both \
             above 99 %; the first evaluation counts. ",
        );
    }
    out.push_str("Made by groklab with uPlot 1.6.32 (MIT).</p></footer>");
    out
}

/// The rows of the RMSE table.
fn cells(section: &Section<'_>) -> Vec<RmseRow> {
    let groups = groups(section.experiment);
    let pools = pools(section.experiment, &groups, section.pooling);
    pools.iter().flat_map(|pool| rmse_rows(&section.experiment.name, pool)).collect()
}

/// What the runs of other kinds came to.
fn others_lead(general: &[GeneralSection<'_>]) -> Option<String> {
    let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
    for run in general.iter().flat_map(|section| &section.study.runs) {
        *outcomes.entry(run.outcome()).or_default() += 1;
    }
    let parts: Vec<_> =
        outcomes.iter().map(|(outcome, count)| format!("{count} {}", escaped(outcome))).collect();
    (!parts.is_empty()).then(|| format!("{}: {}", plural(outcomes.values().sum()), parts.join(", ")))
}

/// How much of models was measured.
fn probed_lead(probed: &[Probed]) -> Option<String> {
    let count: usize = probed.iter().map(|probed| probed.matrices.len()).sum();
    let what = if count == 1 { "matrix" } else { "matrices" };
    (!probed.is_empty()).then(|| format!("{count} {what} of weights"))
}

/// What the runs on binary operations came to, in one line.
fn lead(runs: &[RunSummary]) -> Option<String> {
    let count = |what: &str| runs.iter().filter(|run| data::state(run) == what).count();
    let states = [
        "grokked",
        "grokked, fell back",
        "memorized only",
        "neither memorized nor grokked",
        "diverged",
        "failed",
        "not finished",
    ];
    let parts: Vec<_> = states
        .iter()
        .filter(|state| count(state) > 0)
        .map(|state| format!("{} {}", count(state), state.replace(',', " and")))
        .collect();
    (!runs.is_empty()).then(|| format!("{}: {}", plural(runs.len()), parts.join(", ")))
}

/// A table of `groklab table` as HTML.
pub(super) fn table(table: &Table) -> String {
    let side = |align: &Align| if *align == Align::Right { " class=\"number\"" } else { "" };
    let heads: String = table
        .columns
        .iter()
        .map(|(head, align)| format!("<th scope=\"col\"{}>{}</th>", side(align), escaped(head)))
        .collect();
    let rows: String = table
        .rows
        .iter()
        .map(|row| {
            let cells = row.iter().zip(&table.columns);
            let cells: String = cells
                .map(|(cell, (_, align))| format!("<td{}>{}</td>", side(align), escaped(cell)))
                .collect();
            format!("<tr>{cells}</tr>\n")
        })
        .collect();
    let notes: String =
        table.notes.iter().map(|note| format!("<p class=\"note\">{}</p>\n", escaped(note))).collect();
    let title = escaped(&table.title);
    format!(
        "<h3>{title}</h3>\n{}<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n{notes}",
        scroll(&title)
    )
}

/// A box that scrolls sideways by itself, so that the page never does; `name` is escaped.
pub(super) fn scroll(name: &str) -> String {
    format!("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{name}\">")
}

/// Every run with its milestones, its page and its files.
fn run_table(section: &Section<'_>, groups: &[Group<'_>]) -> String {
    let heads =
        ["task", "seed", "outcome", "memorized at", "grokked at", "LAR final", "k_pred", "k95", "files"];
    let heads: String = heads.iter().map(|head| format!("<th scope=\"col\">{head}</th>")).collect();
    let mut rows = String::new();
    for group in groups {
        let title = escaped(&title(group, groups));
        for (run, record) in group.runs.iter().zip(&group.records) {
            rows.push_str(&run_row(section, &title, run, record));
        }
    }
    format!(
        "<h3>Runs</h3>\n{}<table class=\"runs\">\n<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n",
        scroll("runs")
    )
}

fn run_row(section: &Section<'_>, title: &str, run: &RunSummary, record: &RunDigest) -> String {
    let epoch = |point: Option<Point>| point.map_or("–".to_owned(), |point| point.epoch.to_string());
    let last = |digits: usize, value: fn(Point) -> f64| {
        run.last.map_or("–".to_owned(), |point| format!("{:.digits$}", value(point)))
    };
    let link = section.links.get(&run.run);
    let files: Vec<String> = data::files(record)
        .iter()
        .map(|file| match link {
            Some(link) => format!("<a href=\"{}{}\">{}</a>", escaped(link), escaped(file), escaped(file)),
            None => escaped(file),
        })
        .collect();
    let name = [&section.experiment.name, &run.run].map(|name| address_part(name)).join("/");
    format!(
        "<tr><td><a href=\"#run/{}\">{title}</a></td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td class=\"files\">{}</td></tr>\n",
        escaped(&name),
        run.seed,
        data::state(run),
        epoch(run.memorized),
        epoch(run.grokked),
        last(3, |point| point.lar),
        last(2, |point| point.k_pred),
        last(0, |point| count_or_nan(point.k95)),
        files.join(" "),
    )
}

/// A name as one part of an address: what is not a letter, a digit or `-._~` percent-encoded (RFC 3986, §2.3).
pub fn address_part(name: &str) -> String {
    name.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
