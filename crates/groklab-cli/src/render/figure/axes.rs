//! Panels: a rectangle with scales, ticks and their labels.

use super::{
    scene::{Scene, Side},
    theme::{Color, FAINT, GRID, HAIR, INK, SMALL},
};

/// From a value to a place between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scale {
    /// From the first to the second.
    Linear(f64, f64),
    /// From the first to the second by their logarithms, both positive; what is not positive has no place.
    Log(f64, f64),
    /// Epochs up to this one: logarithmic, with a place of its own for epoch 0.
    Epochs(f64),
}

/// Decades before epoch 0, from there to epoch 1, and after the last epoch.
const BEFORE_ZERO: f64 = 0.12;
const ZERO_TO_ONE: f64 = 0.45;
const AFTER_LAST: f64 = 0.08;

impl Scale {
    /// Place of `value`; outside 0 to 1 where it does not fit.
    pub(crate) fn place(self, value: f64) -> f64 {
        match self {
            Self::Linear(low, high) => (value - low) / (high - low),
            Self::Log(low, high) => (value / low).log10() / (high / low).log10(),
            Self::Epochs(last) => {
                let decades = if value < 1.0 { value * ZERO_TO_ONE } else { ZERO_TO_ONE + value.log10() };
                (BEFORE_ZERO + decades) / (BEFORE_ZERO + ZERO_TO_ONE + last.max(1.0).log10() + AFTER_LAST)
            }
        }
    }

    /// Places for labelled ticks, about `count` of them.
    pub(crate) fn ticks(self, count: usize) -> Vec<(f64, String)> {
        match self {
            Self::Linear(low, high) => {
                let step = nice_step((high - low) / count as f64);
                let digits = (-step.log10().floor()).max(0.0) as usize;
                let first = (low / step - 1e-9).ceil() as i64;
                let last = (high / step + 1e-9).floor() as i64;
                (first..=last).map(|i| (i as f64 * step, format!("{:.digits$}", i as f64 * step))).collect()
            }
            Self::Log(low, high) => decades_within(low, high).map(|i| (10_f64.powi(i), power(i))).collect(),
            Self::Epochs(last) => {
                let decades = decades_within(1.0, last.max(1.0)).map(|i| (10_f64.powi(i), power(i)));
                std::iter::once((0.0, "0".to_owned())).chain(decades).collect()
            }
        }
    }

    /// Places for unlabelled ticks.
    fn minor_ticks(self) -> Vec<f64> {
        match self {
            Self::Linear(..) => Vec::new(),
            Self::Log(low, high) => between_decades(low, high),
            Self::Epochs(last) => between_decades(1.0, last),
        }
    }
}

/// The powers of ten from `low` to `high`.
fn decades_within(low: f64, high: f64) -> std::ops::RangeInclusive<i32> {
    (low.log10() - 1e-9).ceil() as i32..=(high.log10() + 1e-9).floor() as i32
}

/// 2 to 9 times the powers of ten, from `low` to `high`.
fn between_decades(low: f64, high: f64) -> Vec<f64> {
    let decades = low.log10().floor() as i32..=high.log10().floor() as i32;
    decades
        .flat_map(|decade| (2..10).map(move |i| f64::from(i) * 10_f64.powi(decade)))
        .filter(|value| (low..=high).contains(value))
        .collect()
}

/// 10^i as it is written: 1, 10, 10², 10⁻³.
fn power(i: i32) -> String {
    match i {
        0 => "1".into(),
        1 => "10".into(),
        _ => format!("10{}", raised(i)),
    }
}

/// A whole number as an exponent.
pub(crate) fn raised(i: i32) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let digit = |c: char| c.to_digit(10).map_or('⁻', |digit| DIGITS[digit as usize]);
    i.to_string().chars().map(digit).collect()
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
pub(crate) struct Panel {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
    pub x: Scale,
}

impl Panel {
    /// Where a value goes, with `y` as vertical scale.
    pub(crate) fn at(&self, y: Scale, (x, value): (f64, f64)) -> (f64, f64) {
        (self.left + self.width * self.x.place(x), self.top + self.height * (1.0 - y.place(value)))
    }

