//! What a figure shows, before any backend: marks in points from the upper left corner, in the order of painting.

use super::theme::{Color, PAPER};

/// A figure ready to be painted.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) marks: Vec<Mark>,
}

/// Something painted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Mark {
    /// A line through points.
    Line { points: Vec<(f64, f64)>, color: Color, width: f64 },
    /// A filled outline.
    Area { points: Vec<(f64, f64)>, color: Color, opacity: f64 },
    /// A filled circle.
    Disc { at: (f64, f64), radius: f64, color: Color },
    /// Text by its baseline.
    Text { at: (f64, f64), text: String, size: f64, color: Color, bold: bool, side: Side, upwards: bool },
}

/// Which part of a text stands at its point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Middle,
    Right,
}

/// The shape of a data point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Circle,
    Square,
    Triangle,
    Diamond,
}

impl Scene {
    pub(crate) fn new(width: f64, height: f64) -> Self {
        Self { width, height, marks: Vec::new() }
    }

    pub(crate) fn line(&mut self, points: Vec<(f64, f64)>, color: Color, width: f64) {
        if points.len() > 1 {
            self.marks.push(Mark::Line { points, color, width });
        }
    }

    /// A straight line in dashes of `on` points with `off` points between.
    pub(crate) fn dashes(
        &mut self,
        (from, to): ((f64, f64), (f64, f64)),
        (on, off): (f64, f64),
        color: Color,
        width: f64,
    ) {
        let length = (to.0 - from.0).hypot(to.1 - from.1);
        let at = |s: f64| (from.0 + (to.0 - from.0) * s / length, from.1 + (to.1 - from.1) * s / length);
        let mut start = 0.0;
        while start < length {
            self.line(vec![at(start), at((start + on).min(length))], color, width);
            start += on + off;
        }
    }

    pub(crate) fn area(&mut self, points: Vec<(f64, f64)>, color: Color, opacity: f64) {
        if points.len() > 2 {
            self.marks.push(Mark::Area { points, color, opacity });
        }
    }

    /// A data point; a hollow one has the background inside.
    pub(crate) fn point(&mut self, at: (f64, f64), shape: Shape, radius: f64, color: Color, hollow: bool) {
        // a rim of the background keeps neighbours apart
        self.shape(at, shape, radius + 0.6, PAPER);
        self.shape(at, shape, radius, color);
        if hollow {
            self.shape(at, shape, radius - 1.15, PAPER);
        }
    }

    fn shape(&mut self, at: (f64, f64), shape: Shape, radius: f64, color: Color) {
        let corners: &[(f64, f64)] = match shape {
            Shape::Circle => return self.marks.push(Mark::Disc { at, radius, color }),
            // of about the area of the circle
            Shape::Square => &[(-0.88, -0.88), (0.88, -0.88), (0.88, 0.88), (-0.88, 0.88)],
            Shape::Triangle => &[(0.0, -1.25), (1.15, 0.85), (-1.15, 0.85)],
            Shape::Diamond => &[(0.0, -1.25), (1.25, 0.0), (0.0, 1.25), (-1.25, 0.0)],
        };
        let points = corners.iter().map(|(x, y)| (at.0 + x * radius, at.1 + y * radius)).collect();
        self.area(points, color, 1.0);
    }

    pub(crate) fn text(&mut self, at: (f64, f64), text: &str, size: f64, color: Color, side: Side) {
        let text = text.to_owned();
        self.marks.push(Mark::Text { at, text, size, color, bold: false, side, upwards: false });
    }

    pub(crate) fn bold(&mut self, at: (f64, f64), text: &str, size: f64, color: Color, side: Side) {
        let text = text.to_owned();
        self.marks.push(Mark::Text { at, text, size, color, bold: true, side, upwards: false });
    }

    /// Text that reads from bottom to top, centred at `at`.
    pub(crate) fn text_upwards(&mut self, at: (f64, f64), text: &str, size: f64, color: Color) {
        let text = text.to_owned();
        self.marks.push(Mark::Text { at, text, size, color, bold: false, side: Side::Middle, upwards: true });
    }
}
