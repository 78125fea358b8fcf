//! RMSE of k95 against k_pred while runs train, by epoch and by multiples of each run's own grokking epoch: where does
//! k_pred ≈ k95 begin to hold? Not in the paper, which has the three moments of its Table 1.

use crate::{
    analysis::CurvePoint,
    studies::grokking::{
        AGREES, Agreement, Cell, Pool, RmseRow, RunDigest, agreement, agreement_since_grokking, agrees_from,
        rmse_rows,
    },
};

use crate::render::figure::{
    Undrawn,
    axes::{Panel, Scale},
    backend::text_width,
    bins::{binned, stroke},
    grid::{Grid, heading},
    legend::{Key, legend, legend_height, legend_lines},
    plural,
    scene::{Scene, Side},
    theme::{ACCURACY, CURVE, Color, FAINT, GROKKED, INK, SMALL, TEXT},
};

const LEFT: f64 = 54.0;
const RIGHT: f64 = 16.0;
const BOTTOM: f64 = 42.0;
const SIZE: (f64, f64) = (400.0, 270.0);
const GAP: (f64, f64) = (62.0, 0.0);
const HEAD: f64 = 24.0;
const CAPTION: f64 = 14.0;
const PAPER_DASH: (f64, f64) = (5.0, 3.0);
const GROKKING_DASH: (f64, f64) = (6.0, 3.0);
const AGREES_DASH: (f64, f64) = (1.0, 2.5);
const NEVER: Color = ACCURACY;
/// What the second panel is called.
pub(crate) const SINCE: &str = "relative to k95, since grokking";
/// An RMSE below this is off the page: k95 is a whole number.
const LEAST: f64 = 0.1;
/// A relative difference beyond this is off the page.
const MOST_PERCENT: f64 = 300.0;

