//! The instruction sets and the kernels compiled for each; which of them this processor has.

use super::{
    copy::{Columns, Rows},
    portable::PORTABLE,
    tile::Tiles,
};

/// Kernels of one instruction set.
pub(crate) struct Kernels {
    pub name: &'static str,
    /// Numbers in a vector.
    pub lanes: usize,
    /// Rows of the full tile.
    pub rows: usize,
    /// Vectors in a row of the full tile.
    pub vectors: usize,
    /// By height − 1, by vectors − 1.
    pub tiles: &'static [&'static [unsafe fn(&Tiles)]],
    /// Deals rows out to panels.
    pub copy_rows: unsafe fn(Rows),
    /// Turns columns into rows.
    pub transpose: unsafe fn(Columns),
    /// Whether a right factor that is used once is better read where it lies than packed.
    pub right_in_place: bool,
    /// Multiply-adds in registers: spin_rows · spin_vectors · lanes of them a step.
    pub spin: unsafe fn(usize) -> f32,
    pub spin_rows: usize,
    pub spin_vectors: usize,
}

/// An instruction set that this processor has.
#[derive(Clone, Copy)]
pub struct InstructionSet(&'static Kernels);

impl InstructionSet {
    /// Those of this processor, the best first; the last is `portable`.
    pub fn all() -> Vec<Self> {
        let mut sets = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if std::arch::is_x86_feature_detected!("avx512f") {
                sets.push(Self(&super::x86::AVX512));
            }
            if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
                sets.push(Self(&super::x86::AVX2));
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            sets.push(Self(&super::neon::NEON));
        }
        sets.push(Self(&PORTABLE));
        sets
    }

    /// The best one.
    pub fn best() -> Self {
        Self::all().first().copied().unwrap_or(Self(&PORTABLE))
    }

    /// The one of this name, if the processor has it.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|set| set.name() == name)
    }

    /// `AVX-512`, `AVX2`, `NEON` or `portable`.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    pub(crate) fn kernels(self) -> &'static Kernels {
        self.0
    }
}

impl std::fmt::Debug for InstructionSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl PartialEq for InstructionSet {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}
impl Eq for InstructionSet {}
