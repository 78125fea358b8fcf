//! Curves in panels, each panel with scales of its own: spectra by rank, numbers over a training.

use super::{
    Undrawn,
    axes::Scale,
    grid::{Grid, heading},
    legend::{Key, legend, legend_height, legend_lines},
    scene::{Scene, Side},
    theme::{CURVE, FAINT, INK, SMALL, TEXT, one_of},
};

/// A panel of curves.
pub struct Panel {
    /// Above it, at the left: what is drawn, or of what.
    pub title: String,
    /// Above it, at the right.
    pub remark: String,
    /// Name and points of each curve; the curves of one name have one colour.
    pub curves: Vec<(String, Vec<(f64, f64)>)>,
}

/// The axes of a page.
#[derive(Clone, Copy)]
pub struct Axes<'a> {
    /// Name of x.
    pub x: &'a str,
    /// Name of y; empty where the titles of panels say it.
    pub y: &'a str,
    /// Whether x and y are logarithmic: then what is not positive is left out.
    pub is_log: (bool, bool),
}

/// One page. Names are coloured in their order of appearance.
pub fn page(panels: &[Panel], axes: Axes) -> Result<Vec<Scene>, Undrawn> {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in panels.iter().flat_map(|panel| &panel.curves) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    let is_drawn = |point: &(f64, f64)| {
        let fits = |value: f64, is_log: bool| value.is_finite() && (!is_log || value > 0.0);
        fits(point.0, axes.is_log.0) && fits(point.1, axes.is_log.1)
    };
    if !panels.iter().flat_map(|panel| &panel.curves).any(|(_, points)| points.iter().any(is_drawn)) {
        return Err(Undrawn::NoEvaluation);
    }
    let mut grid = Grid {
        corner: (72.0, 0.0),
        size: (300.0, 200.0),
        gap: (72.0, 60.0),
        columns: panels.len().min(2),
        count: panels.len(),
    };
    let color = |name: &str| one_of(names.iter().position(|n| *n == name).unwrap_or(0), names.len());
    let entries: Vec<(Key, String)> =
        names.iter().map(|name| (Key::Curve(color(name)), (*name).to_owned())).collect();
    let key = legend_lines(&entries, grid.right() - 72.0);
    grid.corner.1 = 14.0 + legend_height(&key) + 22.0;
    let mut scene = Scene::new(grid.right() + 16.0, grid.bottom() + 44.0);
    legend(&mut scene, &key, (72.0, 6.0));
    for (i, panel) in panels.iter().enumerate() {
        let points: Vec<(f64, f64)> =
            panel.curves.iter().flat_map(|(_, points)| points).copied().filter(is_drawn).collect();
        let x = spread(points.iter().map(|p| p.0), axes.is_log.0);
        let y = spread(points.iter().map(|p| p.1), axes.is_log.1);
        let place = grid.panel(i, x);
        heading(&mut scene, &place, &panel.title, &panel.remark);
        place.frame(&mut scene);
        if points.is_empty() {
            scene.text(place.middle(), "not measured", SMALL, FAINT, Side::Middle);
            continue;
        }
        let ticks = ticks(y);
        place.grid(&mut scene, y, ticks.iter().map(|(value, _)| *value));
        place.side_axis(&mut scene, y, &ticks, false, Some(INK));
        place.bottom_axis(&mut scene, 5, false);
        place.bottom_ticks(&mut scene, &self::ticks(x), true);
        for (name, points) in &panel.curves {
            let places = points.iter().filter(|p| is_drawn(p)).map(|point| place.at(y, *point)).collect();
            scene.line(places, color(name), CURVE);
        }
        let at = (place.middle().0, place.bottom() + 30.0);
        scene.text(at, axes.x, TEXT, INK, Side::Middle);
    }
    let middle = (grid.corner.1 + grid.bottom()) / 2.0;
    scene.text_upwards((17.0, middle), axes.y, TEXT, INK);
    Ok(vec![scene])
}

/// From the least to the greatest value with a little room; around a single one.
fn spread(values: impl Iterator<Item = f64>, is_log: bool) -> Scale {
    let (low, high) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if low > high {
        return Scale::Linear(0.0, 1.0);
    }
    if is_log {
        return Scale::Log(low / 1.15, high * 1.15);
    }
    let room = if high > low { 0.05 * (high - low) } else { 0.1 * high.abs().max(1e-12) };
    Scale::Linear(low - room, high + room)
}

/// Labelled ticks; of logarithms over less than two decades 1, 2 and 5 of each, for decades alone would be one or none.
fn ticks(scale: Scale) -> Vec<(f64, String)> {
    let Scale::Log(low, high) = scale else { return scale.ticks(5) };
    if high / low >= 100.0 {
        return scale.ticks(5);
    }
    let decades = low.log10().floor() as i32..=high.log10().floor() as i32;
    let all = decades.flat_map(|decade| [1.0, 2.0, 5.0].map(|m| m * 10_f64.powi(decade)));
    all.filter(|value| (low..=high).contains(value)).map(|value| (value, plain(value))).collect()
}

/// 0.2, 5, 20 without a rounding of the power.
fn plain(value: f64) -> String {
    let digits = (-value.log10().floor()).max(0.0) as usize;
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::super::svg;
    use super::*;

    #[test]
    fn a_short_logarithm_has_more_labels_than_its_decades() {
        let labels = |low, high| -> Vec<String> {
            ticks(Scale::Log(low, high)).into_iter().map(|(_, label)| label).collect()
        };
        assert_eq!(labels(1.9, 63.0), ["2", "5", "10", "20", "50"]);
        assert_eq!(labels(0.04, 0.3), ["0.05", "0.1", "0.2"]);
        assert_eq!(labels(0.1, 63.0), ["10⁻¹", "1", "10"]);
    }

    #[test]
    fn curves_are_drawn_and_a_panel_without_any_says_so() {
        let panel = |title: &str, points| Panel {
            title: title.to_owned(),
            remark: String::new(),
            curves: vec![("a".to_owned(), points)],
        };
        let axes = Axes { x: "rank", y: "share", is_log: (true, true) };
        let spectrum = vec![(1.0, 0.9), (2.0, 0.1), (3.0, 0.0)];
        let pages = page(&[panel("one", spectrum), panel("none", vec![(0.0, 1.0)])], axes).unwrap();
        let drawn = svg(&pages[0]).unwrap();
        assert!(drawn.contains("rank") && drawn.contains("share") && drawn.contains("not measured"));
        assert!(page(&[panel("none", Vec::new())], axes).is_err());
    }
}
