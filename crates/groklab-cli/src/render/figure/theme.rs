//! One look for all figures: sizes in points of the figure, colours that colour-blind readers tell apart
//! (Okabe & Ito 2008, <https://jfly.uni-koeln.de/color/>).

/// Red, green, blue.
pub type Color = (u8, u8, u8);

pub const INK: Color = (38, 38, 38);
pub const FAINT: Color = (110, 110, 110);
pub const GRID: Color = (228, 228, 228);
pub const PAPER: Color = (255, 255, 255);

/// LAR, and everything on the left axis.
pub const LAR: Color = (0, 114, 178);
/// Validation accuracy, and everything on the right axis.
pub const ACCURACY: Color = (213, 94, 0);
/// Train accuracy, on the right axis too.
pub const TRAIN: Color = (230, 159, 0);
/// The mark of memorization.
pub const MEMORIZED: Color = (204, 121, 167);
/// The mark of grokking.
pub const GROKKED: Color = (0, 158, 115);

/// Groups in turn; yellow is left out, it cannot be seen on white.
pub const SERIES: [Color; 6] =
    [(0, 114, 178), (213, 94, 0), (0, 158, 115), (230, 159, 0), (204, 121, 167), (86, 180, 233)];

/// Size of text, points an em.
pub const TEXT: f64 = 10.5;
/// Size of tick labels and remarks.
pub const SMALL: f64 = 9.0;
/// Size of headings.
pub const HEADING: f64 = 11.0;
/// Width of a curve.
pub const CURVE: f64 = 1.6;
/// Width of an axis.
pub const HAIR: f64 = 0.75;

/// A colour for a place between 0 and 1 in an order: dark first, lighter later, told apart by brightness alone.
/// Matplotlib's viridis (van der Walt & Smith 2015) up to three quarters; its yellow cannot be seen on white.
pub fn sequential(place: f64) -> Color {
    const ANCHORS: [Color; 4] = [(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98)];
    let at = place.clamp(0.0, 1.0) * (ANCHORS.len() - 1) as f64;
    let (low, high) = (ANCHORS[at.floor() as usize], ANCHORS[at.ceil() as usize]);
    let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * at.fract()).round() as u8;
    (mix(low.0, high.0), mix(low.1, high.1), mix(low.2, high.2))
}

/// The colour of the `i`-th of so many: few by colours that can be told apart, many by their order.
pub fn one_of(i: usize, count: usize) -> Color {
    if count <= SERIES.len() { SERIES[i] } else { sequential(i as f64 / (count - 1) as f64) }
}
