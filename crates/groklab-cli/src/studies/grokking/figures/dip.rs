//! LAR in the first epochs, and the depth of its early dip, against the batch size: the paper's Figure 9 on our own
//! runs, with the same evaluations against the step beside it: an epoch has more steps the smaller the batch. A page
//! for each task and setting with at least two batch sizes.

use crate::{
    analysis::{CurvePoint, mean_curve},
    studies::grokking::{Dip, EARLY_EPOCHS, Evaluation, Group, RunSummary},
};

use super::title;
use crate::render::figure::{
    Undrawn,
    axes::{Panel, Scale},
    backend::text_width,
    grid::{Grid, heading},
    legend::{Key, legend, legend_height, legend_lines},
    scene::{Scene, Shape, Side},
    theme::{CURVE, Color, FAINT, INK, SMALL, TEXT, sequential},
};

const LEFT: f64 = 54.0;
const RIGHT: f64 = 16.0;
const BOTTOM: f64 = 42.0;
const SIZE: (f64, f64) = (310.0, 260.0);
const GAP: (f64, f64) = (62.0, 0.0);
const HEAD: f64 = 24.0;
const KEY: &str = "data.batch_size=";

/// Groups that differ in the batch size alone.
pub(crate) struct Series<'a, 'b> {
    pub title: String,
    /// At least two, increasing.
    pub sizes: Vec<Size<'a, 'b>>,
}

/// The runs of one batch size.
pub(crate) struct Size<'a, 'b> {
    pub rows: usize,
    /// Place of the group among all.
    pub at: usize,
    group: &'b Group<'a>,
    /// Of each run that was evaluated at every early epoch, at least one.
    pub dips: Vec<(&'b RunSummary, Dip)>,
}

impl Size<'_, '_> {
    /// The evaluations of the early epochs.
    fn early_rows(&self) -> impl Iterator<Item = &Evaluation> {
        let rows = self.group.records.iter().flat_map(|run| run.curve());
        rows.filter(|row| row.epoch <= EARLY_EPOCHS)
    }

    /// LAR over the early epochs against their `time`, which is the epoch of the points.
    pub fn early(&self, time: impl Fn(&Evaluation) -> u64) -> Vec<CurvePoint> {
        mean_curve(self.early_rows().map(|row| (time(row), row.lar)))
    }

    /// Mean depth of the dip over runs.
    pub fn mean_depth(&self) -> f64 {
        let sum: f64 = self.dips.iter().map(|(_, dip)| dip.depth).sum();
        sum / self.dips.len() as f64
    }
}

/// The pages.
pub fn pages(groups: &[Group<'_>]) -> Result<Vec<Scene>, Undrawn> {
    Ok(series(groups)?.iter().map(draw_page).collect())
}

/// What the depth of a dip is, in words.
pub(crate) fn definition() -> String {
    format!("LAR at epoch 0 − least LAR up to epoch {EARLY_EPOCHS}")
}

/// What the pages show.
pub(crate) fn series<'a, 'b>(groups: &'b [Group<'a>]) -> Result<Vec<Series<'a, 'b>>, Undrawn> {
    let mut series = by_setting(groups);
    series.retain(|series| series.sizes.len() > 1);
    if series.is_empty() {
        return Err(Undrawn::OneBatchSize);
    }
    for series in &mut series {
        series.sizes.retain(|size| !size.dips.is_empty());
    }
    series.retain(|series| series.sizes.len() > 1);
    if series.is_empty() { Err(Undrawn::NotDense) } else { Ok(series) }
}

fn by_setting<'a, 'b>(groups: &'b [Group<'a>]) -> Vec<Series<'a, 'b>> {
    let mut found: Vec<(String, Series<'a, 'b>)> = Vec::new();
    for (at, group) in groups.iter().enumerate() {
        let Some(rows) = group.records.first().map(|run| run.config().data.batch_size) else { continue };
        let others: Vec<&str> = group.variant.split_whitespace().filter(|s| !s.starts_with(KEY)).collect();
        let own = Group { variant: others.join(" "), ..group.clone() };
        let id = format!("{} {} {}", own.task, own.train_fraction, own.variant);
        let runs = group.runs.iter().zip(&group.records);
        let dips = runs.filter_map(|(summary, run)| Some((summary, run.dip?))).collect();
        let size = Size { rows, at, group, dips };
        match found.iter_mut().find(|(other, _)| *other == id) {
            Some((_, series)) => series.sizes.push(size),
            None => found.push((id, Series { title: title(&own, groups), sizes: vec![size] })),
        }
    }
    for (_, series) in &mut found {
        series.sizes.sort_by_key(|size| size.rows);
    }
    found.into_iter().map(|(_, series)| series).collect()
}

