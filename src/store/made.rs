//! Made-up runs for tests: smooth curves with known milestones, written the way real runs are.

use std::{fs, path::Path};

use crate::{
    kinds::operations::config::{Precision, Preset, RunConfig, TrainConfig},
    kinds::operations::task::Task,
    program::Program,
    store::{
        End, Extent, FORMAT, Manifest, Mark, MetricsRow, Milestones, Provenance, RunRecord, RunState,
        SavePoint, StopReason, ViewEnd,
    },
};

/// Optimiser steps in an epoch of a made-up run.
const STEPS: u64 = 10;

/// A made-up run, to be changed before use.
#[derive(Clone)]
pub(crate) struct MadeRun {
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
    pub(crate) fn new(task: &str, train_fraction: f64, seed: u64) -> Self {
        Self {
            config: Preset::Paper.config(task, train_fraction, seed),
            milestones: Milestones::default(),
            state: RunState::Finished,
            stopped: Some(StopReason::Budget),
            epochs: 200,
            shift: 0.0,
        }
    }

    pub(crate) fn memorized(mut self, epoch: u64) -> Self {
        self.milestones.memorized = Some(mark(epoch));
        self
    }

    pub(crate) fn grokked(mut self, memorized: u64, grokked: u64) -> Self {
        self.milestones.grokked = Some(mark(grokked));
        self.stopped = Some(StopReason::Grokked);
        self.memorized(memorized)
    }

    pub(crate) fn collapsed(mut self, epoch: u64) -> Self {
        self.milestones.collapsed = Some(mark(epoch));
        self
    }

    pub(crate) fn diverged(mut self, epoch: u64) -> Self {
        self.milestones.diverged = Some(mark(epoch));
        self.stopped(StopReason::Diverged)
    }

    pub(crate) fn epochs(mut self, epochs: u64) -> Self {
        self.epochs = epochs;
        self
    }

    pub(crate) fn state(mut self, state: RunState) -> Self {
        self.state = state;
        self
    }

    pub(crate) fn stopped(mut self, stopped: StopReason) -> Self {
        self.stopped = Some(stopped);
        self
    }

    pub(crate) fn batch_size(mut self, rows: usize) -> Self {
        self.config.data.batch_size = rows;
        self
    }

    pub(crate) fn shift(mut self, shift: f64) -> Self {
        self.shift = shift;
        self
    }

    pub(crate) fn id(&self) -> String {
        self.config.run_id(&self.config.task, "made-up")
    }

    /// The budget that ends the run where it ends.
    fn budget(&self) -> TrainConfig {
        let patience = match self.milestones.grokked {
            Some(mark) if self.stopped == Some(StopReason::Grokked) => self.epochs.saturating_sub(mark.epoch),
            _ => 1 << 40,
        };
        let longer = u64::from(self.stopped == Some(StopReason::Grokked));
        TrainConfig { max_epochs: self.epochs + longer, patience }
    }

    fn ends(&self) -> Vec<End> {
        let stopped = self.stopped.filter(|_| self.state == RunState::Finished);
        let end = |stopped| End {
            epoch: self.epochs,
            step: self.epochs * STEPS,
            stopped,
            milestones: self.milestones,
        };
        stopped.map(end).into_iter().collect()
    }

    pub(crate) fn config(&self) -> RunConfig {
        RunConfig { train: self.budget(), ..self.config.clone() }
    }

    pub(crate) fn manifest(&self) -> Manifest {
        Manifest {
            format: FORMAT,
            run: self.id(),
            task: self.config.task.clone(),
            task_digest: "made-up".into(),
            n_symbols: 97,
            train_rows: 4704,
            val_rows: 4705,
            parameters: 1,
            provenance: vec![Provenance {
                from_epoch: 0,
                program: Program { version: "0.1.0".into(), commit: None, features: Vec::new() },
                engine: "made-up".into(),
                precision: Precision::F32,
                processor: "made-up".into(),
            }],
            budget: self.budget(),
            state: self.state,
            stopped: self.stopped.filter(|_| self.state == RunState::Finished),
            failure: None,
            epochs: self.epochs,
            steps: self.epochs * STEPS,
            milestones: self.milestones,
            ends: self.ends(),
            pruned: Vec::new(),
            wall_seconds: 1.0,
            evaluation_seconds: 0.0,
            probe_seconds: 0.0,
            saved: Vec::new(),
            digest: String::new(),
        }
    }

