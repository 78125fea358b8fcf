//! Names the commit for manifests.

use std::process::Command;

/// What the program is made of, from the checkout's root: changes elsewhere do not make it another one.
const SOURCES: [&str; 5] = ["src", "crates", "Cargo.toml", "Cargo.lock", "build.rs"];

fn main() {
    println!("cargo::rustc-env=GROKLAB_COMMIT={}", commit().unwrap_or_default());
    for source in SOURCES {
        println!("cargo::rerun-if-changed=../../{source}");
    }
    // a commit moves the reference that HEAD names, and writes its log
    if let Some(log) = git(&["rev-parse", "--path-format=absolute", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
}

/// The commit of the checkout this is built in; none outside one, as in a package from a registry.
fn commit() -> Option<String> {
    // a package unpacked inside somebody else's repository is not a part of it
    git(&["ls-files", "--error-unmatch", "crates/groklab-cli/build.rs"])?;
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let status = git(&[&["status", "--porcelain", "--untracked-files=no", "--"], &SOURCES[..]].concat())?;
    Some(if status.is_empty() { commit } else { format!("{commit}, modified") })
}

/// What git says at the checkout's root; none where it fails or is not there.
fn git(arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("git");
    let output = command.args(["-C", "../.."]).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).ok())?.map(|text| text.trim().to_owned())
}
