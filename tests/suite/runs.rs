//! Runs and sweeps: same bytes whatever the number of jobs, nothing done twice, one failure confined.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

const FILES: [&str; 5] =
    ["config.toml", "metrics.csv", "spectra.csv", "diagnostics.csv", "final.safetensors"];

/// Every CSV and parameter file below `dir`, by relative path.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for run in fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()) {
        for name in FILES {
            let key = format!("{}/{name}", run.file_name().unwrap().to_string_lossy());
            found.insert(key, fs::read(run.join(name)).unwrap());
        }
    }
    found
}

/// The first run of an experiment's directory by name.
fn first_run(dir: &Path) -> PathBuf {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.is_dir()).min().unwrap()
}

#[test]
fn any_number_of_jobs_and_any_sharding_give_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("small.toml"), super::SMALL).unwrap();
    let sweep = |rest: &[&str]| super::succeed(dir.path(), &[&["sweep", "small.toml"], rest].concat());
    sweep(&["--jobs", "1", "--out", "a"]);
    sweep(&["--jobs", "3", "--out", "b"]);
    sweep(&["--shard", "1/2", "--out", "c"]);
    assert_eq!(contents(&dir.path().join("c/small")).len(), 2 * FILES.len());
    sweep(&["--shard", "2/2", "--out", "c"]);
    let a = contents(&dir.path().join("a/small"));
    assert_eq!(a.len(), 4 * FILES.len());
    for other in ["b/small", "c/small"] {
        let b = contents(&dir.path().join(other));
        assert!(a.keys().eq(b.keys()));
        let different: Vec<_> =
            a.iter().filter(|(name, bytes)| b[*name] != **bytes).map(|(name, _)| name).collect();
        assert!(different.is_empty(), "{other}: {different:?}");
    }
    // evaluations at 0, 1 and 2, ids in every row; that of the last epoch belongs to its budget
    let (_, metrics) = a.iter().find(|(k, _)| k.starts_with("add") && k.ends_with("metrics.csv")).unwrap();
    let epochs: Vec<String> =
        csv::Reader::from_reader(&metrics[..]).records().map(|r| r.unwrap()[5].to_owned()).collect();
    assert_eq!(epochs, ["0", "1", "2"]);
}

#[test]
fn a_finished_run_is_not_run_again() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("small.toml"), super::SMALL).unwrap();
    let sweep = || super::succeed(dir.path(), &["sweep", "small.toml"]);
    sweep();
    let manifest = || {
        let run = first_run(&dir.path().join("results/small"));
        fs::metadata(run.join("manifest.json")).unwrap().modified().unwrap()
    };
    let before = manifest();
    assert!(sweep().contains("4 of 4 runs finished (4 before)"));
    assert_eq!(before, manifest());
}

#[test]
fn one_failing_run_does_not_stop_the_others() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("small.toml"), super::SMALL).unwrap();
    super::succeed(dir.path(), &["sweep", "small.toml", "--out", "names"]);
    let blocked = first_run(&dir.path().join("names/small")).file_name().unwrap().to_owned();
    fs::create_dir_all(dir.path().join("results/small")).unwrap();
    fs::write(dir.path().join("results/small").join(&blocked), "a file where a directory should be").unwrap();
    let output = super::groklab(dir.path(), &["sweep", "small.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(super::text(&output.stdout).contains("3 of 4 runs finished (0 before), 1 failed"));
    assert!(super::text(&output.stderr).contains(&*blocked.to_string_lossy()));
}

#[test]
fn a_run_that_another_process_runs_is_left_to_it() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("small.toml"), super::SMALL).unwrap();
    super::succeed(dir.path(), &["sweep", "small.toml", "--out", "names"]);
    let run = first_run(&dir.path().join("names/small")).file_name().unwrap().to_owned();
    let held = dir.path().join("results/small").join(&run);
    fs::create_dir_all(&held).unwrap();
    let lock = fs::File::create(held.join(".lock")).unwrap();
    lock.lock().unwrap();
    let printed = super::succeed(dir.path(), &["sweep", "small.toml"]);
    assert!(
        printed.contains("1 runs were left to other processes") && printed.contains("3 of 4 runs finished")
    );
    drop(lock);
    assert!(super::succeed(dir.path(), &["sweep", "small.toml"]).contains("4 of 4 runs finished (3 before)"));
}
