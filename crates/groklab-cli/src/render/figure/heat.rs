//! A number at the end of runs over two settings: a cell for each pair of values, its colour and its number the mean over
//! seeds.

use super::{
    Undrawn,
    backend::text_width,
    scene::{Scene, Side},
    theme::{Color, FAINT, HEADING, INK, PAPER, SMALL, TEXT, sequential},
};

/// A map.
pub struct Map {
    /// What its runs have in common and those of other maps have not; empty if there is one map.
    pub title: String,
    /// Values of the setting across.
    pub columns: Vec<String>,
    /// Values of the setting upwards.
    pub rows: Vec<String>,
    /// A cell for each row and column; none where there are no runs.
    pub cells: Vec<Vec<Option<Cell>>>,
}

/// The runs at one pair of values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    /// Mean over the runs that have the number.
    pub mean: f64,
    /// Whether some of the runs did not reach their target.
    pub is_partial: bool,
}

const CELL: (f64, f64) = (31.0, 20.0);
const GAP: (f64, f64) = (26.0, 44.0);
/// Width of a page that is not exceeded by a second map in a row.
const WIDTH: f64 = 900.0;
const NUMBER: f64 = 8.0;

/// One page; `axes` are the names of the settings across and upwards, numbers stand in the cells times `unit`.
pub fn page(maps: &[Map], axes: (&str, &str), number: &str, unit: f64) -> Result<Vec<Scene>, Undrawn> {
    let means = || maps.iter().flat_map(|map| map.cells.iter().flatten().flatten()).map(|cell| cell.mean);
    let (low, high) = (means().fold(f64::INFINITY, f64::min), means().fold(f64::NEG_INFINITY, f64::max));
    if low > high {
        return Err(Undrawn::NoEvaluation);
    }
    let place = |value: f64| if high > low { (value - low) / (high - low) } else { 1.0 };
    let most = |of: fn(&Map) -> usize| maps.iter().map(of).max().unwrap_or(1) as f64;
    let labels = maps.iter().flat_map(|map| &map.rows).map(|row| text_width(row, SMALL, false));
    let left = 26.0 + labels.fold(0.0, f64::max);
    let size = (most(|map| map.columns.len()) * CELL.0, most(|map| map.rows.len()) * CELL.1);
    let step = (left + size.0 + GAP.0, size.1 + GAP.1);
    let across = ((WIDTH / step.0).floor() as usize).clamp(1, maps.len());
    let down = maps.len().div_ceil(across);
    let top = 50.0;
    let foot = format!(
        "a dot: some runs did not reach their target; colours from {:.0} to {:.0}",
        unit * low,
        unit * high
    );
    let needed = text_width(&foot, SMALL, false).max(text_width(number, HEADING, true)) + 20.0;
    let mut scene = Scene::new((across as f64 * step.0).max(needed), top + down as f64 * step.1 + 34.0);
    scene.bold((10.0, 18.0), number, HEADING, INK, Side::Left);
    for (i, map) in maps.iter().enumerate() {
        let corner = ((i % across) as f64 * step.0 + left, top + (i / across) as f64 * step.1);
        draw(&mut scene, map, corner, &|cell| {
            (sequential(place(cell.mean)), format!("{:.0}", unit * cell.mean))
        });
        let middle = corner.1 + map.rows.len() as f64 * CELL.1 / 2.0;
        scene.text_upwards((corner.0 - left + 12.0, middle), axes.1, TEXT, INK);
    }
    scene.text((left + size.0 / 2.0, scene.height - 34.0), axes.0, TEXT, INK, Side::Middle);
    scene.text((10.0, scene.height - 8.0), &foot, SMALL, FAINT, Side::Left);
    Ok(vec![scene])
}

fn draw(scene: &mut Scene, map: &Map, (left, top): (f64, f64), look: &dyn Fn(Cell) -> (Color, String)) {
    scene.text((left, top - 7.0), &map.title, SMALL, INK, Side::Left);
    let bottom = top + map.rows.len() as f64 * CELL.1;
    for (j, column) in map.columns.iter().enumerate() {
        let x = left + (j as f64 + 0.5) * CELL.0;
        scene.text((x, bottom + 13.0), column, SMALL, INK, Side::Middle);
    }
    // values grow upwards
    for (i, (row, cells)) in map.rows.iter().zip(&map.cells).enumerate() {
        let y = bottom - (i + 1) as f64 * CELL.1;
        scene.text((left - 6.0, y + 0.5 * CELL.1 + 3.0), row, SMALL, INK, Side::Right);
        for (j, cell) in cells.iter().enumerate() {
            let Some(cell) = cell else { continue };
            let x = left + j as f64 * CELL.0;
            let (color, number) = look(*cell);
            // what can be read on it
            let ink = if u32::from(color.1) > 150 { INK } else { PAPER };
            let (right, below) = (x + CELL.0 - 1.0, y + CELL.1 - 1.0);
            scene.area(vec![(x, y), (right, y), (right, below), (x, below)], color, 1.0);
            scene.text((x + 0.5 * CELL.0, y + 0.5 * CELL.1 + 3.0), &number, NUMBER, ink, Side::Middle);
            if cell.is_partial {
                scene.marks.push(super::scene::Mark::Disc {
                    at: (right - 3.5, y + 3.5),
                    radius: 1.6,
                    color: ink,
                });
            }
        }
    }
}
