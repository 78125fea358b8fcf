//! Which program this is: version, commit and features, as manifests name it.

use serde::{Deserialize, Serialize};

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
    /// This one.
    pub fn this() -> Self {
        let features = [("cuda", cfg!(feature = "cuda")), ("parquet", cfg!(feature = "parquet"))];
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("GROKLAB_COMMIT").filter(|commit| !commit.is_empty()).map(str::to_owned),
            features: features
                .iter()
                .filter(|(_, is_on)| *is_on)
                .map(|(name, _)| (*name).to_owned())
                .collect(),
        }
    }

    /// As one would say it: `0.1.0 (commit 0123456789ab, modified)`.
    pub fn describe(&self) -> String {
        match &self.commit {
            Some(commit) => format!("{} (commit {commit})", self.version),
            None => self.version.clone(),
        }
    }
}
