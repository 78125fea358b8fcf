//! A run as tables, claims and figures need it, made while the run is read: ten thousand long runs fit into memory.
//!
//! Promises: what tables and claims take from it is that of all its evaluations. Only curves may be thinned: where the runs
//! together have more than [`MOST_EVALUATIONS`], each run keeps those that come first in equal parts of a decade of epochs.
//! The epoch alone decides, so that a mean over runs is over the same runs as before.

use super::{
    agreement::{OwnErrors, own_errors},
    course::Course,
    dip::{Dip, dip},
};
use crate::{
    analysis::Resolution,
    kinds::operations::{
        config::RunConfig,
        milestones::{COLLAPSED, GROKKED, MEMORIZED},
    },
    store::{self, Manifest, Metrics, MetricsRow, ReadError, RunRecord},
};

/// Evaluations of all runs together that are kept as they are: 120 MB.
pub const MOST_EVALUATIONS: usize = 1_000_000;

/// What figures and tables take from a row of `metrics.csv`, under its names.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)] // see [`COLUMNS`](crate::kinds::operations::columns::COLUMNS)
pub struct Evaluation {
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

/// A count to calculate with: NaN where there is none.
pub fn count_or_nan(count: Option<u32>) -> f64 {
    count.map_or(f64::NAN, f64::from)
}

impl Evaluation {
    /// The names of the columns that it takes, in its order.
    const COLUMNS: [&str; 13] = [
        "train_loss",
        "val_loss",
        "train_accuracy",
        "val_accuracy",
        "lar",
        "k_pred",
        "k95",
        "sigma_p",
        "sigma_q",
        "pearson",
        "stable_rank",
        "effective_rank",
        "weight_norm",
    ];

    /// Of all rows of a run.
    pub fn all(metrics: &Metrics) -> Vec<Self> {
        let place = |name: &str| metrics.columns().iter().position(|column| column == name);
        let places = Self::COLUMNS.map(place);
        let of = |row: MetricsRow| {
            let at = |place: Option<usize>| place.map_or(f64::NAN, |i| row.values[i]);
            let [train_loss, val_loss, train_accuracy, val_accuracy, lar, k_pred, k95, sigma_p, sigma_q, ..] =
                places.map(at);
            let [.., pearson, stable_rank, effective_rank, weight_norm] = places.map(at);
            Self {
                epoch: row.mark.epoch,
                step: row.mark.step,
                train_loss,
                val_loss,
                train_accuracy,
                val_accuracy,
                lar,
                k_pred,
                k95: (k95 > 0.0).then_some(k95 as u32),
                sigma_p,
                sigma_q,
                pearson,
                stable_rank,
                effective_rank,
                weight_norm,
            }
        };
        metrics.iter().map(of).collect()
    }
}

/// An experiment whose runs are digested.
pub type Experiment = store::Experiment<RunDigest>;

/// A run without its rows.
#[derive(Clone, Debug)]
pub struct RunDigest {
    /// The record, whose rows have been taken out.
    record: RunRecord,
    config: RunConfig,
    /// Evaluations behind it.
    count: usize,
    curve: Vec<Evaluation>,
    /// Those at epoch 0, at the milestones and at the end, epochs increasing.
    kept: Vec<Evaluation>,
    last: Option<Evaluation>,
    /// The early dip, if each early epoch was evaluated.
    pub dip: Option<Dip>,
    /// Least finite Pearson correlation of p and q since the run memorized, or grokked without having memorized.
    pub least_pearson: Option<f64>,
    /// What the claims ask of all its LARs.
    pub course: Course,
    /// Errors of k_pred since grokking.
    pub(super) own_errors: OwnErrors,
}

impl RunDigest {
    /// Of a whole run on a binary operation. Errors when its recipe is none.
    pub fn of(mut record: RunRecord) -> Result<Self, ReadError> {
        let config = RunConfig::of_recipe(&record.recipe, record.manifest.budget).map_err(|e| {
            ReadError::Parse { path: record.dir.join("config.toml"), reason: e.message().to_owned() }
        })?;
        let curve = Evaluation::all(&std::mem::take(&mut record.metrics));
        let mark = |name: &str| record.manifest.milestones.get(name);
        let (memorized, grokked) = (mark(MEMORIZED), mark(GROKKED));
        let milestones = [memorized, grokked, mark(COLLAPSED)];
        let at = |epoch| curve.binary_search_by_key(&epoch, |row| row.epoch).ok().map(|i| curve[i]);
        let last = curve.last().copied();
        let mut kept: Vec<Evaluation> = at(0).into_iter().chain(last).collect();
        kept.extend(milestones.into_iter().flatten().filter_map(|mark| at(mark.epoch)));
        kept.sort_by_key(|row| row.epoch);
        kept.dedup_by_key(|row| row.epoch);
        let since = [memorized, grokked].into_iter().flatten().find_map(|mark| at(mark.epoch));
        let least_pearson = since.and_then(|since| {
            let rows = curve.iter().filter(|row| row.epoch >= since.epoch && row.pearson.is_finite());
            rows.map(|row| row.pearson).min_by(f64::total_cmp)
        });
        Ok(Self {
            count: curve.len(),
            dip: dip(&curve),
            least_pearson,
            course: Course::of(&curve, grokked.map(|mark| mark.epoch)),
            own_errors: own_errors(&curve, grokked.map(|mark| mark.epoch)),
            kept,
            last,
            curve,
            config,
            record,
        })
    }

