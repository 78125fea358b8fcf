//! Figures as SVG and PNG, from one drawing; docs/figures.md says what each shows. Those here are of any study: the figures
//! that a paper asks for are in its study.
//!
//! | figure | |
//! |---|---|
//! | [`general`] | every column of runs of any kind |
//! | [`scale`] | a number at the end of runs against a setting |
//! | [`heat`] | a number at the end of runs over two settings |
//! | [`follows`] | one quantity against another over the steps of runs |
//! | [`lines`] | curves in panels of their own scales: spectra, numbers over a training |
//! | [`dots`] | numbers in rows beside their floors |
//! | [`eigenvalues`] | eigenvalues of a probed matrix |
//! | [`series`] | checkpoints of anyone's training, for `groklab probe --series` |

pub(crate) mod axes;
pub(crate) mod backend;
pub(crate) mod bins;
pub mod dots;
pub mod eigenvalues;
pub mod follows;
pub mod general;
pub(crate) mod grid;
pub mod heat;
pub(crate) mod legend;
pub mod lines;
pub mod scale;
pub(crate) mod scene;
pub mod series;
pub(crate) mod theme;
mod undrawn;

pub use backend::{FigureError, png, svg};
pub use scene::Scene;
pub use undrawn::Undrawn;

/// A figure of an experiment.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What it is called: the end of its files' names.
    pub name: &'static str,
    /// Its pages, at least one; or why there are none.
    pub pages: Result<Vec<Scene>, Undrawn>,
}

/// A number of runs in words.
pub fn plural(runs: usize) -> String {
    if runs == 1 { "1 run".into() } else { format!("{runs} runs") }
}
