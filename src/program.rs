//! Which program this is: version, commit and features, as manifests name it.

use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

static THIS: OnceLock<Program> = OnceLock::new();

/// A build of groklab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Version of the package.
    pub version: String,
    /// Commit it was built from, with `, modified` behind it where the sources were not those of the commit; none where
    /// the build did not know.
    pub commit: Option<String>,
    /// Cargo features it was built with, sorted.
    pub features: Vec<String>,
}

/// The instruction set found on this processor: `AVX-512`, `AVX2`, `NEON` or `portable`.
pub fn instruction_set() -> &'static str {
    groklab_kernels::InstructionSet::best().name()
}

impl Program {
    /// This one: what it was [announced](Program::announce) as, else this library by its version.
    pub fn this() -> Self {
        THIS.get().cloned().unwrap_or_else(|| Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: None,
            features: Vec::new(),
        })
    }

    /// Says which program this process is, before its first run. What was said first stands.
    pub fn announce(self) {
        THIS.get_or_init(|| self);
    }

    /// As one would say it: `0.1.0 (commit 0123456789ab, modified)`.
    pub fn describe(&self) -> String {
        match &self.commit {
            Some(commit) => format!("{} (commit {commit})", self.version),
            None => self.version.clone(),
        }
    }
}
