//! k95 at the end against the dimensions of the key Fourier frequencies of the unembedding, for modular tasks: does
//! k95 count what the network computes with? Not in the paper, which compares k95 with k_pred alone.

use std::collections::BTreeMap;

use crate::{
    analysis::root_mean_square,
    studies::grokking::{Checkpoint, Group, KEY_ENERGY, KeyFrequencies, RunSummary, UnembeddingFrequencies},
};

use super::{k95::IDENTITY_DASH, looks::Looks};
use crate::render::figure::{
    Undrawn,
    axes::{Panel, Scale},
    grid::{Grid, heading},
    legend::{Key, legend, legend_height, legend_lines},
    plural,
    scene::{Scene, Side},
    theme::{FAINT, INK, SMALL, TEXT},
};

const LEFT: f64 = 54.0;
const RIGHT: f64 = 26.0;
const BOTTOM: f64 = 56.0;
const GAP: (f64, f64) = (30.0, 0.0);
const SIZE: f64 = 360.0;
const HEAD: f64 = 24.0;
/// Between points at the same place.
const STEP: f64 = 3.5;

/// The key frequencies of runs, by run id.
type ByRun = BTreeMap<String, UnembeddingFrequencies>;

/// The waves of a panel.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Waves {
    Additive,
    Multiplicative,
}

impl Waves {
    pub fn heading(self) -> &'static str {
        match self {
            Self::Additive => "waves over the residue",
            Self::Multiplicative => "waves over its discrete logarithm",
        }
    }

    fn of(self, frequencies: &UnembeddingFrequencies) -> Option<&KeyFrequencies> {
        match self {
            Self::Additive => Some(&frequencies.additive),
            Self::Multiplicative => frequencies.multiplicative.as_ref(),
        }
    }
}

/// A run in a panel.
pub(crate) struct Point<'a> {
    group: usize,
    pub run: &'a RunSummary,
    pub keys: &'a KeyFrequencies,
    /// Dimension of the key frequencies, k95.
    pub at: (f64, f64),
    /// Whole numbers coincide: its place among those at the same place, up to six side by side.
    pub beside: usize,
}

/// The runs that have these waves, at least one.
pub(crate) type Cloud<'a> = (Waves, Vec<Point<'a>>);

/// One page: a panel for waves over the residues, and one over their logarithms where a modulus is prime.
/// `is_one_pool` says whether an RMSE may be taken over all runs together.
pub fn pages(groups: &[Group<'_>], is_one_pool: bool, frequencies: &ByRun) -> Result<Vec<Scene>, Undrawn> {
    let panels = panels(groups, frequencies)?;
    let values = panels.iter().flat_map(|(_, points)| points).flat_map(|point| [point.at.0, point.at.1]);
    let greatest = values.fold(10.0, f64::max);
    // room for the points at 0
    let scale = Scale::Linear(-0.03 * greatest, 1.06 * greatest);
    let count = panels.len();
    let mut grid = Grid { corner: (LEFT, 0.0), size: (SIZE, SIZE), gap: GAP, columns: count, count };
    let total_width = grid.right() + RIGHT;
    let looks = Looks::of(groups);
    let mut entries = looks.legend(|i| panels.iter().flat_map(|(_, points)| points).any(|p| p.group == i));
    entries.push((Key::Dashes(FAINT, IDENTITY_DASH), "equal".into()));
    let key = legend_lines(&entries, total_width - LEFT - 10.0);
    grid.corner.1 = 8.0 + legend_height(&key) + HEAD;
    let mut scene = Scene::new(total_width, grid.bottom() + BOTTOM);
    legend(&mut scene, &key, (LEFT, 6.0));
    for (i, (waves, points)) in panels.iter().enumerate() {
        let panel = grid.panel(i, scale);
        heading(&mut scene, &panel, waves.heading(), &remark(points, is_one_pool));
        draw(&mut scene, &panel, scale, points, &looks, i == 0);
    }
    scene.text((LEFT, grid.bottom() + 47.0), &definition(), SMALL, FAINT, Side::Left);
    scene.text_upwards((17.0, grid.corner.1 + SIZE / 2.0), "k95 at the end", TEXT, INK);
    Ok(vec![scene])
}

/// What the page shows.
pub(crate) fn panels<'a>(groups: &'a [Group<'_>], frequencies: &'a ByRun) -> Result<Vec<Cloud<'a>>, Undrawn> {
    let panels: Vec<Cloud<'_>> = [Waves::Additive, Waves::Multiplicative]
        .map(|waves| (waves, points(groups, frequencies, waves)))
        .into_iter()
        .filter(|(_, points)| !points.is_empty())
        .collect();
    if panels.is_empty() { Err(Undrawn::NoFrequencies) } else { Ok(panels) }
}

/// What a key frequency is, in words.
pub(crate) fn definition() -> String {
    format!(
        "key frequencies: more than {KEY_ENERGY} times the mean energy of the unembedding's Fourier components"
    )
}

/// How far k95 lies from the dimensions of the runs that grokked.
pub(crate) fn remark(points: &[Point<'_>], is_one_pool: bool) -> String {
    if !is_one_pool {
        return "several settings: no RMSE".into();
    }
    let grokked = points.iter().filter(|p| p.run.has_grokked).map(|p| p.at.1 - p.at.0);
    let grokked: Vec<f64> = grokked.collect();
    match root_mean_square(&grokked) {
        Some(rmse) => format!("RMSE, grokked: {rmse:.2} ({})", plural(grokked.len())),
        None => "no run grokked".into(),
    }
}

fn points<'a>(groups: &'a [Group<'_>], frequencies: &'a ByRun, waves: Waves) -> Vec<Point<'a>> {
    let runs = groups.iter().enumerate().flat_map(|(group, g)| g.runs.iter().map(move |run| (group, run)));
    let mut points: Vec<Point<'_>> = Vec::new();
    for (group, run) in runs {
        let keys = frequencies.get(&run.run).and_then(|found| waves.of(found));
        let k95 = run.at(Checkpoint::Final).and_then(|last| last.k95);
        let (Some(keys), Some(k95)) = (keys, k95) else { continue };
        let at = (keys.dimension as f64, f64::from(k95));
        let before = points.iter().filter(|other| other.at == at).count();
        points.push(Point { group, run, keys, at, beside: before % 6 });
    }
    points
}

fn draw(scene: &mut Scene, panel: &Panel, scale: Scale, points: &[Point<'_>], looks: &Looks, first: bool) {
    let ticks = scale.ticks(6);
    panel.grid(scene, scale, ticks.iter().map(|(value, _)| *value));
    let corners = ((panel.left, panel.bottom()), (panel.right(), panel.top));
    scene.dashes(corners, IDENTITY_DASH, FAINT, 1.0);
    panel.frame(scene);
    for point in points {
        let (color, shape) = looks.at(point.group);
        let (x, y) = panel.at(scale, point.at);
        let at = (x + STEP * point.beside as f64, y);
        scene.point(at, shape, 3.4, color, !point.run.has_grokked);
    }
    panel.side_axis(scene, scale, &ticks, false, first.then_some(INK));
    panel.bottom_axis(scene, 6, true);
    let below = "dimensions of the key frequencies (two each)";
    scene.text((panel.middle().0, panel.bottom() + 30.0), below, TEXT, INK, Side::Middle);
}
