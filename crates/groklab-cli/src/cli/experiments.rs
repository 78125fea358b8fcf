//! `groklab experiments`: the experiments that come with the program.

use super::print;
use crate::experiment::{Experiment, SHIPPED_EXPERIMENTS};

/// Prints name, kind and title of each.
pub fn run() -> miette::Result<()> {
    let width = SHIPPED_EXPERIMENTS.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for (name, _) in SHIPPED_EXPERIMENTS {
        let experiment = Experiment::find(name)?;
        text.push_str(&format!("{name:<width$}  {:<10}  {}\n", experiment.kind.name(), experiment.title));
    }
    print(&text)
}
