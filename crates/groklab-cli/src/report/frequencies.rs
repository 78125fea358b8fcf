//! Data of k95 against the key Fourier frequencies: what [`figure::frequencies`](crate::render::figure::frequencies)
//! draws.

use serde::Serialize;

use crate::studies::grokking::{
    Group, UnembeddingFrequencies,
    figures::frequencies::{Cloud, Point, definition, panels, remark},
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
        is_one_pool: bool,
        frequencies: &std::collections::BTreeMap<String, UnembeddingFrequencies>,
    ) -> Drawn<Self> {
        let shown = panels(groups, frequencies).map(|panels| Self {
            definition: definition(),
            panels: panels.iter().map(|cloud| PanelData::of(cloud, is_one_pool)).collect(),
        });
        shown.into()
    }
}

impl PanelData {
    fn of((waves, points): &Cloud<'_>, is_one_pool: bool) -> Self {
        let run = |point: &Point<'_>| RunFrequencies {
            id: point.run.run.clone(),
            keys: point.keys.frequencies.clone(),
            dimension: point.at.0,
            k95: point.at.1,
            beside: point.beside,
        };
        let runs = points.iter().map(run).collect();
        Self { title: waves.heading(), remark: remark(points, is_one_pool), runs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        store::{
            RunRecord,
            made::{self, MadeRun},
        },
        studies::grokking::{KeyFrequencies, groups, planned},
    };

    #[test]
    fn runs_at_one_place_stand_side_by_side_with_their_own_frequencies() {
        let runs = [4, 4, 9].into_iter().zip(0..).map(|(k95, seed)| {
            let run = MadeRun::new("add", 0.5, seed).grokked(40, 120);
            let mut rows = run.rows();
            rows.iter_mut().for_each(|row| row.k95 = Some(k95));
            RunRecord { metrics: made::metrics(&rows), ..run.record() }
        });
        let experiment = planned("three", runs.collect());
        let found = [vec![1, 5], vec![2, 7], vec![3]].map(|frequencies| UnembeddingFrequencies {
            additive: KeyFrequencies { dimension: 2 * frequencies.len(), frequencies },
            multiplicative: None,
        });
        let ids = experiment.runs.iter().map(|run| run.id().to_owned());
        let found = ids.zip(found).collect();
        let data = serde_json::to_value(FrequenciesData::of(&groups(&experiment), true, &found)).unwrap();
        let panels = data["drawn"]["panels"].as_array().unwrap();
        assert_eq!(panels.len(), 1, "no waves over logarithms");
        let runs = panels[0]["runs"].as_array().unwrap();
        let numbers = |name: &str| runs.iter().map(|run| run[name].clone()).collect::<Vec<_>>();
        assert_eq!(numbers("dimension"), [4.0, 4.0, 2.0]);
        assert_eq!(numbers("k95"), [4.0, 4.0, 9.0]);
        assert_eq!(numbers("beside"), [0, 1, 0]);
        assert_eq!(runs[1]["keys"], serde_json::json!([2, 7]));
        // residuals 0, 0 and 7
        let rmse = format!("RMSE, grokked: {:.2} (3 runs)", (49.0_f64 / 3.0).sqrt());
        assert_eq!(panels[0]["remark"], rmse);
    }
}