    /// The run's directory and its other files; the evaluations are not in it.
    pub fn files(&self) -> &RunRecord {
        &self.record
    }

    /// Every choice that determines its numbers.
    pub fn config(&self) -> &RunConfig {
        &self.config
    }

    /// How it stands.
    pub fn manifest(&self) -> &Manifest {
        &self.record.manifest
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.record.manifest.run
    }

    /// Whether the run came to an end of its own.
    pub fn is_finished(&self) -> bool {
        self.record.is_finished()
    }

    /// Its evaluations as curves show them, epochs increasing: all of them unless [`Self::is_thinned`].
    pub fn curve(&self) -> &[Evaluation] {
        &self.curve
    }

    /// The last evaluation.
    pub fn last(&self) -> Option<Evaluation> {
        self.last
    }

    /// Whether the curve lacks some of the evaluations.
    pub fn is_thinned(&self) -> bool {
        self.curve.len() < self.count
    }

    /// Evaluations behind it.
    pub fn evaluations(&self) -> usize {
        self.count
    }

    /// The evaluation at epoch 0, at a milestone or at the end; others may be none.
    pub fn row_at(&self, epoch: u64) -> Option<&Evaluation> {
        self.kept.binary_search_by_key(&epoch, |row| row.epoch).ok().map(|i| &self.kept[i])
    }

    fn thin(&mut self, resolution: Resolution) {
        resolution.thin(&mut self.curve, |row| row.epoch);
    }
}

/// Experiments whose runs are digested as they come.
#[derive(Debug)]
pub struct Digests {
    /// Those begun so far.
    pub experiments: Vec<Experiment>,
    most: usize,
    resolution: Resolution,
    kept: usize,
}

impl Default for Digests {
    fn default() -> Self {
        Self::with_most(MOST_EVALUATIONS)
    }
}

impl Digests {
    fn with_most(most: usize) -> Self {
        Self { experiments: Vec::new(), most, resolution: Resolution::All, kept: 0 }
    }

    /// A digest at the resolution in use, to be [added](Self::add).
    pub fn digest(&self, record: RunRecord) -> Result<RunDigest, ReadError> {
        let mut digest = RunDigest::of(record)?;
        digest.thin(self.resolution);
        Ok(digest)
    }

