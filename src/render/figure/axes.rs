//! Panels: a rectangle with scales, ticks and their labels; and the legend above a figure.

use super::{
    backend::text_width,
    scene::{Scene, Shape, Side},
    theme::{Color, FAINT, GRID, HAIR, INK, SMALL},
};

/// From a value to a place between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scale {
    /// From the first to the second.
    Linear(f64, f64),
    /// Epochs up to this one: logarithmic, with a place of its own for epoch 0.
    Epochs(f64),
}

/// Decades before epoch 0, from there to epoch 1, and after the last epoch.
const BEFORE_ZERO: f64 = 0.12;
const ZERO_TO_ONE: f64 = 0.45;
const AFTER_LAST: f64 = 0.08;

impl Scale {
    /// Place of `value`; outside 0 to 1 where it does not fit.
    pub(super) fn place(self, value: f64) -> f64 {
        match self {
            Self::Linear(low, high) => (value - low) / (high - low),
            Self::Epochs(last) => {
                let decades = if value < 1.0 { value * ZERO_TO_ONE } else { ZERO_TO_ONE + value.log10() };
                (BEFORE_ZERO + decades) / (BEFORE_ZERO + ZERO_TO_ONE + last.max(1.0).log10() + AFTER_LAST)
            }
        }
    }

    /// Places for labelled ticks, about `count` of them.
    pub(super) fn ticks(self, count: usize) -> Vec<(f64, String)> {
        match self {
            Self::Linear(low, high) => {
                let step = nice_step((high - low) / count as f64);
                let digits = (-step.log10().floor()).max(0.0) as usize;
                let first = (low / step - 1e-9).ceil() as i64;
                let last = (high / step + 1e-9).floor() as i64;
                (first..=last).map(|i| (i as f64 * step, format!("{:.digits$}", i as f64 * step))).collect()
            }
            Self::Epochs(last) => {
                let powers = ["1", "10", "10²", "10³", "10⁴", "10⁵", "10⁶", "10⁷", "10⁸", "10⁹"];
                let decades =
                    powers.iter().enumerate().map(|(i, label)| (10_f64.powi(i as i32), (*label).to_owned()));
                std::iter::once((0.0, "0".to_owned()))
                    .chain(decades.filter(|(epoch, _)| *epoch <= last.max(1.0)))
                    .collect()
            }
        }
    }

    /// Places for unlabelled ticks.
    fn minor_ticks(self) -> Vec<f64> {
        match self {
            Self::Linear(..) => Vec::new(),
            Self::Epochs(last) => (0..10)
                .flat_map(|decade| (2..10).map(move |i| f64::from(i) * 10_f64.powi(decade)))
                .filter(|epoch| *epoch <= last)
                .collect(),
        }
    }
}

/// The least of 1, 2, 5 · 10^i that is not below `rough`.
fn nice_step(rough: f64) -> f64 {
    let power = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0]
        .map(|m| m * power)
        .into_iter()
        .find(|step| *step >= rough * 0.999_999)
        .unwrap_or(10.0 * power)
}

/// A rectangle that values are drawn in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panel {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
    pub x: Scale,
}

impl Panel {
    /// Where a value goes, with `y` as vertical scale.
    pub(super) fn at(&self, y: Scale, (x, value): (f64, f64)) -> (f64, f64) {
        (self.left + self.width * self.x.place(x), self.top + self.height * (1.0 - y.place(value)))
    }

    /// Whether a value lies within the panel.
    pub(super) fn holds(&self, y: Scale, (x, value): (f64, f64)) -> bool {
        (0.0..=1.0).contains(&self.x.place(x)) && (0.0..=1.0).contains(&y.place(value))
    }

    pub(super) fn right(&self) -> f64 {
        self.left + self.width
    }

    pub(super) fn bottom(&self) -> f64 {
        self.top + self.height
    }

    /// Lines behind the data at these values of `y`.
    pub(super) fn grid(&self, scene: &mut Scene, y: Scale, values: impl IntoIterator<Item = f64>) {
        for value in values {
            let height = self.top + self.height * (1.0 - y.place(value));
            scene.line(vec![(self.left, height), (self.right(), height)], GRID, HAIR);
        }
    }

