//! The way over Gram matrices against the way over the matrix itself, and against spectra known beforehand.

use super::tests::{assert_close, assert_same_probe, gaussian, inputs, rotated};
use super::*;

fn weight_gram(w: &[f64], n: usize, f32_products: bool) -> WeightGram {
    let mut pool = RowPool::new(n).unwrap();
    if f32_products {
        pool.add_f32(&w.iter().map(|&v| v as f32).collect::<Vec<_>>()).unwrap();
    } else {
        pool.add_f64(w).unwrap();
    }
    pool.into_weight_gram()
}

fn moments_of(x: &[f64], n: usize) -> Moments {
    let mut pool = RowPool::new(n).unwrap();
    pool.add_f64(x).unwrap();
    pool.into_moments()
}

/// (rows, n) = U diag(s) Vᵀ with U and V products of reflections.
fn with_singular_values(s: &[f64], rows: usize, seed: u64) -> Vec<f64> {
    let n = s.len();
    let mut tall = vec![0.0; n * rows];
    s.iter().enumerate().for_each(|(i, &s)| tall[i * rows + i] = s);
    let turned = rotated(&tall, rows, seed);
    let transposed: Vec<f64> = (0..rows * n).map(|at| turned[(at % n) * rows + at / n]).collect();
    rotated(&transposed, n, !seed)
}

#[test]
fn both_ways_give_the_same_probe() {
    // Shapes around the borders of blocks and tiles: 1,024 rows, 256 and 1,024 columns.
    for (m, n, rows) in [(1, 5, 3), (40, 20, 60), (1_100, 30, 50), (300, 270, 400), (90, 270, 100)] {
        let (w, x) = (gaussian(m, n, 1), inputs(rows, n, 2));
        let mut moments = Moments::new(n, 0);
        moments.add_f64(&x, &[]).unwrap();
        let (expected, spectra) = probe(&w, m, n, &moments).unwrap();
        let pooled = moments_of(&x, n);
        let (found, by_gram) = probe_gram(&weight_gram(&w, n, false), &pooled).unwrap();
        assert_same_probe(&found, &expected, 1e-10);
        assert_eq!(by_gram.singular_values.len(), spectra.singular_values.len());
        for (a, b) in by_gram.q.iter().zip(&spectra.q) {
            assert_close("q", *a, *b, 1e-10);
        }
        let wide = RowPool::new(n).unwrap().into_moments();
        assert!(probe_gram(&weight_gram(&w, n, false), &wide).is_err(), "nothing pooled");
    }
}

#[test]
fn sums_are_those_of_integers_and_threads_and_blocks_change_no_bit() {
    let (rows, n) = (2_500, 300);
    let integers: Vec<f32> = (0..rows * n).map(|i| ((i * 7 + i / 5) % 11) as f32 - 5.0).collect();
    let wide: Vec<f64> = integers.iter().map(|&v| v.into()).collect();
    // of integers, every sum of squares is exact
    let mut expected = Moments::new(n, 0);
    expected.add(&integers, &[]).unwrap();
    let found = moments_of(&wide, n);
    assert_eq!((found.rows, &found.sum), (expected.rows, &expected.sum));
    for (a, b) in found.gram.iter().zip(&expected.gram) {
        // the mean row that is taken off is no integer: 64 roundings of Σ |ab| ≤ 2,500·25 are granted
        assert_close("entry", *a, *b, 2_500.0 * 25.0 * 64.0 * 2f64.powi(-53));
    }
    let mut pool = RowPool::new(n).unwrap();
    pool.add_f32(&integers).unwrap();
    let found = pool.into_moments();
    assert_eq!((found.rows, &found.sum), (expected.rows, &expected.sum));
    for (a, b) in found.gram.iter().zip(&expected.gram) {
        // the same in f32
        assert_close("entry", *a, *b, 2_500.0 * 25.0 * 64.0 * 2f64.powi(-24));
    }

    let noise = gaussian(rows, n, 3);
    let whole = moments_of(&noise, n);
    for threads in [1, 3] {
        let workers = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut pool = RowPool::new(n).unwrap();
        workers.install(|| noise.chunks(1_024 * n).for_each(|block| pool.add_f64(block).unwrap()));
        assert_eq!(pool.into_moments(), whole);
    }
}

