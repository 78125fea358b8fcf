//! A matrix against itself with its entries shuffled: what of the spectrum comes from their order, and not from their sizes.
//!
//! Source: Martin & Mahoney 2021 (arXiv 1810.01075, §4), "randomised" matrices.

/// The spectrum of a matrix beside that of its shuffled entries.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Shuffled {
    /// Largest eigenvalue of WᵀW after shuffling.
    pub largest: f64,
    /// Eigenvalues of WᵀW above it.
    pub above: usize,
    /// Two-sample Kolmogorov–Smirnov distance of the two spectra, 0 to 1.
    pub distance: f64,
}

/// The same numbers in an order that depends on `seed` alone: Fisher & Yates, driven by SplitMix64 (Steele, Lea & Flood
/// 2014).
pub fn shuffle(numbers: &mut [f64], seed: u64) {
    const AHEAD: usize = 64;
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    // The places are drawn ahead, and what lies there is asked for: a matrix is larger than the second cache.
    let mut places = [0; AHEAD];
    let mut left = numbers.len();
    while left > 1 {
        let places = &mut places[..AHEAD.min(left - 1)];
        for (i, place) in (0..left).rev().zip(places.iter_mut()) {
            // a product's upper half: even to one part in 2⁶⁴/i
            *place = ((u128::from(next()) * (i as u128 + 1)) >> 64) as usize;
            ask_for(&numbers[*place]);
        }
        for (i, &place) in (0..left).rev().zip(places.iter()) {
            numbers.swap(i, place);
        }
        left -= places.len();
    }
}

/// A hint that a number will be needed.
#[inline(always)]
fn ask_for(number: &f64) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE, which every such processor has; a hint takes any address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(
            std::ptr::from_ref(number).cast(),
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = number;
}

/// Compares two spectra of one shape, both descending eigenvalues of WᵀW: of W, and of its shuffled entries.
pub fn compare_shuffled(eigenvalues: &[f64], shuffled: &[f64]) -> Shuffled {
    let largest = shuffled.first().copied().unwrap_or(f64::NAN);
    let (mut i, mut j, mut distance) = (0, 0, 0.0f64);
    while i < eigenvalues.len() && j < shuffled.len() {
        // the next step down of either distribution, of both where they are equal
        let step = eigenvalues[i].max(shuffled[j]);
        i += eigenvalues[i..].iter().take_while(|&&v| v >= step).count();
        j += shuffled[j..].iter().take_while(|&&v| v >= step).count();
        let shares = [i as f64 / eigenvalues.len() as f64, j as f64 / shuffled.len() as f64];
        distance = distance.max((shares[0] - shares[1]).abs());
        if step.is_nan() {
            return Shuffled { largest, above: 0, distance: f64::NAN };
        }
    }
    Shuffled { largest, above: eigenvalues.iter().filter(|&&v| v > largest).count(), distance }
}

#[cfg(test)]
mod tests {
    use super::super::{tests::gaussian, weight_spectrum};
    use super::*;

    #[test]
    fn shuffling_keeps_the_numbers_and_moves_them_evenly() {
        let mut moved = [0usize; 5];
        for seed in 0..5_000 {
            let mut numbers: Vec<f64> = (0..5).map(f64::from).collect();
            shuffle(&mut numbers, seed);
            moved[numbers.iter().position(|&v| v == 0.0).unwrap()] += 1;
            numbers.sort_by(f64::total_cmp);
            assert_eq!(numbers, [0.0, 1.0, 2.0, 3.0, 4.0]);
        }
        // 1,000 each, give or take 5 standard deviations of 28
        assert!(moved.iter().all(|&count| (860..1_140).contains(&count)), "{moved:?}");
    }

    #[test]
    fn order_shows_and_noise_does_not() {
        let compare = |w: &[f64]| {
            let mut other = w.to_vec();
            shuffle(&mut other, 1);
            let spectrum = |w: &[f64]| weight_spectrum(w, 100, 60).unwrap().eigenvalues();
            compare_shuffled(&spectrum(w), &spectrum(&other))
        };
        let noise = compare(&gaussian(100, 60, 1));
        assert!(noise.above <= 1 && noise.distance < 0.15, "{noise:?}");
        // one direction only, whose entries are as good as noise once they are shuffled
        let (u, v) = (gaussian(100, 1, 2), gaussian(60, 1, 3));
        let order = compare(&u.iter().flat_map(|u| v.iter().map(move |v| u * v)).collect::<Vec<_>>());
        assert!(order.above == 1 && order.distance > 0.9, "{order:?}");
    }

    #[test]
    fn the_distance_is_the_greatest_step_between_the_two() {
        assert_eq!(compare_shuffled(&[4.0, 3.0, 2.0, 1.0], &[4.0, 3.0, 2.0, 1.0]).distance, 0.0);
        let found = compare_shuffled(&[9.0, 8.0, 2.0, 1.0], &[4.0, 3.0, 2.0, 1.0]);
        assert_eq!((found.distance, found.above, found.largest), (0.5, 2, 4.0));
    }
}
