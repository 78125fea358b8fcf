//! `groklab probe` on files that PyTorch and NumPy wrote, against PyTorch's own SVD (`tests/oracle/probe_model.py`),
//! and on files that nobody should write.

use super::{groklab, succeed, text};
use serde_json::Value;
use std::{fs, path::PathBuf};

fn fixtures() -> PathBuf {
    crate::root().join("tests/oracle/probe_model")
}

fn expected() -> Value {
    serde_json::from_str(&fs::read_to_string(fixtures().join("expected.json")).unwrap()).unwrap()
}

fn args_of(case: &Value) -> Vec<&str> {
    case["args"].as_array().unwrap().iter().map(|a| a.as_str().unwrap()).collect()
}

#[track_caller]
fn assert_numbers(what: &str, found: &Value, expected: &Value, tolerance: f64) {
    for (key, number) in expected.as_object().unwrap() {
        let (a, b) = (found[key].as_f64().unwrap(), number.as_f64().unwrap());
        assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{what}: {key} is {a}, PyTorch says {b}");
    }
}

#[test]
fn every_dtype_and_layout_agrees_with_pytorch_by_every_method() {
    let cases = expected()["cases"].as_array().unwrap().clone();
    assert_eq!(cases.len(), 5);
    for case in &cases {
        for (method, tolerance) in [("auto", 1e-10), ("svd", 1e-10), ("gram", 1e-10), ("gram-f32", 2e-5)] {
            let args = [&["probe", "--json", "--method", method], &args_of(case)[..]].concat();
            let found: Value = serde_json::from_str(&succeed(&fixtures(), &args)).unwrap();
            let what = format!("{}, {method}", case["name"]);
            assert_numbers(&what, &found["probe"], &case["probe"], tolerance);
            assert_eq!(found["weights"]["tied"], case["tied"], "{what}");
            assert_eq!(found["weights"]["transposed"], case["transposed"], "{what}");
            assert_eq!(found["rows"], case["rows"], "{what}");
        }
    }
}

#[test]
fn all_measures_every_matrix_and_names_what_it_skips() {
    let args = ["probe", "--json", "--all", "--weights", "transposed-f64.safetensors"];
    let found: Value = serde_json::from_str(&succeed(&fixtures(), &args)).unwrap();
    let matrices = found["matrices"].as_array().unwrap();
    assert_eq!(matrices.len(), 2);
    for matrix in matrices {
        let name = matrix["tensor"].as_str().unwrap();
        assert_numbers(name, matrix, &expected()["all"][name], 1e-12);
    }
    let shown = succeed(&fixtures(), &["probe", "--all", "--weights", "f32.safetensors"]);
    assert!(shown.contains("has type `I64`, which is not read: steps"), "{shown}");
    assert!(shown.contains("has 1 dimensions, not two: norm.weight"), "{shown}");
}

#[test]
fn spectra_are_written_and_tied_heads_are_said() {
    let dir = tempfile::tempdir().unwrap();
    let csv = dir.path().join("spectra.csv");
    let cases = expected()["cases"].as_array().unwrap().clone();
    let mut args = vec!["probe", "--spectra", csv.to_str().unwrap()];
    args.extend(args_of(&cases[2]));
    let shown = succeed(&fixtures(), &args);
    assert!(shown.contains("(tied heads)") && shown.contains("40 rows of width 12, 2 files"), "{shown}");
    let rows: Vec<Vec<f64>> = csv::Reader::from_path(&csv)
        .unwrap()
        .records()
        .map(|row| row.unwrap().iter().map(|v| v.parse().unwrap()).collect())
        .collect();
    assert_eq!(rows.len(), 12);
    let overlap: f64 = rows.iter().map(|row| row[2] * row[3]).sum();
    let k_pred = cases[2]["probe"]["k_pred"].as_f64().unwrap();
    assert!((overlap * k_pred - 1.0).abs() < 1e-10);
}

