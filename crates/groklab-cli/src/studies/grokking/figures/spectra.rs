//! p and q, direction by direction, when memorized, grokked and at the end: the paper's Figures 2, 21 and 22 on our
//! own runs, a row of three panels a group, one run of each.

use std::collections::BTreeMap;

use crate::{
    store::SpectrumRow,
    studies::grokking::{Checkpoint, Evaluation, Group, RunDigest},
};

use super::title;
use crate::render::figure::{
    Undrawn,
    axes::{Panel, Scale},
    backend::text_width,
    grid::Grid,
    legend::{Key, legend, legend_height, legend_lines},
    scene::{Scene, Side},
    theme::{ACCURACY, CURVE, Color, FAINT, HEADING, INK, LAR, SMALL, TEXT},
};

/// Rows of panels on a page.
const PAGE: usize = 4;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 16.0;
const BOTTOM: f64 = 42.0;
/// Of all panels of a row with the gaps between, and of one panel.
const WIDTH: f64 = 840.0;
const HEIGHT: f64 = 170.0;
const GAP: (f64, f64) = (18.0, 78.0);
const HEAD: f64 = 58.0;
/// What is weaker than this is left out: shares below it are rounding.
const LEAST: f64 = 1e-6;
const P: Color = LAR;
const Q: Color = ACCURACY;

/// The run that stands for its group.
struct Shown<'a, 'b> {
    group: &'b Group<'a>,
    run: &'a RunDigest,
    /// The rows of each state in the order of [`Checkpoint::ALL`]; empty where the run did not get there.
    states: [Vec<&'b SpectrumRow>; 3],
}

impl<'a, 'b> Shown<'a, 'b> {
    /// The first run by seed with one of the three states. A run that has not ended, or diverged, has no final one.
    fn of(group: &'b Group<'a>, spectra: &'b BTreeMap<String, Vec<SpectrumRow>>) -> Option<Self> {
        group.records.iter().zip(&group.runs).find_map(|(run, summary)| {
            let rows = spectra.get(&summary.run)?;
            let states = Checkpoint::ALL.map(|checkpoint| match summary.at(checkpoint) {
                Some(_) => at(rows, checkpoint).collect(),
                None => Vec::new(),
            });
            states.iter().any(|state| !state.is_empty()).then_some(Self { group, run, states })
        })
    }

