//! Data of k95 against the key Fourier frequencies: what [`figure::frequencies`](crate::render::figure::frequencies)
//! draws.

use serde::Serialize;

use crate::{
    analysis::{Group, UnembeddingFrequencies},
    render::figure::frequencies::{Cloud, Point, definition, panels, remark},
};

use super::drawn::Drawn;

#[derive(Serialize)]
pub(super) struct FrequenciesData {
    /// What a key frequency is.
    definition: String,
    panels: Vec<PanelData>,
}

#[derive(Serialize)]
struct PanelData {
    title: &'static str,
    remark: String,
    runs: Vec<RunFrequencies>,
}

#[derive(Serialize)]
struct RunFrequencies {
    id: String,
    /// The key frequencies, increasing.
    keys: Vec<usize>,
    dimension: f64,
    k95: f64,
    /// Its place among the runs at the same point.
    beside: usize,
}

impl FrequenciesData {
    pub(super) fn of(
        groups: &[Group<'_>],
        frequencies: &std::collections::BTreeMap<String, UnembeddingFrequencies>,
    ) -> Drawn<Self> {
        let shown = panels(groups, frequencies).map(|panels| Self {
            definition: definition(),
            panels: panels.iter().map(PanelData::of).collect(),
        });
        shown.into()
    }
}

impl PanelData {
    fn of((waves, points): &Cloud<'_>) -> Self {
        let run = |point: &Point<'_>| RunFrequencies {
            id: point.run.run.clone(),
            keys: point.keys.frequencies.clone(),
            dimension: point.at.0,
            k95: point.at.1,
            beside: point.beside,
        };
        Self { title: waves.heading(), remark: remark(points), runs: points.iter().map(run).collect() }
    }
}
