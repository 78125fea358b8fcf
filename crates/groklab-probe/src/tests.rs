//! Properties of the whole probe, and its agreement with NumPy and SciPy (`tests/oracle/probe.py`).

use super::*;
use proptest::prelude::*;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use serde_json::Value;

pub(super) fn gaussian(rows: usize, cols: usize, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..rows * cols).map(|_| StandardNormal.sample(&mut rng)).collect()
}

/// X with energy falling along its columns, so that p, q and k are not those of noise.
pub(super) fn inputs(rows: usize, n: usize, seed: u64) -> Vec<f64> {
    let mut x = gaussian(rows, n, seed);
    for row in x.chunks_exact_mut(n) {
        row.iter_mut().enumerate().for_each(|(j, v)| *v = 0.3 + *v / (1 + j) as f64);
    }
    x
}

fn probe_of(w: &[f64], x: &[f64], n: usize) -> (Probe, Spectra) {
    probe(w, w.len() / n, n, &Moments::from_matrices(w, x, n).unwrap()).unwrap()
}

/// a (I − 2uuᵀ)(I − 2vvᵀ): the rows of a, (·, n), turned by a product of two reflections.
pub(super) fn rotated(a: &[f64], n: usize, seed: u64) -> Vec<f64> {
    let mut a = a.to_vec();
    for u in gaussian(2, n, seed).chunks_exact(n) {
        let norm = square_sum(u);
        for row in a.chunks_exact_mut(n) {
            let dot: f64 = row.iter().zip(u).map(|(a, u)| a * u).sum();
            row.iter_mut().zip(u).for_each(|(a, u)| *a -= 2.0 * dot / norm * u);
        }
    }
    a
}

#[track_caller]
pub(super) fn assert_close(what: &str, a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance || (a.is_nan() && b.is_nan()), "{what}: {a} and {b}");
}

#[track_caller]
pub(super) fn assert_same_probe(a: &Probe, b: &Probe, tolerance: f64) {
    let numbers = |p: &Probe| {
        [
            ("lar", p.lar),
            ("lar_spectra", p.lar_spectra),
            ("k_pred", p.k_pred),
            ("k90", p.k90.map_or(f64::NAN, f64::from)),
            ("k95", p.k95.map_or(f64::NAN, f64::from)),
            ("k99", p.k99.map_or(f64::NAN, f64::from)),
            ("p1", p.p1),
            ("q1", p.q1),
            ("l1", p.l1),
            ("sigma_p", p.sigma_p),
            ("sigma_q", p.sigma_q),
            ("pearson", p.pearson),
            ("spearman", p.spearman),
            ("stable_rank", p.stable_rank),
            ("effective_rank", p.effective_rank),
        ]
    };
    for ((what, a), (_, b)) in numbers(a).into_iter().zip(numbers(b)) {
        assert_close(what, a, b, tolerance * b.abs().max(1.0));
    }
}

#[test]
fn agrees_with_numpy_and_scipy() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../tests/oracle/probe.json")).unwrap();
    assert!(cases.len() >= 6);
    let list =
        |v: &Value| -> Vec<f64> { v.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect() };
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let (w, x) = (list(&case["w"]), list(&case["x"]));
        let n = case["n"].as_u64().unwrap() as usize;
        let (probe, spectra) = probe_of(&w, &x, n);

        let number = |key: &str| case["probe"][key].as_f64().unwrap_or(f64::NAN);
        let expected = Probe {
            lar: number("lar"),
            lar_spectra: number("lar_spectra"),
            k_pred: number("k_pred"),
            k90: Some(number("k90") as u32),
            k95: Some(number("k95") as u32),
            k99: Some(number("k99") as u32),
            p1: number("p1"),
            q1: number("q1"),
            l1: number("l1"),
            sigma_p: number("sigma_p"),
            sigma_q: number("sigma_q"),
            pearson: number("pearson"),
            spearman: number("spearman"),
            stable_rank: number("stable_rank"),
            effective_rank: number("effective_rank"),
        };
        assert_same_probe(&probe, &expected, 1e-10);

        for (key, found) in [
            ("singular_values", &spectra.singular_values),
            ("p", &spectra.p),
            ("q", &spectra.q),
            ("covariance_eigenvalues", &spectra.covariance_eigenvalues),
        ] {
            let expected = list(&case["spectra"][key]);
            assert_eq!(found.len(), expected.len(), "{name}: {key}");
            for (i, (a, b)) in found.iter().zip(expected).enumerate() {
                assert_close(&format!("{name}: {key}[{i}]"), *a, b, 1e-10);
            }
        }
    }
}

