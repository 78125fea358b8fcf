//! The user's own files: what is read of them, and how a run knows them again.

use super::*;
use crate::run::Planned;
use std::{fs, path::Path};

/// A `.npy` file of little-endian f32.
fn npy(path: &Path, shape: &str, values: &[f32]) {
    let head = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((head.len() as u16).to_le_bytes());
    bytes.extend(head.bytes());
    bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    fs::write(path, bytes).unwrap();
}

/// Three classes of four inputs, 30 rows.
fn write(directory: &Path, factor: f32) -> String {
    let values: Vec<f32> = (0..120).map(|i| ((i * 7 + i * i) % 13) as f32 * factor).collect();
    npy(&directory.join("x.npy"), "(30, 4)", &values);
    npy(&directory.join("y.npy"), "(30,)", &(0..30).map(|i| (i % 3) as f32).collect::<Vec<_>>());
    format!("data.source=npy:{0}/x.npy,{0}/y.npy", directory.display())
}

const SMALL: [&str; 5] =
    ["data.train_rows=12", "model.width=8", "train.max_epochs=2", "probe.every=1", "probe.rows=10"];

fn settings(source: &str) -> Vec<&str> {
    [source].into_iter().chain(SMALL).collect()
}

#[test]
fn npy_files_are_known_by_their_contents_and_not_by_their_place() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (source, elsewhere) = (write(here.path(), 1.0), write(there.path(), 1.0));
    let (first, moved) =
        (plan("grokalign-digits", &settings(&source)), plan("grokalign-digits", &settings(&elsewhere)));
    assert_eq!((first.id(), first.data()), (moved.id(), moved.data()));
    assert_eq!(first.differences(&moved.recipe()), Vec::<String>::new());
    let other = plan("grokalign-digits", &[&settings(&source)[..], &["model.biases=true"]].concat());
    assert_eq!(first.differences(&other.recipe()), ["model.biases: true, not false"]);
    assert!(first.id().starts_with("npy-n12-s0-"), "{}", first.id());
    assert_eq!(first.data().sizes, [("train_rows", 12), ("val_rows", 18), ("inputs", 4), ("classes", 3)]);
    let document = &first.documents()[0];
    assert!(document.text.contains(&first.data().digest) && document.text.contains("y.npy"));
    let parsed: Table = toml::from_str(&document.text).unwrap();
    assert_eq!(
        parsed["file"][0]["bytes"].as_integer(),
        Some(fs::metadata(here.path().join("x.npy")).unwrap().len() as i64)
    );
    // one mean and one deviation of all rows
    let [train, val] = first.sides().unwrap();
    let all: Vec<f64> = train.inputs().iter().chain(val.inputs()).map(|&v| f64::from(v)).collect();
    assert!(all.iter().sum::<f64>().abs() < 1e-4);
    assert!((all.iter().map(|v| v * v).sum::<f64>() / 120.0 - 1.0).abs() < 1e-5);
    assert_eq!(run("grokalign-digits", &settings(&source)).0.rows.len(), 3);

    // a run's own config finds them, and refuses others
    let mut table = first.recipe();
    table.insert("train".into(), toml::Value::try_from(first.budget()).unwrap());
    assert_eq!(VECTORS.planner().plan(&table).unwrap().id(), first.id());
    write(here.path(), 2.0);
    let error = VECTORS.planner().plan(&table).unwrap_err();
    assert!(error.to_string().contains("have the SHA-256"), "{error}");
    assert_ne!(plan("grokalign-digits", &settings(&source)).id(), first.id());
    fs::remove_file(here.path().join("x.npy")).unwrap();
    let error = VECTORS.planner().plan(&table).unwrap_err();
    assert!(error.to_string().contains("failed to read"), "{error}");
}

#[test]
fn idx_directories_validate_with_their_test_files_if_they_have_them() {
    let directory = tempfile::tempdir().unwrap();
    let pair = |part: &str, rows: u8| {
        let pixels = (0..rows * 4).map(|i| i.wrapping_mul(37));
        let images = [0, 0, 8, 3, 0, 0, 0, rows, 0, 0, 0, 2, 0, 0, 0, 2].into_iter().chain(pixels);
        fs::write(directory.path().join(format!("{part}-images-idx3-ubyte")), images.collect::<Vec<u8>>())
            .unwrap();
        let labels = [0, 0, 8, 1, 0, 0, 0, rows].into_iter().chain((0..rows).map(|i| i % 3));
        fs::write(directory.path().join(format!("{part}-labels-idx1-ubyte")), labels.collect::<Vec<u8>>())
            .unwrap();
    };
    let source = format!("data.source=idx:{}", directory.path().display());
    pair("train", 20);
    let rows =
        |settings: &[&str]| plan("grokalign-digits", settings).sides().unwrap().map(|side| side.rows());
    assert_eq!(rows(&settings(&source)), [12, 8]);
    pair("t10k", 9);
    assert_eq!(rows(&settings(&source)), [12, 9]);
    let all = [&source[..], "data.train_rows=20", "data.val_rows=5", "data.pixel_noise=0.1"];
    assert_eq!(rows(&all), [20, 5]);
    assert!(
        refusal("grokalign-digits", &[&source, "data.train_rows=21"]).contains("20 rows to train with, 9")
    );
    fs::remove_file(directory.path().join("t10k-labels-idx1-ubyte")).unwrap();
    assert!(refusal("grokalign-digits", &settings(&source)).contains("failed to read"));
}