    /// Epochs 0, 1 and every 20th: LAR climbs by 0.001 an epoch, k95 is twice k_pred, rounded.
    pub(crate) fn metrics(&self) -> Vec<MetricsRow> {
        let epochs = (0..=self.epochs).filter(|e| *e <= 1 || e % 20 == 0);
        let broken = |epoch| self.milestones.diverged.is_some_and(|mark| epoch >= mark.epoch);
        epochs.map(|epoch| self.row(epoch, if broken(epoch) { f64::NAN } else { 1.0 })).collect()
    }

    fn row(&self, epoch: u64, one: f64) -> MetricsRow {
        let lar = (0.5 + self.shift + 0.001 * epoch as f64) * one;
        let k_pred = 128_f64.powf(2.0 * (1.0 - lar));
        let past = |mark: Option<Mark>| mark.is_some_and(|m| epoch >= m.epoch);
        MetricsRow {
            run: self.id(),
            task: self.config.task.clone(),
            train_fraction: self.config.train_fraction,
            seed: self.config.seed,
            split_seed: self.config.split_seed,
            epoch,
            step: epoch * STEPS,
            train_loss: one,
            val_loss: one,
            train_accuracy: if past(self.milestones.memorized) { 1.0 } else { 0.2 },
            val_accuracy: if past(self.milestones.grokked) { 1.0 } else { 0.1 },
            lar,
            lar_spectra: lar,
            k_pred,
            k90: Some(k_pred.round() as u32),
            k95: Some((2.0 * k_pred).round() as u32),
            k99: Some(120),
            p1: 0.1,
            q1: 0.1,
            l1: 0.5,
            sigma_p: 0.1,
            sigma_q: 0.1,
            pearson: 0.9,
            spearman: 0.9,
            stable_rank: 9.0,
            effective_rank: 90.0,
            weight_norm: 50.0,
            zero_loss_share: 0.0,
        }
    }

    pub(crate) fn record(&self) -> RunRecord {
        RunRecord {
            dir: self.id().into(),
            config: self.config(),
            manifest: self.manifest(),
            metrics: self.metrics(),
            end: self.ends().first().map(|end| ViewEnd { epoch: end.epoch, is_evaluated: true }),
        }
    }
}

fn mark(epoch: u64) -> Mark {
    Mark { epoch, step: epoch * STEPS }
}

/// Writes the run's directory into `experiment`.
pub(crate) fn write(experiment: &Path, run: &MadeRun) {
    let dir = experiment.join(run.id());
    fs::create_dir_all(&dir).unwrap();
    let mut metrics = csv::Writer::from_writer(Vec::new());
    for row in run.metrics() {
        metrics.serialize(row).unwrap();
    }
    let mut recipe = toml::Table::try_from(run.config()).unwrap();
    recipe.remove("train");
    let files = [
        ("config.toml", recipe.to_string().into_bytes()),
        ("task.toml", Task::find("add").unwrap().document("task.csv").toml.into_bytes()),
        ("metrics.csv", metrics.into_inner().unwrap()),
        ("spectra.csv", Vec::new()),
        ("final.safetensors", b"made up".to_vec()),
    ];
    for (name, bytes) in &files {
        fs::write(dir.join(name), bytes).unwrap();
    }
    vouch(&dir, run.manifest());
}

/// Writes `manifest`, vouching for the files as they are.
pub(crate) fn vouch(dir: &Path, mut manifest: Manifest) {
    let extent = |name: &str| (name.to_owned(), Extent::of(&fs::read(dir.join(name)).unwrap()));
    let files =
        ["config.toml", "task.toml", "metrics.csv", "spectra.csv", "final.safetensors"].map(extent).into();
    manifest.saved = vec![SavePoint { epochs: manifest.epochs, files }];
    fs::write(dir.join("manifest.json"), manifest.to_bytes().unwrap()).unwrap();
}
