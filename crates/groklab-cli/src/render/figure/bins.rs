//! Long curves as what the eye can part: evaluations on the same place of the page are joined.

use crate::analysis::CurvePoint;

use super::{
    axes::{Panel, Scale},
    scene::{Scene, Shape},
    theme::Color,
};

/// Evaluations that fall on the same place of the page.
pub(crate) struct Bin {
    pub x: f64,
    pub mean: f64,
    pub high: f64,
    pub low: f64,
    count: usize,
}

/// Joins evaluations closer than the eye can part: mean of the means, greatest and least of all.
pub(crate) fn binned(panel: &Panel, scale: Scale, points: &[CurvePoint]) -> Vec<Bin> {
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

/// The range over seeds behind a curve.
pub(crate) fn band(scene: &mut Scene, bins: &[Bin], color: Color) {
    let upper = bins.iter().map(|bin| (bin.x, bin.high));
    let lower = bins.iter().rev().map(|bin| (bin.x, bin.low));
    scene.area(upper.chain(lower).collect(), color, 0.2);
}

/// The means as a line, a lone one as a point.
pub(crate) fn stroke(scene: &mut Scene, bins: &[Bin], color: Color, width: f64) {
    scene.line(bins.iter().map(|bin| (bin.x, bin.mean)).collect(), color, width);
    if let [bin] = bins {
        scene.point((bin.x, bin.mean), Shape::Circle, 2.0, color, false);
    }
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
}
