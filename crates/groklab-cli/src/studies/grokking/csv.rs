//! `runs.csv` and `rmse.csv`: one header line, empty where a thing never happened, floats that read back exactly.

use serde::Serialize;

use super::{Point, RmseRow, RunSummary};
use crate::{analysis::Clustered, run::StopReason, store::RunState};

/// One row of `runs.csv`, flat.
#[derive(Serialize)]
pub(super) struct RunRow<'a> {
    experiment: &'a str,
    run: &'a str,
    task: &'a str,
    variant: &'a str,
    train_fraction: f64,
    seed: u64,
    split_seed: u64,
    state: RunState,
    stopped: Option<&'a StopReason>,
    epochs: u64,
    steps: u64,
    memorized_epoch: Option<u64>,
    memorized_lar: Option<f64>,
    memorized_k_pred: Option<f64>,
    memorized_k95: Option<u32>,
    grokked_epoch: Option<u64>,
    grokked_lar: Option<f64>,
    grokked_k_pred: Option<f64>,
    grokked_k95: Option<u32>,
    final_epoch: Option<u64>,
    final_lar: Option<f64>,
    final_k_pred: Option<f64>,
    final_k95: Option<u32>,
    collapsed_epoch: Option<u64>,
    diverged_epoch: Option<u64>,
}

/// One row of `rmse.csv`, flat.
#[derive(Serialize)]
pub(super) struct RmseLine<'a> {
    experiment: &'a str,
    setting: &'a str,
    checkpoint: &'a str,
    runs: usize,
    rmse: Option<f64>,
    half_ci95: Option<f64>,
    mean_error: Option<f64>,
    groups: Option<usize>,
    low_ci95_over_tasks: Option<f64>,
    high_ci95_over_tasks: Option<f64>,
    paper_rmse: Option<f64>,
    paper_half_ci95: Option<f64>,
}

/// The bytes of `runs.csv`.
pub fn runs_csv(runs: &[RunSummary]) -> Result<Vec<u8>, csv::Error> {
    written(run_rows(runs))
}

/// The rows of `runs.csv`.
pub(super) fn run_rows(runs: &[RunSummary]) -> impl Iterator<Item = RunRow<'_>> {
    runs.iter().map(|run| {
        let part = |point: Option<Point>| {
            (point.map(|p| p.epoch), point.map(|p| p.lar), point.map(|p| p.k_pred), point.and_then(|p| p.k95))
        };
        let (memorized_epoch, memorized_lar, memorized_k_pred, memorized_k95) = part(run.memorized);
        let (grokked_epoch, grokked_lar, grokked_k_pred, grokked_k95) = part(run.grokked);
        let (final_epoch, final_lar, final_k_pred, final_k95) = part(run.last);
        RunRow {
            experiment: &run.experiment,
            run: &run.run,
            task: &run.task,
            variant: &run.variant,
            train_fraction: run.train_fraction,
            seed: run.seed,
            split_seed: run.split_seed,
            state: run.state,
            stopped: run.stopped.as_ref(),
            epochs: run.epochs,
            steps: run.steps,
            memorized_epoch,
            memorized_lar,
            memorized_k_pred,
            memorized_k95,
            grokked_epoch,
            grokked_lar,
            grokked_k_pred,
            grokked_k95,
            final_epoch,
            final_lar,
            final_k_pred,
            final_k95,
            collapsed_epoch: run.collapsed_epoch,
            diverged_epoch: run.diverged_epoch,
        }
    })
}

/// The bytes of `rmse.csv`.
pub fn rmse_csv(rows: &[RmseRow]) -> Result<Vec<u8>, csv::Error> {
    written(rmse_lines(rows))
}

/// The rows of `rmse.csv`.
pub(super) fn rmse_lines(rows: &[RmseRow]) -> impl Iterator<Item = RmseLine<'_>> {
    rows.iter().map(|row| RmseLine {
        experiment: &row.experiment,
        setting: &row.setting,
        checkpoint: row.cell.name(),
        runs: row.ours.as_ref().map_or(0, |ours| ours.runs),
        rmse: row.ours.as_ref().map(|ours| ours.rmse),
        half_ci95: row.ours.as_ref().and_then(|ours| ours.half_ci),
        mean_error: row.ours.as_ref().map(|ours| ours.mean),
        groups: clustered(row).map(|c| c.groups),
        low_ci95_over_tasks: clustered(row).map(|c| c.low),
        high_ci95_over_tasks: clustered(row).map(|c| c.high),
        paper_rmse: row.paper.as_ref().map(|paper| paper.rmse),
        paper_half_ci95: row.paper.as_ref().map(|paper| paper.half_ci),
    })
}

fn clustered(row: &RmseRow) -> Option<Clustered> {
    row.ours.as_ref()?.clustered
}

