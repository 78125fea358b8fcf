//! What the targets share: expressions as trees, and their meaning worked out naively.

pub mod integers;
pub mod permutations;
pub mod tree;
