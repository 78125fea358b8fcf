//! Configs: what is complete, and what is refused in which words.

use super::*;
use crate::run::{EngineChoice, Place, Planned};
use std::collections::BTreeSet;

#[test]
fn every_preset_is_complete_and_can_be_planned() {
    for preset in VECTORS.presets() {
        let planned = plan(preset.name, &[]);
        let mut again = planned.recipe();
        again.insert("train".into(), toml::Value::try_from(planned.budget()).unwrap());
        let again = VECTORS.planner().plan(&again).unwrap();
        assert_eq!((again.id(), again.recipe()), (planned.id(), planned.recipe()), "{}", preset.name);
        assert_eq!(planned.data().sizes[0].1, planned.config.data.train_rows);
        assert!(planned.footprint() > 4 * planned.mlp.parameters() as u64 && planned.documents().is_empty());
    }
    let planned = plan("grokalign-digits", &[]);
    assert_eq!(
        planned.data().sizes,
        [("train_rows", 200), ("val_rows", 1597), ("inputs", 64), ("classes", 10)]
    );
}

#[test]
fn columns_and_milestones_have_names_of_their_own() {
    let mut names = BTreeSet::new();
    for column in VECTORS.columns() {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(column.name.chars().all(is_plain) && names.insert(column.name), "{}", column.name);
        assert!(!column.about.is_empty() && !column.about.contains("  "), "{}", column.about);
    }
    for headline in VECTORS.headline() {
        assert!(headline.columns.iter().all(|column| names.contains(column)));
    }
}

#[test]
fn what_cannot_be_computed_with_is_refused_by_its_key() {
    let cases: [(&str, &[&str]); 24] = [
        ("data.source = digit ", &["data.source=digit"]),
        ("data.source = npy:x.npy ", &["data.source=npy:x.npy"]),
        ("data.train_rows = 0 ", &["data.train_rows=0"]),
        ("data.train_rows = 1797 and", &["data.train_rows=1797"]),
        ("data.val_rows = 1598 want more than digits has", &["data.val_rows=1598"]),
        ("data.label_noise = 1.5 ", &["data.label_noise=1.5"]),
        ("data.pixel_noise = NaN ", &["data.pixel_noise=nan"]),
        ("data.width = 50 ", &["data.width=50"]),
        ("data.lean = 0.5 ", &["data.lean=0.5"]),
        ("data.digest = ", &["data.digest=abc"]),
        ("model.depth = 0 ", &["model.depth=0"]),
        ("model.width = 1 ", &["model.width=1"]),
        ("model.output_scale = 0.0 ", &["model.output_scale=0"]),
        ("model.output_scale = 1e-40 ", &["model.output_scale=1e-40"]),
        ("model.loss = \"cross-entropy\" with single_output = true", &["model.single_output=true"]),
        ("digits has 10 classes", &["model.single_output=true", "model.loss=mse"]),
        ("model.init = balanced", &["model.init=balanced"]),
        ("optim.momentum = 0.9 ", &["optim.momentum=0.9"]),
        ("optim.learning_rate = -1.0 ", &["optim.learning_rate=-1"]),
        ("jacobian.strength = inf ", &["jacobian.strength=inf"]),
        ("target.at = 85.0 ", &["target.at=85"]),
        ("probe.diagnostics = neurons ", &["probe.diagnostics=[\"neurons\"]", "probe.rows=500"]),
        ("probe.noise = [1.0, 0.5] ", &["probe.noise=[1.0, 0.5]"]),
        ("probe.every = 0 ", &["probe.every=0"]),
    ];
    for (wanted, settings) in cases {
        let found = refusal("grokalign-digits", settings);
        assert!(found.contains(wanted), "{settings:?}: {found}");
    }
    assert!(refusal("strength-mixture", &["data.val_rows=0"]).contains("data.val_rows = 0 "));
    assert!(refusal("strength-digits", &["probe.pgd=[0.2]"]).contains("unless probe.diagnostics has pgd"));
    assert!(refusal("grokalign-digits", &["probe.diagnostics=[\"pgm\"]"]).contains("unknown variant"));
    assert!(refusal("grokalign-digits", &["optim.name=adam"]).contains("unknown variant"));
    assert!(refusal("grokalign-digits", &["optim.eta=1"]).contains("unknown config key"));
    let twice = refusal("grokalign-digits", &["probe.diagnostics=[\"pgd\",\"noise\",\"pgd\"]"]);
    assert!(twice.contains("each name stands there once"), "{twice}");
}

#[test]
fn other_engines_are_refused() {
    let planned = plan("strength-digits", &[]);
    for engine in [EngineChoice::Factored, EngineChoice::Plain] {
        let place = Place { engine, device: candle_core::Device::Cpu };
        assert!(planned.start(&place).err().unwrap().to_string().contains("--engine"));
    }
    let place = Place { engine: EngineChoice::Auto, device: candle_core::Device::Cpu };
    assert!(planned.start(&place).unwrap().1.starts_with("mlp ("));
}

#[test]
fn seeds_move_what_they_should() {
    let sides = |settings: &[&str]| plan("strength-mixture", settings).sides().unwrap();
    assert_ne!(sides(&["seed=1"]), sides(&["seed=2"]));
    assert_eq!(sides(&["seed=1", "split_seed=0"]), sides(&["seed=2", "split_seed=0"]));
    // a training set grows by rows at its end
    let [few, more] = [40, 60].map(|n| sides(&[&format!("data.train_rows={n}")])[0].clone());
    assert_eq!(few.inputs(), &more.inputs()[..40 * 40]);
    let ids: BTreeSet<String> = ["seed=1", "split_seed=1", "data.source=sub", "model.output_scale=0.5"]
        .iter()
        .map(|key| plan("strength-mixture", &[key]).id().to_owned())
        .collect();
    assert_eq!(ids.len(), 4);
}
