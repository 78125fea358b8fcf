//! The data behind the figures, as the one JSON block of the report.
//!
//! Every evaluation that the digests keep is there, none is averaged; figures that show means over seeds have them
//! besides. Runs are written one at a time. Of a run's diagnostics there is the LAR of every matrix. A number has five significant digits, a quantity that is not finite
//! is `null`; epochs, milestones and counts are exact.

use std::io;

use serde::Serialize;

use crate::{
    render::{figure::plural, table::percent},
    run::StopReason,
    store::{RunState, SpectrumRow},
    studies::grokking::{
        AGREES, Cell, Checkpoint, Evaluation, Group, Point, Pool, RmseRow, RunDigest, RunSummary, agreement,
        agreement_since_grokking,
        figures::{
            BY_SETTING,
            agreement::{SINCE, since_when},
            one_pool, title,
        },
        groups, pools,
    },
};

use super::{
    ReportError, Section, anchor,
    curve::{Column, rounded, strides},
    dip::DipData,
    drawn::Drawn,
    frequencies::FrequenciesData,
    matrices::{MatricesData, PanelData},
};

/// Appends JSON of all sections that can stand inside a `<script>` element.
pub(super) fn write_json(page: &mut Vec<u8>, sections: &[Section<'_>]) -> Result<(), ReportError> {
    #[derive(Serialize)]
    struct Data<E> {
        experiments: E,
    }
    let experiments = || sections.iter().enumerate().map(|(i, section)| ExperimentData::of(i, section));
    Ok(serde_json::to_writer(ScriptWriter(page), &Data { experiments: Lazily(experiments) })?)
}

/// Inside a script element `</script>` and `<!--` mean something to the page: `<` is written by its number.
struct ScriptWriter<'a>(&'a mut Vec<u8>);

impl io::Write for ScriptWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for (i, part) in bytes.split(|byte| *byte == b'<').enumerate() {
            self.0.extend_from_slice(if i > 0 { b"\\u003c" } else { b"" });
            self.0.extend_from_slice(part);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A list whose items are made one at a time, each when it is written.
struct Lazily<F>(F);

impl<F: Fn() -> I, I: Iterator<Item: Serialize>> Serialize for Lazily<F> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

/// The runs of a section by group.
struct RunList<'a> {
    section: &'a Section<'a>,
    groups: Vec<Group<'a>>,
}

impl Serialize for RunList<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.groups.iter().enumerate().flat_map(|(at, group)| {
            let runs = group.runs.iter().zip(&group.records);
            runs.map(move |(run, record)| RunData::of(at, run, record, self.section))
        }))
    }
}

#[derive(Serialize)]
struct ExperimentData<'a> {
    name: String,
    anchor: String,
    groups: Vec<GroupData>,
    runs: RunList<'a>,
    /// Of each group, then of all runs together if they are of one pool.
    rmse: Vec<RmseCurve>,
    /// The same relative to k95, over the runs of each pool that grokked.
    since_grokking: Vec<SinceData>,
    /// RMSE at the three checkpoints, as in the table.
    remarks: [String; 3],
    dip: Drawn<Vec<DipData>>,
    frequencies: Drawn<FrequenciesData>,
    matrices: Drawn<Vec<MatricesData>>,
}

#[derive(Serialize)]
struct GroupData {
    title: String,
}

/// How far k95 lies from k_pred at each epoch.
#[derive(Serialize)]
struct RmseCurve {
    /// All runs if there is none.
    group: Option<usize>,
    epochs: Vec<[u64; 3]>,
    rmse: Vec<Option<f64>>,
    runs: Vec<usize>,
}

/// √ mean ((k_pred − k95) / k95)² by epoch ÷ own grokking epoch.
#[derive(Serialize)]
struct SinceData {
    title: String,
    remark: String,
    agrees: f64,
    at: Column,
    relative: Column,
    runs: Vec<usize>,
}

