//! Data of the early dip of LAR against the batch size: what [`figure::dip`](crate::render::figure::dip) draws.

use serde::Serialize;

use crate::studies::grokking::{
    Group,
    figures::dip::{Size, definition, series},
};

use super::{
    curve::{CurveData, rounded},
    drawn::Drawn,
};

/// Groups that differ in the batch size alone.
#[derive(Serialize)]
pub(super) struct DipData {
    title: String,
    /// What the depth is.
    definition: String,
    /// Increasing.
    sizes: Vec<SizeData>,
}

#[derive(Serialize)]
struct SizeData {
    rows: usize,
    group: usize,
    by_epoch: CurveData,
    by_step: CurveData,
    mean_depth: Option<f64>,
    runs: Vec<RunDip>,
}

#[derive(Serialize)]
struct RunDip {
    id: String,
    depth: Option<f64>,
    /// Of the least LAR.
    epoch: u64,
}

impl DipData {
    pub(super) fn all(groups: &[Group<'_>]) -> Drawn<Vec<Self>> {
        let all = series(groups).map(|all| {
            let data = all.into_iter().map(|series| Self {
                title: series.title,
                definition: definition(),
                sizes: series.sizes.iter().map(SizeData::of).collect(),
            });
            data.collect()
        });
        all.into()
    }
}

impl SizeData {
    fn of(size: &Size<'_, '_>) -> Self {
        let runs = size.dips.iter().map(|(run, dip)| RunDip {
            id: run.run.clone(),
            depth: rounded(dip.depth),
            epoch: dip.epoch,
        });
        Self {
            rows: size.rows,
            group: size.at,
            by_epoch: CurveData::of(&size.early(|row| row.epoch)),
            by_step: CurveData::of(&size.early(|row| row.step)),
            mean_depth: rounded(size.mean_depth()),
            runs: runs.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        store::{
            RunRecord,
            made::{self, MadeRow, MadeRun},
        },
        studies::grokking::{groups, planned},
    };

    /// Evaluated at every epoch to 60, LAR a parabola with its foot at epoch 7, `depth` below its first value.
    fn dipping(rows: usize, seed: u64, depth: f64) -> RunRecord {
        let run = MadeRun::new("add", 0.5, seed).batch_size(rows);
        let first = &run.rows()[0];
        let row = |epoch: u64| {
            let lar = 0.5 - depth + depth / 49.0 * (epoch as f64 - 7.0).powi(2);
            MadeRow { epoch, step: 10 * epoch, lar, ..first.clone() }
        };
        RunRecord { metrics: made::metrics(&(0..=60).map(row).collect::<Vec<_>>()), ..run.record() }
    }

    fn data(runs: Vec<RunRecord>) -> serde_json::Value {
        let experiment = planned("dips", runs);
        serde_json::to_value(DipData::all(&groups(&experiment))).unwrap()
    }

    #[test]
    fn each_run_has_its_depth_and_each_batch_size_its_mean() {
        let data = data(vec![dipping(512, 0, 0.3), dipping(64, 0, 0.1), dipping(64, 1, 0.15)]);
        let sizes = data["drawn"][0]["sizes"].as_array().unwrap();
        assert_eq!((sizes.len(), &sizes[0]["rows"], &sizes[1]["rows"]), (2, &64.into(), &512.into()));
        let depths: Vec<_> = sizes[0]["runs"].as_array().unwrap().iter().map(|run| &run["depth"]).collect();
        assert_eq!(depths, [0.1, 0.15]);
        assert_eq!(sizes[0]["runs"][1]["epoch"], 7);
        assert_eq!((&sizes[0]["mean_depth"], &sizes[1]["mean_depth"]), (&0.125.into(), &0.3.into()));
        // the foot of the mean, and its range
        let early = &sizes[0]["by_epoch"];
        assert_eq!([&early["mean"][7], &early["min"][7], &early["max"][7]], [0.375, 0.35, 0.4]);
        assert_eq!(early["epochs"], serde_json::json!([[0, 1, 41]]));
        assert_eq!(sizes[0]["by_step"]["epochs"], serde_json::json!([[0, 10, 41]]));
    }

    #[test]
    fn one_batch_size_is_named_as_a_reason() {
        let data = data(vec![dipping(64, 0, 0.1), dipping(64, 1, 0.1)]);
        assert!(data["undrawn"].as_str().unwrap().contains("one batch size"), "{data}");
    }
}
