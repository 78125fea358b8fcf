//! What is published under results/published: whole, and what the documents show of it comes from there.

use super::{root, succeed};
use std::{fs, path::Path};

/// Study, and the documents made of it: by which command, in which file.
const SHOWN: [(&str, &[(&str, &str)]); 5] = [
    (
        "add-fractions",
        &[
            ("claims", "docs/fractions/claims.txt"),
            ("table", "docs/fractions/table.txt"),
            ("runs.csv", "docs/fractions/runs.csv"),
            ("rmse.csv", "docs/fractions/rmse.csv"),
        ],
    ),
    (
        "batch-dip-1009",
        &[("table", "docs/batch-dip/1009-table.txt"), ("runs.csv", "docs/batch-dip/1009-runs.csv")],
    ),
    (
        "binary-ops",
        &[
            ("claims", "docs/binary-ops/claims.txt"),
            ("predict", "docs/binary-ops/predict.txt"),
            ("table", "docs/binary-ops/table.txt"),
            ("runs.csv", "docs/binary-ops/runs.csv"),
            ("rmse.csv", "docs/binary-ops/rmse.csv"),
        ],
    ),
    (
        "lm-sizes",
        &[
            ("claims", "docs/language-models/sizes-claims.txt"),
            ("table", "docs/language-models/sizes-tables.txt"),
            ("runs.csv", "docs/language-models/sizes-runs.csv"),
        ],
    ),
    (
        "regularisation-30",
        &[
            ("claims", "docs/lar-regularisation/less-claims.txt"),
            ("table", "docs/lar-regularisation/less-table.txt"),
            ("runs.csv", "docs/lar-regularisation/less-runs.csv"),
        ],
    ),
];

#[test]
fn published_runs_are_whole_and_documents_show_them() {
    let temporary = tempfile::tempdir().unwrap();
    for (study, shown) in SHOWN {
        // a copy: tables are written beside the runs
        let (from, dir) = (root().join("results/published").join(study), temporary.path().join(study));
        copy(&from, &dir);
        succeed(&dir, &["verify", "."]);
        // `table` comes before the files that it writes
        let mut shown = shown.to_vec();
        shown.sort_by_key(|(what, _)| what.ends_with(".csv"));
        for (what, document) in shown {
            let made = match what.ends_with(".csv") {
                true => fs::read_to_string(dir.join(what)).unwrap(),
                false => succeed(&dir, &[what, "."]),
            };
            let expected = fs::read_to_string(root().join(document)).unwrap();
            assert!(made == expected, "{document} is not what {what} of results/published/{study} says");
        }
    }
}

/// Four experiments that answer one question.
#[test]
fn the_forecast_is_what_its_published_runs_say() {
    let dirs = ["predict", "predict-sub", "predict-decay", "predict-seeds"];
    let dirs = dirs.map(|name| root().join("results/published").join(name).display().to_string());
    for dir in &dirs {
        succeed(&root(), &["verify", dir]);
    }
    let temporary = tempfile::tempdir().unwrap();
    let out = temporary.path().display().to_string();
    let dirs = dirs.each_ref().map(String::as_str);
    let said = succeed(&root(), &[["predict", "--out", &out].as_slice(), &dirs].concat());
    let shown = |name| fs::read_to_string(root().join("docs/predict").join(name)).unwrap();
    assert!(said == shown("predict.txt"), "docs/predict/predict.txt is not what the published runs say");
    let table = fs::read_to_string(temporary.path().join("predict.csv")).unwrap();
    assert!(table == shown("predict.csv"), "docs/predict/predict.csv is not what the published runs say");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let to = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

#[test]
fn an_experiment_is_published_once_and_one_without_a_finished_run_not_at_all() {
    let dir = super::sweep_small();
    let said = succeed(dir.path(), &["publish", "results/small"]);
    assert!(said.starts_with("4 runs") && said.contains("results/published/small"), "{said}");
    // figures of key frequencies want parameters; tables, claims, reports and exports do not
    for command in [
        ["table"].as_slice(),
        &["claims"],
        &["plot"],
        &["report"],
        &["export", "tables", "--out", "tables"],
        &["verify"],
    ] {
        succeed(dir.path(), &[command, &["results/published/small"]].concat());
    }
    let refused = super::groklab(dir.path(), &["publish", "results/small"]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(super::text(&refused.stderr).contains("is there already"));
    let none = super::groklab(dir.path(), &["publish", "results/nothing"]);
    assert_eq!(none.status.code(), Some(3));
    assert!(!dir.path().join("results/published/nothing").exists());
}
