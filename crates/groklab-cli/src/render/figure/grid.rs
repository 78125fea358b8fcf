//! Panels of one size in rows and columns, with their headings.

use super::{
    axes::{Panel, Scale},
    backend::text_width,
    scene::{Scene, Side},
    theme::{FAINT, HEADING, INK, SMALL},
};

/// Where the panels of a page stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    /// Upper left corner of the first panel.
    pub corner: (f64, f64),
    /// Width and height of a panel.
    pub size: (f64, f64),
    /// Between panels, across and down.
    pub gap: (f64, f64),
    pub columns: usize,
    /// Panels in all; the last row may be short.
    pub count: usize,
}

impl Grid {
    /// The `i`-th panel, row by row.
    pub(crate) fn panel(&self, i: usize, x: Scale) -> Panel {
        let (row, column) = (i / self.columns, i % self.columns);
        Panel {
            left: self.corner.0 + column as f64 * (self.size.0 + self.gap.0),
            top: self.corner.1 + row as f64 * (self.size.1 + self.gap.1),
            width: self.size.0,
            height: self.size.1,
            x,
        }
    }

    pub(crate) fn right(&self) -> f64 {
        self.corner.0 + self.columns as f64 * (self.size.0 + self.gap.0) - self.gap.0
    }

    pub(crate) fn bottom(&self) -> f64 {
        let rows = self.count.div_ceil(self.columns);
        self.corner.1 + rows as f64 * (self.size.1 + self.gap.1) - self.gap.1
    }

    pub(crate) fn starts_row(&self, i: usize) -> bool {
        i.is_multiple_of(self.columns)
    }

    pub(crate) fn ends_row(&self, i: usize) -> bool {
        (i + 1).is_multiple_of(self.columns) || i + 1 == self.count
    }

    pub(crate) fn ends_column(&self, i: usize) -> bool {
        i + self.columns >= self.count
    }
}

/// A name above a panel and a remark at its right end. A long name is set smaller rather than cut.
pub(crate) fn heading(scene: &mut Scene, panel: &Panel, name: &str, remark: &str) {
    let room = panel.width - text_width(remark, SMALL, false) - 8.0;
    let size = HEADING.min(HEADING * room / text_width(name, HEADING, true).max(1.0));
    scene.bold((panel.left, panel.top - 7.0), name, size, INK, Side::Left);
    scene.text((panel.right(), panel.top - 7.0), remark, SMALL, FAINT, Side::Right);
}
