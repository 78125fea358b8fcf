//! Key frequencies of the unembedding of a modular task: a dimension of what was learned that owes nothing to LAR.
//!
//! A grokked network computes x + y (mod m) with a few waves cos(2πkx/m), sin(2πkx/m) (Nanda et al. 2023,
//! arXiv 2301.05217): the rows of W, one a residue, are then sums of these, two dimensions a frequency. Products and
//! quotients modulo a prime are sums of discrete logarithms, so there the waves run over the logarithm.
//!
//! Which frequencies are key is [`Fourier::key_frequencies_of`]'s rule, for residues and logarithms alike.

use crate::probe::{Fourier, KeyFrequencies};

/// The key frequencies of one unembedding.
#[derive(Clone, Debug, PartialEq)]
pub struct UnembeddingFrequencies {
    /// Over the residues 0 … m − 1 under addition.
    pub additive: KeyFrequencies,
    /// Over the residues 1 … m − 1 under multiplication, row gⁱ at place i for the least primitive root g; none
    /// unless m is a prime above 2.
    pub multiplicative: Option<KeyFrequencies>,
}

/// Key frequencies of `rows`, (modulus, width), row-major, row r for residue r; none if the shape does not fit, a value
/// is not finite, or all rows are the same.
pub fn unembedding_frequencies(rows: &[f32], modulus: usize, width: usize) -> Option<UnembeddingFrequencies> {
    if rows.len() != modulus * width || rows.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let residues: Vec<usize> = (0..modulus).collect();
    let additive = key_frequencies(rows, width, &residues)?;
    let multiplicative =
        powers_of_primitive_root(modulus).and_then(|powers| key_frequencies(rows, width, &powers));
    Some(UnembeddingFrequencies { additive, multiplicative })
}

/// Of the rows at `places`, in the order of the group; none without energy about their mean.
fn key_frequencies(rows: &[f32], width: usize, places: &[usize]) -> Option<KeyFrequencies> {
    let ordered: Vec<f32> =
        places.iter().flat_map(|place| &rows[place * width..(place + 1) * width]).copied().collect();
    Fourier::new(places.len()).key_frequencies_of(&ordered).ok()?
}

/// g⁰, g¹, …, g^(m−2) modulo `m` for the least primitive root g of a prime m above 2.
fn powers_of_primitive_root(m: usize) -> Option<Vec<usize>> {
    let is_prime = m > 2 && (2..m).take_while(|d| d * d <= m).all(|d| !m.is_multiple_of(d));
    let powers = |g: usize| std::iter::successors(Some(1), move |power| Some(power * g % m));
    let order = |g: usize| 1 + powers(g).skip(1).take_while(|power| *power != 1).count();
    let root = (2..m).filter(|_| is_prime).find(|g| order(*g) == m - 1)?;
    Some(powers(root).take(m - 1).collect())
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use rand::Rng;
    use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

    use super::*;

    /// Rows that are sums of waves, (frequency, amplitude) each in two columns of their own, over `place` of a residue
    /// in a group of `order`, and a constant column.
    fn made_up(
        modulus: usize,
        order: usize,
        waves: &[(usize, f64)],
        place: impl Fn(usize) -> usize,
    ) -> Vec<f32> {
        let row = |r: usize| {
            let angle = |k: usize| TAU * (k * place(r) % order) as f64 / order as f64;
            let wave = |&(k, a): &(usize, f64)| [a * angle(k).cos(), a * angle(k).sin()];
            waves.iter().flat_map(wave).chain([3.0]).map(|value| value as f32).collect::<Vec<_>>()
        };
        (0..modulus).flat_map(row).collect()
    }

    #[test]
    fn the_frequencies_put_in_are_found_strongest_first_and_a_weak_one_is_not_key() {
        // energies 4 : 2 : 9 : 0.2 of 29 frequencies, the mean is 0.52
        let waves = [(3, 2.0), (11, 2_f64.sqrt()), (28, 3.0), (5, 0.2_f64.sqrt())];
        let found = unembedding_frequencies(&made_up(59, 59, &waves, |r| r), 59, 9).unwrap();
        assert_eq!(found.additive, KeyFrequencies { frequencies: vec![28, 3, 11], dimension: 6 });
        // Gauss sums have one modulus: a wave over the residue is flat over the logarithm
        assert_eq!(found.multiplicative.unwrap().dimension, 0);
    }

    #[test]
    fn twice_the_mean_energy_makes_a_frequency_key() {
        // 15 frequencies, energies a and b: b is key if b > 2 (a + b) / 15, that is b > 2 a / 13
        for (factor, count) in [(0.99, 1), (1.01, 2)] {
            let weak = f64::sqrt(factor * 2.0 / 13.0);
            let rows = made_up(31, 31, &[(2, 1.0), (9, weak)], |r| r);
            assert_eq!(unembedding_frequencies(&rows, 31, 5).unwrap().additive.frequencies.len(), count);
        }
    }

    #[test]
    fn a_random_matrix_has_no_key_frequency() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let rows: Vec<f32> = (0..97 * 128).map(|_| rng.random_range(-1.0..1.0)).collect();
        let found = unembedding_frequencies(&rows, 97, 128).unwrap();
        assert_eq!((found.additive.dimension, found.multiplicative.unwrap().dimension), (0, 0));
    }

    #[test]
    fn waves_over_the_logarithm_are_found_where_the_modulus_is_prime() {
        // 3 is the least primitive root of 31 (Abramowitz & Stegun, Table 24.8)
        let mut logarithm = [0; 31];
        let mut power = 1;
        for i in 0..30 {
            logarithm[power] = i;
            power = power * 3 % 31;
        }
        // 15 = 30/2 is the Legendre symbol: one dimension
        let rows = made_up(31, 30, &[(4, 2.0), (15, 1.0)], |r| logarithm[r]);
        let found = unembedding_frequencies(&rows, 31, 5).unwrap().multiplicative.unwrap();
        assert_eq!(found, KeyFrequencies { frequencies: vec![4, 15], dimension: 3 });
    }

    #[test]
    fn only_primes_above_2_have_a_logarithm_here() {
        let moduli: Vec<usize> = (1..24).filter(|m| powers_of_primitive_root(*m).is_some()).collect();
        assert_eq!(moduli, [3, 5, 7, 11, 13, 17, 19, 23]);
        let mut powers = powers_of_primitive_root(23).unwrap();
        powers.sort_unstable();
        assert_eq!(powers, (1..23).collect::<Vec<_>>());
    }

    #[test]
    fn a_matrix_without_energy_about_its_mean_or_of_another_shape_has_none() {
        assert_eq!(unembedding_frequencies(&[0.7; 21], 7, 3), None);
        assert_eq!(unembedding_frequencies(&[0.0; 21], 7, 3), None);
        assert_eq!(unembedding_frequencies(&[1.0; 20], 7, 3), None);
        assert_eq!(unembedding_frequencies(&[f32::NAN; 21], 7, 3), None);
    }
}
