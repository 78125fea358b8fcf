//! LAR and accuracy against the epoch, one panel a group: the paper's Figures 1a and 1b on our own runs.

use crate::{
    analysis::CurvePoint,
    studies::grokking::{Checkpoint, Evaluation, Group, curve, paper::Reference},
};

use super::title;
use crate::render::figure::{
    Undrawn,
    axes::{Panel, Scale},
    bins::{band, binned, stroke},
    grid::{Grid, heading},
    legend::{Key, legend, legend_height, legend_lines},
    scene::{Scene, Shape, Side},
    theme::{ACCURACY, CURVE, Color, FAINT, GROKKED, INK, LAR, MEMORIZED, SMALL, TEXT, TRAIN},
};

/// Panels on a page: the twelve operations of the paper.
const PAGE: usize = 12;
const LEFT: f64 = 54.0;
const RIGHT: f64 = 56.0;
const BOTTOM: f64 = 42.0;
const GAP: (f64, f64) = (16.0, 34.0);
const HEAD: f64 = 24.0;

pub(super) const MEMORIZED_DASH: (f64, f64) = (2.0, 2.5);
pub(super) const GROKKED_DASH: (f64, f64) = (6.0, 3.0);
pub(super) const HALF_DASH: (f64, f64) = (1.0, 2.5);
const THIN: f64 = 1.0;

/// Accuracy with room for the thickness of the line at 0 and 100 %.
const ACCURACY_SCALE: Scale = Scale::Linear(-4.0, 104.0);

/// Curves of a group, ready to be drawn.
struct Curves {
    lar: Vec<CurvePoint>,
    train: Vec<CurvePoint>,
    val: Vec<CurvePoint>,
}

impl Curves {
    fn of(group: &Group<'_>) -> Self {
        let curve = |quantity: fn(&Evaluation) -> f64| curve(&group.records, quantity);
        Self {
            lar: curve(|row| row.lar),
            train: curve(|row| 100.0 * row.train_accuracy),
            val: curve(|row| 100.0 * row.val_accuracy),
        }
    }

    fn last_epoch(&self) -> Option<u64> {
        self.lar.last().into_iter().chain(self.val.last()).map(|point| point.epoch).max()
    }
}