#[test]
fn known_singular_values_come_back_down_to_the_resolution() {
    let (m, n) = (3_000, 64);
    // From 1 down to 1e-3.9 in equal ratios, then a null space.
    let s: Vec<f64> = (0..n).map(|i| if i < 60 { 10f64.powf(-(i as f64) / 15.0) } else { 0.0 }).collect();
    let w = with_singular_values(&s, m, 5);
    // f32: a sum of 1,024 rounded terms wanders by about √1024 roundings, 2⁻²⁴ each; twice that is granted.
    for (f32_products, tolerance) in [(false, 1e-12), (true, 64.0 * 2f64.powi(-24))] {
        let gram = weight_gram(&w, n, f32_products);
        let (_, spectra) = probe_gram(&gram, &moments_of(&inputs(200, n, 4), n)).unwrap();
        let mut lost = 0;
        for (found, known) in spectra.singular_values.iter().zip(&s) {
            // An error of u·s₁² in s² is one of u·s₁²/(2s) in s.
            let allowed = tolerance / (2.0 * known.max(gram.resolution()));
            if *known > 1.05 * gram.resolution() {
                assert_close("singular value", *found, *known, allowed);
            } else if *known < 0.95 * gram.resolution() {
                assert_eq!(*found, 0.0, "{known} is below the resolution");
                lost += 1;
            }
        }
        assert_eq!(lost, if f32_products { 9 } else { 4 });
    }
}

#[test]
fn measures_of_weights_are_those_of_their_singular_values() {
    // s = 2, 1: the effective rank is 3 / 2^(2/3).
    let w = with_singular_values(&[2.0, 1.0], 5, 7);
    let gram = weight_gram(&w, 2, false);
    for measured in [weight_measures(&w, 5, 2).unwrap(), gram.measures().unwrap()] {
        assert_close("frobenius", measured.frobenius_norm, 5f64.sqrt(), 1e-14);
        assert_close("spectral", measured.spectral_norm, 2.0, 1e-14);
        assert_close("p1", measured.p1, 0.8, 1e-14);
        assert_close("stable rank", measured.stable_rank, 1.25, 1e-14);
        assert_close("effective rank", measured.effective_rank, 3.0 / 2f64.powf(2.0 / 3.0), 1e-14);
    }
}

#[test]
fn unusable_grams_are_refused_by_name() {
    let moments = moments_of(&[1.0, 2.0], 2);
    let message = |w: &[f64], n| probe_gram(&weight_gram(w, n, true), &moments).unwrap_err().to_string();
    assert!(message(&[1e30, 0.0, 0.0, 1e30], 2).starts_with("Gram matrix of weights W holds inf"));
    assert!(message(&[1.0; 3], 3).contains("columns of W is 3, expected 2"));
    assert!(RowPool::new(0).is_err());
    assert!(RowPool::new(MAX_WIDTH + 1).unwrap_err().to_string().contains("at most 32768"));
    assert!(RowPool::new(3).unwrap().add_f64(&[1.0; 4]).unwrap_err().to_string().contains("whole number"));
    let mut torn = weight_gram(&[1.0; 4], 2, false);
    torn.gram.pop();
    assert!(probe_gram(&torn, &moments).unwrap_err().to_string().contains("3 numbers, expected 4"));
}

/// On rows with a common offset that holds nine tenths of the energy, and a falling spectrum.
#[test]
fn f32_products_cost_less_than_the_sixth_digit() {
    let (m, n) = (8_192, 256);
    let mut w = inputs(m, n, 11);
    w = rotated(&w, n, 12);
    w.iter_mut().for_each(|v| *v = f64::from(*v as f32));
    let moments = moments_of(&rotated(&inputs(1_000, n, 13), n, 12), n);
    let (exact, _) = probe_gram(&weight_gram(&w, n, false), &moments).unwrap();
    let (rounded, _) = probe_gram(&weight_gram(&w, n, true), &moments).unwrap();
    assert_same_probe(&rounded, &exact, 2e-6);
}

