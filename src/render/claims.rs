//! The tables of `groklab claims`: what was claimed, what our runs say, and how long they took to grok.

use std::fmt::Write;

use super::{
    report::ClaimRow,
    table::{Align, Table},
    tables::{percent, thousands},
};
use crate::analysis::{
    RESAMPLES,
    claims::{Claim, MIN_RUNS, MIN_SHARE, PAPER_BUDGET, Part, TimeToGrok, Verdict},
};

const NONE: &str = "–";

/// The claims of one experiment, each with a line for every part of its test.
pub fn claims_table(experiment: &str, runs: usize, claims: &[Claim]) -> Table {
    let heads = [
        ("answer", Align::Left),
        ("claim, and what was tested", Align::Left),
        ("expected", Align::Left),
        ("mean [95 % interval]", Align::Right),
        ("agree", Align::Right),
        ("runs", Align::Right),
    ];
    let mut rows = Vec::new();
    let mut against = Vec::new();
    for claim in claims {
        let answer = claim.verdict.name();
        rows.push([answer, claim.statement, "", "", "", ""].map(str::to_owned).into());
        for part in &claim.parts {
            rows.push(part_row(part).into());
            if !part.against.is_empty() && part.verdict != Verdict::NotEnoughData {
                against.push(format!("Against {}, most runs of: {}.", part.what, part.against.join(", ")));
            }
        }
    }
    let mut notes = vec![
        format!(
            "yes: interval as expected, {:.0} % of runs agree, most in each group; no: interval elsewhere, most runs disagree.",
            100.0 * MIN_SHARE
        ),
        format!(
            "Fewer than {MIN_RUNS} runs are not enough data. Percentile bootstrap, {} resamples over runs.",
            thousands(RESAMPLES)
        ),
    ];
    if claims.iter().any(|claim| claim.parts.is_empty()) {
        let why = "A claim with no line below it needs other runs: Table 1, and what groks, are for binary-ops and add-fractions.";
        notes.push(why.into());
    }
    notes.append(&mut against);
    Table {
        title: format!("{experiment}: the claims of arXiv 2605.28975 on {runs} runs"),
        columns: heads.map(|(head, align)| (head.to_owned(), align)).into(),
        rows,
        notes,
    }
}

/// The same for the report: a claim and a line for every part of its test.
pub fn claim_rows(claims: &[Claim]) -> Vec<ClaimRow> {
    let line = |part: &Part| {
        let [_, what, expected, mean, agree, runs] = part_row(part);
        let what = what.trim_start_matches("· ");
        let line = format!("{what}; mean {mean}, expected {expected}, {agree} agree, {runs} runs");
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

fn part_row(part: &Part) -> [String; 6] {
    let mut mean = part.mean.map_or(NONE.to_owned(), number);
    if let Some((low, high)) = part.interval {
        let _ = write!(mean, " [{}, {}]", number(low), number(high));
    }
    [
        String::new(),
        format!("· {}: {}", part.what, part.verdict.name()),
        part.expected.to_string(),
        mean,
        part.agreement.map_or(NONE.to_owned(), |a| format!("{}/{}", a.agree, a.of)),
        part.runs.to_string(),
    ]
}

/// Three decimals below 10, two above: LAR and dimensions in one column.
fn number(value: f64) -> String {
    if value.abs() < 10.0 { format!("{value:.3}") } else { format!("{value:.2}") }
}

/// A line for each group: how many of its runs grokked, and the median time.
pub fn time_table(experiment: &str, times: &[TimeToGrok]) -> Table {
    let with_variant = times.iter().any(|time| !time.variant.is_empty());
    let mut columns: Vec<(String, Align)> = vec![("task".into(), Align::Left), ("train".into(), Align::Left)];
    if with_variant {
        columns.push(("settings".into(), Align::Left));
    }
    let heads = ["grokked", "share", "median epoch [95 % interval]", "censored at", "paper's mean"];
    columns.extend(heads.map(|head| (head.to_owned(), Align::Right)));
    let epoch = |epoch: Option<f64>| epoch.map_or(NONE.to_owned(), |epoch| format!("{epoch:.0}"));
    let rows = times.iter().map(|time| {
        let mut row = vec![time.task.clone(), percent(time.train_fraction)];
        if with_variant {
            row.push(time.variant.clone());
        }
        let mut median = time.median.map_or_else(|| "not reached".to_owned(), |epoch| format!("{epoch:.0}"));
        if let Some((Some(low), high)) = time.interval {
            let _ =
                write!(median, " [{low:.0}, {}", high.map_or("∞)".to_owned(), |high| format!("{high:.0}]")));
        }
        row.extend([
            format!("{}/{}", time.grokked, time.runs),
            format!("{:.0} %", 100.0 * time.grokked as f64 / time.runs as f64),
            median,
            epoch(time.censored_at.map(|epoch| epoch as f64)),
            epoch(time.paper_mean),
        ]);
        row
    });
    Table {
        title: format!("{experiment}: time to grok"),
        rows: rows.collect(),
        columns,
        notes: vec![
            "Kaplan-Meier: a run that has not grokked counts as not having done so by the epoch it reached."
                .into(),
            format!("The paper gives a run up at epoch {}.", thousands(PAPER_BUDGET as usize)),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::{
            claims::{claims, times_to_grok},
            groups,
        },
        render::table::text,
        store::{Experiment, made::MadeRun},
    };

    #[test]
    fn answers_and_times_are_set_with_their_numbers() {
        let made = (0..5).flat_map(|seed| {
            let shift = 0.002 * seed as f64;
            let grokked = MadeRun::new("add", 0.5, seed).grokked(40, 120 + 20 * (seed % 3)).shift(shift);
            [grokked, MadeRun::new("x3_xy", 0.5, seed).memorized(60).shift(-0.05 - shift)]
        });
        let runs = made.map(|run| run.record()).collect();
        let experiment = Experiment { name: "binary-ops".into(), runs, ..Default::default() };
        let claims = claims_table("binary-ops", 10, &claims(&experiment));
        let times = time_table("binary-ops", &times_to_grok(&groups(&experiment)));
        insta::assert_snapshot!(format!("{}\n{}", text(&claims), text(&times)));
    }
}