/// The pages, one panel a group in the order given. Means over seeds alive, with the range over seeds behind.
pub fn pages(groups: &[Group<'_>]) -> Result<Vec<Scene>, Undrawn> {
    let curves: Vec<Curves> = groups.iter().map(Curves::of).collect();
    let last = curves.iter().filter_map(Curves::last_epoch).max().ok_or(Undrawn::NoEvaluation)?;
    let (x, lar_scale) = (Scale::Epochs(last.max(1) as f64), lar_scale(&curves));
    let pages = groups.chunks(PAGE).zip(curves.chunks(PAGE));
    Ok(pages.map(|(page, curves)| draw_page(page, curves, groups, x, lar_scale)).collect())
}

fn draw_page(page: &[Group<'_>], curves: &[Curves], all: &[Group<'_>], x: Scale, lar_scale: Scale) -> Scene {
    let columns = match page.len() {
        0..=1 => 1,
        2 | 4 => 2,
        3 | 5..=9 => 3,
        _ => 4,
    };
    let size = [(500.0, 290.0), (350.0, 210.0), (260.0, 165.0), (205.0, 145.0)][columns - 1];
    let mut grid = Grid { corner: (LEFT, 0.0), size, gap: GAP, columns, count: page.len() };
    let total_width = grid.right() + RIGHT;
    let key = legend_lines(&legend_entries(page), total_width - LEFT - 10.0);
    grid.corner.1 = 8.0 + legend_height(&key) + HEAD;
    let mut scene = Scene::new(total_width, grid.bottom() + BOTTOM);
    legend(&mut scene, &key, (LEFT, 6.0));

    for (i, (group, curves)) in page.iter().zip(curves).enumerate() {
        let panel = grid.panel(i, x);
        let remark = format!("{}/{} grokked", group.grokked(), group.runs.len());
        heading(&mut scene, &panel, &title(group, all), &remark);
        let ticks = lar_scale.ticks(6);
        panel.grid(&mut scene, lar_scale, ticks.iter().map(|(value, _)| *value));
        draw(&mut scene, &panel, lar_scale, group, curves);
        panel.frame(&mut scene);
        panel.side_axis(&mut scene, lar_scale, &ticks, false, grid.starts_row(i).then_some(LAR));
        let percents = Scale::Linear(0.0, 100.0).ticks(4);
        panel.side_axis(&mut scene, ACCURACY_SCALE, &percents, true, grid.ends_row(i).then_some(ACCURACY));
        panel.bottom_axis(&mut scene, 6, grid.ends_column(i));
        if grid.ends_column(i) {
            let at = (panel.middle().0, panel.bottom() + 30.0);
            scene.text(at, "epoch", TEXT, INK, Side::Middle);
        }
    }
    let middle = (grid.corner.1 + grid.bottom()) / 2.0;
    scene.text_upwards((17.0, middle), "log-alignment ratio", TEXT, LAR);
    scene.text_upwards((total_width - 8.0, middle), "accuracy (%)", TEXT, ACCURACY);
    scene
}

/// One scale for all panels, with the whole of every band, ½, and a little room.
fn lar_scale(curves: &[Curves]) -> Scale {
    let points = || curves.iter().flat_map(|c| &c.lar);
    let low = points().map(|p| p.min).fold(0.4, f64::min);
    let high = points().map(|p| p.max).fold(0.7, f64::max);
    let (low, high) = ((low * 10.0 + 1e-9).floor() / 10.0, (high * 10.0 - 1e-9).ceil() / 10.0);
    Scale::Linear(low - 0.04 * (high - low), high + 0.04 * (high - low))
}

fn draw(scene: &mut Scene, panel: &Panel, lar_scale: Scale, group: &Group<'_>, curves: &Curves) {
    let half = |x| (x, panel.at(lar_scale, (0.0, 0.5)).1);
    scene.dashes((half(panel.left), half(panel.right())), HALF_DASH, FAINT, 1.0);
    if curves.last_epoch().is_none() {
        scene.text(panel.middle(), "no finite evaluation yet", SMALL, FAINT, Side::Middle);
        return;
    }
    let train = binned(panel, ACCURACY_SCALE, &curves.train);
    let val = binned(panel, ACCURACY_SCALE, &curves.val);
    let lar = binned(panel, lar_scale, &curves.lar);
    if group.runs.len() > 1 {
        band(scene, &val, ACCURACY);
        band(scene, &lar, LAR);
    }
    milestones(scene, panel, group, [MEMORIZED, GROKKED]);
    stroke(scene, &train, TRAIN, THIN);
    stroke(scene, &val, ACCURACY, CURVE);
    stroke(scene, &lar, LAR, CURVE);
    if let Some(paper) = &group.paper {
        for (epoch, lar, shape) in paper_points(paper) {
            if panel.holds(lar_scale, (epoch, lar)) {
                scene.point(panel.at(lar_scale, (epoch, lar)), shape, 3.2, INK, true);
            }
        }
    }
}

/// Upright lines at the mean epochs of memorizing and grokking.
pub(super) fn milestones(scene: &mut Scene, panel: &Panel, group: &Group<'_>, colors: [Color; 2]) {
    for (checkpoint, color, pattern) in
        [(Checkpoint::Memorized, colors[0], MEMORIZED_DASH), (Checkpoint::Grokked, colors[1], GROKKED_DASH)]
    {
        if let Some(means) = group.means(checkpoint) {
            let x = panel.left + panel.width * panel.x.place(means.epoch);
            scene.dashes(((x, panel.bottom()), (x, panel.top)), pattern, color, 1.3);
        }
    }
}

/// The paper's LAR: at fixed epochs as circles, at milestones as diamonds.
fn paper_points(paper: &Reference) -> Vec<(f64, f64, Shape)> {
    [
        (Some(0.0), paper.lar_epoch0, Shape::Circle),
        (Some(1.0), paper.lar_epoch1, Shape::Circle),
        (Some(20.0), paper.lar_epoch20, Shape::Circle),
        (Some(40.0), paper.lar_epoch40, Shape::Circle),
        (paper.memorized_epoch_mean, paper.lar_memorized, Shape::Diamond),
        (paper.grokked_epoch_mean, paper.lar_grokked, Shape::Diamond),
        (Some(paper.final_epoch()), paper.lar_final, Shape::Diamond),
    ]
    .into_iter()
    .filter_map(|(epoch, lar, shape)| Some((epoch?, lar?, shape)))
    .collect()
}

fn legend_entries(groups: &[Group<'_>]) -> Vec<(Key, String)> {
    let mut entries = vec![
        (Key::Curve(LAR), "LAR".to_owned()),
        (Key::Curve(ACCURACY), "validation accuracy".into()),
        (Key::Curve(TRAIN), "train accuracy".into()),
        (Key::Dashes(MEMORIZED, MEMORIZED_DASH), "memorized".into()),
        (Key::Dashes(GROKKED, GROKKED_DASH), "grokked".into()),
        (Key::Dashes(FAINT, HALF_DASH), "LAR = ½".into()),
    ];
    if groups.iter().any(|group| group.runs.len() > 1) {
        entries[0].1 = "LAR (mean, range over seeds)".into();
    }
    if groups.iter().any(|group| group.paper.is_some()) {
        entries.push((Key::Point(INK, Shape::Circle, true), "paper's LAR at epochs 0, 1, 20, 40".into()));
        let milestones = "paper: memorized, grokked, final";
        entries.push((Key::Point(INK, Shape::Diamond, true), milestones.into()));
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_scale_holds_every_band_and_one_half() {
        let point = |min, max| CurvePoint { epoch: 0, runs: 2, mean: min, min, max };
        let curves = |lar| Curves { lar: vec![lar], train: Vec::new(), val: Vec::new() };
        let curves = [curves(point(0.24, 0.5)), curves(point(0.6, 0.93))];
        let Scale::Linear(low, high) = lar_scale(&curves) else { panic!("not linear") };
        assert!(low < 0.2 && low > 0.1 && high > 1.0 && high < 1.1);
    }
}