#[derive(Serialize)]
struct RunData {
    id: String,
    group: usize,
    seed: u64,
    has_grokked: bool,
    memorized: Option<PointData>,
    grokked: Option<PointData>,
    last: Option<PointData>,
    link: Option<String>,
    files: Vec<String>,
    facts: Vec<(&'static str, String)>,
    config: String,
    /// Epochs of the evaluations as (first, step, count).
    epochs: Vec<[u64; 3]>,
    columns: Columns,
    spectra: Vec<SpectrumData>,
    /// LAR of every matrix, if it was recorded.
    matrix_lar: Option<Vec<PanelData>>,
}

#[derive(Serialize)]
struct PointData {
    epoch: u64,
    lar: f64,
    k_pred: f64,
    k95: Option<u32>,
}

/// One value an evaluation, under the names of `metrics.csv`.
#[derive(Serialize)]
struct Columns {
    train_loss: Column,
    val_loss: Column,
    train_accuracy: Column,
    val_accuracy: Column,
    lar: Column,
    k_pred: Column,
    k95: Vec<Option<u32>>,
    pearson: Column,
    stable_rank: Column,
    effective_rank: Column,
    weight_norm: Column,
}

#[derive(Serialize)]
struct SpectrumData {
    checkpoint: String,
    epoch: u64,
    lar: Option<f64>,
    pearson: Option<f64>,
    sigma_p: Option<f64>,
    sigma_q: Option<f64>,
    p: Column,
    q: Column,
}

impl<'a> ExperimentData<'a> {
    fn of(i: usize, section: &'a Section<'a>) -> Self {
        let experiment = section.experiment;
        let groups = groups(experiment);
        let pools = pools(experiment, &groups, section.pooling);
        let cells = one_pool(&pools);
        let all: Vec<&RunDigest> = experiment.runs.iter().collect();
        let parts = groups.iter().enumerate().map(|(i, group)| RmseCurve::of(Some(i), &group.records));
        Self {
            name: experiment.name.clone(),
            anchor: anchor(i),
            rmse: parts
                .chain((groups.len() > 1 && pools.len() == 1).then(|| RmseCurve::of(None, &all)))
                .collect(),
            since_grokking: pools.iter().filter_map(SinceData::of).collect(),
            remarks: Checkpoint::ALL.map(|checkpoint| remark(checkpoint, cells.as_deref())),
            dip: DipData::all(&groups),
            frequencies: FrequenciesData::of(&groups, pools.len() <= 1, &section.evidence.frequencies),
            matrices: MatricesData::all(&groups, &section.evidence.diagnostics),
            groups: groups.iter().map(|group| GroupData { title: title(group, &groups) }).collect(),
            runs: RunList { section, groups },
        }
    }
}

impl RmseCurve {
    /// √ mean (k95 − k_pred)² over the runs alive at each epoch.
    fn of(group: Option<usize>, runs: &[&RunDigest]) -> Self {
        let points = agreement(runs);
        Self {
            group,
            epochs: strides(points.iter().map(|point| point.at as u64)),
            rmse: points.iter().map(|point| rounded(point.rmse)).collect(),
            runs: points.iter().map(|point| point.runs).collect(),
        }
    }
}

impl SinceData {
    /// None where no run grokked.
    fn of(pool: &Pool<'_>) -> Option<Self> {
        let runs: Vec<&RunDigest> = pool.groups.iter().flat_map(|group| group.records.clone()).collect();
        let points = agreement_since_grokking(&runs);
        (!points.is_empty()).then(|| Self {
            title: [SINCE, &pool.setting].join(", ").trim_end_matches(", ").to_owned(),
            remark: since_when(&points),
            agrees: AGREES,
            at: points.iter().map(|point| rounded(point.at)).collect(),
            relative: points.iter().map(|point| rounded(point.relative)).collect(),
            runs: points.iter().map(|point| point.runs).collect(),
        })
    }
}

impl RunData {
    fn of(group: usize, run: &RunSummary, record: &RunDigest, section: &Section<'_>) -> Self {
        let point = |checkpoint| {
            let Point { epoch, lar, k_pred, k95 } = run.at(checkpoint)?;
            (lar.is_finite() && k_pred.is_finite()).then_some(PointData { epoch, lar, k_pred, k95 })
        };
        let spectra = section.evidence.spectra.get(&run.run).map_or(&[][..], Vec::as_slice);
        let checkpoints = spectra.chunk_by(|a, b| a.checkpoint == b.checkpoint);
        Self {
            id: run.run.clone(),
            group,
            seed: run.seed,
            has_grokked: run.has_grokked,
            memorized: point(Checkpoint::Memorized),
            grokked: point(Checkpoint::Grokked),
            last: point(Checkpoint::Final),
            link: section.links.get(&run.run).cloned(),
            files: files(record),
            facts: facts(run, record),
            // a config that was read from TOML can be written as TOML
            config: toml::to_string(record.config()).unwrap_or_default(),
            epochs: strides(record.curve().iter().map(|row| row.epoch)),
            columns: Columns::of(record.curve()),
            spectra: checkpoints.map(|rows| SpectrumData::of(rows, record)).collect(),
            matrix_lar: section.evidence.diagnostics.get(&run.run).and_then(PanelData::of_run),
        }
    }
}

impl Columns {
    fn of(rows: &[Evaluation]) -> Self {
        let column = |value: fn(&Evaluation) -> f64| rows.iter().map(|row| rounded(value(row))).collect();
        Self {
            train_loss: column(|row| row.train_loss),
            val_loss: column(|row| row.val_loss),
            train_accuracy: column(|row| row.train_accuracy),
            val_accuracy: column(|row| row.val_accuracy),
            lar: column(|row| row.lar),
            k_pred: column(|row| row.k_pred),
            k95: rows.iter().map(|row| row.k95).collect(),
            pearson: column(|row| row.pearson),
            stable_rank: column(|row| row.stable_rank),
            effective_rank: column(|row| row.effective_rank),
            weight_norm: column(|row| row.weight_norm),
        }
    }
}

impl SpectrumData {
    /// Of the rows of one checkpoint, at least one.
    fn of(rows: &[SpectrumRow], record: &RunDigest) -> Self {
        let epoch = rows[0].epoch;
        let at = |value: fn(&Evaluation) -> f64| record.row_at(epoch).and_then(|row| rounded(value(row)));
        Self {
            checkpoint: rows[0].checkpoint.clone(),
            epoch,
            lar: at(|row| row.lar),
            pearson: at(|row| row.pearson),
            sigma_p: at(|row| row.sigma_p),
            sigma_q: at(|row| row.sigma_q),
            p: rows.iter().map(|row| rounded(row.p)).collect(),
            q: rows.iter().map(|row| rounded(row.q)).collect(),
        }
    }
}

/// The files for a reader that the manifest vouches for, and the manifest itself.
pub(super) fn files(record: &RunDigest) -> Vec<String> {
    let vouched = record.manifest().newest().into_iter().flat_map(|point| point.files.keys());
    let tables = vouched.filter(|name| name.ends_with(".csv") || name.ends_with(".toml")).cloned();
    tables.chain(["manifest.json".to_owned()]).collect()
}

/// The state of a run, in words.
pub(super) fn state(run: &RunSummary) -> &'static str {
    match (run.state, &run.stopped) {
        (RunState::Running, _) => "not finished",
        (RunState::Failed, _) => "failed",
        (_, Some(reason)) if StopReason::is_divergence(reason) => "diverged",
        _ if run.collapsed_epoch.is_some() => "grokked, fell back",
        _ if run.has_grokked => "grokked",
        _ if run.memorized.is_some() => "memorized only",
        _ => "neither memorized nor grokked",
    }
}

