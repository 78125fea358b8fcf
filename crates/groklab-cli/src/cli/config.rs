//! `groklab config`: what the keys of a config mean, what a run or an experiment has, and in what two of them differ.

use super::{print, train::kind};
use crate::{
    analysis::settings::plain,
    experiment::Experiment,
    kinds,
    run::{KeyDoc, Kind, Preset},
    store::read_run,
};
use clap::{Args, Subcommand};
use miette::IntoDiagnostic;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    path::Path,
};
use toml::{Table, Value};

/// Columns of the text.
const WIDTH: usize = 80;

/// `groklab config …`
#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Explain the keys: what each means, what it may be, and its value in every preset
    Keys(KeysArgs),
    /// Show all keys of a preset, of a run's directory, or of an experiment: what its runs share and what differs
    Show(ShowArgs),
    /// Show the keys in which two runs, or two presets, differ
    Diff(DiffArgs),
}

/// Of which kind.
#[derive(Args)]
pub struct KindArgs {
    /// What kind of run (see `groklab kinds`)
    #[arg(long, default_value = "operations")]
    kind: String,
}

/// Arguments of `groklab config keys`.
#[derive(Args)]
pub struct KeysArgs {
    /// Only keys that contain one of these words
    words: Vec<String>,
    #[command(flatten)]
    kind: KindArgs,
    /// Print one JSON object by key: meaning, choices, values by preset
    #[arg(long)]
    json: bool,
}

/// Arguments of `groklab config show`.
#[derive(Args)]
pub struct ShowArgs {
    /// A run's directory, an experiment file, the name of an experiment or of a preset
    what: String,
    #[command(flatten)]
    kind: KindArgs,
}

/// Arguments of `groklab config diff`.
#[derive(Args)]
pub struct DiffArgs {
    /// A run's directory, or the name of a preset
    one: String,
    /// Another
    other: String,
    #[command(flatten)]
    kind: KindArgs,
}

/// Carries out one of the commands.
pub fn run(command: &ConfigCommand) -> miette::Result<()> {
    match command {
        ConfigCommand::Keys(args) => keys(args),
        ConfigCommand::Show(args) => show(args),
        ConfigCommand::Diff(args) => diff(args),
    }
}

/// Every value by dotted key, as TOML writes it.
type Flat = BTreeMap<String, Value>;

fn flat(config: &Table) -> Flat {
    let mut flat = Flat::new();
    crate::analysis::settings::flatten("", config, &mut flat);
    flat
}

fn of_preset(preset: &Preset) -> miette::Result<Flat> {
    Ok(flat(&toml::from_str::<Table>(preset.toml).into_diagnostic()?))
}

fn keys(args: &KeysArgs) -> miette::Result<()> {
    let kind = kind(&args.kind.kind)?;
    let presets = kind
        .presets()
        .iter()
        .map(|preset| Ok((preset.name, of_preset(preset)?)))
        .collect::<miette::Result<Vec<_>>>()?;
    let meanings = kind.meanings();
    let names: BTreeSet<&String> = presets.iter().flat_map(|(_, config)| config.keys()).collect();
    let is_asked =
        |key: &&&String| args.words.is_empty() || args.words.iter().any(|word| key.contains(word.as_str()));
    let asked: Vec<&String> = names.iter().filter(is_asked).copied().collect();
    if asked.is_empty() {
        let all = names.iter().map(|key| key.as_str()).collect::<Vec<_>>().join(", ");
        return Err(miette::miette!(
            help = format!("keys: {all}"),
            "no key of {} contains {}",
            kind.name(),
            args.words.join(" or ")
        ));
    }
    if args.json {
        let object: serde_json::Map<_, _> =
            asked.iter().map(|key| ((*key).clone(), as_json(key, &presets, meanings.get(*key)))).collect();
        return print(&format!("{}\n", serde_json::to_string_pretty(&object).into_diagnostic()?));
    }
    let first = presets.first().map_or("", |(name, _)| name);
    let mut text =
        format!("{} keys of {}, at their values in the preset {first}\n", asked.len(), kind.name());
    for key in asked {
        let _ = writeln!(text, "\n{}", values(key, &presets));
        let Some(doc) = meanings.get(key) else { continue };
        wrap(&mut text, &doc.about, 4);
        for (choice, about) in &doc.choices {
            wrap(&mut text, format!("{choice}: {about}").trim_end_matches([':', ' ']), 6);
        }
    }
    print(&text)
}

