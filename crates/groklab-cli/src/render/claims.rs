//! The table of `groklab claims`: what was claimed, and what our runs say.

use std::fmt::Write;

use super::table::{Align, Table, decimals, thousands};
use crate::analysis::{
    MIN_RUNS, RESAMPLES,
    claims::{Agreement, Answers, Claim, MIN_SHARE, OfPaper, Part, Verdict},
};

const NONE: &str = "–";
/// The column of what the rule says of the paper.
const PAPER_POINTS: &str = "the paper's points";

/// The claims on one set of runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimSet {
    /// Which runs, and what was put together; empty if that is all runs of the experiment.
    pub heading: String,
    /// The claims.
    pub claims: Vec<ClaimRow>,
}

/// A claim, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRow {
    /// What is claimed.
    pub title: String,
    /// Where the paper shows it; may be empty.
    pub source: String,
    /// `yes`, `no`, `mixed` or another short answer.
    pub verdict: String,
    /// What the answer rests on, one line each.
    pub numbers: Vec<String>,
}

/// The claims of one pool of an experiment's runs, each with a line for every part of its test.
pub fn claims_table(experiment: &str, paper: &str, answers: &Answers) -> Table {
    let Answers { runs, claims, .. } = answers;
    let with_paper = claims.iter().flat_map(|claim| &claim.parts).any(|part| part.of_paper.is_some());
    let mut heads = vec![
        ("answer", Align::Left),
        ("claim, and what was tested", Align::Left),
        ("expected", Align::Left),
        ("mean [95 % over runs]", Align::Right),
        ("[over tasks and seeds]", Align::Right),
        ("agree", Align::Right),
        ("runs", Align::Right),
    ];
    heads.extend(with_paper.then_some((PAPER_POINTS, Align::Left)));
    // the paper's points have the last column
    let cut = |mut cells: Vec<String>| {
        cells.truncate(heads.len());
        cells
    };
    let mut rows = Vec::new();
    let mut against = Vec::new();
    for claim in claims {
        let answer = claim.verdict.name();
        rows.push(cut([answer, claim.statement, "", "", "", "", "", ""].map(str::to_owned).into()));
        for part in &claim.parts {
            rows.push(cut(part_row(part).into()));
            if !part.against.is_empty() && part.verdict != Verdict::NotEnoughData {
                against.push(format!("Against {}, most runs of: {}.", part.what, part.against.join(", ")));
            }
        }
    }
    let mut notes = vec![
        format!(
            "yes: both intervals as expected, {:.0} % of runs agree, most in each group; no: both elsewhere, most runs disagree.",
            100.0 * MIN_SHARE
        ),
        format!(
            "Percentile bootstrap, {} resamples: over runs as in the paper, and over tasks and the seeds of each.",
            thousands(RESAMPLES)
        ),
        format!(
            "Fewer than {MIN_RUNS} runs are not enough data, and have no interval: their values stand there."
        ),
    ];
    if claims.iter().any(|claim| claim.parts.is_empty()) {
        let why = "A claim with no line below it asks for settings that these runs do not have.";
        notes.push(why.into());
    }
    if with_paper {
        notes.push(
            "The paper's points: the same rule on its means over five seeds, one a task or fraction.".into(),
        );
    }
    notes.extend(pooled(&answers.pooled));
    notes.append(&mut against);
    Table {
        title: format!("{}: the claims of {paper} on {runs} runs", named(experiment, &answers.setting)),
        columns: heads.iter().map(|(head, align)| ((*head).to_owned(), *align)).collect(),
        rows,
        notes,
    }
}

/// The same for the report: a claim and a line for every part of its test.
pub fn claim_set(answers: &Answers) -> ClaimSet {
    let setting = (!answers.setting.is_empty()).then(|| answers.setting.clone());
    let heading = setting.into_iter().chain(pooled(&answers.pooled)).collect::<Vec<_>>().join(". ");
    ClaimSet { heading, claims: claim_rows(&answers.claims) }
}

fn claim_rows(claims: &[Claim]) -> Vec<ClaimRow> {
    let line = |part: &Part| {
        let [_, what, expected, mean, clustered, agree, runs, paper] = part_row(part);
        let what = what.trim_start_matches("· ");
        let clustered = match part.clustered {
            Some(_) => format!(", {clustered} over tasks and seeds"),
            None => String::new(),
        };
        let paper = match part.of_paper {
            Some(_) => format!(", {PAPER_POINTS}: {paper}"),
            None => String::new(),
        };
        let line =
            format!("{what}; mean {mean}{clustered}, expected {expected}, {agree} agree, {runs} runs{paper}");
        match part.against.is_empty() {
            true => line,
            false => format!("{line}; against it most runs of {}", part.against.join(", ")),
        }
    };
    let row = |claim: &Claim| ClaimRow {
        title: claim.statement.to_owned(),
        source: claim.source.to_owned(),
        verdict: claim.verdict.name().to_owned(),
        numbers: claim.parts.iter().map(line).collect(),
    };
    claims.iter().map(row).collect()
}

fn part_row(part: &Part) -> [String; 8] {
    let mut mean = part.mean.map_or(NONE.to_owned(), number);
    let interval = |low, high| format!("[{}, {}]", number(low), number(high));
    if let Some((low, high)) = part.interval {
        let _ = write!(mean, " {}", interval(low, high));
    }
    let list = |set: &Vec<f64>| set.iter().map(|value| number(*value)).collect::<Vec<_>>().join(", ");
    let sets: Vec<String> = part.values.iter().filter(|set| !set.is_empty()).map(list).collect();
    if !sets.is_empty() {
        let _ = write!(mean, " ({})", sets.join("; "));
    }
    [
        String::new(),
        format!("· {}: {}", part.what, part.verdict.name()),
        part.expected.to_string(),
        mean,
        part.clustered.map_or(NONE.to_owned(), |c| interval(c.low, c.high)),
        part.agreement.map_or(NONE.to_owned(), |a| format!("{}/{}", a.agree, a.of)),
        part.runs.to_string(),
        part.of_paper.map_or_else(String::new, of_paper),
    ]
}

/// What the rule says of the paper's own points: the answer, how many agree, their mean.
fn of_paper(paper: OfPaper) -> String {
    let Agreement { agree, of } = paper.agreement;
    let mean = paper.mean.map_or_else(String::new, |mean| format!(", {}", number(mean)));
    format!("{} {agree}/{of}{mean}", paper.verdict.name())
}

/// Three decimals below 10, two above: LAR and dimensions in one column.
fn number(value: f64) -> String {
    decimals(value, if value.abs() < 10.0 { 3 } else { 2 })
}

/// An experiment, and which of its settings.
pub fn named(experiment: &str, setting: &str) -> String {
    if setting.is_empty() { experiment.to_owned() } else { format!("{experiment}, {setting}") }
}

/// That settings were put together, and which.
pub fn pooled(settings: &[String]) -> Option<String> {
    (!settings.is_empty()).then(|| {
        let shown = settings.iter().take(6).cloned().collect::<Vec<_>>().join("; ");
        let rest = if settings.len() > 6 { "; …" } else { "" };
        format!("Pooled, as asked, over {} settings that differ: {shown}{rest}.", settings.len())
    })
}
