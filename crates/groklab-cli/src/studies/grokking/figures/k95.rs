//! k95 against k_pred when memorized, grokked and at the end: the paper's Figure 3 on our own runs.

use crate::studies::grokking::{Cell, Checkpoint, Group, RmseRow, count_or_nan};

use super::{BY_SETTING, looks::Looks};
use crate::render::figure::{
    Undrawn,
    axes::{Panel, Scale},
    grid::Grid,
    legend::{Key, legend, legend_height, legend_lines},
    plural,
    scene::{Scene, Side},
    theme::{FAINT, HEADING, INK, SMALL, TEXT},
};

const LEFT: f64 = 54.0;
const RIGHT: f64 = 14.0;
const BOTTOM: f64 = 42.0;
const GAP: (f64, f64) = (22.0, 0.0);
const SIZE: f64 = 285.0;
const HEAD: f64 = 54.0;
const LINE: f64 = 12.0;
pub(super) const IDENTITY_DASH: (f64, f64) = (5.0, 3.0);

/// One page of three panels, colour and shape by group, hollow for runs that did not grok.
/// `rmse` are the cells of all its runs together, if they are of one pool.
pub fn pages(groups: &[Group<'_>], rmse: Option<&[RmseRow]>) -> Result<Vec<Scene>, Undrawn> {
    let scale = common_scale(groups).ok_or(Undrawn::NoMilestone)?;
    let looks = Looks::of(groups);
    let mut grid = Grid { corner: (LEFT, 0.0), size: (SIZE, SIZE), gap: GAP, columns: 3, count: 3 };
    let total_width = grid.right() + RIGHT;
    let mut entries = looks
        .legend(|i| groups[i].runs.iter().any(|run| Checkpoint::ALL.iter().any(|c| run.at(*c).is_some())));
    entries.push((Key::Dashes(FAINT, IDENTITY_DASH), "k95 = k_pred".into()));
    let key = legend_lines(&entries, total_width - LEFT - 10.0);
    grid.corner.1 = 8.0 + legend_height(&key) + HEAD;
    let mut scene = Scene::new(total_width, grid.bottom() + BOTTOM);
    legend(&mut scene, &key, (LEFT, 6.0));
    for (i, checkpoint) in Checkpoint::ALL.into_iter().enumerate() {
        let panel = grid.panel(i, scale);
        scene.bold((panel.left, panel.top - 22.0 - LINE), checkpoint.name(), HEADING, INK, Side::Left);
        for (line, text) in remarks(checkpoint, rmse).iter().enumerate() {
            let baseline = panel.top - 8.0 - LINE * (1 - line) as f64;
            scene.text((panel.left, baseline), text, SMALL, FAINT, Side::Left);
        }
        let ticks = scale.ticks(6);
        panel.grid(&mut scene, scale, ticks.iter().map(|(value, _)| *value));
        let corners = ((panel.left, panel.bottom()), (panel.right(), panel.top));
        scene.dashes(corners, IDENTITY_DASH, FAINT, 1.0);
        points(&mut scene, &panel, scale, groups, &looks, checkpoint);
        panel.frame(&mut scene);
        panel.side_axis(&mut scene, scale, &ticks, false, (i == 0).then_some(INK));
        panel.bottom_axis(&mut scene, 6, true);
        let label = (panel.middle().0, panel.bottom() + 30.0);
        scene.text(label, "k_pred = n^(2(1 − LAR))", TEXT, INK, Side::Middle);
    }
    scene.text_upwards((17.0, grid.corner.1 + SIZE / 2.0), "k95", TEXT, INK);
    Ok(vec![scene])
}

fn points(
    scene: &mut Scene,
    panel: &Panel,
    scale: Scale,
    groups: &[Group<'_>],
    looks: &Looks,
    checkpoint: Checkpoint,
) {
    let mut any = false;
    for (i, group) in groups.iter().enumerate() {
        let (color, shape) = looks.at(i);
        for run in &group.runs {
            let Some(point) = run.at(checkpoint) else { continue };
            let value = (point.k_pred, count_or_nan(point.k95));
            if panel.holds(scale, value) {
                scene.point(panel.at(scale, value), shape, 3.4, color, !run.has_grokked);
                any = true;
            }
        }
    }
    if !any {
        // above the identity line
        let corner = (panel.left + 0.3 * panel.width, panel.top + 0.3 * panel.height);
        scene.text(corner, "no run got here", SMALL, FAINT, Side::Middle);
    }
}

/// From 0 to beyond the greatest value, the same both ways so that the identity is the diagonal; none without a value.
fn common_scale(groups: &[Group<'_>]) -> Option<Scale> {
    let points =
        groups.iter().flat_map(|group| &group.runs).flat_map(|run| Checkpoint::ALL.map(|c| run.at(c)));
    let values = points.flatten().flat_map(|point| [point.k_pred, count_or_nan(point.k95)]);
    let greatest = values.filter(|value| value.is_finite()).reduce(f64::max)?;
    Some(Scale::Linear(0.0, 1.06 * greatest.max(10.0)))
}

/// RMSE of a panel, the paper's in brackets: one line, at the end two.
fn remarks(checkpoint: Checkpoint, rmse: Option<&[RmseRow]>) -> Vec<String> {
    let Some(rmse) = rmse else { return vec![BY_SETTING.to_owned()] };
    let line = |what: &str, cell: Cell| {
        let row = rmse.iter().find(|row| row.cell == cell)?;
        let ours = row.ours.as_ref()?;
        let paper = row.paper.as_ref().map_or(String::new(), |p| format!(", paper {:.2}", p.rmse));
        Some(format!("RMSE{what} {:.2} ({}{paper})", ours.rmse, plural(ours.runs)))
    };
    let lines = match checkpoint {
        Checkpoint::Memorized => [line("", Cell::Memorized), None],
        Checkpoint::Grokked => [line("", Cell::Grokked), None],
        Checkpoint::Final => {
            [line(", grokked:", Cell::FinalGrokked), line(", not grokked:", Cell::FinalNoGrok)]
        }
    };
    let lines: Vec<_> = lines.into_iter().flatten().collect();
    if lines.is_empty() { vec!["no run".into()] } else { lines }
}
