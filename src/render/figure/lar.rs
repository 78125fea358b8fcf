//! LAR and validation accuracy against the epoch, one panel a group: the paper's Figure 1 on our own runs.

use crate::{
    analysis::{Checkpoint, CurvePoint, Group, curve, paper::Reference},
    store::{MetricsRow, RunRecord},
};

use super::{
    axes::{Key, Panel, Scale, legend, legend_height, legend_lines},
    backend::text_width,
    scene::{Scene, Shape, Side},
    theme::{ACCURACY, CURVE, Color, FAINT, GROKKED, HEADING, INK, LAR, MEMORIZED, SMALL, TEXT},
    title,
};

const LEFT: f64 = 54.0;
const RIGHT: f64 = 56.0;
const BOTTOM: f64 = 42.0;
const GAP_X: f64 = 16.0;
const GAP_Y: f64 = 34.0;
const HEAD: f64 = 24.0;

const MEMORIZED_DASH: (f64, f64) = (2.0, 2.5);
const GROKKED_DASH: (f64, f64) = (6.0, 3.0);
const HALF_DASH: (f64, f64) = (1.0, 2.5);

/// Accuracy with room for the thickness of the line at 0 and 100 %.
const ACCURACY_SCALE: Scale = Scale::Linear(-4.0, 104.0);

/// Curves of a group, ready to be drawn.
struct Curves {
    lar: Vec<CurvePoint>,
    accuracy: Vec<CurvePoint>,
}