proptest! {
    #[test]
    fn the_forms_of_lar_agree(m in 1usize..14, n in 2usize..14, rows in 1usize..40, seed: u64) {
        let (w, x) = (gaussian(m, n, seed), inputs(rows, n, !seed));
        let (observed, spectra) = probe_of(&w, &x, n);
        assert_close("norms and spectra", observed.lar, observed.lar_spectra, 1e-10);
        let pearson = pearson(&spectra.p, &spectra.q);
        prop_assert_eq!(observed.pearson.is_nan(), m == 1 || pearson.is_nan());
        let spread = lar_from_spread(observed.sigma_p, observed.sigma_q, pearson, n);
        assert_close("norms and spread", observed.lar, spread, 1e-10);
        assert_close("L_n", observed.lar, partial_lar(&spectra.p, &spectra.q, n), 1e-10);
        let overlap: f64 = spectra.p.iter().zip(&spectra.q).map(|(p, q)| p * q).sum();
        assert_close("k_pred", observed.k_pred * overlap, 1.0, 1e-10);

        let mut moments = Moments::new(n, 0);
        moments.add_f64(&x, &[]).unwrap();
        assert_same_probe(&probe(&w, m, n, &moments).unwrap().0, &observed, 1e-10);
    }

    #[test]
    fn shares_are_shares_and_lar_is_bounded(m in 1usize..14, n in 2usize..14, rows in 1usize..40, seed: u64) {
        let (probe, spectra) = probe_of(&gaussian(m, n, seed), &inputs(rows, n, !seed), n);
        for shares in [&spectra.p, &spectra.q] {
            prop_assert_eq!(shares.len(), n);
            prop_assert!(shares.iter().all(|&v| (0.0..=1.0 + 1e-12).contains(&v)));
            assert_close("sum of shares", shares.iter().sum(), 1.0, 1e-12);
        }
        prop_assert!(spectra.p.is_sorted_by(|a, b| a >= b));
        prop_assert!(spectra.covariance_eigenvalues.is_sorted_by(|a, b| a >= b));
        // Random X spreads over more than one direction: strictly below 1.
        prop_assert!(probe.lar < 1.0 && probe.l1 <= probe.lar_spectra + 1e-12);
        prop_assert!(probe.k_pred > 1.0);
        prop_assert!(probe.k90 <= probe.k95 && probe.k95 <= probe.k99);
        prop_assert!(probe.k99.unwrap_or(0) as usize <= n.min(rows - 1));
        let rank = m.min(n) as f64;
        // Σ (s/s₁)² ≤ Σ s/s₁ = 1/max s̃ ≤ exp(entropy of s̃) ≤ number of entries
        prop_assert!(1.0 <= probe.stable_rank + 1e-12 && probe.stable_rank <= probe.effective_rank + 1e-12);
        prop_assert!(probe.effective_rank <= rank + 1e-12);
    }

    #[test]
    fn one_shared_direction_and_nothing_else_gives_one(m in 1usize..9, n in 2usize..9, rows in 1usize..9, seed: u64) {
        let v = gaussian(1, n, seed);
        let along = |len, seed| -> Vec<f64> {
            gaussian(len, 1, seed).iter().flat_map(|a| v.iter().map(move |v| a * v)).collect()
        };
        let (w, mut x) = (along(m, seed ^ 1), along(rows, seed ^ 2));
        assert_close("LAR", probe_of(&w, &x, n).0.lar, 1.0, 1e-12);
        // q leaves the point: LAR falls.
        x.extend(inputs(1, n, seed ^ 3));
        prop_assert!(probe_of(&w, &x, n).0.lar < 1.0 - 1e-9);
    }

    #[test]
    fn uniform_p_or_uniform_q_gives_one_half(n in 2usize..10, rows in 1usize..30, scale in 0.01f64..100.0, seed: u64) {
        let mut identity = vec![0.0; n * n];
        (0..n).for_each(|i| identity[i * n + i] = scale);
        let orthogonal = rotated(&identity, n, seed);

        let uniform_p = probe_of(&orthogonal, &inputs(rows, n, seed), n).0;
        assert_close("uniform p", uniform_p.lar, 0.5, 1e-12);
        prop_assert!(uniform_p.pearson.is_nan() && uniform_p.spearman.is_nan());

        let uniform_q = probe_of(&gaussian(n + 2, n, seed), &orthogonal, n).0;
        assert_close("uniform q", uniform_q.lar, 0.5, 1e-12);
        prop_assert!(uniform_q.pearson.is_nan());
    }

    #[test]
    fn scale_rotation_and_order_do_not_matter(
        m in 1usize..12, n in 2usize..12, rows in 2usize..30, scale in prop_oneof![1e-6f64..1.0, 1.0f64..1e6], seed: u64,
    ) {
        let (w, x) = (gaussian(m, n, seed), inputs(rows, n, !seed));
        let (expected, _) = probe_of(&w, &x, n);
        let scaled = |a: &[f64]| a.iter().map(|v| v * scale).collect::<Vec<_>>();
        assert_same_probe(&probe_of(&scaled(&w), &x, n).0, &expected, 1e-8);
        assert_same_probe(&probe_of(&w, &scaled(&x), n).0, &expected, 1e-8);
        let turned = probe_of(&rotated(&w, n, seed ^ 5), &rotated(&x, n, seed ^ 5), n).0;
        assert_same_probe(&turned, &expected, 1e-8);
        let reversed = |a: &[f64]| a.chunks_exact(n).rev().flatten().copied().collect::<Vec<_>>();
        assert_same_probe(&probe_of(&reversed(&w), &reversed(&x), n).0, &expected, 1e-8);
    }

    #[test]
    fn pooling_any_split_is_pooling_the_whole(
        m in 1usize..8, n in 2usize..8, cuts in prop::collection::vec(0usize..600, 0..6), seed: u64,
    ) {
        let rows = 600;
        let (w, x) = (gaussian(m, n, seed), inputs(rows, n, !seed));
        let whole = Moments::from_matrices(&w, &x, n).unwrap();
        let mut cuts = cuts;
        cuts.extend([0, rows]);
        cuts.sort_unstable();
        let mut pooled = Moments::new(n, m);
        for range in cuts.windows(2) {
            let part = Moments::from_matrices(&w, &x[range[0] * n..range[1] * n], n).unwrap();
            pooled.merge(&part).unwrap();
        }
        prop_assert_eq!(pooled.rows, whole.rows);
        let scale = whole.input_square_sum();
        for (a, b) in pooled.gram.iter().zip(&whole.gram).chain(pooled.sum.iter().zip(&whole.sum)) {
            assert_close("entry", *a, *b, 1e-12 * scale);
        }
        assert_close("outputs", pooled.output_square_sum, whole.output_square_sum, 1e-12 * whole.output_square_sum);
        let (a, b) = (probe(&w, m, n, &pooled).unwrap().0, probe(&w, m, n, &whole).unwrap().0);
        assert_close("LAR", a.lar, b.lar, 1e-12);
    }
}

