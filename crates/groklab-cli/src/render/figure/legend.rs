//! The legend above a figure.

use super::{
    backend::text_width,
    scene::{Scene, Shape, Side},
    theme::{Color, INK, SMALL},
};

/// How a legend shows a thing.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Key {
    Curve(Color),
    Dashes(Color, (f64, f64)),
    Point(Color, Shape, bool),
}

const KEY_WIDTH: f64 = 20.0;
const POINT_WIDTH: f64 = 10.0;
const LEGEND_LINE: f64 = 17.0;

/// Breaks a legend into lines of at most `width` points.
pub(crate) fn legend_lines(entries: &[(Key, String)], width: f64) -> Vec<Vec<(Key, String, f64)>> {
    let mut lines: Vec<Vec<(Key, String, f64)>> = vec![Vec::new()];
    let mut used = 0.0;
    for (key, label) in entries {
        let own = key_width(*key) + 5.0 + text_width(label, SMALL, false) + 16.0;
        if used + own > width && used > 0.0 {
            lines.push(Vec::new());
            used = 0.0;
        }
        if let Some(line) = lines.last_mut() {
            line.push((*key, label.clone(), own));
        }
        used += own;
    }
    lines
}

/// Height of a legend in points.
pub(crate) fn legend_height(lines: &[Vec<(Key, String, f64)>]) -> f64 {
    lines.len() as f64 * LEGEND_LINE
}

/// Paints a legend from its upper left corner.
pub(crate) fn legend(scene: &mut Scene, lines: &[Vec<(Key, String, f64)>], (left, top): (f64, f64)) {
    for (i, line) in lines.iter().enumerate() {
        let middle = top + (i as f64 + 0.5) * LEGEND_LINE;
        let mut x = left;
        for (key, label, own) in line {
            let ends = ((x, middle), (x + KEY_WIDTH, middle));
            match *key {
                Key::Curve(color) => scene.line(vec![ends.0, ends.1], color, 2.0),
                Key::Dashes(color, pattern) => scene.dashes(ends, pattern, color, 1.2),
                Key::Point(color, shape, hollow) => {
                    scene.point((x + POINT_WIDTH / 2.0, middle), shape, 3.4, color, hollow);
                }
            }
            scene.text((x + key_width(*key) + 5.0, middle + 0.36 * SMALL), label, SMALL, INK, Side::Left);
            x += own;
        }
    }
}

fn key_width(key: Key) -> f64 {
    if matches!(key, Key::Point(..)) { POINT_WIDTH } else { KEY_WIDTH }
}
