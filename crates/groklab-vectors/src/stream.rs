//! Named streams of draws: what is drawn depends on (seed, name, index) and on nothing drawn before.
//!
//! The keys are those of the laboratory's other kinds of run.

use rand_chacha::{ChaCha12Rng, rand_core::SeedableRng};
use sha2::{Digest, Sha256};

/// The generator of the stream `name` at `index`: ChaCha12 keyed by SHA-256 of all three.
pub fn stream(seed: u64, name: &str, index: u64) -> ChaCha12Rng {
    let mut hasher = Sha256::new();
    hasher.update(b"groklab/1\0");
    hasher.update(seed.to_le_bytes());
    hasher.update(index.to_le_bytes());
    hasher.update(name.as_bytes());
    ChaCha12Rng::from_seed(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngCore;

    #[test]
    fn seed_name_and_index_each_make_another_stream() {
        let first = |seed, name, index| stream(seed, name, index).next_u64();
        let all = [first(0, "a", 0), first(1, "a", 0), first(0, "b", 0), first(0, "a", 1)];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b));
        }
        assert_eq!(first(0, "a", 0), all[0]);
    }
}
