//! Names the commit for manifests, and compiles the CUDA engine's kernels to PTX when the feature `cuda` asks for it.

use std::process::Command;

/// What the program is made of: changes elsewhere do not make it another one.
const SOURCES: [&str; 5] = ["src", "crates", "Cargo.toml", "Cargo.lock", "build.rs"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rustc-env=GROKLAB_COMMIT={}", commit().unwrap_or_default());
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    // a commit moves the reference that HEAD names, and writes its log
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    #[cfg(feature = "cuda")]
    {
        println!("cargo::rerun-if-changed=src/kinds/operations/engine/cuda/kernels.cu");
        cudaforge::KernelBuilder::new()
            .source_files(["src/kinds/operations/engine/cuda/kernels.cu"])
            .arg("-std=c++17")
            .arg("-O3")
            .build_ptx()?;
    }
    Ok(())
}

/// The commit of the checkout this is built in; none outside one, as in a package from a registry.
fn commit() -> Option<String> {
    // a package unpacked inside somebody else's repository is not a part of it
    git(&["ls-files", "--error-unmatch", "build.rs"])?;
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let status = git(&[&["status", "--porcelain", "--untracked-files=no", "--"], &SOURCES[..]].concat())?;
    Some(if status.is_empty() { commit } else { format!("{commit}, modified") })
}

/// What git says; none where it fails or is not there.
fn git(arguments: &[&str]) -> Option<String> {
    let output =
        Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