#[test]
fn a_shard_without_a_head_says_that_another_matrix_was_taken() {
    let dir = tempfile::tempdir().unwrap();
    // two tensors of which one is a matrix, [2, 2]
    let header = r#"{"mlp.weight":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"norm.weight":{"dtype":"F32","shape":[2],"data_offsets":[16,24]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend([1f32, 2.0, 3.0, 4.0, 1.0, 1.0].map(f32::to_le_bytes).concat());
    fs::write(dir.path().join("shard.safetensors"), &bytes).unwrap();
    let args = ["probe", "--weights", "shard.safetensors", "--activations", "shard.safetensors:mlp.weight"];
    let shown = succeed(dir.path(), &args);
    assert!(shown.contains("this is the only matrix there is"), "{shown}");
}

#[test]
fn unusable_files_end_with_code_3_a_reason_and_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    for entry in fs::read_dir(fixtures()).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, dir.path().join(path.file_name().unwrap())).unwrap();
    }
    let whole = fs::read(at("f32.safetensors")).unwrap();
    fs::write(at("short.safetensors"), &whole[..whole.len() - 1]).unwrap();
    fs::write(at("nothing.safetensors"), b"").unwrap();
    fs::write(at("pickle.pt"), b"PK").unwrap();
    fs::create_dir(at("folder.safetensors")).unwrap();
    let cases: [(&[&str], &str); 9] = [
        (&["short.safetensors", "x-f32.npy"], "cut short"),
        (&["nothing.safetensors", "x-f32.npy"], "too few for a safetensors header"),
        (&["nowhere.safetensors", "x-f32.npy"], "nowhere.safetensors"),
        (&["folder.safetensors", "x-f32.npy"], "holds no safetensors"),
        (&["pickle.pt", "x-f32.npy"], "safetensors.torch.save_file"),
        (&["f32.safetensors:lm_haed.weight", "x-f32.npy"], "`lm_head.weight`"),
        (&["f32.safetensors:steps", "x-f32.npy"], "I64"),
        (&["f32.safetensors:norm.weight", "x-f32.npy"], "1 dimensions"),
        (&["f32.safetensors", "square.npy:other"], "there is no tensor `other`"),
    ];
    for ([weights, activations], says) in cases.map(|(files, says)| ([files[0], files[1]], says)) {
        let args = ["probe", "--weights", weights, "--activations", activations];
        let output = groklab(dir.path(), &args);
        let message = text(&output.stderr);
        // miette wraps long lines
        let flat: String = message.split_whitespace().filter(|w| *w != "│").collect::<Vec<_>>().join(" ");
        assert_eq!(output.status.code(), Some(3), "{args:?}: {message}");
        assert!(flat.contains(says), "{args:?} should say {says}: {message}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
    assert_eq!(groklab(dir.path(), &["probe", "--weights", "f32.safetensors"]).status.code(), Some(2));
}

/// Zero-initialised heads are common practice: nothing to align with at first is no failure, and no 0. Nor are equal rows: as
/// long as the blocks are 0, X at "=" is the same for all pairs, whatever its sums round to.
#[test]
fn a_run_that_begins_at_zero_goes_on_with_nan_and_empty_counts() {
    let dir = tempfile::tempdir().unwrap();
    let mut args = vec!["train", "add", "--out", "out"];
    for set in
        ["model.init_scale=0.0", "model.d_model=16", "model.d_mlp=16", "train.max_epochs=2", "probe.every=1"]
    {
        args.extend(["--set", set]);
    }
    let output = groklab(dir.path(), &args);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr).matches("W is zero").count(), 1, "{}", text(&output.stderr));
    let run =
        fs::read_dir(dir.path().join("out")).unwrap().map(|e| e.unwrap().path()).find(|path| path.is_dir());
    let mut table = csv::Reader::from_path(run.unwrap().join("metrics.csv")).unwrap();
    let heads = table.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 3);
    for (epoch, row) in rows.iter().enumerate() {
        for (head, cell) in heads.iter().zip(row) {
            match head {
                "lar" | "k_pred" | "pearson" | "stable_rank" => {
                    assert_eq!(cell == "NaN", epoch == 0, "{head} at epoch {epoch}: {cell}");
                }
                "k90" | "k95" | "k99" => assert_eq!(cell, "", "{head} at epoch {epoch}"),
                _ => {}
            }
        }
    }
}