fn draw_page(series: &Series<'_, '_>) -> Scene {
    let mut grid = Grid { corner: (LEFT, 0.0), size: SIZE, gap: GAP, columns: 3, count: 3 };
    let total_width = grid.right() + RIGHT;
    let last = (series.sizes.len() - 1) as f64;
    let color = |i: usize| sequential(i as f64 / last);
    let mut entries: Vec<(Key, String)> = series
        .sizes
        .iter()
        .enumerate()
        .map(|(i, size)| (Key::Curve(color(i)), format!("batch {}", size.rows)))
        .collect();
    entries.push((Key::Point(FAINT, Shape::Circle, false), "one run".into()));
    entries.push((Key::Curve(INK), "mean over seeds".into()));
    let key = legend_lines(&entries, total_width - LEFT - 10.0);
    grid.corner.1 = 8.0 + legend_height(&key) + HEAD;
    let mut scene = Scene::new(total_width, grid.bottom() + BOTTOM);
    legend(&mut scene, &key, (LEFT, 6.0));
    let epochs = grid.panel(0, Scale::Linear(0.0, EARLY_EPOCHS as f64));
    early(&mut scene, &epochs, series, color, (&series.title, "epoch"), |row| row.epoch);
    let last = series.sizes.iter().flat_map(Size::early_rows).map(|row| row.step).max().unwrap_or(1);
    let steps = grid.panel(1, Scale::Epochs(last as f64));
    early(&mut scene, &steps, series, color, ("the same by the step", "optimiser step"), |row| row.step);
    let (least, greatest) = (series.sizes[0].rows as f64, series.sizes[series.sizes.len() - 1].rows as f64);
    depths(&mut scene, &grid.panel(2, Scale::Log(least / 1.5, greatest * 1.5)), series, color);
    scene
}

/// LAR over the early epochs against their `time`, mean over seeds.
fn early(
    scene: &mut Scene,
    panel: &Panel,
    series: &Series<'_, '_>,
    color: impl Fn(usize) -> Color,
    (name, below): (&str, &str),
    time: impl Fn(&Evaluation) -> u64,
) {
    let curves: Vec<Vec<(f64, f64)>> = series
        .sizes
        .iter()
        .map(|size| {
            let points = size.early(&time);
            points.iter().map(|point| (point.epoch as f64, point.mean)).collect()
        })
        .collect();
    let values = || curves.iter().flatten().map(|(_, lar)| *lar);
    let (low, high) = (values().fold(0.5, f64::min), values().fold(0.5, f64::max));
    let y = Scale::Linear(low - 0.05 * (high - low) - 0.01, high + 0.05 * (high - low) + 0.01);
    heading(scene, panel, name, "mean over seeds");
    let ticks = y.ticks(6);
    panel.grid(scene, y, ticks.iter().map(|(value, _)| *value));
    for (i, points) in curves.iter().enumerate() {
        scene.line(points.iter().map(|point| panel.at(y, *point)).collect(), color(i), CURVE);
    }
    panel.frame(scene);
    panel.side_axis(scene, y, &ticks, false, Some(INK));
    panel.bottom_axis(scene, 6, true);
    scene.text((panel.middle().0, panel.bottom() + 30.0), below, TEXT, INK, Side::Middle);
    scene.text_upwards((panel.left - 37.0, panel.middle().1), "log-alignment ratio", TEXT, INK);
}

/// Depth of the dip against the batch size.
fn depths(scene: &mut Scene, panel: &Panel, series: &Series<'_, '_>, color: impl Fn(usize) -> Color) {
    let depths = || series.sizes.iter().flat_map(|size| &size.dips).map(|(_, dip)| dip.depth);
    // room for the points at 0
    let y = Scale::Linear(-0.012, 1.08 * depths().fold(0.05, f64::max));
    let runs = series.sizes.iter().map(|size| size.dips.len()).sum::<usize>();
    heading(scene, panel, "depth of the early dip", &format!("{runs} runs"));
    let ticks = y.ticks(6);
    panel.grid(scene, y, ticks.iter().map(|(value, _)| *value));
    let mean = |size: &Size<'_, '_>| (size.rows as f64, size.mean_depth());
    scene.line(series.sizes.iter().map(|size| panel.at(y, mean(size))).collect(), INK, CURVE);
    for (i, size) in series.sizes.iter().enumerate() {
        for (_, dip) in &size.dips {
            let at = panel.at(y, (size.rows as f64, dip.depth));
            scene.point(at, Shape::Circle, 3.4, color(i), false);
        }
    }
    panel.frame(scene);
    panel.side_axis(scene, y, &ticks, false, Some(INK));
    panel.bottom_ticks(scene, &size_ticks(panel, series), true);
    let below = "batch size (training rows a step)";
    scene.text((panel.middle().0, panel.bottom() + 30.0), below, TEXT, INK, Side::Middle);
    scene.text_upwards((panel.left - 37.0, panel.middle().1), &definition(), TEXT, INK);
}

/// A tick for each batch size, with its label unless the one before would touch it.
fn size_ticks(panel: &Panel, series: &Series<'_, '_>) -> Vec<(f64, String)> {
    let mut free = f64::NEG_INFINITY;
    let label = |size: &Size<'_, '_>| {
        let label = size.rows.to_string();
        let (x, half) =
            (panel.width * panel.x.place(size.rows as f64), text_width(&label, SMALL, false) / 2.0);
        let fits = x - half > free;
        if fits {
            free = x + half + 4.0;
        }
        (size.rows as f64, if fits { label } else { String::new() })
    };
    series.sizes.iter().map(label).collect()
}
