//! Data of the early dip of LAR against the batch size: what [`figure::dip`](crate::render::figure::dip) draws.

use serde::Serialize;

use crate::{
    analysis::Group,
    render::figure::dip::{Size, definition, series},
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
