//! Paints a [`Scene`] with plotters, as SVG and as PNG.
//!
//! plotters' coordinates are whole pixels, so both are painted four times too large: the SVG is shown smaller by
//! its view box, the PNG is averaged down to twice the size in points.

use std::sync::OnceLock;

use plotters::{
    backend::{BitMapBackend, DrawingBackend, SVGBackend},
    style::{
        Color as _, FontDesc, FontFamily, FontStyle, FontTransform, RGBColor, ShapeStyle, TextStyle,
        register_font,
        text_anchor::{HPos, Pos, VPos},
    },
};

use super::{
    scene::{Mark, Scene, Side},
    theme::Color,
};

/// Pixels painted for one point of the figure.
const SCALE: f64 = 4.0;
/// Painted pixels averaged into one pixel of the PNG, each way.
const AVERAGED: usize = 2;

/// The embedded font under a name that is also a list of families of the same widths for viewers of the SVG.
const FONT: &str = "DejaVu Sans, Verdana, sans-serif";
/// The bitmap backend takes the height from ascender to descender (1.164 em in DejaVu Sans) for the size of a font.
const PIXELS_PER_EM: f64 = 1.164;

/// Where a backend puts text that hangs from its point.
struct TextLayout {
    /// Font size plotters must be given for one pixel an em.
    size_per_em: f64,
    /// From the point down to the baseline, ems.
    baseline: f64,
}

/// plotters-svg writes size / 1.24 as font size and moves the text down by 0.76 em.
const SVG_TEXT: TextLayout = TextLayout { size_per_em: 1.24, baseline: 0.76 };
/// plotters draws glyphs of its ab_glyph fonts around half of the size.
const BITMAP_TEXT: TextLayout = TextLayout { size_per_em: PIXELS_PER_EM, baseline: PIXELS_PER_EM / 2.0 };

/// A figure that cannot be painted.
#[derive(Debug, thiserror::Error)]
pub enum FigureError {
    /// The embedded font is not a font: a broken build.
    #[error("the embedded font cannot be read")]
    Font,
    /// plotters failed.
    #[error("plotters cannot draw: {0}")]
    Draw(String),
    /// The PNG cannot be encoded.
    #[error("cannot encode PNG")]
    Encode(#[from] png::EncodingError),
}

/// The figure as SVG.
pub fn svg(scene: &Scene) -> Result<String, FigureError> {
    register_fonts()?;
    let (width, height) = pixels(scene);
    let mut out = String::new();
    paint(scene, &mut SVGBackend::with_string(&mut out, (width, height)), &SVG_TEXT, false)?;
    let painted = format!("<svg width=\"{width}\" height=\"{height}\" ");
    let shown = format!("<svg width=\"{}\" height=\"{}\" ", scene.width, scene.height);
    Ok(out.replacen(&painted, &shown, 1))
}

/// The figure as PNG, two pixels a point.
pub fn png(scene: &Scene) -> Result<Vec<u8>, FigureError> {
    register_fonts()?;
    let (width, height) = pixels(scene);
    let mut painted = vec![255; 3 * width as usize * height as usize];
    paint(scene, &mut BitMapBackend::with_buffer(&mut painted, (width, height)), &BITMAP_TEXT, true)?;
    let (columns, rows) = (width as usize / AVERAGED, height as usize / AVERAGED);
    let mut shown = Vec::with_capacity(3 * columns * rows);
    for row in 0..rows {
        for column in 0..columns {
            for channel in 0..3 {
                let mut sum = 0;
                for y in row * AVERAGED..(row + 1) * AVERAGED {
                    for x in column * AVERAGED..(column + 1) * AVERAGED {
                        sum += usize::from(painted[3 * (y * width as usize + x) + channel]);
                    }
                }
                let count = AVERAGED * AVERAGED;
                shown.push(((sum + count / 2) / count) as u8);
            }
        }
    }
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, columns as u32, rows as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&shown)?;
    writer.finish()?;
    Ok(out)
}

/// Width of a text in points, by the embedded font.
pub(crate) fn text_width(text: &str, size: f64, bold: bool) -> f64 {
    let style = if bold { FontStyle::Bold } else { FontStyle::Normal };
    // measured large, because the width comes in whole units
    let width = register_fonts().ok().and_then(|()| {
        FontDesc::new(FontFamily::Name(FONT), 1000.0 * PIXELS_PER_EM, style).layout_box(text).ok()
    });
    // without a font there is nothing to measure, and painting will say so
    width.map_or(0.0, |((left, _), (right, _))| f64::from(right - left) * size / 1000.0)
}