fn written(rows: impl Iterator<Item = impl Serialize>) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row)?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        store::{RunState, made::MadeRun},
        studies::grokking::{Experiment, Pooling, groups, planned, pools, rmse_rows, summarize},
    };
    use std::collections::BTreeMap;

    fn study() -> Experiment {
        let made = [
            MadeRun::new("add", 0.5, 0).grokked(40, 120),
            MadeRun::new("add", 0.5, 1).grokked(60, 140).collapsed(180),
            MadeRun::new("x3_xy", 0.5, 0).memorized(60),
            MadeRun::new("x3_xy", 0.5, 1).memorized(80).shift(0.02),
            MadeRun::new("x3_xy", 0.5, 2).memorized(80).shift(0.01),
            MadeRun::new("x3_xy", 0.5, 3).state(RunState::Running),
            MadeRun::new("sub", 0.5, 0).diverged(100),
        ];
        let runs = made.iter().map(MadeRun::record).collect();
        planned("study", runs)
    }

    /// Closed forms and counted resamples of the same runs, by tests/oracle/snapshots.py.
    fn oracle() -> serde_json::Value {
        serde_json::from_str(include_str!("../../../../../tests/oracle/snapshots.json")).unwrap()
    }

    /// The lines of a table, each by its header.
    fn lines(bytes: Vec<u8>) -> Vec<BTreeMap<String, String>> {
        csv::Reader::from_reader(&bytes[..]).deserialize().map(Result::unwrap).collect()
    }

    #[test]
    fn runs_have_the_numbers_of_their_closed_form() {
        let found = lines(runs_csv(&summarize(&study())).unwrap());
        let oracle = oracle();
        let expected = oracle["runs"].as_array().unwrap();
        assert_eq!(found.len(), expected.len());
        for run in expected {
            let is_it = |line: &&BTreeMap<String, String>| {
                line["task"] == run["task"].as_str().unwrap()
                    && line["seed"].parse().ok() == run["seed"].as_u64()
            };
            let line = found.iter().find(is_it).unwrap();
            for checkpoint in ["memorized", "grokked", "final"] {
                for (name, off) in [("epoch", 0.0), ("lar", 1e-12), ("k_pred", 1e-9), ("k95", 0.0)] {
                    let text = &line[&format!("{checkpoint}_{name}")];
                    match run["points"][checkpoint][name].as_f64() {
                        None => assert_eq!(text, "", "{line:?}"),
                        Some(value) => {
                            assert!((text.parse::<f64>().unwrap() - value).abs() <= off, "{line:?}")
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn cells_have_the_numbers_of_counted_resamples() {
        let study = study();
        let rows = rmse_rows("study", &pools(&study, &groups(&study), Pooling::PerSetting)[0]);
        let found = lines(rmse_csv(&rows).unwrap());
        let oracle = oracle();
        for line in &found {
            let cell = &oracle["cells"][&line["checkpoint"]];
            let number = |name: &str| line[name].parse::<f64>().unwrap();
            assert_eq!(line["runs"], cell["runs"].to_string());
            for (ours, theirs) in [("rmse", "rmse"), ("mean_error", "mean")] {
                assert!((number(ours) - cell[theirs].as_f64().unwrap()).abs() < 1e-9, "{line:?}");
            }
            let ends =
                |kind: &str| -> Option<[[f64; 2]; 2]> { serde_json::from_value(cell[kind].clone()).ok() };
            let Some([low, high]) = ends("over_runs") else {
                assert_eq!((&*line["half_ci95"], &*line["groups"]), ("", ""), "{line:?}");
                continue;
            };
            let half = number("half_ci95");
            let (least, most) = (0.5 * (high[0] - low[1]), 0.5 * (high[1] - low[0]));
            assert!(least - 1e-9 <= half && half <= most + 1e-9, "{half}: {least} … {most}");
            let [low, high] = ends("over_tasks").unwrap();
            for (name, [least, most]) in [("low_ci95_over_tasks", low), ("high_ci95_over_tasks", high)] {
                let end = number(name);
                assert!(least - 1e-9 <= end && end <= most + 1e-9, "{name} {end}: {least} … {most}");
            }
        }
        assert_eq!(found.len(), 4);
    }

    #[test]
    fn runs_are_one_a_line() {
        insta::assert_snapshot!(String::from_utf8(runs_csv(&summarize(&study())).unwrap()).unwrap());
    }

    #[test]
    fn cells_are_one_a_line() {
        let study = study();
        let rows = rmse_rows("study", &pools(&study, &groups(&study), Pooling::PerSetting)[0]);
        insta::assert_snapshot!(String::from_utf8(rmse_csv(&rows).unwrap()).unwrap());
    }
}
