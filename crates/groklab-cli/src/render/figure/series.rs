//! Quantities against the step, a panel each: a training looked at backwards.

use super::{
    axes::Scale,
    grid::{Grid, heading},
    scene::{Scene, Shape, Side},
    theme::{CURVE, FAINT, INK, LAR, SMALL, TEXT},
};

const LEFT: f64 = 58.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 40.0;

/// A page of named curves, (step, value) each; what is not finite is left out, and a curve without a value says so.
pub fn page(curves: &[(&str, Vec<(f64, f64)>)]) -> Scene {
    let grid = Grid {
        corner: (LEFT, TOP),
        size: (300.0, 170.0),
        gap: (64.0, 44.0),
        columns: 2,
        count: curves.len(),
    };
    let mut scene = Scene::new(grid.right() + RIGHT, grid.bottom() + BOTTOM);
    let steps = || curves.iter().flat_map(|(_, points)| points).map(|(step, _)| *step);
    let last = steps().fold(0.0, f64::max);
    let first = steps().fold(last, f64::min);
    let x = spread(first, last);
    for (i, (name, points)) in curves.iter().enumerate() {
        let panel = grid.panel(i, x);
        let points: Vec<(f64, f64)> = points.iter().copied().filter(|(_, value)| value.is_finite()).collect();
        heading(&mut scene, &panel, name, "");
        panel.frame(&mut scene);
        panel.bottom_axis(&mut scene, 5, true);
        if grid.ends_column(i) {
            scene.text((panel.middle().0, panel.bottom() + 30.0), "step", TEXT, INK, Side::Middle);
        }
        if points.is_empty() {
            scene.text(panel.middle(), "not measured", SMALL, FAINT, Side::Middle);
            continue;
        }
        let low = points.iter().map(|(_, value)| *value).fold(f64::INFINITY, f64::min);
        let high = points.iter().map(|(_, value)| *value).fold(f64::NEG_INFINITY, f64::max);
        let y = spread(low, high);
        let ticks = y.ticks(5);
        panel.grid(&mut scene, y, ticks.iter().map(|(value, _)| *value));
        panel.side_axis(&mut scene, y, &ticks, false, Some(INK));
        let places: Vec<(f64, f64)> = points.iter().map(|point| panel.at(y, *point)).collect();
        scene.line(places.clone(), LAR, CURVE);
        for place in places {
            scene.point(place, Shape::Circle, 2.6, LAR, false);
        }
    }
    scene
}

/// From the least to the greatest value, with a little room; around a single one.
fn spread(low: f64, high: f64) -> Scale {
    let room = if high > low { 0.05 * (high - low) } else { 0.1 * high.abs().max(1e-12) };
    Scale::Linear(low - room, high + room)
}

#[cfg(test)]
mod tests {
    use super::super::svg;
    use super::*;

    #[test]
    fn every_curve_has_its_panel_and_what_is_missing_says_so() {
        let page = page(&[
            ("LAR", vec![(0.0, 0.5), (100.0, 0.7)]),
            ("α", vec![(0.0, f64::NAN)]),
            ("rank", Vec::new()),
        ]);
        let svg = svg(&page).unwrap();
        for name in ["LAR", "α", "rank"] {
            assert!(svg.contains(name), "{name}");
        }
        assert_eq!(svg.matches("not measured").count(), 2);
    }
}
