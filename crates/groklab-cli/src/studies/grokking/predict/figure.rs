//! The forest of `groklab predict`: τ of every number, a panel a moment.

use super::{
    Finding,
    early::{MOMENTS, NUMBERS},
};
use crate::render::figure::{
    Scene, Undrawn,
    axes::{Panel, Scale},
    backend::text_width,
    grid::heading,
    legend::{Key, legend, legend_height, legend_lines},
    scene::{Shape, Side},
    theme::{ACCURACY, CURVE, FAINT, GRID, HAIR, INK, LAR, SMALL, TEXT},
};

const LINE: f64 = 21.0;
const WIDTH: f64 = 200.0;
const GAP: f64 = 22.0;

/// One page. Within groups a dot with its interval, filled if the number orders; given the validation loss a diamond with its
/// interval below; of each group alone a light dot.
pub fn page(found: &[Finding]) -> Result<Vec<Scene>, Undrawn> {
    if found.iter().all(|finding| finding.of_lots.iter().all(|(tau, _)| tau.is_none())) {
        return Err(Undrawn::NoOrder);
    }
    let entries = [
        (Key::Point(LAR, Shape::Circle, false), "τ within groups, orders".to_owned()),
        (Key::Point(LAR, Shape::Circle, true), "does not, or open".to_owned()),
        (Key::Point(ACCURACY, Shape::Diamond, false), "given the validation loss".to_owned()),
        (Key::Point(FAINT, Shape::Circle, true), "a group alone".to_owned()),
    ];
    let left = 22.0 + NUMBERS.iter().map(|number| text_width(number.name, SMALL, false)).fold(60.0, f64::max);
    let width = MOMENTS.len() as f64 * (WIDTH + GAP);
    let key = legend_lines(&entries, width);
    let top = 40.0 + legend_height(&key);
    let height = LINE * (NUMBERS.len() as f64 + 0.5);
    let mut scene = Scene::new(left + width, top + height + 44.0);
    legend(&mut scene, &key, (left, 6.0));
    for (i, moment) in MOMENTS.iter().enumerate() {
        let x = Scale::Linear(-1.05, 1.05);
        let panel = Panel { left: left + i as f64 * (WIDTH + GAP), top, width: WIDTH, height, x };
        let title =
            if *moment == 0 { "memorized".to_owned() } else { format!("memorized + {moment} epochs") };
        heading(&mut scene, &panel, &title, "");
        let zero = panel.left + panel.width * x.place(0.0);
        scene.line(vec![(zero, panel.top), (zero, panel.bottom())], FAINT, HAIR);
        for (row, number) in NUMBERS.iter().enumerate() {
            let middle = panel.top + LINE * (row as f64 + 0.75);
            scene.line(vec![(panel.left, middle), (panel.right(), middle)], GRID, HAIR);
            if i == 0 {
                scene.text((panel.left - 8.0, middle + 0.36 * SMALL), number.name, SMALL, INK, Side::Right);
            }
            let is_it = |finding: &&Finding| finding.number == row && finding.moment == *moment;
            found.iter().find(is_it).iter().for_each(|finding| draw(&mut scene, &panel, middle, finding));
        }
        panel.frame(&mut scene);
        panel.bottom_axis(&mut scene, 4, true);
    }
    let foot = (left + (width - GAP) / 2.0, top + height + 34.0);
    scene.text(
        foot,
        "Kendall's τ with the grokking epoch; negative: the larger, the sooner",
        TEXT,
        INK,
        Side::Middle,
    );
    Ok(vec![scene])
}

fn draw(scene: &mut Scene, panel: &Panel, middle: f64, finding: &Finding) {
    let at = |tau: f64| panel.left + panel.width * panel.x.place(tau);
    for tau in finding.of_lots.iter().filter_map(|(tau, _)| *tau) {
        scene.point((at(tau), middle), Shape::Circle, 2.0, FAINT, true);
    }
    let mut mark = |tau: f64, (low, high): (f64, f64), y: f64, shape, color, hollow| {
        scene.line(vec![(at(low), y), (at(high), y)], color, CURVE);
        scene.point((at(tau), y), shape, 3.4, color, hollow);
    };
    if let Some((tau, ends)) = finding.within.zip(finding.interval) {
        mark(tau, ends, middle - 3.0, Shape::Circle, LAR, finding.answer != super::Answer::Orders);
    }
    if let Some((tau, ends)) = finding.partial {
        mark(tau, ends, middle + 4.5, Shape::Diamond, ACCURACY, false);
    }
}