    fn rows(&self) -> impl Iterator<Item = &SpectrumRow> {
        self.states.iter().flatten().copied()
    }
}

/// Whether one of the runs whose rows are in `spectra`, by run id, can stand for its group.
pub fn is_enough(group: &Group<'_>, spectra: &BTreeMap<String, Vec<SpectrumRow>>) -> bool {
    Shown::of(group, spectra).is_some()
}

/// The pages. `spectra` are the rows of `spectra.csv` by run id. A state that no run got to has no column.
pub fn pages(
    groups: &[Group<'_>],
    spectra: &BTreeMap<String, Vec<SpectrumRow>>,
) -> Result<Vec<Scene>, Undrawn> {
    let shown: Vec<Shown<'_, '_>> = groups.iter().filter_map(|group| Shown::of(group, spectra)).collect();
    if shown.is_empty() {
        return Err(Undrawn::NoSpectra);
    }
    let shares = shown.iter().flat_map(Shown::rows).flat_map(|row| [row.p, row.q]);
    let least = shares.filter(|share| *share >= LEAST).fold(1.0, f64::min);
    let y = Scale::Log(0.8 * 10_f64.powf(least.log10().floor()), 1.3);
    let columns: Vec<usize> =
        (0..3).filter(|i| shown.iter().any(|shown| !shown.states[*i].is_empty())).collect();
    Ok(shown.chunks(PAGE).map(|page| draw_page(page, groups, &columns, y)).collect())
}

/// `columns` are places in [`Checkpoint::ALL`].
fn draw_page(page: &[Shown<'_, '_>], all: &[Group<'_>], columns: &[usize], y: Scale) -> Scene {
    let count = columns.len();
    let width = (WIDTH + GAP.0) / count as f64 - GAP.0;
    let size = (width, HEIGHT);
    let mut grid = Grid { corner: (LEFT, 0.0), size, gap: GAP, columns: count, count: count * page.len() };
    let total_width = grid.right() + RIGHT;
    let entries = [
        (Key::Curve(P), "p: share of the unembedding's energy in its i-th singular direction".to_owned()),
        (Key::Curve(Q), "q: share of the activations' energy along it".to_owned()),
    ];
    let key = legend_lines(&entries, total_width - LEFT - 10.0);
    grid.corner.1 = 8.0 + legend_height(&key) + HEAD;
    let mut scene = Scene::new(total_width, grid.bottom() + BOTTOM);
    legend(&mut scene, &key, (LEFT, 6.0));
    for (row, shown) in page.iter().enumerate() {
        let n = shown.rows().map(|row| row.i).max().unwrap_or(1).max(2);
        let x = Scale::Log(0.9, 1.1 * n as f64);
        name(&mut scene, &grid.panel(count * row, x), grid.right(), &title(shown.group, all), shown.run);
        let mut labelled = false;
        for (column, state) in columns.iter().enumerate() {
            let (checkpoint, rows) = (Checkpoint::ALL[*state], &shown.states[*state]);
            let i = count * row + column;
            let panel = grid.panel(i, x);
            let Some(first) = rows.first() else {
                let words = format!("not {}", if *state == 2 { "ended" } else { checkpoint.name() });
                scene.text(panel.middle(), &words, SMALL, FAINT, Side::Middle);
                continue;
            };
            let metrics = shown.run.row_at(first.epoch);
            draw(
                &mut scene,
                &panel,
                y,
                &format!("{}, epoch {}", checkpoint.name(), first.epoch),
                rows,
                metrics,
            );
            panel.side_axis(&mut scene, y, &y.ticks(0), false, (!labelled).then_some(INK));
            panel.bottom_axis(&mut scene, 0, true);
            labelled = true;
            if grid.ends_column(i) {
                let below = (panel.middle().0, panel.bottom() + 30.0);
                scene.text(below, "direction i", TEXT, INK, Side::Middle);
            }
        }
    }
    let middle = (grid.corner.1 + grid.bottom()) / 2.0;
    scene.text_upwards((17.0, middle), "share of energy", TEXT, INK);
    scene
}

/// Which task and which run, above a row of panels.
fn name(scene: &mut Scene, first: &Panel, right: f64, title: &str, run: &RunDigest) {
    let baseline = first.top - 40.0;
    let remark = format!("seed {}, run {}", run.config().seed, run.id());
    let room = right - first.left - 12.0;
    let width = text_width(title, HEADING, true) + text_width(&remark, SMALL, false);
    let shrunk = (room / width).min(1.0);
    scene.bold((first.left, baseline), title, HEADING * shrunk, INK, Side::Left);
    scene.text((right, baseline), &remark, SMALL * shrunk, FAINT, Side::Right);
}

fn draw(
    scene: &mut Scene,
    panel: &Panel,
    y: Scale,
    head: &str,
    rows: &[&SpectrumRow],
    metrics: Option<&Evaluation>,
) {
    scene.text((panel.left, panel.top - 21.0), head, TEXT, INK, Side::Left);
    if let Some(row) = metrics {
        let numbers = format!(
            "LAR {:.3}   corr(p, q) {:.3}   σ(p) {:.4}   σ(q) {:.4}",
            row.lar, row.pearson, row.sigma_p, row.sigma_q
        );
        scene.text((panel.left, panel.top - 7.0), &numbers.replace('-', "−"), SMALL, FAINT, Side::Left);
    }
    panel.grid(scene, y, y.ticks(0).iter().map(|(value, _)| *value));
    // where they agree both are seen: p is the thinner and lies on q
    curve(scene, panel, y, rows.iter().map(|row| (row.i as f64, row.q)), Q, 1.3 * CURVE);
    curve(scene, panel, y, rows.iter().map(|row| (row.i as f64, row.p)), P, 0.75 * CURVE);
    panel.frame(scene);
}

/// A line through what has a place, broken where it has none: p is 0 beyond the rank of W.
fn curve(
    scene: &mut Scene,
    panel: &Panel,
    y: Scale,
    values: impl Iterator<Item = (f64, f64)>,
    color: Color,
    width: f64,
) {
    let mut piece = Vec::new();
    for value in values {
        if panel.holds(y, value) {
            piece.push(panel.at(y, value));
        } else {
            scene.line(std::mem::take(&mut piece), color, width);
        }
    }
    scene.line(piece, color, width);
}

/// The rows of one state.
fn at(rows: &[SpectrumRow], checkpoint: Checkpoint) -> impl Iterator<Item = &SpectrumRow> {
    rows.iter().filter(move |row| row.checkpoint == checkpoint.name())
}
