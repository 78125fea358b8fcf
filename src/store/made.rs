//! Made-up runs for tests: smooth curves with known milestones, written the way real runs are.

use std::{fs, path::Path};

use crate::{
    kinds::operations::{
        columns::COLUMNS,
        config::{PlannedRun, Preset, RunConfig, Sequence},
        milestones::{COLLAPSED, GROKKED, MEMORIZED, MILESTONES},
        task::Task,
    },
    program::Program,
    run::{Budget, DIVERGED, End, Mark, Milestone, Milestones, Planned, StopReason},
    store::{
        Extent, FORMAT, Manifest, Metrics, Provenance, RunRecord, RunState, SavePoint, ViewEnd, metrics_csv,
    },
};

/// Optimiser steps in an epoch of a made-up run.
const STEPS: u64 = 10;

/// A made-up run, to be changed before use.
#[derive(Clone)]
pub struct MadeRun {
    config: RunConfig,
    milestones: Milestones,
    state: RunState,
    stopped: Option<StopReason>,
    epochs: u64,
    /// What is added to the LAR of every row.
    shift: f64,
}

impl MadeRun {
    /// A finished run of 200 epochs that neither memorizes nor groks.
    pub fn new(task: &str, train_fraction: f64, seed: u64) -> Self {
        Self {
            config: Preset::Paper.config(task, train_fraction, seed),
            milestones: Milestones::default(),
            state: RunState::Finished,
            stopped: Some(StopReason::BUDGET),
            epochs: 200,
            shift: 0.0,
        }
    }

    pub fn memorized(mut self, epoch: u64) -> Self {
        self.milestones.note(MEMORIZED, mark(epoch));
        self
    }

    pub fn grokked(mut self, memorized: u64, grokked: u64) -> Self {
        self.milestones.note(GROKKED, mark(grokked));
        self.stopped = Some(StopReason::milestone(GROKKED));
        self.memorized(memorized)
    }

    pub fn collapsed(mut self, epoch: u64) -> Self {
        self.milestones.note(COLLAPSED, mark(epoch));
        self
    }

    pub fn diverged(mut self, epoch: u64) -> Self {
        self.milestones.note(DIVERGED.name, mark(epoch));
        self.stopped(StopReason::milestone(DIVERGED.name))
    }

    pub fn epochs(mut self, epochs: u64) -> Self {
        self.epochs = epochs;
        self
    }

    pub fn state(mut self, state: RunState) -> Self {
        self.state = state;
        self
    }

    pub fn stopped(mut self, stopped: StopReason) -> Self {
        self.stopped = Some(stopped);
        self
    }

    pub fn batch_size(mut self, rows: usize) -> Self {
        self.config.data.batch_size = rows;
        self
    }

    pub fn position_scale(mut self, scale: f64) -> Self {
        self.config.model.position_scale = scale;
        self
    }

    pub fn sequence(mut self, sequence: Sequence) -> Self {
        self.config.model.sequence = sequence;
        self
    }

    pub fn shift(mut self, shift: f64) -> Self {
        self.shift = shift;
        self
    }

    pub fn id(&self) -> String {
        self.config.run_id(&self.config.task, "made-up")
    }

    fn has_grokked_in_time(&self) -> bool {
        self.stopped == Some(StopReason::milestone(GROKKED))
    }

    /// The budget that ends the run where it ends.
    fn budget(&self) -> Budget {
        let patience = match self.milestones.get(GROKKED) {
            Some(mark) if self.has_grokked_in_time() => self.epochs.saturating_sub(mark.epoch),
            _ => 1 << 40,
        };
        let longer = u64::from(self.has_grokked_in_time());
        Budget { max_epochs: self.epochs + longer, patience }
    }

    fn ends(&self) -> Vec<End> {
        let stopped = self.stopped.clone().filter(|_| self.state == RunState::Finished);
        let end = |stopped| End {
            epoch: self.epochs,
            step: self.epochs * STEPS,
            stopped,
            milestones: self.milestones.clone(),
        };
        stopped.map(end).into_iter().collect()
    }

    pub fn config(&self) -> RunConfig {
        RunConfig { train: self.budget(), ..self.config.clone() }
    }

    pub fn manifest(&self) -> Manifest {
        Manifest {
            format: FORMAT,
            run: self.id(),
            kind: "operations".into(),
            round: "epoch".into(),
            data: self.config.task.clone(),
            data_digest: "made-up".into(),
            sizes: [("n_symbols", 97), ("train_rows", 4704), ("val_rows", 4705)]
                .map(|(name, size)| (name.to_owned(), size))
                .into(),
            rules: Milestone::rules(&MILESTONES),
            parameters: 1,
            provenance: vec![Provenance {
                from_epoch: 0,
                program: Program { version: "0.1.0".into(), commit: None, features: Vec::new() },
                engine: "made-up".into(),
                precision: "f32".into(),
                processor: "made-up".into(),
            }],
            budget: self.budget(),
            state: self.state,
            stopped: self.stopped.clone().filter(|_| self.state == RunState::Finished),
            failure: None,
            epochs: self.epochs,
            steps: self.epochs * STEPS,
            milestones: self.milestones.clone(),
            ends: self.ends(),
            pruned: Vec::new(),
            wall_seconds: 1.0,
            evaluation_seconds: 0.0,
            probe_seconds: 0.0,
            saved: Vec::new(),
            digest: String::new(),
        }
    }

    pub fn metrics(&self) -> Metrics {
        metrics(&self.rows())
    }

