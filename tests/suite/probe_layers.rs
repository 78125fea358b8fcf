//! `groklab probe` on many layers, on activations alone and on a series of checkpoints: the numbers of the single probe, put
//! together by name and by step.

use super::{groklab, succeed, text};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

fn fixtures() -> PathBuf {
    crate::root().join("tests/oracle/probe_model")
}

/// The 40 × 12 activations of the fixtures as a safetensors file, under these names.
fn write_layers(path: &Path, names: &[&str]) {
    let x = fs::read(fixtures().join("x-f32.npy")).unwrap();
    let data = &x[x.len() - 40 * 12 * 4..];
    let entries: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(i, name)| {
            let offsets = [i * data.len(), (i + 1) * data.len()];
            format!(r#""{name}":{{"dtype":"F32","shape":[40,12],"data_offsets":{offsets:?}}}"#)
        })
        .collect();
    let header = format!("{{{}}}", entries.join(","));
    let head = [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat();
    fs::write(path, [head, data.repeat(names.len())].concat()).unwrap();
}

fn json(dir: &Path, args: &[&str]) -> Value {
    serde_json::from_str(&succeed(dir, &[&["probe", "--json"], args].concat())).unwrap()
}

fn close(a: &Value, b: &Value) -> bool {
    (a.as_f64().unwrap() - b.as_f64().unwrap()).abs() < 1e-12
}

#[test]
fn a_row_a_layer_has_the_numbers_of_the_single_probe_and_what_has_no_partner_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    fs::copy(fixtures().join("f32.safetensors"), dir.path().join("model.safetensors")).unwrap();
    fs::copy(fixtures().join("x-f32.npy"), dir.path().join("x.npy")).unwrap();
    write_layers(&dir.path().join("layers.safetensors"), &["lm_head", "stray"]);
    let single = json(dir.path(), &["--weights", "model.safetensors", "--activations", "x.npy"]);
    let args = ["--all", "--weights", "model.safetensors", "--activations", "layers.safetensors"];
    let found = json(dir.path(), &args);
    let layers = found["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 1);
    for key in ["lar", "k_pred", "k95", "k90", "stable_rank"] {
        assert!(close(&layers[0][key], &single["probe"][key]), "{key}: {found}");
    }
    assert_eq!(layers[0]["weights"]["layout_from"], "name");
    let skipped = found["skipped"].to_string();
    assert!(
        skipped.contains("activations, and no weights of their name") && skipped.contains("stray"),
        "{skipped}"
    );

    // alone: the same of X, and no LAR
    let found = json(dir.path(), &["--activations", "layers.safetensors"]);
    let alone = found["layers"].as_array().unwrap();
    assert_eq!(alone.len(), 2);
    assert!(alone[0]["lar"].is_null() && alone[0]["k95"] == layers[0]["k95"]);
    assert!(close(&alone[0]["rankme"], &layers[0]["rankme"]));
    let csv = succeed(dir.path(), &["probe", "--csv", "--activations", "layers.safetensors"]);
    let mut table = csv::Reader::from_reader(csv.as_bytes());
    assert_eq!(
        table.records().map(|row| row.unwrap()[0].to_owned()).collect::<Vec<_>>(),
        ["lm_head", "stray"]
    );
}

#[test]
fn a_series_is_ordered_by_step_and_pairs_activations_by_it() {
    let dir = tempfile::tempdir().unwrap();
    for step in [2, 10, 1] {
        fs::copy(fixtures().join("f32.safetensors"), dir.path().join(format!("ckpt-{step}.safetensors")))
            .unwrap();
        if step != 10 {
            fs::copy(fixtures().join("x-f32.npy"), dir.path().join(format!("x-{step}.npy"))).unwrap();
        }
    }
    let args = ["--series", "ckpt-*.safetensors", "--activations", "x-*.npy", "--figure", "series.svg"];
    let found = json(dir.path(), &args);
    let steps = found["steps"].as_array().unwrap();
    assert_eq!(steps.iter().map(|s| s["step"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 10]);
    let single = json(dir.path(), &["--weights", "ckpt-1.safetensors", "--activations", "x-1.npy"]);
    for step in &steps[..2] {
        assert!(
            close(&step["lar"], &single["probe"]["lar"]) && step["k95"] == single["probe"]["k95"],
            "{step}"
        );
    }
    assert!(steps[2]["lar"].is_null() && found["notes"].to_string().contains("step 10 has no activations"));
    assert!(close(&steps[2]["stable_rank"], &single["probe"]["stable_rank"]));
    let figure = fs::read_to_string(dir.path().join("series.svg")).unwrap();
    assert!(figure.contains("log-alignment ratio") && figure.contains("stable rank"));
    let csv = succeed(dir.path(), &["probe", "--csv", "--series", "ckpt-*.safetensors:lm_head.weight"]);
    assert_eq!(csv.lines().count(), 4, "{csv}");

    for (args, says) in [
        (["--series", "none-*.safetensors"], "no file is called like none-*.safetensors"),
        (["--series", "series.svg"], "has no number"),
    ] {
        let output = groklab(dir.path(), &[&["probe"], &args[..]].concat());
        let message = text(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(output.status.code(), Some(3), "{message}");
        assert!(message.contains(says), "{message}");
    }
}
