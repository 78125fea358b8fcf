//! LAR of every matrix over training, a row of panels a group: embedding and unembedding, then each block. Not in the
//! paper, which follows the unembedding alone. Drawn from the diagnostic `matrix_lar`.

use std::collections::BTreeMap;

use crate::{
    analysis::{CurvePoint, mean_curve},
    store::Diagnostics,
    studies::grokking::Group,
};

use super::{
    lar::{GROKKED_DASH, HALF_DASH, MEMORIZED_DASH, milestones},
    title,
};
use crate::render::figure::{
    Undrawn,
    axes::{Panel, Scale},
    bins::{band, binned, stroke},
    grid::{Grid, heading},
    legend::{Key, legend, legend_height, legend_lines},
    scene::{Scene, Side},
    theme::{Color, FAINT, INK, SERIES, SMALL, TEXT},
};

/// Rows of panels on a page, and panels in a row; a deeper model goes on in the next row.
const PAGE: usize = 4;
const COLUMNS: usize = 4;
const LEFT: f64 = 54.0;
const RIGHT: f64 = 16.0;
const BOTTOM: f64 = 42.0;
const GAP: (f64, f64) = (14.0, 54.0);
const HEAD: f64 = 44.0;
/// From the names of panels up to that of their group.
const ABOVE: f64 = 18.0;
const WIDTH: f64 = 1.4;

/// What every column of the diagnostic begins with.
const PREFIX: &str = "lar.";
/// Ends of the columns, names in the legend, colours.
const ENDS: [(&str, &str, Color); 2] = [("embed.token", "embedding", FAINT), ("unembed", "unembedding", INK)];
const LAYERS: [(&str, &str, Color); 6] = [
    ("attn.q", "q", SERIES[0]),
    ("attn.k", "k", SERIES[1]),
    ("attn.v", "v", SERIES[2]),
    ("attn.o", "o", SERIES[3]),
    ("mlp.up", "MLP up", SERIES[4]),
    ("mlp.down", "MLP down", SERIES[5]),
];

/// The diagnostics of runs, by run id.
type ByRun = BTreeMap<String, Diagnostics>;

/// Whether the LAR of any matrix is among them.
pub fn has_matrix_lar(diagnostics: &Diagnostics) -> bool {
    diagnostics.columns.iter().any(|column| column.starts_with(PREFIX))
}

/// Leaves nothing else among them.
pub fn only_matrix_lar(diagnostics: &mut Diagnostics) {
    let is_wanted: Vec<bool> = diagnostics.columns.iter().map(|column| column.starts_with(PREFIX)).collect();
    let mut wanted = is_wanted.iter();
    diagnostics.columns.retain(|_| wanted.next() == Some(&true));
    for (_, values) in &mut diagnostics.rows {
        let mut wanted = is_wanted.iter();
        values.retain(|_| wanted.next() == Some(&true));
    }
}

/// LAR of one matrix, mean and range over seeds.
pub(crate) struct Curve {
    pub name: &'static str,
    pub color: Color,
    pub points: Vec<CurvePoint>,
}

/// A group some of whose runs have the diagnostic.
pub(crate) struct Shown<'a, 'b> {
    pub group: &'b Group<'a>,
    /// Runs behind the curves.
    runs: usize,
    /// Embedding and unembedding, then a panel a block.
    pub panels: Vec<Vec<Curve>>,
}

impl<'a, 'b> Shown<'a, 'b> {
    fn of(group: &'b Group<'a>, diagnostics: &ByRun) -> Option<Self> {
        let runs: Vec<&Diagnostics> = group
            .records
            .iter()
            .filter_map(|run| diagnostics.get(run.id()))
            .filter(|diagnostics| has_matrix_lar(diagnostics))
            .collect();
        Some(Self { group, runs: runs.len(), panels: panels(&runs)? })
    }

    fn rows(&self, columns: usize) -> usize {
        self.panels.len().div_ceil(columns)
    }

    fn points(&self) -> impl Iterator<Item = &CurvePoint> {
        self.panels.iter().flatten().flat_map(|curve| &curve.points)
    }
}

/// The panels of the means over `runs`; none where no value is finite.
pub(crate) fn panels(runs: &[&Diagnostics]) -> Option<Vec<Vec<Curve>>> {
    let curves = |start: String, matrices: &[(&str, &'static str, Color)]| -> Vec<Curve> {
        matrices
            .iter()
            .map(|(matrix, name, color)| {
                let column = format!("{PREFIX}{start}{matrix}");
                let points = mean_curve(runs.iter().flat_map(|run| run.column(&column)));
                Curve { name, color: *color, points }
            })
            .filter(|curve| !curve.points.is_empty())
            .collect()
    };
    let blocks = (0..).map(|block| curves(format!("blocks.{block}."), &LAYERS));
    let panels: Vec<_> = std::iter::once(curves(String::new(), &ENDS))
        .chain(blocks.take_while(|curves| !curves.is_empty()))
        .collect();
    panels.iter().any(|curves| !curves.is_empty()).then_some(panels)
}

/// What a panel is called.
pub(crate) fn panel_name(i: usize) -> String {
    if i == 0 { "embedding, unembedding".into() } else { format!("block {}", i - 1) }
}

/// The groups that the pages show, at least one.
pub(crate) fn shown<'a, 'b>(
    groups: &'b [Group<'a>],
    diagnostics: &ByRun,
) -> Result<Vec<Shown<'a, 'b>>, Undrawn> {
    let shown: Vec<_> = groups.iter().filter_map(|group| Shown::of(group, diagnostics)).collect();
    if shown.is_empty() { Err(Undrawn::NoMatrixLar) } else { Ok(shown) }
}