    /// Epochs 0, 1 and every 20th: LAR climbs by 0.001 an epoch, k95 is twice k_pred, rounded.
    pub fn rows(&self) -> Vec<MadeRow> {
        let epochs = (0..=self.epochs).filter(|e| *e <= 1 || e % 20 == 0);
        let broken = |epoch| self.milestones.diverged().is_some_and(|mark| epoch >= mark.epoch);
        epochs.map(|epoch| self.row(epoch, if broken(epoch) { f64::NAN } else { 1.0 })).collect()
    }

    fn row(&self, epoch: u64, one: f64) -> MadeRow {
        let lar = (0.5 + self.shift + 0.001 * epoch as f64) * one;
        let k_pred = 128_f64.powf(2.0 * (1.0 - lar));
        let past = |name: &str| self.milestones.get(name).is_some_and(|m| epoch >= m.epoch);
        MadeRow {
            seed: self.config.seed,
            epoch,
            step: epoch * STEPS,
            train_loss: one,
            val_loss: one,
            train_accuracy: if past(MEMORIZED) { 1.0 } else { 0.2 },
            val_accuracy: if past(GROKKED) { 1.0 } else { 0.1 },
            lar,
            k_pred,
            k95: k_pred.is_finite().then(|| (2.0 * k_pred).round() as u32),
            sigma_p: 0.1,
            sigma_q: 0.1,
            pearson: 0.9,
            stable_rank: 9.0,
            effective_rank: 90.0,
            weight_norm: 50.0,
        }
    }

    /// The plan of it, with the id of the made-up table.
    pub fn planned(&self) -> PlannedRun {
        PlannedRun { id: self.id(), config: self.config(), task: Task::find("add").unwrap().into() }
    }

    pub fn record(&self) -> RunRecord {
        RunRecord {
            dir: self.id().into(),
            recipe: self.planned().recipe(),
            manifest: self.manifest(),
            metrics: self.metrics(),
            end: self.ends().first().map(|end| ViewEnd { epoch: end.epoch, is_evaluated: true }),
        }
    }
}

/// An evaluation of a made-up run, to be changed before use.
#[derive(Clone, Debug)]
pub struct MadeRow {
    pub seed: u64,
    pub epoch: u64,
    pub step: u64,
    pub train_loss: f64,
    pub val_loss: f64,
    pub train_accuracy: f64,
    pub val_accuracy: f64,
    pub lar: f64,
    pub k_pred: f64,
    pub k95: Option<u32>,
    pub sigma_p: f64,
    pub sigma_q: f64,
    pub pearson: f64,
    pub stable_rank: f64,
    pub effective_rank: f64,
    pub weight_norm: f64,
}

impl MadeRow {
    fn mark(&self) -> Mark {
        Mark { epoch: self.epoch, step: self.step }
    }

    /// A number for each column.
    fn values(&self) -> Vec<f64> {
        let value = |name: &str| match name {
            "train_loss" => self.train_loss,
            "val_loss" => self.val_loss,
            "train_accuracy" => self.train_accuracy,
            "val_accuracy" => self.val_accuracy,
            "lar" | "lar_spectra" => self.lar,
            "k_pred" => self.k_pred,
            "k90" => self.k_pred.round(),
            "k95" => self.k95.map_or(f64::NAN, f64::from),
            "k99" => 120.0,
            "l1" => 0.5,
            "sigma_p" => self.sigma_p,
            "sigma_q" => self.sigma_q,
            "pearson" | "spearman" => self.pearson,
            "stable_rank" => self.stable_rank,
            "effective_rank" => self.effective_rank,
            "weight_norm" => self.weight_norm,
            "zero_loss_share" => 0.0,
            _ => 0.1,
        };
        COLUMNS.iter().map(|column| value(column.name)).collect()
    }
}

/// The rows as they are read back.
pub fn metrics(rows: &[MadeRow]) -> Metrics {
    let mut metrics = Metrics::new(COLUMNS.iter().map(|column| column.name.to_owned()).collect());
    rows.iter().for_each(|row| metrics.push(row.mark(), &row.values()));
    metrics
}

fn mark(epoch: u64) -> Mark {
    Mark { epoch, step: epoch * STEPS }
}

/// Writes the run's directory into `experiment`.
pub fn write(experiment: &Path, run: &MadeRun) {
    let dir = experiment.join(run.id());
    fs::create_dir_all(&dir).unwrap();
    let rows: Vec<_> = run.rows().iter().map(|row| (row.mark(), row.values())).collect();
    let planned = run.planned();
    let files = [
        ("config.toml", planned.recipe().to_string().into_bytes()),
        ("task.toml", Task::find("add").unwrap().document("task.csv").toml.into_bytes()),
        ("metrics.csv", metrics_csv(&planned, &rows).unwrap()),
        ("spectra.csv", Vec::new()),
        ("final.safetensors", b"made up".to_vec()),
    ];
    for (name, bytes) in &files {
        fs::write(dir.join(name), bytes).unwrap();
    }
    vouch(&dir, run.manifest());
}

/// Writes `manifest`, vouching for the files as they are.
pub fn vouch(dir: &Path, mut manifest: Manifest) {
    let extent = |name: &str| (name.to_owned(), Extent::of(&fs::read(dir.join(name)).unwrap()));
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files = names.filter(|name| name != "manifest.json").map(|name| extent(&name)).collect();
    manifest.saved = vec![SavePoint { epochs: manifest.epochs, files }];
    fs::write(dir.join("manifest.json"), manifest.to_bytes().unwrap()).unwrap();
}
