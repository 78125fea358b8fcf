//! Every column against PyTorch (`tests/oracle/diagnostics.py`), and that columns, registry and docs are one.

use super::*;
use crate::{
    kinds::operations::columns::COLUMNS,
    kinds::operations::config::{ModelConfig, Preset, RunConfig, Sequence},
    kinds::operations::engine::{self, EngineChoice},
    kinds::operations::task::Equation,
    kinds::operations::train::Trainer,
};
use serde_json::Value;
use std::{collections::BTreeSet, f64::consts::TAU, path::Path};

fn task(text: &str) -> Task {
    Task::from_str("made", text, Path::new("made.toml")).unwrap()
}

fn sum_modulo_13() -> Task {
    task("title = 't'\nmodulus = 13\nexpression = 'x + y'")
}

fn config(preset: Preset, names: &[&str]) -> RunConfig {
    let mut config = preset.config("made", 0.5, 0);
    config.model = ModelConfig { d_model: 8, n_heads: 2, d_mlp: 12, ..config.model };
    config.probe.diagnostics = names.iter().map(|&name| name.to_owned()).collect();
    config
}

/// The parameters of the oracle.
fn formula(layout: &ParamLayout, v: usize) -> Vec<f32> {
    let noise = |i: usize| 2.0 * ((i * i % 1009 * 31 + 17 * i) % 1009) as f64 / 1009.0 - 1.0;
    let mut params = vec![0.0; layout.len()];
    for param in layout.iter() {
        for (i, at) in param.range.clone().enumerate() {
            params[at] = match param.name.as_str() {
                "unembed.weight" | "embed.token.weight" => {
                    let (row, column) = (i / param.shape[1], i % param.shape[1]);
                    let k = if column % 2 == 0 { 2 } else { 5 };
                    let wave = (TAU * (k * row % v) as f64 / v as f64 + column as f64).cos();
                    noise(at) * 0.25 + wave
                }
                _ if param.kind == ParamKind::Gain => 1.0 + 0.5 * noise(at),
                _ => noise(at),
            } as f32;
        }
    }
    params
}

/// All diagnostics of the oracle's parameters and training rows.
fn of_formula(run: &PlannedRun) -> Vec<(String, f64)> {
    let (v, d) = (run.task.n_symbols, run.config.model.d_model);
    let layout = ParamLayout::new(&run.config.model, v);
    let params = formula(&layout, v);
    let is_train = |e: &Equation| (3 * e.x + 5 * e.y) % 7 < 4;
    let (train, val) = run.task.equations.iter().copied().partition(is_train);
    let split = Split { train, val };
    let (mut engine, _) = engine::build(
        EngineChoice::Auto,
        engine::Precision::F32,
        &run.config.model,
        v,
        &candle_core::Device::Cpu,
    )
    .unwrap();
    let mut moments = Moments::new(d, v);
    engine.evaluate(&params, &split.train, Some(&mut moments)).unwrap();
    let spectra = Spectra::new(
        &params[layout.unembedding(v, d)].iter().map(|&w| w.into()).collect::<Vec<_>>(),
        v,
        &moments,
    )
    .unwrap();
    let diagnostics = Diagnostics::new(run, &layout).unwrap();
    let subject = Subject {
        run,
        layout: &layout,
        params: &params,
        split: &split,
        moments: &moments,
        spectra: &spectra,
    };
    let values = diagnostics.values(&subject).unwrap();
    assert_eq!(values.len(), diagnostics.columns().len());
    diagnostics.columns().iter().cloned().zip(values).collect()
}

#[test]
fn every_column_of_some_models_agrees_with_pytorch() {
    let oracle: Value =
        serde_json::from_str(include_str!("../../../../../tests/oracle/diagnostics.json")).unwrap();
    let (paper, power) = (config(Preset::Paper, &["all"]), config(Preset::Power, &["all"]));
    let models = [
        ("paper", paper.clone()),
        (
            "power, biases, tied",
            RunConfig { model: ModelConfig { bias: true, tied: true, ..power.model.clone() }, ..power },
        ),
        (
            "no operator",
            RunConfig {
                model: ModelConfig { sequence: Sequence::WithoutOperator, ..paper.model.clone() },
                ..paper.clone()
            },
        ),
    ];
    for (name, config) in models {
        let expected = oracle[name].as_object().unwrap();
        let found = of_formula(&PlannedRun::new(config, sum_modulo_13().into()));
        let columns: BTreeSet<&String> = found.iter().map(|(column, _)| column).collect();
        assert_eq!(columns, expected.keys().collect(), "{name}");
        for (column, value) in &found {
            let expected = expected[column].as_f64();
            // the model computes in f32, the oracle in f64; Δ_k = 0 has no digits to compare
            let close = |e: f64| (value - e).abs() <= 2e-5 * e.abs().max(1.0);
            assert!(
                expected.map_or(value.is_nan(), close),
                "{name}: {column} is {value}, PyTorch has {expected:?}"
            );
        }
    }
}

