//! Columns of any kind of run against the round, a panel each: mean and range over the seeds of each setting.

use super::{
    Undrawn,
    axes::{Panel, Scale},
    bins::{band, binned, stroke},
    grid::{Grid, heading},
    legend::{Key, legend, legend_height, legend_lines},
    scene::{Scene, Side},
    theme::{CURVE, FAINT, INK, SMALL, TEXT, one_of},
};
use crate::{
    analysis::{
        CurvePoint,
        general::{Setting, Study},
    },
    run::{Column, Unit},
};

const LEFT: f64 = 62.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 42.0;
const COLUMNS: usize = 3;
/// Panels of a page.
const PAGE: usize = 9;
/// Settings that the legend names.
const NAMED: usize = 12;

/// The columns that are shown first, then all others, on as many pages as they take. A column without a finite number is
/// left out.
pub fn pages(study: &Study) -> Result<Vec<Scene>, Undrawn> {
    let settings = study.settings();
    let kind = study.kind;
    let first = kind.headline().iter().flat_map(|headline| headline.columns).copied();
    let first: Vec<&str> = first.collect();
    let place = |column: &Column| first.iter().position(|name| *name == column.name).unwrap_or(usize::MAX);
    let mut columns: Vec<&Column> = kind.columns().iter().collect();
    columns.sort_by_key(|column| place(column));
    let drawn: Vec<(&Column, Vec<Vec<CurvePoint>>)> = columns
        .into_iter()
        .map(|column| (column, settings.iter().map(|setting| setting.curve(column.name)).collect()))
        .filter(|(_, curves): &(_, Vec<Vec<CurvePoint>>)| curves.iter().any(|curve| !curve.is_empty()))
        .collect();
    if drawn.is_empty() {
        return Err(Undrawn::NoEvaluation);
    }
    Ok(drawn.chunks(PAGE).map(|page| draw_page(page, &settings, kind.round())).collect())
}

fn draw_page(page: &[(&Column, Vec<Vec<CurvePoint>>)], settings: &[Setting<'_>], round: &str) -> Scene {
    let mut grid = Grid {
        corner: (LEFT, TOP),
        size: (250.0, 160.0),
        gap: (66.0, 44.0),
        columns: page.len().min(COLUMNS),
        count: page.len(),
    };
    let width = grid.right() + RIGHT;
    let key = legend_lines(&legend_entries(settings), width - LEFT - 10.0);
    grid.corner.1 = 14.0 + legend_height(&key) + TOP;
    let mut scene = Scene::new(width, grid.bottom() + BOTTOM);
    legend(&mut scene, &key, (LEFT, 6.0));
    let points = || page.iter().flat_map(|(_, curves)| curves).flatten();
    let last = points().map(|point| point.epoch).max().unwrap_or(1).max(1);
    for (i, (column, curves)) in page.iter().enumerate() {
        let panel = grid.panel(i, Scale::Epochs(last as f64));
        heading(&mut scene, &panel, column.name, column.unit.name());
        draw(&mut scene, &panel, column, curves, settings);
        panel.bottom_axis(&mut scene, 5, true);
        if grid.ends_column(i) {
            let at = (panel.middle().0, panel.bottom() + 30.0);
            scene.text(at, round, TEXT, INK, Side::Middle);
        }
    }
    scene
}

fn draw(
    scene: &mut Scene,
    panel: &Panel,
    column: &Column,
    curves: &[Vec<CurvePoint>],
    settings: &[Setting<'_>],
) {
    let y = scale(column, curves);
    let ticks = y.ticks(5);
    panel.grid(scene, y, ticks.iter().map(|(value, _)| *value));
    for (i, (curve, setting)) in curves.iter().zip(settings).enumerate() {
        if setting.runs.len() > 1 {
            band(scene, &binned(panel, y, curve), one_of(i, settings.len()));
        }
    }
    for (i, curve) in curves.iter().enumerate() {
        stroke(scene, &binned(panel, y, curve), one_of(i, settings.len()), CURVE);
    }
    panel.frame(scene);
    panel.side_axis(scene, y, &ticks, false, Some(INK));
    if curves.iter().all(Vec::is_empty) {
        scene.text(panel.middle(), "no finite evaluation yet", SMALL, FAINT, Side::Middle);
    }
}

/// Losses and norms that span decades by their logarithm, everything else evenly.
fn scale(column: &Column, curves: &[Vec<CurvePoint>]) -> Scale {
    let points = || curves.iter().flatten();
    let low = points().map(|point| point.min).fold(f64::INFINITY, f64::min);
    let high = points().map(|point| point.max).fold(f64::NEG_INFINITY, f64::max);
    if column.unit != Unit::Share && low > 0.0 && high > 30.0 * low {
        return Scale::Log(low / 1.2, high * 1.2);
    }
    let room = if high > low { 0.05 * (high - low) } else { 0.1 * high.abs().max(1e-12) };
    Scale::Linear(low - room, high + room)
}

fn legend_entries(settings: &[Setting<'_>]) -> Vec<(Key, String)> {
    let name = |setting: &Setting<'_>| {
        let runs = setting.runs.len();
        let label = if setting.label.is_empty() { "all runs" } else { &setting.label };
        let seeds = if runs > 1 { format!(" ({runs} runs: mean, range)") } else { String::new() };
        format!("{label}{seeds}")
    };
    let count = settings.len();
    // of many the first, the last and those between at equal distances
    let step = count.div_ceil(NAMED).max(1);
    let is_named = |i: usize| i.is_multiple_of(step) || i + 1 == count;
    let entries = settings.iter().enumerate().filter(|(i, _)| is_named(*i));
    entries.map(|(i, setting)| (Key::Curve(one_of(i, count)), name(setting))).collect()
}
