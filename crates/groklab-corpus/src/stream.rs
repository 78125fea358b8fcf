//! Named streams of random numbers: every draw of a corpus is computed from (seed, name, index), never remembered.

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

/// SHA-256 as 64 hexadecimal digits: what names data in a record.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngCore;

    #[test]
    fn seed_name_and_index_each_make_another_stream() {
        let first = |seed, name, index| stream(seed, name, index).next_u64();
        let base = first(1, "document", 0);
        assert_eq!(base, first(1, "document", 0));
        for other in [first(2, "document", 0), first(1, "order", 0), first(1, "document", 1)] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn the_digest_is_sha_256() {
        // FIPS 180-4, example of one block
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest(b"abc"), abc);
    }
}
