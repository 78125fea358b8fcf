//! A number at the end of runs against a setting that spans decades: mean over seeds, each seed, and the share of runs that
//! reached their target.

use super::{
    Undrawn,
    axes::{Panel, Scale},
    grid::heading,
    legend::{Key, legend, legend_height, legend_lines},
    scene::{Scene, Shape, Side},
    theme::{CURVE, INK, TEXT, one_of},
};

/// A curve.
pub struct Line {
    /// As in the legend.
    pub name: String,
    /// Its points, settings increasing.
    pub arms: Vec<Arm>,
}

/// The runs at one value of the setting.
pub struct Arm {
    /// The value.
    pub at: f64,
    /// The number of each run that has one.
    pub values: Vec<f64>,
    /// Runs that reached the target.
    pub reached: usize,
    /// Runs.
    pub runs: usize,
}

const LEFT: f64 = 62.0;
const SIZE: (f64, f64) = (560.0, 260.0);
const BELOW: f64 = 90.0;

/// One page: the number above, the share that reached the target below.
pub fn page(lines: &[Line], setting: &str, number: &str) -> Result<Vec<Scene>, Undrawn> {
    let arms = || lines.iter().flat_map(|line| &line.arms).filter(|arm| arm.at > 0.0);
    let values = || arms().flat_map(|arm| &arm.values).copied();
    let [low, high] = [values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max)];
    let first = arms().map(|arm| arm.at).fold(f64::INFINITY, f64::min);
    let last = arms().map(|arm| arm.at).fold(0.0, f64::max);
    if low > high || first >= last {
        return Err(Undrawn::NoEvaluation);
    }
    let entries: Vec<(Key, String)> =
        lines.iter().enumerate().map(|(i, line)| (Key::Curve(one_of(i, lines.len())), named(line))).collect();
    let key = legend_lines(&entries, SIZE.0);
    let top = 14.0 + legend_height(&key) + 24.0;
    let x = Scale::Log(first / 1.4, last * 1.4);
    let upper = Panel { left: LEFT, top, width: SIZE.0, height: SIZE.1, x };
    let lower = Panel { top: upper.bottom() + 46.0, height: BELOW, ..upper };
    let mut scene = Scene::new(upper.right() + 16.0, lower.bottom() + 44.0);
    legend(&mut scene, &key, (LEFT, 6.0));
    let room = 0.05 * (high - low).max(1e-6);
    let y = Scale::Linear(low - room, high + room);
    heading(&mut scene, &upper, number, "mean over seeds, each seed");
    heading(&mut scene, &lower, "share of runs that reached their target", "");
    let share = Scale::Linear(-0.05, 1.05);
    for (panel, scale) in [(&upper, y), (&lower, share)] {
        let ticks = scale.ticks(if scale == share { 2 } else { 5 });
        panel.grid(&mut scene, scale, ticks.iter().map(|(value, _)| *value));
        panel.side_axis(&mut scene, scale, &ticks, false, Some(INK));
    }
    for (i, line) in lines.iter().enumerate() {
        let color = one_of(i, lines.len());
        let drawn = || line.arms.iter().filter(|arm| arm.at > 0.0 && !arm.values.is_empty());
        let mean = |arm: &Arm| arm.values.iter().sum::<f64>() / arm.values.len() as f64;
        scene.line(drawn().map(|arm| upper.at(y, (arm.at, mean(arm)))).collect(), color, CURVE);
        for arm in drawn() {
            for value in &arm.values {
                scene.point(upper.at(y, (arm.at, *value)), Shape::Circle, 1.4, color, false);
            }
        }
        let reached = |arm: &Arm| arm.reached as f64 / arm.runs.max(1) as f64;
        let places = line.arms.iter().filter(|arm| arm.at > 0.0);
        scene.line(places.map(|arm| lower.at(share, (arm.at, reached(arm)))).collect(), color, CURVE);
    }
    for panel in [&upper, &lower] {
        panel.frame(&mut scene);
        panel.bottom_axis(&mut scene, 6, true);
    }
    scene.text((lower.middle().0, lower.bottom() + 32.0), setting, TEXT, INK, Side::Middle);
    Ok(vec![scene])
}

fn named(line: &Line) -> String {
    if line.name.is_empty() { "all runs".to_owned() } else { line.name.clone() }
}
