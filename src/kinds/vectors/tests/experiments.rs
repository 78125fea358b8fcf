//! The experiments of this kind: every one of their runs can be planned, and no two are the same.

use super::*;
use crate::run::Planned;
use std::collections::BTreeSet;
use toml::Value;

/// Name, file, and how many runs it is said to have.
const EXPERIMENTS: [(&str, &str, usize); 10] = [
    ("grokalign-quick", include_str!("../../../../experiments/grokalign-quick.toml"), 2),
    ("grokalign-digits", include_str!("../../../../experiments/grokalign-digits.toml"), 20),
    ("grokalign-digits-mse", include_str!("../../../../experiments/grokalign-digits-mse.toml"), 20),
    ("grokalign-xor", include_str!("../../../../experiments/grokalign-xor.toml"), 10),
    ("strength-quick", include_str!("../../../../experiments/strength-quick.toml"), 24),
    ("strength-digits", include_str!("../../../../experiments/strength-digits.toml"), 680),
    ("strength-size", include_str!("../../../../experiments/strength-size.toml"), 1584),
    ("strength-mixture", include_str!("../../../../experiments/strength-mixture.toml"), 900),
    ("strength-phase", include_str!("../../../../experiments/strength-phase.toml"), 130),
    ("strength-minority", include_str!("../../../../experiments/strength-minority.toml"), 200),
];

#[test]
fn every_run_of_every_experiment_can_be_planned_and_is_another() {
    for (name, text, runs) in EXPERIMENTS {
        let file: Table = toml::from_str(text).unwrap();
        assert_eq!(file["kind"].as_str(), Some("vectors"), "{name}");
        let preset = VECTORS.presets().iter().find(|p| Some(p.name) == file["preset"].as_str()).unwrap();
        let start: Table = toml::from_str(preset.toml).unwrap();
        let empty = Table::new();
        let fixed = file.get("set").and_then(Value::as_table).unwrap_or(&empty);
        let mut plans: Vec<Vec<(String, Value)>> = vec![fixed.clone().into_iter().collect()];
        let seeds = ("seed".to_owned(), file["seeds"].clone());
        for (key, values) in file["grid"].as_table().unwrap().clone().into_iter().chain([seeds]) {
            let each = |plan: &Vec<(String, Value)>| {
                let with = |value: &Value| [&plan[..], &[(key.clone(), value.clone())]].concat();
                values.as_array().unwrap().iter().map(with).collect::<Vec<_>>()
            };
            plans = plans.iter().flat_map(each).collect();
        }
        let mut planner = VectorsPlanner::default();
        let mut plan = |settings: &Vec<(String, Value)>| {
            let config = VECTORS.typed(&set(&VECTORS, &start, settings).unwrap()).unwrap();
            planner.run(config).unwrap().id().to_owned()
        };
        let ids: BTreeSet<String> = plans.iter().map(&mut plan).collect();
        assert_eq!((plans.len(), ids.len()), (runs, runs), "{name}");
    }
}