fn facts(run: &RunSummary, record: &RunDigest) -> Vec<(&'static str, String)> {
    let manifest = record.manifest();
    let mut facts = vec![
        ("outcome", state(run).to_owned()),
        ("task", run.task.clone()),
        ("training rows", format!("{} ({})", manifest.size("train_rows"), percent(run.train_fraction))),
        ("validation rows", manifest.size("val_rows").to_string()),
        ("seed, split seed", format!("{}, {}", run.seed, run.split_seed)),
        ("epochs, steps", format!("{}, {}", run.epochs, run.steps)),
        ("parameters", manifest.parameters.to_string()),
        ("engine", manifest.engine().to_owned()),
        ("groklab", manifest.provenance.last().map_or_else(String::new, |by| by.program.describe())),
        ("wall time", format!("{:.1} s", manifest.wall_seconds)),
    ];
    facts.extend(run.collapsed_epoch.map(|epoch| ("fell back at epoch", epoch.to_string())));
    facts.extend(run.diverged_epoch.map(|epoch| ("diverged at epoch", epoch.to_string())));
    facts.extend(manifest.failure.clone().map(|failure| ("failure", failure)));
    facts
}

/// RMSE of a checkpoint with the paper's, as in the table.
fn remark(checkpoint: Checkpoint, cells: Option<&[RmseRow]>) -> String {
    let Some(cells) = cells else { return BY_SETTING.into() };
    let line = |what: &str, cell: Cell| {
        let row = cells.iter().find(|row| row.cell == cell)?;
        let ours = row.ours.as_ref()?;
        let runs = plural(ours.runs);
        let paper = row.paper.as_ref().map_or(String::new(), |p| format!(", paper {:.2}", p.rmse));
        Some(format!("{what}{:.2} ({runs}{paper})", ours.rmse))
    };
    let lines = match checkpoint {
        Checkpoint::Memorized => vec![line("", Cell::Memorized)],
        Checkpoint::Grokked => vec![line("", Cell::Grokked)],
        Checkpoint::Final => {
            vec![line("grokked ", Cell::FinalGrokked), line("not grokked ", Cell::FinalNoGrok)]
        }
    };
    let lines: Vec<String> = lines.into_iter().flatten().collect();
    if lines.is_empty() { "no run got here".into() } else { format!("RMSE {}", lines.join(" · ")) }
}