/// The pages. Means over the seeds alive, with the range over seeds behind; groups without the diagnostic are left out.
pub fn pages(groups: &[Group<'_>], diagnostics: &ByRun) -> Result<Vec<Scene>, Undrawn> {
    let shown = shown(groups, diagnostics)?;
    let points = || shown.iter().flat_map(Shown::points);
    let last = points().map(|point| point.epoch).max().ok_or(Undrawn::NoMatrixLar)?;
    let low = points().map(|point| point.min).fold(0.4, f64::min);
    let high = points().map(|point| point.max).fold(0.7, f64::max);
    let scales = Scales {
        epochs: Scale::Epochs(last.max(1) as f64),
        lar: Scale::Linear((low * 10.0).floor() / 10.0 - 0.01, (high * 10.0).ceil() / 10.0 + 0.01),
    };
    let most = shown.iter().map(|shown| shown.panels.len()).max().unwrap_or(1);
    let page = (PAGE / most.div_ceil(COLUMNS)).max(1);
    Ok(shown.chunks(page).map(|page| draw_page(page, groups, most.min(COLUMNS), scales)).collect())
}

#[derive(Clone, Copy)]
struct Scales {
    epochs: Scale,
    lar: Scale,
}

fn draw_page(page: &[Shown<'_, '_>], all: &[Group<'_>], columns: usize, scales: Scales) -> Scene {
    let rows: usize = page.iter().map(|shown| shown.rows(columns)).sum();
    let size = [(480.0, 260.0), (380.0, 220.0), (270.0, 170.0), (205.0, 150.0)][columns - 1];
    let mut grid = Grid { corner: (LEFT, 0.0), size, gap: GAP, columns, count: rows * columns };
    let total_width = grid.right() + RIGHT;
    let key = legend_lines(&legend_entries(page), total_width - LEFT - 10.0);
    grid.corner.1 = 8.0 + legend_height(&key) + HEAD;
    let mut scene = Scene::new(total_width, grid.bottom() + BOTTOM);
    legend(&mut scene, &key, (LEFT, 6.0));
    let panels = places(page, columns);
    for &(place, shown, i) in &panels {
        let panel = grid.panel(place, scales.epochs);
        if i == 0 {
            let last = grid.panel(place + columns.min(shown.panels.len()) - 1, scales.epochs);
            let row = Panel { top: panel.top - ABOVE, width: last.right() - panel.left, ..panel };
            let remark = format!("{}/{} grokked", shown.group.grokked(), shown.group.runs.len());
            heading(&mut scene, &row, &title(shown.group, all), &remark);
        }
        scene.text((panel.left, panel.top - 7.0), &panel_name(i), SMALL, INK, Side::Left);
        draw(&mut scene, &panel, scales.lar, shown, &shown.panels[i]);
        let labels = grid.starts_row(place).then_some(INK);
        panel.side_axis(&mut scene, scales.lar, &scales.lar.ticks(5), false, labels);
        let below = |other: usize| other > place && (other - place).is_multiple_of(columns);
        let ends_column = !panels.iter().any(|(other, ..)| below(*other));
        panel.bottom_axis(&mut scene, 6, ends_column);
        if ends_column {
            let at = (panel.middle().0, panel.bottom() + 30.0);
            scene.text(at, "epoch", TEXT, INK, Side::Middle);
        }
    }
    let middle = (grid.corner.1 + grid.bottom()) / 2.0;
    scene.text_upwards((17.0, middle), "log-alignment ratio", TEXT, INK);
    scene
}

fn draw(scene: &mut Scene, panel: &Panel, y: Scale, shown: &Shown<'_, '_>, curves: &[Curve]) {
    panel.grid(scene, y, y.ticks(5).iter().map(|(value, _)| *value));
    let half = |x| (x, panel.at(y, (0.0, 0.5)).1);
    scene.dashes((half(panel.left), half(panel.right())), HALF_DASH, FAINT, 1.0);
    if curves.is_empty() {
        scene.text(panel.middle(), "no finite evaluation yet", SMALL, FAINT, Side::Middle);
    }
    if shown.runs > 1 {
        for curve in curves {
            band(scene, &binned(panel, y, &curve.points), curve.color);
        }
    }
    // colours belong to matrices here
    milestones(scene, panel, shown.group, [INK, INK]);
    for curve in curves {
        stroke(scene, &binned(panel, y, &curve.points), curve.color, WIDTH);
    }
    panel.frame(scene);
}

/// Place in the grid, group and number of each panel; each group begins a row.
fn places<'s, 'a, 'b>(page: &'s [Shown<'a, 'b>], columns: usize) -> Vec<(usize, &'s Shown<'a, 'b>, usize)> {
    let mut first = 0;
    let mut places = Vec::new();
    for shown in page {
        places.extend((0..shown.panels.len()).map(|i| (first + i, shown, i)));
        first += shown.rows(columns) * columns;
    }
    places
}

fn legend_entries(page: &[Shown<'_, '_>]) -> Vec<(Key, String)> {
    let curves = ENDS.iter().chain(&LAYERS).map(|(_, name, color)| (Key::Curve(*color), (*name).to_owned()));
    let mut entries: Vec<(Key, String)> = curves.collect();
    if page.iter().any(|shown| shown.runs > 1) {
        entries[0].1 += " (mean, range over seeds)";
    }
    entries.push((Key::Dashes(INK, MEMORIZED_DASH), "memorized".into()));
    entries.push((Key::Dashes(INK, GROKKED_DASH), "grokked".into()));
    entries.push((Key::Dashes(FAINT, HALF_DASH), "LAR = ½".into()));
    entries
}