    /// Whether a value lies within the panel.
    pub(crate) fn holds(&self, y: Scale, (x, value): (f64, f64)) -> bool {
        (0.0..=1.0).contains(&self.x.place(x)) && (0.0..=1.0).contains(&y.place(value))
    }

    /// The middle of the panel, where a remark stands in the place of data.
    pub(crate) fn middle(&self) -> (f64, f64) {
        (self.left + self.width / 2.0, self.top + self.height / 2.0)
    }

    pub(crate) fn right(&self) -> f64 {
        self.left + self.width
    }

    pub(crate) fn bottom(&self) -> f64 {
        self.top + self.height
    }

    /// Lines behind the data at these values of `y`.
    pub(crate) fn grid(&self, scene: &mut Scene, y: Scale, values: impl IntoIterator<Item = f64>) {
        for value in values {
            let height = self.top + self.height * (1.0 - y.place(value));
            scene.line(vec![(self.left, height), (self.right(), height)], GRID, HAIR);
        }
    }

    /// Round ticks along the bottom, about `count` labelled ones, with their labels if wanted.
    pub(crate) fn bottom_axis(&self, scene: &mut Scene, count: usize, labels: bool) {
        self.x.minor_ticks().into_iter().for_each(|value| self.bottom_tick(scene, value, 2.0));
        self.bottom_ticks(scene, &self.x.ticks(count), labels);
    }

    /// These ticks along the bottom, with their labels if wanted.
    pub(crate) fn bottom_ticks(&self, scene: &mut Scene, ticks: &[(f64, String)], labels: bool) {
        for (value, label) in ticks {
            self.bottom_tick(scene, *value, 4.0);
            if labels && !label.is_empty() {
                let x = self.left + self.width * self.x.place(*value);
                scene.text((x, self.bottom() + 14.0), label, SMALL, INK, Side::Middle);
            }
        }
    }

    fn bottom_tick(&self, scene: &mut Scene, value: f64, length: f64) {
        let x = self.left + self.width * self.x.place(value);
        scene.line(vec![(x, self.bottom()), (x, self.bottom() + length)], FAINT, HAIR);
    }

    /// Ticks along the left (or right) side, with their labels if wanted.
    pub(crate) fn side_axis(
        &self,
        scene: &mut Scene,
        y: Scale,
        ticks: &[(f64, String)],
        right: bool,
        labels: Option<Color>,
    ) {
        let (x, outwards, side) =
            if right { (self.right(), 1.0, Side::Left) } else { (self.left, -1.0, Side::Right) };
        for value in y.minor_ticks() {
            let height = self.top + self.height * (1.0 - y.place(value));
            scene.line(vec![(x, height), (x + 2.0 * outwards, height)], FAINT, HAIR);
        }
        for (value, label) in ticks {
            let height = self.top + self.height * (1.0 - y.place(*value));
            scene.line(vec![(x, height), (x + 4.0 * outwards, height)], FAINT, HAIR);
            if let Some(color) = labels {
                scene.text((x + 6.5 * outwards, height + 0.36 * SMALL), label, SMALL, color, side);
            }
        }
    }

    /// The rectangle itself.
    pub(crate) fn frame(&self, scene: &mut Scene) {
        let (l, t, r, b) = (self.left, self.top, self.right(), self.bottom());
        scene.line(vec![(l, t), (r, t), (r, b), (l, b), (l, t), (r, t)], FAINT, HAIR);
    }
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
        assert_eq!(labels(Scale::Log(2e-4, 10.0)), ["10⁻³", "10⁻²", "10⁻¹", "1", "10"]);
    }

    #[test]
    fn logarithms_give_equal_ratios_equal_distances_and_no_place_to_what_is_not_positive() {
        let scale = Scale::Log(0.01, 100.0);
        assert_eq!([0.01, 1.0, 100.0].map(|value| scale.place(value)), [0.0, 0.5, 1.0]);
        let panel = Panel { left: 0.0, top: 0.0, width: 10.0, height: 10.0, x: scale };
        for value in [0.0, -1.0, f64::NAN] {
            assert!(!panel.holds(scale, (1.0, value)) && !panel.holds(scale, (value, 1.0)));
        }
        assert_eq!(scale.minor_ticks().len(), 4 * 8);
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