    /// Adds a run to the experiment begun last.
    pub fn add(&mut self, mut run: RunDigest) {
        // it may have been made before the last coarsening
        run.thin(self.resolution);
        self.kept += run.curve.len();
        if let Some(experiment) = self.experiments.last_mut() {
            experiment.runs.push(run);
        }
        while self.kept > self.most && self.resolution != Resolution::PerDecade(1) {
            self.resolution = self.resolution.coarser();
            self.kept = 0;
            for run in self.experiments.iter_mut().flat_map(|experiment| &mut experiment.runs) {
                run.thin(self.resolution);
                self.kept += run.curve.len();
            }
        }
    }

    /// How many of the evaluations curves keep.
    pub fn resolution(&self) -> Resolution {
        self.resolution
    }

    /// What curves lack, in words; none if they have every evaluation.
    pub fn thinned(&self) -> Option<String> {
        let runs = || self.experiments.iter().flat_map(|experiment| &experiment.runs);
        runs().any(RunDigest::is_thinned).then(|| {
            let [kept, all] = [|run: &RunDigest| run.curve.len(), RunDigest::evaluations]
                .map(|count: fn(&RunDigest) -> usize| runs().map(count).sum::<usize>());
            format!(
                "curves show {kept} of {all} evaluations, spread evenly over the logarithm of the epoch; tables and claims use all"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::made::MadeRun;

    fn long(seed: u64) -> RunRecord {
        MadeRun::new("add", 0.5, seed).grokked(40, 120).epochs(20_000).record()
    }

    fn digests(most: usize, count: u64) -> Digests {
        let mut digests = Digests::with_most(most);
        digests.experiments.push(Experiment { name: "long".into(), ..Experiment::default() });
        for seed in 0..count {
            let run = digests.digest(long(seed)).unwrap();
            digests.add(run);
        }
        digests
    }

    #[test]
    fn few_runs_keep_every_evaluation() {
        let digests = digests(5000, 4);
        assert_eq!(digests.thinned(), None);
        let run = &digests.experiments[0].runs[0];
        let rows = Evaluation::all(&long(0).metrics);
        assert_eq!(run.curve(), rows);
    }

    #[test]
    fn many_runs_keep_the_same_epochs_each_and_all_that_tables_need() {
        let (whole, thinned) = (digests(100_000, 12), digests(3000, 12));
        let kept: usize = thinned.experiments[0].runs.iter().map(|run| run.curve().len()).sum();
        assert!((1500..=3000).contains(&kept), "{kept}");
        assert!(thinned.thinned().unwrap().contains(&format!("{kept} of 12024 evaluations")));
        let epochs = |run: &RunDigest| run.curve().iter().map(|row| row.epoch).collect::<Vec<_>>();
        let first = epochs(&thinned.experiments[0].runs[0]);
        for (run, all) in thinned.experiments[0].runs.iter().zip(&whole.experiments[0].runs) {
            assert_eq!(epochs(run), first);
            assert_eq!((run.last(), run.evaluations()), (all.last(), 1002));
            for epoch in [0, 40, 120, 20_000] {
                assert_eq!(run.row_at(epoch).unwrap().epoch, epoch);
                assert_eq!(run.row_at(epoch), all.row_at(epoch));
            }
            assert_eq!((run.least_pearson, &run.own_errors), (all.least_pearson, &all.own_errors));
        }
    }

    #[test]
    fn thinning_step_by_step_is_thinning_at_once() {
        let thinned = |steps: &[u32]| {
            let mut run = RunDigest::of(long(0)).unwrap();
            steps.iter().for_each(|parts| run.thin(Resolution::PerDecade(*parts)));
            run.curve
        };
        assert_eq!(thinned(&[4096, 64, 32, 8]), thinned(&[8]));
        // a part of a decade has one evaluation: 2.7 decades from epoch 60 on, and those at 0, 1, 20 and 40
        let epochs: Vec<u64> = thinned(&[2]).iter().map(|row| row.epoch).collect();
        assert_eq!(epochs, [0, 1, 20, 40, 60, 100, 320, 1000, 3180, 10_000]);
    }
}
