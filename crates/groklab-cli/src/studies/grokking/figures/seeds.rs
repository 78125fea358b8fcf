//! Every seed by itself, LAR above and validation accuracy below: the paper's Figures 23 and 24 on our own runs.

use std::collections::BTreeSet;

use crate::{
    analysis::CurvePoint,
    studies::grokking::{Checkpoint, Group, RunDigest, curve},
};

use super::title;
use crate::render::figure::{
    Undrawn,
    axes::{Panel, Scale},
    bins::{binned, stroke},
    grid::{Grid, heading},
    legend::{Key, legend, legend_height, legend_lines},
    scene::{Scene, Shape, Side},
    theme::{Color, FAINT, INK, SERIES, SMALL, TEXT},
};

/// Panels on a page.
const PAGE: usize = 12;
const LEFT: f64 = 54.0;
const RIGHT: f64 = 20.0;
const BOTTOM: f64 = 42.0;
const GAP: (f64, f64) = (20.0, 34.0);
const HEAD: f64 = 24.0;
/// Share of a panel's height for LAR, and the space below it.
const UPPER: f64 = 0.62;
const BETWEEN: f64 = 7.0;
const THIN: f64 = 1.2;
/// Radius of a mark.
const MARK: f64 = 3.2;

const ACCURACY_SCALE: Scale = Scale::Linear(-6.0, 106.0);
const MARKS: [(Checkpoint, Shape); 2] =
    [(Checkpoint::Memorized, Shape::Triangle), (Checkpoint::Grokked, Shape::Diamond)];