/// `key = value`, and the values of presets that have another.
fn values(key: &str, presets: &[(&str, Flat)]) -> String {
    let Some((_, first)) = presets.first() else { return key.to_owned() };
    let mut others: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (name, config) in &presets[1..] {
        if config.get(key) != first.get(key) {
            let value = config.get(key).map_or_else(|| "none".to_owned(), Value::to_string);
            others.entry(value).or_default().push(name);
        }
    }
    let value = first.get(key).map_or_else(|| "none".to_owned(), Value::to_string);
    let mut text = format!("{key} = {value}");
    for (value, names) in others {
        let _ = write!(text, "\n  {value} in {}", names.join(", "));
    }
    text
}

fn as_json(key: &str, presets: &[(&str, Flat)], doc: Option<&KeyDoc>) -> serde_json::Value {
    let values: serde_json::Map<_, _> = presets
        .iter()
        .filter_map(|(name, config)| Some(((*name).to_owned(), serde_json::to_value(config.get(key)?).ok()?)))
        .collect();
    let choices: Vec<&String> = doc.iter().flat_map(|doc| &doc.choices).map(|(choice, _)| choice).collect();
    serde_json::json!({ "about": doc.map(|doc| &doc.about), "choices": choices, "presets": values })
}

/// Words of `text` behind an indent, in lines of [`WIDTH`].
fn wrap(out: &mut String, text: &str, indent: usize) {
    let mut line = " ".repeat(indent);
    for word in text.split_whitespace() {
        if line.trim().is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() <= WIDTH {
            line = format!("{line} {word}");
        } else {
            let _ = writeln!(out, "{line}");
            line = format!("{}{word}", " ".repeat(indent));
        }
    }
    let _ = writeln!(out, "{line}");
}

/// A config, what it is of, and its kind.
struct Found {
    title: String,
    kind: &'static dyn Kind,
    config: Flat,
}

/// The complete config of a run's directory or of a preset.
fn find(what: &str, kind: &str) -> miette::Result<Found> {
    if Path::new(what).is_dir() {
        let run = read_run(Path::new(what))?;
        let kind = kinds::of(&run)?;
        let config = kinds::complete(kind, &run.recipe, run.manifest.budget).into_diagnostic()?;
        return Ok(Found { title: format!("the run {}", run.manifest.run), kind, config: flat(&config) });
    }
    let kind = self::kind(kind)?;
    match kind.presets().iter().find(|preset| preset.name == what) {
        Some(preset) => Ok(Found {
            title: format!("the preset {what} of {}: {}", kind.name(), preset.about),
            kind,
            config: of_preset(preset)?,
        }),
        None => {
            let presets: Vec<_> = kind.presets().iter().map(|preset| preset.name).collect();
            Err(miette::miette!(
                help = format!(
                    "presets of {}: {}; of another kind with --kind",
                    kind.name(),
                    presets.join(", ")
                ),
                "there is no directory {what}, and no preset of that name"
            ))
        }
    }
}

fn show(args: &ShowArgs) -> miette::Result<()> {
    let what = &args.what;
    if what.ends_with(".toml") || crate::experiment::SHIPPED_EXPERIMENTS.iter().any(|(name, _)| name == what)
    {
        return show_experiment(&Experiment::find(what)?);
    }
    let Found { title, kind, config } = find(what, &args.kind.kind)?;
    let first = match kind.presets().first() {
        Some(preset) => of_preset(preset)?,
        None => Flat::new(),
    };
    let name = kind.presets().first().map_or("", |preset| preset.name);
    let mut text = format!("# {title}\n");
    for (key, value) in &config {
        let default = first.get(key).filter(|default| *default != value);
        let note = default.map_or_else(String::new, |default| format!("  # {name}: {default}"));
        let _ = writeln!(text, "{key} = {value}{note}");
    }
    print(&text)
}