#[test]
fn diagonal_w_has_closed_forms() {
    // W = diag(1, 2, 0) with a zero row; rows of X are axes: energies 9, 16, 25 along them.
    let w = [1.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    let x = [3.0, 0.0, 0.0, 0.0, -4.0, 0.0, 0.0, 0.0, 5.0];
    let (probe, spectra) = probe_of(&w, &x, 3);
    let close = |found: &[f64], expected: &[f64]| {
        assert_eq!(found.len(), expected.len());
        found.iter().zip(expected).for_each(|(a, b)| assert_close("entry", *a, *b, 1e-14));
    };
    close(&spectra.singular_values, &[2.0, 1.0, 0.0]);
    close(&spectra.p, &[0.8, 0.2, 0.0]);
    close(&spectra.q, &[0.32, 0.18, 0.5]);
    assert_eq!(spectra.p[2], 0.0);
    let overlap: f64 = 0.8 * 0.32 + 0.2 * 0.18;
    assert_close("lar", probe.lar, 1.0 + 0.5 * overlap.log(3.0), 1e-14);
    assert_close("l1", probe.l1, 1.0 + 0.5 * 0.256f64.log(3.0), 1e-14);
    assert_close("k_pred", probe.k_pred, 1.0 / overlap, 1e-13);
    assert_close("stable rank", probe.stable_rank, 1.25, 1e-14);
}

#[test]
fn energy_in_the_null_space_is_shared_equally() {
    // W reads the first axis of four; X has energy 4 there and 3 + 2 + 0 elsewhere.
    let w = [7.0, 0.0, 0.0, 0.0];
    let x = [2.0, 3f64.sqrt(), 0.0, 0.0, 0.0, 0.0, 2f64.sqrt(), 0.0];
    let (_, spectra) = probe_of(&w, &x, 4);
    assert_close("q1", spectra.q[0], 4.0 / 9.0, 1e-15);
    spectra.q[1..].iter().for_each(|&q| assert_close("null", q, 5.0 / 27.0, 1e-15));
}

#[test]
fn equal_rows_have_no_variance_and_no_dimension() {
    let row = gaussian(1, 6, 3);
    let (probe, spectra) = probe_of(&gaussian(4, 6, 1), &row.repeat(100), 6);
    assert_eq!((probe.k90, probe.k95, probe.k99), (None, None, None));
    assert!(spectra.notes()[0].starts_with("all rows of X are the same"));
    assert_eq!(spectra.covariance_eigenvalues, [0.0; 6]);
    assert!(probe.lar.is_finite());
}

#[test]
fn unusable_matrices_are_refused_by_name() {
    let message = |w: &[f64], m, n, moments: &Moments| probe(w, m, n, moments).unwrap_err().to_string();
    let mut moments = Moments::new(2, 0);
    assert!(message(&[1.0; 4], 2, 2, &moments).starts_with("no rows"));
    moments.add(&[1.0, 2.0], &[]).unwrap();
    assert!(
        message(&[1.0, 0.0, f64::NAN, 0.0], 2, 2, &moments).starts_with("weights W holds NaN at index 2")
    );
    assert!(message(&[1.0; 5], 2, 2, &moments).contains("5 numbers, expected 4"));
    assert!(message(&[1.0; 6], 2, 3, &moments).contains("columns of W is 3, expected 2"));
    let mut infinite = Moments::new(2, 0);
    infinite.add(&[f32::INFINITY, 0.0], &[]).unwrap();
    assert!(message(&[1.0; 4], 2, 2, &infinite).contains("inputs X holds inf"));
    let mut observed = Moments::new(2, 3);
    observed.add(&[1.0, 2.0], &[1.0; 3]).unwrap();
    assert!(message(&[1.0; 4], 2, 2, &observed).contains("rows of W is 2, expected 3"));
    let narrow = Moments::from_matrices(&[1.0], &[1.0, 2.0], 1).unwrap();
    assert!(message(&[1.0], 1, 1, &narrow).contains("needs n of 2 or more"));
    let mut torn = moments.clone();
    torn.gram.pop();
    assert!(message(&[1.0; 4], 2, 2, &torn).contains("gram holds 3 numbers, expected 4"));
}

#[test]
fn zero_weights_leave_what_is_known_of_x_and_zero_inputs_what_is_known_of_w() {
    let x = gaussian(50, 4, 1);
    let (usual, _) = probe_of(&gaussian(3, 4, 2), &x, 4);
    let (probe, spectra) = probe_of(&[0.0; 12], &x, 4);
    assert_eq!((probe.k90, probe.k95, probe.k99), (usual.k90, usual.k95, usual.k99));
    let Probe { lar, lar_spectra, k_pred, p1, q1, l1, sigma_p, sigma_q, .. } = probe;
    let Probe { pearson, spearman, stable_rank, effective_rank, .. } = probe;
    for undefined in [lar, lar_spectra, k_pred, p1, q1, l1, sigma_p, sigma_q, pearson, spearman] {
        assert!(undefined.is_nan(), "{probe:?}");
    }
    assert!(stable_rank.is_nan() && effective_rank.is_nan());
    assert_eq!(spectra.singular_values, [0.0; 3]);
    assert!(spectra.notes()[0].starts_with("W is zero"), "{:?}", spectra.notes());

    let (probe, spectra) = probe_of(&gaussian(3, 4, 2), &[0.0; 20], 4);
    assert_eq!((probe.k90, probe.k95, probe.k99), (None, None, None));
    let Probe { lar, k_pred, q1, l1, sigma_q, pearson, spearman, .. } = probe;
    for undefined in [lar, k_pred, q1, l1, sigma_q, pearson, spearman] {
        assert!(undefined.is_nan(), "{probe:?}");
    }
    for (found, known) in [
        (probe.p1, usual.p1),
        (probe.sigma_p, usual.sigma_p),
        (probe.stable_rank, usual.stable_rank),
        (probe.effective_rank, usual.effective_rank),
    ] {
        assert_close("of W alone", found, known, 1e-14);
    }
    assert!(spectra.notes()[0].starts_with("X is zero"), "{:?}", spectra.notes());
    assert!(probe_of(&gaussian(3, 4, 2), &x, 4).1.notes().is_empty());
}