/// The pages, one panel a group of at least two runs.
pub fn pages(groups: &[Group<'_>]) -> Result<Vec<Scene>, Undrawn> {
    let shown: Vec<&Group<'_>> = groups.iter().filter(|group| group.records.len() > 1).collect();
    if shown.is_empty() {
        return Err(Undrawn::OneSeed);
    }
    let rows = || shown.iter().flat_map(|group| &group.records).flat_map(|run| run.curve());
    let finite = || rows().filter(|row| row.lar.is_finite());
    let last = finite().map(|row| row.epoch).max().ok_or(Undrawn::NoEvaluation)?;
    let low = finite().map(|row| row.lar).fold(0.4, f64::min);
    let high = finite().map(|row| row.lar).fold(0.7, f64::max);
    let scales = Scales {
        epochs: Scale::Epochs(last.max(1) as f64),
        lar: Scale::Linear((low * 10.0).floor() / 10.0 - 0.01, (high * 10.0).ceil() / 10.0 + 0.01),
    };
    let seeds: BTreeSet<u64> = shown.iter().flat_map(|group| &group.runs).map(|run| run.seed).collect();
    let seeds: Vec<u64> = seeds.into_iter().collect();
    Ok(shown.chunks(PAGE).map(|page| draw_page(page, groups, &seeds, scales)).collect())
}

#[derive(Clone, Copy)]
struct Scales {
    epochs: Scale,
    lar: Scale,
}

fn draw_page(page: &[&Group<'_>], all: &[Group<'_>], seeds: &[u64], scales: Scales) -> Scene {
    let columns = page.len().min(3);
    let size = [(640.0, 360.0), (405.0, 270.0), (266.0, 215.0)][columns - 1];
    let mut grid = Grid { corner: (LEFT, 0.0), size, gap: GAP, columns, count: page.len() };
    let total_width = grid.right() + RIGHT;
    let key = legend_lines(&legend_entries(seeds), total_width - LEFT - 10.0);
    grid.corner.1 = 8.0 + legend_height(&key) + HEAD;
    let mut scene = Scene::new(total_width, grid.bottom() + BOTTOM);
    legend(&mut scene, &key, (LEFT, 6.0));
    for (i, group) in page.iter().enumerate() {
        let whole = grid.panel(i, scales.epochs);
        let remark = format!("{}/{} grokked", group.grokked(), group.runs.len());
        heading(&mut scene, &whole, &title(group, all), &remark);
        let upper = Panel { height: UPPER * whole.height - BETWEEN, ..whole };
        let lower =
            Panel { top: whole.top + UPPER * whole.height, height: (1.0 - UPPER) * whole.height, ..whole };
        let labels = grid.starts_row(i).then_some(INK);
        if grid.starts_row(i) {
            scene.text_upwards((17.0, upper.middle().1), "log-alignment ratio", TEXT, INK);
            scene.text_upwards((17.0, lower.middle().1), "val. accuracy (%)", SMALL, INK);
        }
        let percents = Scale::Linear(0.0, 100.0).ticks(2);
        for (panel, scale, ticks) in
            [(&upper, scales.lar, scales.lar.ticks(5)), (&lower, ACCURACY_SCALE, percents)]
        {
            panel.grid(&mut scene, scale, ticks.iter().map(|(value, _)| *value));
            for run in &group.records {
                let points = if std::ptr::eq(panel, &upper) { lar(run) } else { accuracy(run) };
                stroke(&mut scene, &binned(panel, scale, &points), color(run.config().seed, seeds), THIN);
            }
            panel.frame(&mut scene);
            panel.side_axis(&mut scene, scale, &ticks, false, labels);
        }
        marks(&mut scene, &upper, scales.lar, group, seeds);
        lower.bottom_axis(&mut scene, 6, grid.ends_column(i));
        if grid.ends_column(i) {
            let at = (lower.middle().0, lower.bottom() + 30.0);
            scene.text(at, "epoch", TEXT, INK, Side::Middle);
        }
    }
    scene
}

fn lar(run: &RunDigest) -> Vec<CurvePoint> {
    curve(&[run], |row| row.lar)
}

fn accuracy(run: &RunDigest) -> Vec<CurvePoint> {
    curve(&[run], |row| 100.0 * row.val_accuracy)
}

/// Each run's milestones on its LAR, or just above or below where another's stand: their epoch is exact.
fn marks(scene: &mut Scene, panel: &Panel, scale: Scale, group: &Group<'_>, seeds: &[u64]) {
    let mut taken: Vec<(f64, f64)> = Vec::new();
    for run in &group.runs {
        for (checkpoint, shape) in MARKS {
            let Some(point) = run.at(checkpoint) else { continue };
            let value = (point.epoch as f64, point.lar);
            if panel.holds(scale, value) {
                let at = free_place(panel, panel.at(scale, value), &taken);
                taken.push(at);
                scene.point(at, shape, MARK, color(run.seed, seeds), false);
            }
        }
    }
}

/// The nearest place above or below `at`, within the panel, where a mark covers none of those at `taken`; `at` itself
/// if there is none.
fn free_place(panel: &Panel, (x, y): (f64, f64), taken: &[(f64, f64)]) -> (f64, f64) {
    // a triangle reaches 1.25 radii up, a rim lies around it
    const APART: f64 = 2.6 * MARK + 0.6;
    let is_free = |y: &f64| {
        let inside = (panel.top + MARK..=panel.bottom() - MARK).contains(y);
        inside && taken.iter().all(|other| (other.0 - x).abs() >= APART || (other.1 - y).abs() >= APART)
    };
    // places that just clear another mark, the nearest of them
    let beside = taken.iter().flat_map(|other| [other.1 - APART, other.1 + APART]);
    let nearest = std::iter::once(y)
        .chain(beside)
        .filter(is_free)
        .min_by(|a, b| (a - y).abs().total_cmp(&(b - y).abs()));
    (x, nearest.unwrap_or(y))
}

fn color(seed: u64, seeds: &[u64]) -> Color {
    SERIES[seeds.iter().position(|other| *other == seed).unwrap_or(0) % SERIES.len()]
}

/// Colours repeat after six seeds, and then stand for several.
fn legend_entries(seeds: &[u64]) -> Vec<(Key, String)> {
    let mut entries: Vec<(Key, String)> = SERIES
        .iter()
        .enumerate()
        .map(|(i, color)| (*color, seeds.iter().skip(i).step_by(SERIES.len()).collect::<Vec<_>>()))
        .filter(|(_, seeds)| !seeds.is_empty())
        .map(|(color, seeds)| {
            let shown = seeds.iter().take(4).map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let rest = if seeds.len() > 4 { ", …" } else { "" };
            (Key::Curve(color), format!("seed {shown}{rest}"))
        })
        .collect();
    let shapes =
        MARKS.map(|(checkpoint, shape)| (Key::Point(FAINT, shape, false), checkpoint.name().to_owned()));
    entries.extend(shapes);
    entries
}