    /// Ticks along the bottom, with their labels if wanted.
    pub(super) fn bottom_axis(&self, scene: &mut Scene, count: usize, labels: bool) {
        let mut tick = |value: f64, length: f64| {
            let x = self.left + self.width * self.x.place(value);
            scene.line(vec![(x, self.bottom()), (x, self.bottom() + length)], FAINT, HAIR);
        };
        self.x.minor_ticks().into_iter().for_each(|value| tick(value, 2.0));
        let ticks = self.x.ticks(count);
        ticks.iter().for_each(|(value, _)| tick(*value, 4.0));
        for (value, label) in ticks.iter().filter(|_| labels) {
            let x = self.left + self.width * self.x.place(*value);
            scene.text((x, self.bottom() + 14.0), label, SMALL, INK, Side::Middle);
        }
    }

    /// Ticks along the left (or right) side, with their labels if wanted.
    pub(super) fn side_axis(
        &self,
        scene: &mut Scene,
        y: Scale,
        ticks: &[(f64, String)],
        right: bool,
        labels: Option<Color>,
    ) {
        let (x, outwards, side) =
            if right { (self.right(), 1.0, Side::Left) } else { (self.left, -1.0, Side::Right) };
        for (value, label) in ticks {
            let height = self.top + self.height * (1.0 - y.place(*value));
            scene.line(vec![(x, height), (x + 4.0 * outwards, height)], FAINT, HAIR);
            if let Some(color) = labels {
                scene.text((x + 6.5 * outwards, height + 0.36 * SMALL), label, SMALL, color, side);
            }
        }
    }

    /// The rectangle itself.
    pub(super) fn frame(&self, scene: &mut Scene) {
        let (l, t, r, b) = (self.left, self.top, self.right(), self.bottom());
        scene.line(vec![(l, t), (r, t), (r, b), (l, b), (l, t), (r, t)], FAINT, HAIR);
    }
}

/// How a legend shows a thing.
#[derive(Clone, Copy, Debug)]
pub(super) enum Key {
    Curve(Color),
    Dashes(Color, (f64, f64)),
    Point(Color, Shape, bool),
}

const KEY_WIDTH: f64 = 20.0;
const POINT_WIDTH: f64 = 10.0;
const LEGEND_LINE: f64 = 17.0;

/// Breaks a legend into lines of at most `width` points.
pub(super) fn legend_lines(entries: &[(Key, String)], width: f64) -> Vec<Vec<(Key, String, f64)>> {
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
pub(super) fn legend_height(lines: &[Vec<(Key, String, f64)>]) -> f64 {
    lines.len() as f64 * LEGEND_LINE
}

/// Paints a legend from its upper left corner.
pub(super) fn legend(scene: &mut Scene, lines: &[Vec<(Key, String, f64)>], (left, top): (f64, f64)) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within() {
        let labels = |scale: Scale| scale.ticks(5).into_iter().map(|(_, label)| label).collect::<Vec<_>>();
        assert_eq!(labels(Scale::Linear(0.2, 0.8)), ["0.2", "0.4", "0.6", "0.8"]);
        assert_eq!(labels(Scale::Linear(0.0, 62.0)), ["0", "20", "40", "60"]);
        assert_eq!(labels(Scale::Epochs(2_100.0)), ["0", "1", "10", "10²", "10³"]);
        assert_eq!(labels(Scale::Epochs(0.0)), ["0", "1"]);
    }

    #[test]
    fn epochs_keep_their_order_and_fit() {
        let scale = Scale::Epochs(50_000.0);
        let places: Vec<f64> = [0.0, 1.0, 20.0, 40.0, 50_000.0].map(|e| scale.place(e)).to_vec();
        assert!(places.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(places[0] > 0.0 && places[4] < 1.0);
        // equal ratios, equal distances
        let apart = |a, b| scale.place(b) - scale.place(a);
        assert!((apart(10.0, 100.0) - apart(100.0, 1000.0)).abs() < 1e-12);
    }
}
