//! Data of the LAR of every matrix: what [`figure::matrices`](crate::render::figure::matrices) draws.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    render::figure::theme::{Color, FAINT, INK},
    store::Diagnostics,
    studies::grokking::{
        Checkpoint, Group,
        figures::{
            matrices::{Curve, Shown, panel_name, panels, shown},
            title,
        },
    },
};

use super::{
    curve::{CurveData, rounded},
    drawn::Drawn,
};

/// A group.
#[derive(Serialize)]
pub(super) struct MatricesData {
    title: String,
    /// Mean epoch over the runs that memorized.
    memorized: Option<f64>,
    /// Mean epoch over the runs that grokked.
    grokked: Option<f64>,
    panels: Vec<PanelData>,
}

/// A plot of the figure.
#[derive(Serialize)]
pub(super) struct PanelData {
    title: String,
    curves: Vec<MatrixData>,
}

#[derive(Serialize)]
struct MatrixData {
    name: &'static str,
    color: String,
    #[serde(flatten)]
    lar: CurveData,
}

impl MatricesData {
    pub(super) fn all(groups: &[Group<'_>], diagnostics: &BTreeMap<String, Diagnostics>) -> Drawn<Vec<Self>> {
        let all = shown(groups, diagnostics)
            .map(|all| all.iter().map(|shown| Self::of(shown, title(shown.group, groups))).collect());
        all.into()
    }

    fn of(shown: &Shown<'_, '_>, title: String) -> Self {
        let epoch = |checkpoint| shown.group.means(checkpoint).and_then(|means| rounded(means.epoch));
        Self {
            title,
            memorized: epoch(Checkpoint::Memorized),
            grokked: epoch(Checkpoint::Grokked),
            panels: PanelData::all(&shown.panels),
        }
    }
}

impl PanelData {
    /// Of one run; none without the diagnostic.
    pub(super) fn of_run(diagnostics: &Diagnostics) -> Option<Vec<Self>> {
        panels(&[diagnostics]).map(|panels| Self::all(&panels))
    }

    fn all(panels: &[Vec<Curve>]) -> Vec<Self> {
        let panels = panels.iter().enumerate();
        let panel = |(i, curves): (usize, &Vec<Curve>)| Self {
            title: panel_name(i),
            curves: curves.iter().map(MatrixData::of).collect(),
        };
        panels.map(panel).collect()
    }
}

impl MatrixData {
    fn of(curve: &Curve) -> Self {
        Self { name: curve.name, color: css(curve.color), lar: CurveData::of(&curve.points) }
    }
}

/// A colour of the figures as the report names it: ink and its lighter kind follow light and dark.
fn css(color: Color) -> String {
    match color {
        INK => "--ink".into(),
        FAINT => "--faint".into(),
        (red, green, blue) => format!("#{red:02x}{green:02x}{blue:02x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        store::made::MadeRun,
        studies::grokking::{groups, planned},
    };

    #[test]
    fn a_matrix_has_its_mean_and_range_in_its_block_and_its_colour() {
        let runs = (0..2).map(|seed| MadeRun::new("add", 0.5, seed).grokked(40, 120 + 20 * seed).record());
        let experiment = planned("two", runs.collect());
        let columns = ["lar.embed.token", "lar.blocks.0.attn.q", "lar.blocks.1.attn.k", "lar.unembed"];
        let columns = columns.map(str::to_owned).to_vec();
        let found = experiment.runs.iter().zip([0.5, 0.75]).map(|(run, k)| {
            let rows = vec![(0, vec![0.25, 0.5, k, 0.5]), (20, vec![0.25, 0.5, f64::NAN, 0.5])];
            (run.id().to_owned(), Diagnostics { columns: columns.clone(), rows })
        });
        let data = MatricesData::all(&groups(&experiment), &found.collect());
        let data = serde_json::to_value(data).unwrap();
        let group = &data["drawn"][0];
        assert_eq!((&group["memorized"], &group["grokked"]), (&40.0.into(), &130.0.into()));
        let panels = group["panels"].as_array().unwrap();
        let titles: Vec<_> = panels.iter().map(|panel| &panel["title"]).collect();
        assert_eq!(titles, ["embedding, unembedding", "block 0", "block 1"]);
        let k = &panels[2]["curves"][0];
        // what is not finite is left out; Okabe and Ito's vermilion
        let expected = serde_json::json!({
            "name": "k", "color": "#d55e00", "epochs": [[0, 1, 1]], "mean": [0.625], "min": [0.5], "max": [0.75], "runs": [2],
        });
        assert_eq!(*k, expected);
        let colors: Vec<_> =
            panels[0]["curves"].as_array().unwrap().iter().map(|curve| &curve["color"]).collect();
        assert_eq!(colors, ["--faint", "--ink"]);
    }

    #[test]
    fn without_the_diagnostic_the_remark_says_how_to_choose_it() {
        let experiment = planned("one", vec![MadeRun::new("add", 0.5, 0).record()]);
        let data = MatricesData::all(&groups(&experiment), &BTreeMap::new());
        let data = serde_json::to_value(data).unwrap();
        assert!(data["undrawn"].as_str().unwrap().contains("probe.diagnostics"), "{data}");
    }
}
