//! The command line as a stranger meets it: help, mistakes, exit codes.

use super::refused;

#[test]
fn mistakes_have_a_code_a_reason_and_a_remedy_and_write_nothing() {
    let cases: [(&[&str], i32, &str); 12] = [
        (&["train", "addd"], 3, "add"),
        (&["train", "add", "--set", "model.depth=3"], 3, "known keys"),
        (&["train", "add", "--set", "optim.beta1=1.5"], 3, "0 ≤ beta1 < 1"),
        (&["train", "add", "--fraction", "1.5"], 3, "0 < train_fraction < 1"),
        (&["sweep", "nowhere.toml"], 3, "binary-ops"),
        (&["sweep", "quick", "--shard", "3/2"], 2, "1 ≤ i ≤ n"),
        (&["sweep", "quick", "--jobs", "0"], 2, "--jobs"),
        (&["sweep", "quick", "--checkpoint-every=-1"], 2, "seconds"),
        (&["status", "nowhere"], 3, "nowhere"),
        (&["verify", "nowhere"], 3, "nowhere"),
        (&["table", "nowhere"], 3, "nowhere"),
        (&["plot", "nowhere"], 3, "nowhere"),
    ];
    cases.into_iter().for_each(|(args, code, says)| refused(args, code, says));
}

#[cfg(not(feature = "cuda"))]
#[test]
fn a_device_that_is_not_there_is_missed_before_anything_is_written() {
    refused(&["sweep", "quick", "--device", "cuda"], 3, "no CUDA device");
    refused(&["quick", "--device", "cuda"], 3, "no CUDA device");
}

#[test]
fn a_diverging_run_is_recorded_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["--set", "model.d_model=16", "--set", "model.d_mlp=16", "--set", "optim.learning_rate=1e30"];
    let rest =
        ["--set", "train.max_epochs=40", "--fraction", "0.1", "--set", "model.norm=none", "--out", "out"];
    super::succeed(dir.path(), &[&["train", "add"], &args[..], &rest[..]].concat());
    let run = std::fs::read_dir(dir.path().join("out")).unwrap().next().unwrap().unwrap().path();
    let manifest = std::fs::read_to_string(run.join("manifest.json")).unwrap();
    let manifest: groklab::store::Manifest = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest.stopped, Some(groklab::run::StopReason::milestone("diverged")));
    assert!(manifest.milestones.diverged().is_some());
}
