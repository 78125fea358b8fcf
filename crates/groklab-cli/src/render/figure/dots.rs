//! Numbers in rows on one logarithmic axis, each row with the floors that it is to be compared with.

use super::{
    Undrawn,
    axes::{Panel, Scale},
    backend::text_width,
    legend::{Key, legend, legend_height, legend_lines},
    scene::{Scene, Shape, Side},
    theme::{ACCURACY, CURVE, FAINT, GRID, GROKKED, HAIR, INK, LAR, SMALL, TEXT},
};

/// A row.
pub struct Row {
    /// Before it.
    pub label: String,
    /// A dot each.
    pub values: Vec<f64>,
    /// An upright line each, as the floors are named.
    pub floors: [Option<f64>; 2],
}

const LINE: f64 = 19.0;
const WIDTH: f64 = 420.0;

/// One page. `number` names the axis, `dots` what a dot is, `floors` the upright lines.
pub fn page(rows: &[Row], number: &str, dots: &str, floors: [&str; 2]) -> Result<Vec<Scene>, Undrawn> {
    let positive = |value: &f64| value.is_finite() && *value > 0.0;
    let all = || rows.iter().flat_map(|row| row.values.iter().chain(row.floors.iter().flatten()));
    let values = || all().copied().filter(positive);
    let [low, high] = [values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max)];
    if low > high {
        return Err(Undrawn::NoEvaluation);
    }
    let colors = [ACCURACY, GROKKED];
    let mut entries = vec![(Key::Point(LAR, Shape::Circle, false), dots.to_owned())];
    entries.extend(colors.iter().zip(floors).map(|(color, name)| (Key::Curve(*color), name.to_owned())));
    let left = 22.0 + rows.iter().map(|row| text_width(&row.label, SMALL, false)).fold(60.0, f64::max);
    let key = legend_lines(&entries, WIDTH);
    let top = 14.0 + legend_height(&key);
    let x = Scale::Log(low / 1.3, high * 1.3);
    let height = LINE * (rows.len() as f64 + 0.5);
    let panel = Panel { left, top, width: WIDTH, height, x };
    let mut scene = Scene::new(panel.right() + 16.0, panel.bottom() + 44.0);
    legend(&mut scene, &key, (left, 6.0));
    // the row's middle as a value from 0, at the bottom, to 1
    let y = Scale::Linear(0.0, 1.0);
    for (i, row) in rows.iter().enumerate() {
        let middle = panel.top + LINE * (i as f64 + 0.75);
        let height = 1.0 - (middle - panel.top) / panel.height;
        scene.line(vec![(panel.left, middle), (panel.right(), middle)], GRID, HAIR);
        scene.text((left - 8.0, middle + 0.36 * SMALL), &row.label, SMALL, INK, Side::Right);
        for (floor, color) in row.floors.iter().zip(colors) {
            if let Some(value) = floor.filter(positive) {
                let (at, _) = panel.at(y, (value, height));
                scene.line(vec![(at, middle - 7.0), (at, middle + 7.0)], color, CURVE);
            }
        }
        for &value in row.values.iter().filter(|value| positive(value)) {
            scene.point(panel.at(y, (value, height)), Shape::Circle, 2.6, LAR, false);
        }
        if !row.values.iter().any(positive) {
            scene.text((panel.middle().0, middle + 0.36 * SMALL), "no pair", SMALL, FAINT, Side::Middle);
        }
    }
    panel.frame(&mut scene);
    panel.bottom_axis(&mut scene, 6, true);
    scene.text((panel.middle().0, panel.bottom() + 32.0), number, TEXT, INK, Side::Middle);
    Ok(vec![scene])
}

#[cfg(test)]
mod tests {
    use super::super::svg;
    use super::*;

    #[test]
    fn every_row_has_its_name_and_one_without_a_value_says_so() {
        let row = |label: &str, values: Vec<f64>| Row {
            label: label.to_owned(),
            values,
            floors: [Some(1e-3), None],
        };
        let rows = [row("one", vec![0.1, 0.02]), row("two", vec![0.0])];
        let drawn = svg(&page(&rows, "JS", "a pair", ["seeds", "samples"]).unwrap()[0]).unwrap();
        for text in ["one", "two", "JS", "a pair", "seeds", "samples", "no pair"] {
            assert!(drawn.contains(text), "{text}");
        }
        assert!(page(&[], "JS", "a pair", ["seeds", "samples"]).is_err());
    }
}