fn register_fonts() -> Result<(), FigureError> {
    static REGISTERED: OnceLock<bool> = OnceLock::new();
    let registered = *REGISTERED.get_or_init(|| {
        let regular = include_bytes!("../fonts/DejaVuSans.subset.ttf");
        let bold = include_bytes!("../fonts/DejaVuSans-Bold.subset.ttf");
        register_font(FONT, FontStyle::Normal, regular).is_ok()
            && register_font(FONT, FontStyle::Bold, bold).is_ok()
    });
    if registered { Ok(()) } else { Err(FigureError::Font) }
}

fn pixels(scene: &Scene) -> (u32, u32) {
    ((scene.width * SCALE).round() as u32, (scene.height * SCALE).round() as u32)
}

fn pixel((x, y): (f64, f64)) -> (i32, i32) {
    ((x * SCALE).round() as i32, (y * SCALE).round() as i32)
}

/// Paints the marks in order. `thick_by_parts` draws every stretch of a line by itself: the bitmap backend fills the
/// outline of a thick line by the even-odd rule, which leaves holes where a noisy line crosses its own outline.
fn paint<DB: DrawingBackend>(
    scene: &Scene,
    backend: &mut DB,
    layout: &TextLayout,
    thick_by_parts: bool,
) -> Result<(), FigureError> {
    let (width, height) = pixels(scene);
    backend
        .draw_rect((0, 0), (width as i32, height as i32), &RGBColor(255, 255, 255).filled(), true)
        .map_err(failed)?;
    for mark in &scene.marks {
        match mark {
            Mark::Line { points, color, width } => {
                let stroke = (width * SCALE).round().max(1.0);
                if thick_by_parts {
                    paint_by_parts(backend, points, filled(*color), stroke)?;
                } else {
                    let style = filled(*color).stroke_width(stroke as u32);
                    backend.draw_path(points.iter().copied().map(pixel), &style).map_err(failed)?;
                }
            }
            Mark::Area { points, color, opacity } => {
                let points: Vec<_> = points.iter().copied().map(pixel).collect();
                backend.fill_polygon(points, &rgb(*color).mix(*opacity).filled()).map_err(failed)?;
            }
            Mark::Disc { at, radius, color } => {
                let radius = (radius * SCALE).round() as u32;
                backend.draw_circle(pixel(*at), radius, &filled(*color), true).map_err(failed)?;
            }
            Mark::Text { at, text, size, color, bold, side, upwards } => {
                let drop = layout.baseline * size;
                let at = if *upwards { (at.0 - drop, at.1) } else { (at.0, at.1 - drop) };
                let style = text_style(size * SCALE * layout.size_per_em, *color, *bold, *side, *upwards);
                backend.draw_text(text, &style, pixel(at)).map_err(failed)?;
            }
        }
    }
    backend.present().map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> FigureError {
    FigureError::Draw(error.to_string())
}

fn paint_by_parts<DB: DrawingBackend>(
    backend: &mut DB,
    points: &[(f64, f64)],
    style: ShapeStyle,
    stroke: f64,
) -> Result<(), FigureError> {
    let half = stroke / 2.0;
    for (i, ends) in points.windows(2).enumerate() {
        let [a, b] = [ends[0], ends[1]].map(|(x, y)| (x * SCALE, y * SCALE));
        let length = (b.0 - a.0).hypot(b.1 - a.1);
        if i > 0 {
            // a round joint
            backend.draw_circle(pixel(ends[0]), half.floor() as u32, &style, true).map_err(failed)?;
        }
        if length > 0.0 {
            let (nx, ny) = ((b.1 - a.1) / length * half, (a.0 - b.0) / length * half);
            let corner =
                |p: (f64, f64), s: f64| ((p.0 + s * nx).round() as i32, (p.1 + s * ny).round() as i32);
            backend
                .fill_polygon([corner(a, 1.0), corner(b, 1.0), corner(b, -1.0), corner(a, -1.0)], &style)
                .map_err(failed)?;
        }
    }
    Ok(())
}

fn text_style(size: f64, color: Color, bold: bool, side: Side, upwards: bool) -> TextStyle<'static> {
    let style = if bold { FontStyle::Bold } else { FontStyle::Normal };
    let h_pos = match side {
        Side::Left => HPos::Left,
        Side::Middle => HPos::Center,
        Side::Right => HPos::Right,
    };
    let text = TextStyle::from(FontDesc::new(FontFamily::Name(FONT), size, style));
    let color = rgb(color).to_backend_color();
    let text = TextStyle { color, ..text }.pos(Pos::new(h_pos, VPos::Top));
    if upwards { text.transform(FontTransform::Rotate270) } else { text }
}

fn rgb((r, g, b): Color) -> RGBColor {
    RGBColor(r, g, b)
}

fn filled(color: Color) -> ShapeStyle {
    rgb(color).filled()
}
