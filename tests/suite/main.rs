//! The program from outside: one integration binary, a module a promise.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test may

mod command;
mod equality;
mod fingerprint;
#[cfg(target_os = "linux")]
mod hostile;
mod house;
mod probe;
mod replay;
mod report;
mod runs;
#[cfg(unix)]
mod slurm;
#[cfg(unix)]
mod survive;

use std::{
    path::Path,
    process::{Command, Output},
};

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

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
