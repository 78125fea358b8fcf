//! Data of the LAR of every matrix: what [`figure::matrices`](crate::render::figure::matrices) draws.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    analysis::{Checkpoint, Group},
    render::figure::{
        matrices::{Curve, Shown, panel_name, shown},
        theme::{Color, FAINT, INK},
        title,
    },
    store::Diagnostics,
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

#[derive(Serialize)]
struct PanelData {
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
        let panels = shown.panels.iter().enumerate().map(|(i, curves)| PanelData {
            title: panel_name(i),
            curves: curves.iter().map(MatrixData::of).collect(),
        });
        Self {
            title,
            memorized: epoch(Checkpoint::Memorized),
            grokked: epoch(Checkpoint::Grokked),
            panels: panels.collect(),
        }
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
