//! The program from outside: one integration binary, a module a promise.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

mod budgets;
mod command;
mod docs;
mod equality;
mod figures;
mod fingerprint;
#[cfg(target_os = "linux")]
mod hostile;
mod house;
mod kinds;
mod outputs;
mod probe;
mod probe_layers;
mod probe_trials;
#[cfg(unix)]
mod progress;
mod published;
mod python;
mod replay;
mod report;
mod runs;
#[cfg(unix)]
mod slurm;
#[cfg(unix)]
mod survive;
mod watch;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// An experiment of four runs and a fraction of a second.
const SMALL: &str = r#"
title = "a small study"
tasks = ["add", "s5_mul"]
train_fractions = [0.05]
seeds = [0, 1]
[set]
"model.d_model" = 16
"model.d_mlp" = 16
"train.max_epochs" = 3
"probe.every" = 2
"#;

/// The two of them that add.
fn two_runs() -> String {
    SMALL.replace(", \"s5_mul\"", "")
}

/// A directory with `small.toml`, and its runs in `results/small`.
fn sweep_small() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    std::fs::write(dir.path().join("small.toml"), SMALL).expect("a file in it");
    succeed(dir.path(), &["sweep", "small.toml"]);
    dir
}

/// The checkout.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs groklab in `dir`.
fn groklab(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_groklab")).args(args).current_dir(dir).output().expect("groklab starts")
}

/// Runs groklab and expects success; returns what it printed.
fn succeed(dir: &Path, args: &[&str]) -> String {
    let output = groklab(dir, args);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "groklab {args:?}: {}\n{out}\n{err}", output.status);
    out
}

/// Runs groklab in an empty directory and expects that it ends with that code, says that, and writes nothing.
fn refused(args: &[&str], code: i32, says: &str) {
    let dir = tempfile::tempdir().unwrap();
    let output = groklab(dir.path(), args);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {message}");
    assert!(message.contains(says), "{args:?}: {message}");
    assert!(!message.contains("panicked"), "{args:?}: {message}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "{args:?} wrote something");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
