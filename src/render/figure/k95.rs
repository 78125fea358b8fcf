//! k95 against k_pred when memorized, grokked and at the end: the paper's Figure 3 on our own runs.

use crate::analysis::{Cell, Checkpoint, Group, RmseRow};

use super::{
    axes::{Key, Panel, Scale, legend, legend_height, legend_lines},
    scene::{Scene, Shape, Side},
    theme::{Color, FAINT, HEADING, INK, SERIES, SMALL, TEXT},
    title,
};

const LEFT: f64 = 54.0;
const RIGHT: f64 = 14.0;
const BOTTOM: f64 = 42.0;
const GAP: f64 = 22.0;
const SIZE: f64 = 285.0;
const HEAD: f64 = 54.0;
const LINE: f64 = 12.0;
const IDENTITY_DASH: (f64, f64) = (5.0, 3.0);

/// The figure: three panels, colour and shape by group, hollow for runs that did not grok.
/// `rmse` are the cells of the same experiment.
pub fn figure(groups: &[Group<'_>], rmse: &[RmseRow]) -> Scene {
    let scale = common_scale(groups);
    let total_width = LEFT + RIGHT + 3.0 * (SIZE + GAP) - GAP;
    let key = legend_lines(&legend_entries(groups), total_width - LEFT - 10.0);
    let top = 8.0 + legend_height(&key) + HEAD;
    let mut scene = Scene::new(total_width, top + SIZE + BOTTOM);
    legend(&mut scene, &key, (LEFT, 6.0));
    for (i, checkpoint) in Checkpoint::ALL.into_iter().enumerate() {
        let left = LEFT + i as f64 * (SIZE + GAP);
        let panel = Panel { left, top, width: SIZE, height: SIZE, x: scale };
        scene.bold((left, top - 22.0 - LINE), checkpoint.name(), HEADING, INK, Side::Left);
        for (line, text) in remarks(checkpoint, rmse).iter().enumerate() {
            let baseline = top - 8.0 - LINE * (1 - line) as f64;
            scene.text((left, baseline), text, SMALL, FAINT, Side::Left);
        }
        let ticks = scale.ticks(6);
        panel.grid(&mut scene, scale, ticks.iter().map(|(value, _)| *value));
        scene.dashes(((left, top + SIZE), (left + SIZE, top)), IDENTITY_DASH, FAINT, 1.0);
        points(&mut scene, &panel, scale, groups, checkpoint);
        panel.frame(&mut scene);
        panel.side_axis(&mut scene, scale, &ticks, false, (i == 0).then_some(INK));
        panel.bottom_axis(&mut scene, 6, true);
        let label = (left + SIZE / 2.0, panel.bottom() + 30.0);
        scene.text(label, "k_pred = n^(2(1 − LAR))", TEXT, INK, Side::Middle);
    }
    scene.text_upwards((17.0, top + SIZE / 2.0), "k95", TEXT, INK);
    scene
}

fn points(scene: &mut Scene, panel: &Panel, scale: Scale, groups: &[Group<'_>], checkpoint: Checkpoint) {
    let mut any = false;
    for (i, group) in groups.iter().enumerate() {
        let (color, shape) = look(i);
        for run in &group.runs {
            let Some(point) = run.at(checkpoint) else { continue };
            let value = (point.k_pred, f64::from(point.k95));
            if panel.holds(scale, value) {
                scene.point(panel.at(scale, value), shape, 3.4, color, !run.has_grokked);
                any = true;
            }
        }
    }
    if !any {
        let middle = (panel.left + panel.width / 2.0, panel.top + panel.height / 2.0);
        scene.text(middle, "no run got here", SMALL, FAINT, Side::Middle);
    }
}

/// From 0 to beyond the greatest value, the same both ways so that the identity is the diagonal.
fn common_scale(groups: &[Group<'_>]) -> Scale {
    let points =
        groups.iter().flat_map(|group| &group.runs).flat_map(|run| Checkpoint::ALL.map(|c| run.at(c)));
    let values = points.flatten().flat_map(|point| [point.k_pred, f64::from(point.k95)]);
    let greatest = values.filter(|value| value.is_finite()).fold(10.0, f64::max);
    Scale::Linear(0.0, 1.06 * greatest)
}

/// RMSE of a panel, the paper's in brackets: one line, at the end two.
fn remarks(checkpoint: Checkpoint, rmse: &[RmseRow]) -> Vec<String> {
    let line = |what: &str, cell: Cell| {
        let row = rmse.iter().find(|row| row.cell == cell)?;
        let ours = row.ours?;
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

fn plural(runs: usize) -> String {
    if runs == 1 { "1 run".into() } else { format!("{runs} runs") }
}

/// Colour and shape of a group: six colours, then the next shape.
fn look(group: usize) -> (Color, Shape) {
    let shapes = [Shape::Circle, Shape::Square, Shape::Triangle, Shape::Diamond];
    (SERIES[group % SERIES.len()], shapes[group / SERIES.len() % shapes.len()])
}

fn legend_entries(groups: &[Group<'_>]) -> Vec<(Key, String)> {
    let tasks = groups.iter().enumerate().map(|(i, group)| {
        let (color, shape) = look(i);
        (Key::Point(color, shape, false), title(group, groups))
    });
    let mut entries: Vec<_> = tasks.collect();
    entries.push((Key::Point(FAINT, Shape::Circle, true), "hollow: did not grok".into()));
    entries.push((Key::Dashes(FAINT, IDENTITY_DASH), "k95 = k_pred".into()));
    entries
}