/// The figure, one panel a group in the order given. Means over seeds alive, with the range over seeds behind.
pub fn figure(groups: &[Group<'_>]) -> Scene {
    let curves: Vec<Curves> = groups
        .iter()
        .map(|group| {
            let records: Vec<&RunRecord> = group.records.clone();
            Curves {
                lar: curve(&records, |row: &MetricsRow| row.lar),
                accuracy: curve(&records, |row: &MetricsRow| 100.0 * row.val_accuracy),
            }
        })
        .collect();
    let last = curves.iter().flat_map(|c| c.lar.last().into_iter().chain(c.accuracy.last()));
    let x = Scale::Epochs(last.map(|p| p.epoch as f64).fold(1.0, f64::max));
    let lar_scale = lar_scale(&curves);
    let columns = match groups.len() {
        0..=1 => 1,
        2 | 4 => 2,
        3 | 5..=9 => 3,
        _ => 4,
    };
    let (width, height) = [(500.0, 290.0), (350.0, 210.0), (260.0, 165.0), (205.0, 145.0)][columns - 1];
    let rows = groups.len().div_ceil(columns);

    let total_width = LEFT + RIGHT + columns as f64 * (width + GAP_X) - GAP_X;
    let key = legend_lines(&legend_entries(groups), total_width - LEFT - 10.0);
    let top = 8.0 + legend_height(&key) + HEAD;
    let grid_height = rows as f64 * (height + GAP_Y) - GAP_Y;
    let mut scene = Scene::new(total_width, top + grid_height + BOTTOM);
    legend(&mut scene, &key, (LEFT, 6.0));

    for (i, (group, curves)) in groups.iter().zip(&curves).enumerate() {
        let (row, column) = (i / columns, i % columns);
        let panel = Panel {
            left: LEFT + column as f64 * (width + GAP_X),
            top: top + row as f64 * (height + GAP_Y),
            width,
            height,
            x,
        };
        heading(&mut scene, &panel, group, groups);
        let ticks = lar_scale.ticks(6);
        panel.grid(&mut scene, lar_scale, ticks.iter().map(|(value, _)| *value));
        draw(&mut scene, &panel, lar_scale, group, curves);
        panel.frame(&mut scene);
        panel.side_axis(&mut scene, lar_scale, &ticks, false, (column == 0).then_some(LAR));
        let row_ends = column + 1 == columns || i + 1 == groups.len();
        panel.side_axis(
            &mut scene,
            ACCURACY_SCALE,
            &Scale::Linear(0.0, 100.0).ticks(4),
            true,
            row_ends.then_some(ACCURACY),
        );
        let column_ends = i + columns >= groups.len();
        panel.bottom_axis(&mut scene, 6, column_ends);
        if column_ends {
            let at = (panel.left + width / 2.0, panel.bottom() + 30.0);
            scene.text(at, "epoch", TEXT, INK, Side::Middle);
        }
    }
    let middle = top + grid_height / 2.0;
    scene.text_upwards((17.0, middle), "log-alignment ratio", TEXT, LAR);
    scene.text_upwards((total_width - 8.0, middle), "validation accuracy (%)", TEXT, ACCURACY);
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

fn heading(scene: &mut Scene, panel: &Panel, group: &Group<'_>, groups: &[Group<'_>]) {
    let name = title(group, groups);
    let remark = format!("{}/{} grokked", group.grokked(), group.runs.len());
    let room = panel.width - text_width(&remark, SMALL, false) - 8.0;
    // a long name is set smaller rather than cut
    let size = HEADING.min(HEADING * room / text_width(&name, HEADING, true));
    scene.bold((panel.left, panel.top - 7.0), &name, size, INK, Side::Left);
    scene.text((panel.right(), panel.top - 7.0), &remark, SMALL, FAINT, Side::Right);
}

fn draw(scene: &mut Scene, panel: &Panel, lar_scale: Scale, group: &Group<'_>, curves: &Curves) {
    let half = |x| (x, panel.at(lar_scale, (0.0, 0.5)).1);
    scene.dashes((half(panel.left), half(panel.right())), HALF_DASH, FAINT, 1.0);
    if curves.lar.is_empty() && curves.accuracy.is_empty() {
        let middle = (panel.left + panel.width / 2.0, panel.top + panel.height / 2.0);
        scene.text(middle, "no finite evaluation yet", SMALL, FAINT, Side::Middle);
        return;
    }
    let accuracy = binned(panel, ACCURACY_SCALE, &curves.accuracy);
    let lar = binned(panel, lar_scale, &curves.lar);
    if group.runs.len() > 1 {
        band(scene, &accuracy, ACCURACY);
        band(scene, &lar, LAR);
    }
    for (checkpoint, color, pattern) in
        [(Checkpoint::Memorized, MEMORIZED, MEMORIZED_DASH), (Checkpoint::Grokked, GROKKED, GROKKED_DASH)]
    {
        if let Some(means) = group.means(checkpoint) {
            let x = panel.left + panel.width * panel.x.place(means.epoch);
            scene.dashes(((x, panel.bottom()), (x, panel.top)), pattern, color, 1.3);
        }
    }
    for (bins, color) in [(&accuracy, ACCURACY), (&lar, LAR)] {
        scene.line(bins.iter().map(|bin| (bin.x, bin.mean)).collect(), color, CURVE);
        if let [bin] = &bins[..] {
            scene.point((bin.x, bin.mean), Shape::Circle, 2.0, color, false);
        }
    }
    if let Some(paper) = &group.paper {
        for (epoch, lar, shape) in paper_points(paper) {
            if panel.holds(lar_scale, (epoch, lar)) {
                scene.point(panel.at(lar_scale, (epoch, lar)), shape, 3.2, INK, true);
            }
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

/// Evaluations that fall on the same place of the page.
struct Bin {
    x: f64,
    mean: f64,
    high: f64,
    low: f64,
    count: usize,
}

/// Joins evaluations closer than the eye can part: mean of the means, greatest and least of all.
fn binned(panel: &Panel, scale: Scale, points: &[CurvePoint]) -> Vec<Bin> {
    const WIDTH: f64 = 0.75;
    let mut bins: Vec<Bin> = Vec::new();
    let mut slot = f64::NEG_INFINITY;
    for point in points {
        let y = |value| panel.at(scale, (point.epoch as f64, value)).1;
        let (x, mean) = panel.at(scale, (point.epoch as f64, point.mean));
        match bins.last_mut().filter(|_| (x / WIDTH).floor() == slot) {
            Some(bin) => {
                bin.count += 1;
                bin.x += (x - bin.x) / bin.count as f64;
                bin.mean += (mean - bin.mean) / bin.count as f64;
                // downwards on the page is more
                bin.high = bin.high.min(y(point.max));
                bin.low = bin.low.max(y(point.min));
            }
            None => {
                slot = (x / WIDTH).floor();
                bins.push(Bin { x, mean, high: y(point.max), low: y(point.min), count: 1 });
            }
        }
    }
    bins
}

fn band(scene: &mut Scene, bins: &[Bin], color: Color) {
    let upper = bins.iter().map(|bin| (bin.x, bin.high));
    let lower = bins.iter().rev().map(|bin| (bin.x, bin.low));
    scene.area(upper.chain(lower).collect(), color, 0.2);
}

fn legend_entries(groups: &[Group<'_>]) -> Vec<(Key, String)> {
    let mut entries = vec![
        (Key::Curve(LAR), "LAR".to_owned()),
        (Key::Curve(ACCURACY), "validation accuracy".into()),
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
    fn joined_evaluations_keep_their_extremes_and_their_mean() {
        let panel = Panel { left: 0.0, top: 0.0, width: 100.0, height: 100.0, x: Scale::Epochs(50_000.0) };
        let scale = Scale::Linear(0.0, 1.0);
        let point = |epoch, mean| CurvePoint { epoch, runs: 2, mean, min: mean - 0.1, max: mean + 0.1 };
        // the last three are 0.04 % apart, far less than a bin
        let points =
            [point(0, 0.5), point(1, 0.4), point(49_960, 0.3), point(49_980, 0.6), point(50_000, 0.9)];
        let bins = binned(&panel, scale, &points);
        assert_eq!(bins.len(), 3);
        let last = &bins[2];
        // the page counts downwards from 1 at the top
        assert!((last.mean - 40.0).abs() < 1e-9);
        assert!((last.high - 0.0).abs() < 1e-9 && (last.low - 80.0).abs() < 1e-9);
    }

    #[test]
    fn one_scale_holds_every_band_and_one_half() {
        let point = |min, max| CurvePoint { epoch: 0, runs: 2, mean: min, min, max };
        let curves = [
            Curves { lar: vec![point(0.24, 0.5)], accuracy: Vec::new() },
            Curves { lar: vec![point(0.6, 0.93)], accuracy: Vec::new() },
        ];
        let Scale::Linear(low, high) = lar_scale(&curves) else { panic!("not linear") };
        assert!(low < 0.2 && low > 0.1 && high > 1.0 && high < 1.1);
    }
}