/// Whether a column is of the family that a name of the registry stands for.
fn is_of_family(column: &str, family: &str) -> bool {
    match (family.split_once('{'), family.rsplit_once('}')) {
        // "attention_entropy.blocks.{block}.head.{head}" has two gaps; what lies between them is in every column
        (Some((before, _)), Some((_, after))) => {
            let rest = column.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            rest.is_some_and(|rest| !rest.is_empty() && (before.contains('.') || rest.parse::<u32>().is_ok()))
        }
        _ => column == family,
    }
}

#[test]
fn every_column_is_in_the_registry_once_and_every_entry_has_a_column() {
    let run = PlannedRun::new(config(Preset::Paper, &["all"]), sum_modulo_13().into());
    let layout = ParamLayout::new(&run.config.model, 13);
    let diagnostics = Diagnostics::new(&run, &layout).unwrap();
    let families = || registry::DIAGNOSTICS.iter().flat_map(|diagnostic| diagnostic.columns);
    for column in diagnostics.columns() {
        let owners: Vec<_> = families().filter(|family| is_of_family(column, family.name)).collect();
        assert_eq!(owners.len(), 1, "{column}: {owners:?}");
    }
    for family in families() {
        let has_column = |column: &String| is_of_family(column, family.name);
        assert!(diagnostics.columns().iter().any(has_column), "{family:?}");
    }
    let unique: BTreeSet<_> = diagnostics.columns().iter().collect();
    assert_eq!(unique.len(), diagnostics.columns().len());
}

#[test]
fn the_docs_have_each_column_as_the_registry_has_it_and_no_other() {
    let docs = include_str!("../../../../../docs/diagnostics.md");
    let rows: BTreeSet<&str> = docs.lines().filter(|line| line.starts_with("| `")).collect();
    let mut expected = BTreeSet::new();
    for diagnostic in &registry::DIAGNOSTICS {
        let head = format!("### `{}`\n\n", diagnostic.name);
        let facts = format!(
            "Cost `{}`; {}. Source: {}.",
            diagnostic.cost.name(),
            diagnostic.needs.text(),
            diagnostic.source
        );
        assert!(docs.contains(&format!("{head}{facts}\n")), "{head}{facts}");
        for column in diagnostic.columns {
            expected.insert(format!("| `{}` | {} | {} |", column.name, column.formula, column.unit));
        }
    }
    let expected: BTreeSet<&str> = expected.iter().map(String::as_str).collect();
    assert_eq!(rows, expected);
}

#[test]
fn what_a_task_does_not_have_is_absent_not_zero() {
    let columns = |task: Task| {
        let run = PlannedRun::new(config(Preset::Paper, &["all"]), task.into());
        let layout = ParamLayout::new(&run.config.model, run.task.n_symbols);
        Diagnostics::new(&run, &layout).unwrap().columns().to_vec()
    };
    let has = |columns: &[String], name: &str| columns.iter().any(|column| column == name);
    let group = columns(task("title = 't'\ngroup = 'S3'\nexpression = 'x * y'"));
    assert!(has(&group, "rankme") && has(&group, "lar.unembed"));
    assert!(!has(&group, "gini_embed") && !has(&group, "key_frequencies") && !has(&group, "restricted_loss"));
    // not all pairs: no logits to take a transform of
    let quotient = columns(task("title = 't'\nmodulus = 7\nexpression = 'x / y'\ndomain = 'y != 0'"));
    assert!(has(&quotient, "gini_embed") && !has(&quotient, "excluded_loss"));
}

#[test]
fn the_engine_that_trains_changes_no_diagnostic_of_the_same_parameters() {
    let run = PlannedRun::new(config(Preset::Paper, &["all"]), sum_modulo_13().into());
    let values = |choice| {
        let (mut engine, _) =
            engine::build(choice, engine::Precision::F32, &run.config.model, 13, &candle_core::Device::Cpu)
                .unwrap();
        let mut trainer = Trainer::new(&run).unwrap();
        let evaluated = trainer.evaluate(engine.as_mut()).unwrap();
        let (row, spectra) = trainer.measure(engine.as_mut()).unwrap();
        let values = trainer.diagnose(&evaluated.moments, spectra.as_ref()).unwrap();
        let columns = trainer.diagnostics.columns();
        let unembed = values[columns.iter().position(|column| column == "lar.unembed").unwrap()];
        let lar = row[COLUMNS.iter().position(|column| column.name == "lar").unwrap()];
        assert!((lar - unembed).abs() < 1e-6, "{lar} {unembed}");
        let undefined = trainer.diagnose(&evaluated.moments, None).unwrap();
        assert!(undefined.len() == values.len() && undefined.iter().all(|v| v.is_nan()));
        values
    };
    let (factored, plain) = (values(EngineChoice::Factored), values(EngineChoice::Plain));
    for (a, b) in factored.iter().zip(&plain) {
        // moments differ by the engines' rounding
        assert!((a - b).abs() <= 1e-5 * a.abs().max(1.0) || a.is_nan() && b.is_nan(), "{a} {b}");
    }
}

#[test]
fn the_default_needs_no_forward_pass() {
    let config = Preset::Paper.config("add", 0.5, 0);
    let chosen = registry::choose(&config.probe.diagnostics).unwrap();
    assert!(chosen.len() > 5 && chosen.iter().all(|diagnostic| diagnostic.cost == registry::Cost::Cheap));
}
