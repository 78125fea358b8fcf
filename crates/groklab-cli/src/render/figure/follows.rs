//! One quantity against another over the steps of runs: does it follow?

use super::{
    Undrawn,
    axes::Scale,
    grid::{Grid, heading},
    legend::{Key, legend, legend_height, legend_lines},
    scene::{Scene, Shape, Side},
    theme::{INK, SERIES, TEXT},
};

/// A panel of clouds of points.
pub struct Panel {
    /// Above it, at the left.
    pub title: String,
    /// Above it, at the right.
    pub remark: String,
    /// Name and points of each cloud.
    pub clouds: Vec<(String, Vec<(f64, f64)>)>,
}

/// One page; `axes` are the names of x and y.
pub fn page(panels: &[Panel], axes: (&str, &str)) -> Result<Vec<Scene>, Undrawn> {
    let points = || panels.iter().flat_map(|panel| &panel.clouds).flat_map(|(_, points)| points);
    if points().next().is_none() {
        return Err(Undrawn::NoEvaluation);
    }
    let spread = |of: fn(&(f64, f64)) -> f64| {
        let low = points().map(of).fold(f64::INFINITY, f64::min);
        let high = points().map(of).fold(f64::NEG_INFINITY, f64::max);
        let room = 0.05 * (high - low).max(1e-9);
        Scale::Linear(low - room, high + room)
    };
    let (x, y) = (spread(|p| p.0), spread(|p| p.1));
    let mut names: Vec<&str> = panels.iter().flat_map(|p| &p.clouds).map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let color = |name: &str| SERIES[names.iter().position(|n| *n == name).unwrap_or(0) % SERIES.len()];
    let mut grid = Grid {
        corner: (66.0, 0.0),
        size: (320.0, 230.0),
        gap: (60.0, 52.0),
        columns: 2,
        count: panels.len(),
    };
    grid.columns = panels.len().min(2);
    let width = grid.right() + 16.0;
    let entries: Vec<(Key, String)> = names
        .iter()
        .map(|name| (Key::Point(color(name), Shape::Circle, false), (*name).to_owned()))
        .collect();
    let key = legend_lines(&entries, width - 80.0);
    grid.corner.1 = 14.0 + legend_height(&key) + 22.0;
    let mut scene = Scene::new(width, grid.bottom() + 46.0);
    legend(&mut scene, &key, (66.0, 6.0));
    for (i, panel) in panels.iter().enumerate() {
        let place = grid.panel(i, x);
        heading(&mut scene, &place, &panel.title, &panel.remark);
        let ticks = y.ticks(5);
        place.grid(&mut scene, y, ticks.iter().map(|(value, _)| *value));
        for (name, points) in &panel.clouds {
            for point in points {
                scene.point(place.at(y, *point), Shape::Circle, 1.5, color(name), false);
            }
        }
        place.frame(&mut scene);
        place.side_axis(&mut scene, y, &ticks, false, grid.starts_row(i).then_some(INK));
        place.bottom_axis(&mut scene, 6, true);
        let at = (place.middle().0, place.bottom() + 32.0);
        scene.text(at, axes.0, TEXT, INK, Side::Middle);
    }
    let middle = (grid.corner.1 + grid.bottom()) / 2.0;
    scene.text_upwards((17.0, middle), axes.1, TEXT, INK);
    Ok(vec![scene])
}
