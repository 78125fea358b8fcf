//! Which runs count and how far, as a user meets it: budgets that grow, precision, foreign runs, other machines.

use super::{SMALL, groklab, succeed, text};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// SMALL up to so many epochs.
fn small(epochs: u64) -> String {
    SMALL.replace("\"train.max_epochs\" = 3", &format!("\"train.max_epochs\" = {epochs}"))
}

fn runs(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    found.retain(|path| path.is_dir());
    found.sort();
    found
}

/// Every file of an experiment's runs but the manifests (times) and what belongs to other ends.
fn contents(dir: &Path, end: u64) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for path in runs(dir).iter().flat_map(|run| fs::read_dir(run).unwrap().map(|e| e.unwrap().path())) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let of_other_end = name.starts_with("end-") && !name.starts_with(&format!("end-{end:08}"));
        if name != "manifest.json" && name != ".lock" && !of_other_end {
            files.insert(path.strip_prefix(dir).unwrap().display().to_string(), fs::read(&path).unwrap());
        }
    }
    files
}

#[test]
fn a_larger_budget_computes_no_epoch_twice_and_leaves_what_it_would_have_left_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let table = |of: &str, rest: &[&str]| succeed(dir.path(), &[&["table", of], rest].concat());
    let rows = |of: &str| fs::read(dir.path().join(of).join("runs.csv")).unwrap();
    fs::write(dir.path().join("small.toml"), small(5)).unwrap();
    succeed(dir.path(), &["sweep", "small.toml"]);
    let printed = table("results/small", &[]);
    let before = rows("results/small");

    fs::write(dir.path().join("small.toml"), small(9)).unwrap();
    let output = groklab(dir.path(), &["sweep", "small.toml"]);
    let (said, told) = (text(&output.stdout), text(&output.stderr));
    assert!(said.contains("4 runs planned before now have another budget"), "{said}");
    assert_eq!(told.matches("resumed at epoch 6, step").count(), 4, "{told}");
    table("results/small", &[]);
    succeed(dir.path(), &["sweep", "small.toml", "--out", "fresh"]);
    table("fresh/small", &[]);
    assert!(rows("results/small") == rows("fresh/small"), "the rows of a run that grew are others");
    let [grown, fresh] = ["results/small", "fresh/small"].map(|of| contents(&dir.path().join(of), 9));
    assert!(grown.keys().eq(fresh.keys()), "{:?}", grown.keys());
    assert!(grown == fresh);

    // the smaller view is what it was
    assert_eq!(table("results/small", &["--max-epochs", "5"]), printed);
    assert!(rows("results/small") == before);
    // and a smaller budget shortens nothing
    let output = groklab(dir.path(), &["sweep", "small.toml", "--max-epochs", "3"]);
    assert!(text(&output.stdout).contains("4 of 4 runs finished (4 before)"));
    assert!(contents(&dir.path().join("results/small"), 9) == fresh);
}

#[test]
fn a_run_that_another_experiment_has_is_not_computed_again() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("one.toml"), small(3)).unwrap();
    fs::write(dir.path().join("two.toml"), small(6)).unwrap();
    succeed(dir.path(), &["sweep", "one.toml"]);
    let output = groklab(dir.path(), &["sweep", "two.toml"]);
    let told = text(&output.stderr);
    assert_eq!(told.matches("epochs up to 3 taken over from results/one").count(), 4, "{told}");
    assert_eq!(told.matches("resumed at epoch 4").count(), 4, "{told}");
    succeed(dir.path(), &["sweep", "two.toml", "--out", "fresh"]);
    let [taken, fresh] = ["results/two", "fresh/two"].map(|of| contents(&dir.path().join(of), 6));
    assert!(taken == fresh);
}

#[test]
fn runs_of_another_precision_or_another_experiment_of_the_name_share_no_cell() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("small.toml"), small(3)).unwrap();
    succeed(dir.path(), &["sweep", "small.toml", "--precision", "tf32"]);
    let output = groklab(dir.path(), &["sweep", "small.toml"]);
    let said = text(&output.stdout);
    assert!(said.contains("4 of 4 runs finished (0 before)"), "{said}");
    assert!(said.contains("4 runs planned before are not in this plan"), "{said}");
    let output = groklab(dir.path(), &["claims", "results/small"]);
    let told = text(&output.stderr);
    assert!(told.contains("not counted: 4 runs in small that its plan does not name"), "{told}");
    let with_foreign = text(&output.stdout);
    assert!(succeed(dir.path(), &["status", "results/small"]).contains("4 unplanned"));
    let json = succeed(dir.path(), &["table", "results/small", "--json"]);
    let rows: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(rows["runs"].as_array().unwrap().len(), 4);
    // the answers are those of the runs alone, but for the one that is made of times
    succeed(dir.path(), &["sweep", "small.toml", "--out", "alone"]);
    let untimed = |text: &str| -> Vec<String> {
        text.lines().filter(|line| !line.contains("seconds of the probe")).map(str::to_owned).collect()
    };
    let alone = succeed(dir.path(), &["claims", "alone/small"]);
    assert_eq!(untimed(&with_foreign), untimed(&alone));
    assert_eq!(with_foreign.lines().count(), untimed(&with_foreign).len() + 1);
}

#[test]
fn results_are_read_elsewhere_without_the_task_files_they_were_made_with() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("tasks")).unwrap();
    fs::write(dir.path().join("tasks/own.toml"), "title = 'own'\ntable = 'own.csv'").unwrap();
    let rows: String = (0..49).map(|i| format!("{},{},{}\n", i / 7, i % 7, (i / 7 + i) % 7)).collect();
    fs::write(dir.path().join("tasks/own.csv"), format!("x,y,z\n{rows}")).unwrap();
    let set = ["--set", "model.d_model=8", "--set", "model.d_mlp=8", "--set", "train.max_epochs=2"];
    succeed(dir.path(), &[&["train", "own"][..], &set].concat());
    let elsewhere = tempfile::tempdir().unwrap();
    fs::rename(dir.path().join("results"), elsewhere.path().join("results")).unwrap();
    let [run] = &runs(&elsewhere.path().join("results/train"))[..] else { panic!("one run") };
    let id = run.file_name().unwrap().to_str().unwrap();
    let again = succeed(elsewhere.path(), &["verify", "results/train", "--rerun", id]);
    assert!(again.contains("task.csv: the same") && !again.contains("differs"), "{again}");
    succeed(elsewhere.path(), &["report", "results", "--out", "report.html"]);
}

#[test]
fn what_was_pruned_is_said_and_verifies() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("small.toml"), small(3)).unwrap();
    succeed(dir.path(), &["sweep", "small.toml"]);
    assert!(succeed(dir.path(), &["prune", "results"]).contains("removed 4 files of 4 runs"));
    assert!(succeed(dir.path(), &["prune", "results"]).contains("removed 0 files"));
    let verified = succeed(dir.path(), &["verify", "results"]);
    assert!(verified.contains("4 of 4 runs are whole") && verified.contains("4 of them were pruned"));
    assert!(succeed(dir.path(), &["sweep", "small.toml"]).contains("(4 before)"));
}
