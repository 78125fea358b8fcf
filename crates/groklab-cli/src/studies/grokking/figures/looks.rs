//! What tells the groups of an experiment apart in a cloud of points: colour and shape.

use std::collections::BTreeSet;

use crate::studies::grokking::{Group, paper::task_title};

use super::title;
use crate::render::figure::{
    legend::Key,
    scene::Shape,
    theme::{Color, FAINT, SERIES},
};

const SHAPES: [Shape; 4] = [Shape::Circle, Shape::Square, Shape::Triangle, Shape::Diamond];

/// A look for each group; for each task where there are more groups than looks.
pub(super) struct Looks {
    /// Names in the legend, one a look.
    names: Vec<String>,
    /// The look of each group.
    of_group: Vec<usize>,
}

impl Looks {
    pub(super) fn of(groups: &[Group<'_>]) -> Self {
        if groups.len() <= SERIES.len() * SHAPES.len() {
            let names = groups.iter().map(|group| title(group, groups)).collect();
            return Self { names, of_group: (0..groups.len()).collect() };
        }
        let (mut names, mut of_group) = (Vec::<String>::new(), Vec::new());
        for group in groups {
            let name = task_title(&group.task);
            let known = names.iter().position(|other| other == name);
            of_group.push(known.unwrap_or(names.len()));
            if known.is_none() {
                names.push(name.to_owned());
            }
        }
        Self { names, of_group }
    }

    /// Of the `group`-th group.
    pub(super) fn at(&self, group: usize) -> (Color, Shape) {
        look(self.of_group[group])
    }

    /// The legend of the groups for which `is_seen`, with the meaning of hollow points.
    pub(super) fn legend(&self, is_seen: impl Fn(usize) -> bool) -> Vec<(Key, String)> {
        let seen: BTreeSet<usize> = (0..self.of_group.len())
            .filter(|group| is_seen(*group))
            .map(|group| self.of_group[group])
            .collect();
        let names = seen.into_iter().map(|i| {
            let (color, shape) = look(i);
            (Key::Point(color, shape, false), self.names[i].clone())
        });
        let hollow = (Key::Point(FAINT, Shape::Circle, true), "hollow: did not grok".to_owned());
        names.chain([hollow]).collect()
    }
}

/// Six colours, then the next shape.
fn look(i: usize) -> (Color, Shape) {
    (SERIES[i % SERIES.len()], SHAPES[i / SERIES.len() % SHAPES.len()])
}
