//! `groklab kinds`: what kinds of run there are, and everything that one of them has.

use super::{print, train::kind};
use crate::{
    kinds,
    run::{DIVERGED, Kind, Stop},
};
use clap::Args;
use std::fmt::Write;

/// Arguments of `groklab kinds`.
#[derive(Args)]
pub struct KindsArgs {
    /// Show one: its presets, config keys, columns and milestones
    name: Option<String>,
}

/// Prints them.
pub fn run(args: &KindsArgs) -> miette::Result<()> {
    match &args.name {
        Some(name) => print(&whole(kind(name)?)),
        None => {
            let width = kinds::all().map(|kind| kind.name().len()).max().unwrap_or(0);
            let lines: String =
                kinds::all().map(|kind| format!("{:<width$}  {}\n", kind.name(), kind.about())).collect();
            print(&lines)
        }
    }
}

fn whole(kind: &dyn Kind) -> String {
    let mut text = format!("{}: {}\n\n", kind.name(), kind.about());
    let mut list = |head: &str, rows: Vec<(String, String)>| {
        let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        let _ = writeln!(text, "{head}");
        for (name, about) in rows {
            let _ = writeln!(text, "  {name:<width$}  {about}");
        }
        text.push('\n');
    };
    let presets = kind.presets();
    list("presets", presets.iter().map(|p| (p.name.to_owned(), p.about.to_owned())).collect());
    if let Some(first) = presets.first() {
        let config: toml::Table = toml::from_str(first.toml).unwrap_or_default();
        let head = format!("config keys, at their values in the preset {}", first.name);
        list(&head, crate::run::identity::leaves(&config).into_iter().collect());
    }
    let columns = kind.columns().iter();
    list(
        "columns of metrics.csv",
        columns
            .map(|column| {
                let unit = column.unit.name();
                let about = if unit.is_empty() { String::new() } else { format!("{unit}: ") } + column.about;
                (column.name.to_owned(), about)
            })
            .collect(),
    );
    let round = kind.round();
    let milestones = kind.milestones().iter().chain([&DIVERGED]);
    list(
        "milestones",
        milestones
            .map(|milestone| {
                let stop = match milestone.stop {
                    Stop::Never => String::new(),
                    Stop::AfterPatience => format!("; the run ends train.patience {round}s later"),
                    Stop::AtOnce if milestone.about.contains("ends") => String::new(),
                    Stop::AtOnce => "; the run ends there".to_owned(),
                };
                (milestone.name.to_owned(), format!("{}{stop}", milestone.about))
            })
            .collect(),
    );
    text.pop();
    text
}
