//! The tables of `groklab claims`: what was claimed, what our runs say, and how long they took to grok.

use std::fmt::Write;

use super::{
    report::{ClaimRow, ClaimSet},
    table::{Align, Table},
    tables::{percent, thousands},
};
use crate::analysis::{
    MIN_RUNS, RESAMPLES,
    claims::{Answers, Claim, MIN_SHARE, Part, TimeToGrok, Verdict},
    paper::BUDGET,
};

const NONE: &str = "–";
/// The paper of the study of binary operations.
pub const LAR_PAPER: &str = "arXiv 2605.28975";

/// The claims of one pool of an experiment's runs, each with a line for every part of its test.
pub fn claims_table(experiment: &str, paper: &str, answers: &Answers) -> Table {
    let Answers { runs, claims, .. } = answers;
    let heads = [
        ("answer", Align::Left),
        ("claim, and what was tested", Align::Left),
        ("expected", Align::Left),
        ("mean [95 % over runs]", Align::Right),
        ("[over tasks and seeds]", Align::Right),
        ("agree", Align::Right),
        ("runs", Align::Right),
    ];
    let mut rows = Vec::new();
    let mut against = Vec::new();
    for claim in claims {
        let answer = claim.verdict.name();
        rows.push([answer, claim.statement, "", "", "", "", ""].map(str::to_owned).into());
        for part in &claim.parts {
            rows.push(part_row(part).into());
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
    notes.extend(pooled(&answers.pooled));
    notes.append(&mut against);
    Table {
        title: format!("{}: the claims of {paper} on {runs} runs", named(experiment, &answers.setting)),
        columns: heads.map(|(head, align)| (head.to_owned(), align)).into(),
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
        let [_, what, expected, mean, clustered, agree, runs] = part_row(part);
        let what = what.trim_start_matches("· ");
        let clustered = match part.clustered {
            Some(_) => format!(", {clustered} over tasks and seeds"),
            None => String::new(),
        };
        let line = format!("{what}; mean {mean}{clustered}, expected {expected}, {agree} agree, {runs} runs");
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

fn part_row(part: &Part) -> [String; 7] {
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
    ]
}

/// Three decimals below 10, two above: LAR and dimensions in one column.
fn number(value: f64) -> String {
    if value.abs() < 10.0 { format!("{value:.3}") } else { format!("{value:.2}") }
}

/// An experiment, and which of its settings.
pub(super) fn named(experiment: &str, setting: &str) -> String {
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

/// A line for each group: how many of its runs grokked, and the median time.
pub fn time_table(experiment: &str, answers: &Answers) -> Table {
    let times: &[TimeToGrok] = &answers.time_to_grok;
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
        if time.median.is_some() && !time.epochs.is_empty() {
            let each = time.epochs.iter().map(|e| e.map_or(NONE.to_owned(), |epoch| epoch.to_string()));
            let _ = write!(median, " ({})", each.collect::<Vec<_>>().join(", "));
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
        title: format!("{}: time to grok", named(experiment, &answers.setting)),
        rows: rows.collect(),
        columns,
        notes: vec![
            "Kaplan-Meier: a run that has not grokked counts as not having done so by the epoch it reached."
                .into(),
            format!(
                "Fewer than {MIN_RUNS} runs have no interval: their epochs stand there. The paper gives a run up at epoch {}.",
                thousands(BUDGET as usize)
            ),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::{Pooling, claims::answers, groups, paper::with_tables, planned, pools},
        render::table::text,
        store::made::MadeRun,
    };

    fn tables(runs: impl Iterator<Item = MadeRun>, pooling: Pooling) -> String {
        let runs = runs.map(|run| run.record()).collect();
        let experiment = planned("study", with_tables(runs));
        let all = answers(&pools(&experiment, &groups(&experiment), pooling));
        let both = all.iter().map(|one| [claims_table("study", LAR_PAPER, one), time_table("study", one)]);
        both.flatten().map(|table| text(&table)).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn answers_and_times_are_set_with_their_numbers() {
        let made = (0..5).flat_map(|seed| {
            let shift = 0.002 * seed as f64;
            let grokked = MadeRun::new("add", 0.5, seed).grokked(40, 120 + 20 * (seed % 3)).shift(shift);
            [grokked, MadeRun::new("x3_xy", 0.5, seed).memorized(60).shift(-0.05 - shift)]
        });
        insta::assert_snapshot!(tables(made, Pooling::PerSetting));
    }

    #[test]
    fn few_runs_stand_with_their_values_and_pooled_settings_are_named() {
        let made = || {
            [64, 512].into_iter().flat_map(|rows| {
                (0..3).map(move |seed| {
                    let made = MadeRun::new("add", 0.5, seed).batch_size(rows);
                    made.grokked(40, 100 + 20 * seed).shift(0.003 * seed as f64)
                })
            })
        };
        let apart = tables(made(), Pooling::PerSetting);
        assert!(!apart.contains('±') && apart.contains("0.503 (0.500, 0.503, 0.506)"), "{apart}");
        assert!(apart.contains("120 (100, 120, 140)"), "{apart}");
        assert!(apart.contains("study, data.batch_size=64: the claims"), "{apart}");
        let together = tables(made(), Pooling::All);
        let note = "Pooled, as asked, over 2 settings that differ: data.batch_size=512; data.batch_size=64.";
        assert!(together.contains(note) && together.contains("0.503 [0.50"), "{together}");
    }
}
