//! Tables of runs of any kind: settings, and runs.csv.

use super::table::{Align, Table};
use crate::{
    analysis::{
        general::{FINAL, Run, Setting, Study, median},
        settings::{SHARED, within_groups},
    },
    run::{DIVERGED, Kind, Milestone, Unit},
};

/// A line a setting: its runs, how many met each milestone and when, and the numbers at the end.
pub fn settings_table(study: &Study) -> Table {
    let kind = study.kind;
    let milestones: Vec<&Milestone> = kind.milestones().iter().chain([&DIVERGED]).collect();
    let settings = study.settings();
    let is_met = |milestone: &&&Milestone| study.runs.iter().any(|run| run.mark(milestone.name).is_some());
    let met: Vec<&&Milestone> = milestones.iter().filter(is_met).collect();
    let headline: Vec<&str> = kind.headline().iter().flat_map(|headline| headline.columns).copied().collect();
    let mut columns = vec![("setting".to_owned(), Align::Left), ("runs".to_owned(), Align::Right)];
    columns.extend(met.iter().map(|milestone| (milestone.name.to_owned(), Align::Right)));
    columns.extend(headline.iter().map(|name| ((*name).to_owned(), Align::Right)));
    let data = |setting: &Setting<'_>| setting.runs.first().map(|run| run.setting("data"));
    let labels: Vec<_> = settings.iter().map(|setting| (data(setting), setting.label.as_str())).collect();
    let own = within_groups(&labels);
    let is_short = own.iter().zip(&settings).any(|(own, setting)| own.len() < setting.label.len());
    let rows = settings.iter().zip(&own).map(|(setting, own)| {
        let label = if own.is_empty() { "all" } else { own };
        let mut row = vec![label.to_owned(), setting.runs.len().to_string()];
        row.extend(met.iter().map(|milestone| reached(setting, milestone.name)));
        row.extend(headline.iter().map(|name| summary(setting, unit(kind, name), name)));
        row
    });
    let round = kind.round();
    let mut notes = vec![format!(
        "milestones: runs that met it, and the median {round} of those; numbers: mean at the end of the runs that ended as planned, and their range"
    )];
    notes.extend(is_short.then(|| SHARED.to_owned()));
    notes.extend(met.iter().map(|milestone| format!("{}: {}", milestone.name, milestone.about)));
    Table { title: format!("{}: {}", study.name, kind.about()), columns, rows: rows.collect(), notes }
}

fn unit(kind: &dyn Kind, name: &str) -> Unit {
    kind.columns().iter().find(|column| column.name == name).map_or(Unit::Number, |column| column.unit)
}

/// `4/5 @ 120`.
fn reached(setting: &Setting<'_>, milestone: &str) -> String {
    let epochs: Vec<f64> =
        setting.runs.iter().filter_map(|run| Some(run.mark(milestone)?.epoch as f64)).collect();
    let (n, all) = (epochs.len(), setting.runs.len());
    if n == 0 { format!("0/{all}") } else { format!("{n}/{all} @ {}", median(&epochs)) }
}

/// Mean and range of a column at the end.
fn summary(setting: &Setting<'_>, unit: Unit, column: &str) -> String {
    let values = setting.values(FINAL, column);
    if values.is_empty() {
        return "–".to_owned();
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let mean = if unit == Unit::Count { format!("{mean:.1}") } else { unit.show(mean) };
    if values.len() == 1 {
        return mean;
    }
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{mean} ({} … {})", unit.show(low), unit.show(high))
}

/// `runs.csv`: a line a run; of each milestone and of the end the round and the numbers that the kind shows.
pub fn runs_csv(studies: &[&Study]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    let Some(kind) = studies.first().map(|study| study.kind) else { return Ok(Vec::new()) };
    let checkpoints: Vec<&str> =
        kind.milestones().iter().map(|milestone| milestone.name).chain([FINAL]).collect();
    let columns: Vec<&str> = kind.columns().iter().map(|column| column.name).collect();
    let mut header: Vec<String> =
        ["experiment", "run", "setting", "seed", "data", "state", "stopped"].map(str::to_owned).into();
    header.push(format!("{}s", kind.round()));
    // where a round is a step, one column says both
    header.extend((kind.round() != "step").then(|| "steps".to_owned()));
    header.push("diverged".to_owned());
    for checkpoint in &checkpoints {
        header.push(format!("{checkpoint}_{}", kind.round()));
    }
    header.extend(columns.iter().map(|column| format!("{FINAL}_{column}")));
    writer.write_record(&header)?;
    for study in studies {
        for setting in study.settings() {
            for run in &setting.runs {
                writer.write_record(line(study, &setting, run, &checkpoints, &columns))?;
            }
        }
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

fn line(
    study: &Study,
    setting: &Setting<'_>,
    run: &Run,
    checkpoints: &[&str],
    columns: &[&str],
) -> Vec<String> {
    let manifest = &run.manifest;
    let state = format!("{:?}", manifest.state).to_lowercase();
    let stopped = manifest.stopped.as_ref().map_or("", |reason| reason.name());
    let some = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
    let mut line = vec![study.name.clone(), run.id().to_owned(), setting.label.clone(), run.seed()];
    line.extend([manifest.data.clone(), state, stopped.to_owned()]);
    line.push(manifest.epochs.to_string());
    line.extend((study.kind.round() != "step").then(|| manifest.steps.to_string()));
    line.push(some(manifest.milestones.diverged().map(|mark| mark.epoch)));
    line.extend(checkpoints.iter().map(|checkpoint| some(run.mark(checkpoint).map(|mark| mark.epoch))));
    let last =
        |column: &&str| run.value(FINAL, column).map_or_else(String::new, |value| format!("{value:?}"));
    line.extend(columns.iter().map(last));
    line
}