/// What all runs of an experiment have, then the values of what differs.
fn show_experiment(experiment: &Experiment) -> miette::Result<()> {
    let plan = experiment.plan(&[])?;
    let mut seen: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for run in &plan {
        for (key, value) in flat(&kinds::complete(run.kind(), &run.recipe(), run.budget()).into_diagnostic()?)
        {
            let values = seen.entry(key).or_default();
            if !values.contains(&value) {
                values.push(value);
            }
        }
    }
    let mut text = format!("# {}: {}, {} runs\n", experiment.name, experiment.title, plan.len());
    for (key, values) in seen.iter().filter(|(_, values)| values.len() == 1) {
        let _ = writeln!(text, "{key} = {}", values[0]);
    }
    text.push_str("# what differs\n");
    for (key, values) in seen.iter().filter(|(_, values)| values.len() > 1) {
        let all: Vec<String> = values.iter().map(Value::to_string).collect();
        let _ = writeln!(text, "# {key}: {}", all.join(", "));
    }
    print(&text)
}

fn diff(args: &DiffArgs) -> miette::Result<()> {
    let [one, other] = [&args.one, &args.other].map(|what| find(what, &args.kind.kind));
    let (one, other) = (one?, other?);
    let keys: BTreeSet<&String> = one.config.keys().chain(other.config.keys()).collect();
    let shown = |found: &Found, key: &str| found.config.get(key).map_or_else(|| "–".to_owned(), plain);
    let rows: Vec<[String; 3]> = keys
        .into_iter()
        .filter(|key| one.config.get(*key) != other.config.get(*key))
        .map(|key| [key.clone(), shown(&one, key), shown(&other, key)])
        .collect();
    let mut text = format!("a  {}\nb  {}\n", one.title, other.title);
    if rows.is_empty() {
        text.push_str("no key differs\n");
        return print(&text);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let [key, a] = [width(0).max(3), width(1)];
    let _ = writeln!(text, "\n{:<key$}  {:<a$}  b", "key", "a");
    for row in &rows {
        let _ = writeln!(text, "{:<key$}  {:<a$}  {}", row[0], row[1], row[2]);
    }
    print(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::identity::leaves;

    #[test]
    fn values_of_presets_stand_beside_the_first() {
        let preset = |name: &'static str, text: &str| (name, flat(&toml::from_str::<Table>(text).unwrap()));
        let presets = [
            preset("a", "m.x = 1\nm.y = 'p'"),
            preset("b", "m.x = 2\nm.y = 'p'"),
            preset("c", "m.x = 2\nm.y = 'q'"),
        ];
        assert_eq!(values("m.x", &presets), "m.x = 1\n  2 in b, c");
        assert_eq!(values("m.y", &presets), "m.y = \"p\"\n  \"q\" in c");
    }

    #[test]
    fn text_is_wrapped_behind_its_indent() {
        let mut out = String::new();
        wrap(&mut out, &"word ".repeat(40), 4);
        assert!(
            out.lines().all(|line| line.starts_with("    word") && line.chars().count() <= WIDTH),
            "{out}"
        );
        assert_eq!(out.split_whitespace().count(), 40);
    }

    #[test]
    fn shown_presets_are_toml_that_gives_the_preset_again() {
        for kind in kinds::all() {
            for preset in kind.presets() {
                let whole = of_preset(preset).unwrap();
                let text: String = whole.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
                assert_eq!(flat(&toml::from_str::<Table>(&text).unwrap()), whole, "{}", preset.name);
                assert_eq!(leaves(&toml::from_str::<Table>(preset.toml).unwrap()).len(), whole.len());
            }
        }
    }
}