/// A page a pool that has an evaluation, with the paper's numbers if it is one of its studies.
pub fn pages(pools: &[Pool<'_>]) -> Result<Vec<Scene>, Undrawn> {
    let pages: Vec<Scene> = pools.iter().filter_map(page).collect();
    if pages.is_empty() { Err(Undrawn::NoEvaluation) } else { Ok(pages) }
}

fn page(pool: &Pool<'_>) -> Option<Scene> {
    let (mut grokked, mut never): (Vec<&RunDigest>, Vec<&RunDigest>) = (Vec::new(), Vec::new());
    for run in pool.groups.iter().flat_map(|group| &group.records) {
        if run.manifest().milestones.get(crate::kinds::operations::milestones::GROKKED).is_some() {
            grokked.push(run)
        } else {
            never.push(run)
        }
    }
    let by_epoch = [(&grokked, GROKKED), (&never, NEVER)].map(|(runs, color)| (agreement(runs), color));
    if by_epoch.iter().all(|(points, _)| points.is_empty()) {
        return None;
    }
    let since = agreement_since_grokking(&grokked);
    let count = if since.is_empty() { 1 } else { 2 };
    let mut grid = Grid { corner: (LEFT, 0.0), size: SIZE, gap: GAP, columns: count, count };
    let total_width = grid.right() + RIGHT;
    let paper = paper_lines(&rmse_rows("", pool));
    let key = legend_lines(&legend_entries(grokked.len(), never.len(), &paper), total_width - LEFT - 10.0);
    grid.corner.1 = 8.0 + legend_height(&key) + HEAD;
    let mut scene = Scene::new(total_width, grid.bottom() + BOTTOM);
    legend(&mut scene, &key, (LEFT, 6.0));
    let last = by_epoch.iter().filter_map(|(points, _)| points.last()).map(|p| p.at).fold(1.0, f64::max);
    absolute(&mut scene, &grid.panel(0, Scale::Epochs(last)), &by_epoch, &paper);
    if let (Some(first), Some(last)) = (since.first(), since.last()) {
        let x = Scale::Log((0.8 * first.at).min(0.5), (1.25 * last.at).max(2.0));
        relative(&mut scene, &grid.panel(1, x), &since);
    }
    caption(&mut scene, &pool.setting, total_width);
    Some(scene)
}

/// The setting of the page, below.
fn caption(scene: &mut Scene, setting: &str, total_width: f64) {
    let room = (total_width - LEFT - RIGHT) / text_width(setting, SMALL, false).max(1.0);
    if !setting.is_empty() {
        scene.height += CAPTION;
        let at = (LEFT, scene.height - 6.0);
        scene.text(at, setting, SMALL * room.min(1.0), FAINT, Side::Left);
    }
}

/// RMSE against the epoch.
fn absolute(
    scene: &mut Scene,
    panel: &Panel,
    curves: &[(Vec<Agreement>, Color)],
    paper: &[(f64, Color, String)],
) {
    let values = || curves.iter().flat_map(|(points, _)| points).map(|p| p.rmse).filter(|rmse| *rmse > 0.0);
    let y = Scale::Log(0.8 * values().fold(2.0, f64::min).max(LEAST), 1.25 * values().fold(10.0, f64::max));
    heading(scene, panel, "RMSE of k95 against k_pred", "over the runs alive");
    let ticks = y.ticks(6);
    panel.grid(scene, y, ticks.iter().map(|(value, _)| *value));
    for (rmse, color, _) in paper {
        let height = panel.at(y, (0.0, *rmse)).1;
        if panel.holds(y, (0.0, *rmse)) {
            scene.dashes(((panel.left, height), (panel.right(), height)), PAPER_DASH, *color, 1.0);
        }
    }
    for (points, color) in curves {
        let points: Vec<CurvePoint> = points
            .iter()
            .filter(|p| panel.holds(y, (p.at, p.rmse)))
            .map(|p| CurvePoint { epoch: p.at as u64, runs: p.runs, mean: p.rmse, min: p.rmse, max: p.rmse })
            .collect();
        stroke(scene, &binned(panel, y, &points), *color, CURVE);
    }
    panel.frame(scene);
    panel.side_axis(scene, y, &ticks, false, Some(INK));
    panel.bottom_axis(scene, 6, true);
    scene.text((panel.middle().0, panel.bottom() + 30.0), "epoch", TEXT, INK, Side::Middle);
    scene.text_upwards((panel.left - 37.0, panel.middle().1), "RMSE (dimensions)", TEXT, INK);
}

/// The relative difference against the time since grokking.
fn relative(scene: &mut Scene, panel: &Panel, points: &[Agreement]) {
    let percent = |point: &Agreement| 100.0 * point.relative;
    let greatest = points.iter().map(percent).filter(|p| *p <= MOST_PERCENT).fold(60.0, f64::max);
    let y = Scale::Linear(0.0, 1.06 * greatest);
    heading(scene, panel, SINCE, &since_when(points));
    let ticks = y.ticks(6);
    panel.grid(scene, y, ticks.iter().map(|(value, _)| *value));
    let height = panel.at(y, (1.0, 100.0 * AGREES)).1;
    scene.dashes(((panel.left, height), (panel.right(), height)), AGREES_DASH, FAINT, 1.0);
    let x = panel.at(y, (1.0, 0.0)).0;
    scene.dashes(((x, panel.bottom()), (x, panel.top)), GROKKING_DASH, FAINT, 1.2);
    let seen = points.iter().map(|point| (point.at, percent(point))).filter(|point| panel.holds(y, *point));
    scene.line(seen.map(|point| panel.at(y, point)).collect(), GROKKED, CURVE);
    panel.frame(scene);
    panel.side_axis(scene, y, &ticks, false, Some(INK));
    panel.bottom_axis(scene, 0, true);
    let below = "epoch ÷ the run's own grokking epoch";
    scene.text((panel.middle().0, panel.bottom() + 30.0), below, TEXT, INK, Side::Middle);
    let words = "root mean square of (k_pred − k95) / k95 (%)";
    scene.text_upwards((panel.left - 37.0, panel.middle().1), words, TEXT, INK);
}

/// From when on k_pred agrees with k95, in words.
pub(crate) fn since_when(points: &[Agreement]) -> String {
    match agrees_from(points) {
        Some(at) => format!("within {:.0} % from {at:.2} on", 100.0 * AGREES),
        None => format!("not within {:.0} % at the end", 100.0 * AGREES),
    }
}

/// The paper's RMSE at the end, if it has this experiment.
fn paper_lines(rmse: &[RmseRow]) -> Vec<(f64, Color, String)> {
    [(Cell::FinalGrokked, GROKKED, "grokked"), (Cell::FinalNoGrok, NEVER, "no grok")]
        .into_iter()
        .filter_map(|(cell, color, name)| {
            let paper = rmse.iter().find(|row| row.cell == cell)?.paper.as_ref()?;
            Some((paper.rmse, color, format!("paper, final ({name}) {:.2}", paper.rmse)))
        })
        .collect()
}

fn legend_entries(grokked: usize, never: usize, paper: &[(f64, Color, String)]) -> Vec<(Key, String)> {
    let curves = [(grokked, GROKKED, "grokked"), (never, NEVER, "not grokked")];
    let mut entries: Vec<(Key, String)> = curves
        .into_iter()
        .filter(|(runs, ..)| *runs > 0)
        .map(|(runs, color, name)| (Key::Curve(color), format!("{name} ({})", plural(runs))))
        .collect();
    entries.extend(paper.iter().map(|(_, color, name)| (Key::Dashes(*color, PAPER_DASH), name.clone())));
    if grokked > 0 {
        entries.push((Key::Dashes(FAINT, GROKKING_DASH), "grokking".into()));
        entries.push((Key::Dashes(FAINT, AGREES_DASH), format!("{:.0} %", 100.0 * AGREES)));
    }
    entries
}