/// A spectrum that falls by three decades beside a common row that holds 95 % of the energy: f32 products lose most of it,
/// and say how many values; f64 does not.
#[test]
fn a_steep_spectrum_keeps_its_effective_rank_in_f64_and_is_called_a_bound_in_f32() {
    let (m, n) = (400, 200);
    let s: Vec<f64> = (1..=n).map(|i| 1.0 / (i as f64).powf(1.3)).collect();
    let mut w = with_singular_values(&s, m, 8);
    let row = gaussian(1, n, 9);
    let size = (19.0 * square_sum(&w) / m as f64 / square_sum(&row)).sqrt();
    for line in w.chunks_exact_mut(n) {
        line.iter_mut().zip(&row).for_each(|(v, c)| *v = f64::from((*v + size * c) as f32));
    }
    let exact = weight_spectrum(&w, m, n).unwrap();
    let wide = weight_gram(&w, n, false).spectrum().unwrap();
    assert_close("f64", wide.measures().effective_rank, exact.measures().effective_rank, 1e-6);
    assert_eq!((exact.unresolved(), wide.unresolved()), (0, 0));
    let narrow = weight_gram(&w, n, true).spectrum().unwrap();
    assert!(narrow.unresolved() > 20, "{}", narrow.unresolved());
    assert!(narrow.measures().effective_rank < exact.measures().effective_rank);
}

#[test]
fn a_gram_matrix_gives_the_spectrum_or_nothing() {
    let turned = |w: &[f64], m: usize, n: usize| -> Vec<f64> {
        (0..m * n).map(|at| w[(at % m) * n + at / m]).collect()
    };
    // known beforehand: falling to a thousandth
    let s: Vec<f64> = (0..40).map(|i| 10f64.powf(-3.0 * i as f64 / 39.0)).collect();
    let w = with_singular_values(&s, 90, 5);
    for (w, m, n) in [(w.clone(), 90, 40), (turned(&w, 90, 40), 40, 90)] {
        let found = weight_spectrum_by_gram(&w, m, n).unwrap().unwrap();
        for (found, expected) in found.singular_values.iter().zip(&s) {
            assert_close("singular value", *found, *expected, 1e-9 * expected);
        }
        assert_close("square sum", found.square_sum, s.iter().map(|s| s * s).sum(), 1e-12);
        assert_eq!((found.singular_values.len(), found.unresolved()), (40, 0));
        assert!(found.resolution.unwrap() < 1e-3);
    }
    // square noise has small singular values, and is still resolved
    let noise = gaussian(120, 120, 7);
    let (by_gram, by_svd) = (
        weight_spectrum_by_gram(&noise, 120, 120).unwrap().unwrap(),
        weight_spectrum(&noise, 120, 120).unwrap(),
    );
    for (a, b) in by_gram.singular_values.iter().zip(&by_svd.singular_values) {
        assert_close("singular value", *a, *b, 1e-7 * b);
    }
    // what would be lost is not given: a small direction, a null space, nothing at all, squares beyond f64
    let mut steep = s.clone();
    steep[39] = 1e-7;
    let ones = vec![1.0; 12];
    let huge: Vec<f64> = noise[..100].iter().map(|v| v * 1e160).collect();
    for (w, m, n) in
        [(with_singular_values(&steep, 90, 5), 90, 40), (ones, 4, 3), (vec![0.0; 6], 2, 3), (huge, 10, 10)]
    {
        assert_eq!(weight_spectrum_by_gram(&w, m, n).unwrap(), None);
    }
    assert!(weight_spectrum_by_gram(&[f64::NAN; 4], 2, 2).is_err());
}
