//! Periodic sequences: the data of the Spectral Lens toy (arXiv 2605.05683, the authors' public code).
//!
//! t_k = o + ((a + d·k) mod c), k = 0 … T. Period c ∈ 5 … V with weight c^−1.3; offset o ∈ 0 … V − c with weight
//! (o + 1)^−1.2; step d uniform in max(1, ⌊c/8⌋) … c − 1. With probability 0.3 a divisor g of c is drawn from
//! 2 … ⌊√c⌋, where there is one, and d ← clamp(⌊d/g⌋·g, g, c − 1). Phase a uniform in 0 … c − 1. No noise.

use crate::{CorpusError, choose::Weighted, stream};
use rand::Rng;

/// Least period.
const LEAST: usize = 5;

/// One sequence's four numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// c.
    pub period: usize,
    /// o.
    pub offset: usize,
    /// d.
    pub step: usize,
    /// a.
    pub phase: usize,
}

impl Period {
    /// Token t_k.
    pub fn token(&self, k: usize) -> u32 {
        (self.offset + (self.phase + self.step * k) % self.period) as u32
    }
}

/// All sequences of one seed. Sequence i has a stream of its own, so train, validation and test are ranges of i.
#[derive(Clone, Debug)]
pub struct Periodic {
    vocabulary: usize,
    seed: u64,
    periods: Weighted,
    offsets: Weighted,
}

impl Periodic {
    /// Sequences over ids 0 … `vocabulary` − 1.
    ///
    /// # Errors
    /// If the vocabulary does not hold the least period, 5.
    pub fn new(vocabulary: usize, seed: u64) -> Result<Self, CorpusError> {
        if !(LEAST..=1 << 20).contains(&vocabulary) {
            return Err(CorpusError::setting(
                "vocabulary",
                vocabulary,
                "5 to 1048576 for periodic sequences",
            ));
        }
        let periods = Weighted::new((LEAST..=vocabulary).map(|c| (c as f64).powf(-1.3)));
        let offsets = Weighted::new((0..=vocabulary - LEAST).map(|o| (o as f64 + 1.0).powf(-1.2)));
        Ok(Self { vocabulary, seed, periods, offsets })
    }

    /// Number of ids.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// The numbers of sequence `index`.
    pub fn period(&self, index: u64) -> Period {
        let mut rng = stream(self.seed, "periodic", index);
        let period = LEAST + self.periods.draw(&mut rng);
        let offset = self.offsets.draw_first(self.vocabulary - period + 1, &mut rng);
        let mut step = rng.random_range((period / 8).max(1)..period);
        if rng.random_bool(0.3) {
            let divisors: Vec<usize> = (2..=period.isqrt()).filter(|&g| period.is_multiple_of(g)).collect();
            if !divisors.is_empty() {
                let g = divisors[rng.random_range(0..divisors.len())];
                step = (step / g * g).clamp(g, period - 1);
            }
        }
        Period { period, offset, step, phase: rng.random_range(0..period) }
    }

    /// Tokens t_0 … t_(width − 1) of sequence `index`.
    pub fn sequence(&self, index: u64, width: usize) -> Vec<u32> {
        let period = self.period(index);
        (0..width).map(|k| period.token(k)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sequence_walks_round_a_cycle_inside_the_vocabulary() {
        for vocabulary in [5, 6, 64, 1024] {
            let source = Periodic::new(vocabulary, 303).unwrap();
            for index in 0..500 {
                let Period { period: c, offset, step, phase } = source.period(index);
                assert!((LEAST..=vocabulary).contains(&c) && offset + c <= vocabulary && phase < c);
                assert!((1..c).contains(&step));
                let tokens = source.sequence(index, 2 * c + 1);
                assert!(tokens.iter().all(|&t| (offset..offset + c).contains(&(t as usize))));
                assert!((0..=c).all(|k| tokens[k] == tokens[k + c]));
                let moved = |k: usize| (tokens[k + 1] as usize + c - tokens[k] as usize) % c;
                assert!((0..2 * c).all(|k| moved(k) == step % c));
            }
        }
    }

    /// Counts of the first period and offset against their weights, five standard errors allowed.
    #[test]
    fn periods_and_offsets_have_their_weights() {
        let (vocabulary, n) = (32usize, 20_000u64);
        let source = Periodic::new(vocabulary, 1).unwrap();
        let drawn: Vec<Period> = (0..n).map(|i| source.period(i)).collect();
        let total: f64 = (5..=32).map(|c| (c as f64).powf(-1.3)).sum();
        for c in 5..=32usize {
            let share = (c as f64).powf(-1.3) / total;
            let count = drawn.iter().filter(|p| p.period == c).count() as f64;
            let error = (n as f64 * share * (1.0 - share)).sqrt();
            assert!((count - n as f64 * share).abs() < 5.0 * error, "period {c}: {count}");
        }
        let five: Vec<_> = drawn.iter().filter(|p| p.period == 5).collect();
        let total: f64 = (0..=27).map(|o| (o as f64 + 1.0).powf(-1.2)).sum();
        let zero = five.iter().filter(|p| p.offset == 0).count() as f64;
        let (n, share) = (five.len() as f64, 1.0 / total);
        assert!((zero - n * share).abs() < 5.0 * (n * share * (1.0 - share)).sqrt(), "{zero} of {n}");
    }

    /// Of period 16 the steps are 2 … 15; 3 in 10 of them are moved to a multiple of 2 or 4.
    #[test]
    fn steps_are_uniform_or_multiples_of_a_divisor() {
        let source = Periodic::new(64, 5).unwrap();
        let steps: Vec<usize> =
            (0..200_000).map(|i| source.period(i)).filter(|p| p.period == 16).map(|p| p.step).collect();
        let odd = steps.iter().filter(|&&d| d % 2 == 1).count() as f64;
        // odd only where no divisor was taken: 7 of the 14 steps
        let (n, share) = (steps.len() as f64, 0.7 * 0.5);
        assert!(n > 2_000.0);
        assert!((odd - n * share).abs() < 5.0 * (n * share * (1.0 - share)).sqrt(), "{odd} of {n}");
    }

    #[test]
    fn a_vocabulary_without_room_is_named() {
        let message = Periodic::new(4, 0).unwrap_err().to_string();
        assert_eq!(message, "vocabulary = 4: must be 5 to 1048576 for periodic sequences");
    }
}
