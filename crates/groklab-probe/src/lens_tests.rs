//! Spectra of activations and of gradients against NumPy and SciPy (`tests/oracle/lens.py`), and their own symmetries.

use super::tests::{assert_close, gaussian, rotated};
use super::*;
use proptest::prelude::*;
use serde_json::Value;

fn oracle() -> Value {
    serde_json::from_str(include_str!("../tests/oracle/lens.json")).unwrap()
}

fn list(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn number(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

#[track_caller]
fn assert_slope(what: &str, found: WindowSlope, expected: &Value) {
    assert_close(what, found.alpha, expected["alpha"].as_f64().unwrap(), 1e-9);
    assert_close(what, found.r2, expected["r2"].as_f64().unwrap(), 1e-9);
}

#[test]
fn activation_spectra_agree_with_numpy() {
    let oracle = &oracle()["activations"];
    let (d, positions) = (number(&oracle["d"]), number(&oracle["positions"]));
    let hidden = list(&oracle["hidden"]);
    let unit = unit_rms(&hidden, d, 1e-6).unwrap();
    let cases = [
        ("last", Pooling::Last, &hidden),
        ("mean", Pooling::Mean, &hidden),
        ("token", Pooling::Token, &hidden),
        ("unit_last", Pooling::Last, &unit),
    ];
    let spectra = cases.map(|(name, pooling, hidden)| {
        let mut activations = Activations::new(d, pooling);
        // in two batches
        let cut = 13 * positions * d;
        activations.add(&hidden[..cut], positions).unwrap();
        activations.add(&hidden[cut..], positions).unwrap();
        let spectrum = activations.spectrum().unwrap();
        let per_sequence = if pooling == Pooling::Token { positions } else { 1 };
        assert_eq!(spectrum.samples as usize, number(&oracle["sequences"]) * per_sequence);
        let expected = &oracle["expected"][name];
        for (found, expected) in spectrum.eigenvalues.iter().zip(list(&expected["eigenvalues"])) {
            assert_close(name, *found, expected, 1e-12);
        }
        let shape = spectrum.shape();
        assert_close(name, shape.rankme, expected["rankme"].as_f64().unwrap(), 1e-10);
        assert_close(name, shape.top10, expected["top10"].as_f64().unwrap(), 1e-12);
        assert_slope(name, shape.head, &expected["head"]);
        assert_slope(name, shape.tail, &expected["tail"]);
        assert_eq!((shape.tail.first, shape.tail.last, shape.tail.values), (7, d, d));
        spectrum.eigenvalues
    });
    let pairs = [(0, 1), (0, 2), (1, 2)];
    for ((a, b), expected) in pairs.into_iter().zip(list(&oracle["js"])) {
        assert_close("divergence", jensen_shannon(&spectra[a], &spectra[b]), expected, 1e-12);
    }
}

#[test]
fn gradient_spectra_agree_with_numpy_by_either_way() {
    let oracle = oracle();
    let cases = oracle["gradients"].as_array().unwrap();
    for case in cases {
        let (x, delta, expected) = (list(&case["x"]), list(&case["delta"]), list(&case["singular_values"]));
        let factors = GradientFactors {
            inputs: &x,
            output_gradients: &delta,
            samples: number(&case["samples"]),
            positions: number(&case["positions"]),
            shape: [number(&case["b"]), number(&case["a"])],
        };
        for spectrum in [factors.by_stack().unwrap(), factors.by_gram().unwrap()] {
            assert_eq!(spectrum.singular_values.len(), expected.len());
            // a Gram matrix halves the digits of small values
            let tolerance = if spectrum.way == Way::Stack { 1e-13 } else { 1e-10 } * expected[0];
            for (found, expected) in spectrum.singular_values.iter().zip(&expected) {
                assert_close("singular value", *found, *expected, tolerance);
            }
        }
        let (head, tail) = factors.by_stack().unwrap().head_and_tail();
        if !case["head"].is_null() {
            assert_slope("head", head, &case["head"]);
        }
        if case["tail"].is_null() {
            assert!(tail.alpha.is_nan());
        } else {
            assert_slope("tail", tail, &case["tail"]);
        }
    }
    assert!(cases.iter().any(|case| !case["tail"].is_null()));
}

fn factors<'a>(x: &'a [f32], delta: &'a [f32], n: [usize; 2], shape: [usize; 2]) -> GradientFactors<'a, f32> {
    GradientFactors { inputs: x, output_gradients: delta, samples: n[0], positions: n[1], shape }
}

/// Of the maps of the toy the plain stack wins at its 64 positions, the Gram matrix at one.
#[test]
fn the_way_that_takes_less_time_is_taken() {
    for shape in [[1024, 128], [128, 128], [256, 128]] {
        assert_eq!(factors(&[], &[], [32, 64], shape).cheaper(), Way::Stack);
        assert_eq!(factors(&[], &[], [32, 1], shape).cheaper(), Way::Gram);
    }
    // of a square of side 64 with 4 samples: 4·64·T² < 64²·(T + 32), so T < 32
    assert_eq!(factors(&[], &[], [4, 31], [64, 64]).cheaper(), Way::Gram);
    assert_eq!(factors(&[], &[], [4, 32], [64, 64]).cheaper(), Way::Stack);
    for (n, way) in [([4, 1], Way::Gram), ([1, 40], Way::Stack)] {
        let (x, delta) = (vec![1f32; n[0] * n[1] * 3], vec![1f32; n[0] * n[1] * 5]);
        assert_eq!(factors(&x, &delta, n, [5, 3]).spectrum().unwrap().way, way);
    }
}

#[test]
fn without_a_gradient_there_is_no_spectrum() {
    let (x, zero) = (vec![1f32; 12], vec![0f32; 8]);
    let dead = factors(&x, &zero, [2, 2], [2, 3]);
    for spectrum in [dead.by_stack().unwrap(), dead.by_gram().unwrap()] {
        assert_eq!(spectrum.singular_values.len(), 2);
        assert!(spectrum.singular_values.iter().all(|s| s.is_nan()));
        assert!(spectrum.head_and_tail().0.alpha.is_nan());
    }
    let few = factors(&x, &zero, [2, 2], [3, 3]);
    assert!(
        few.by_gram().unwrap_err().to_string().contains("output gradients δ holds 8 numbers, expected 12")
    );
    let infinite = [f32::INFINITY; 8];
    assert!(factors(&x, &infinite, [2, 2], [2, 3]).by_stack().is_err());
    assert!(gradient_spectrum(&[1f32; 5], 2, 3).is_err());
}

proptest! {
    /// Equal to 1e-6 of s₁, and neither feels a rotation of inputs or outputs.
    #[test]
    fn both_ways_agree_and_do_not_feel_rotations(seed in 0u64..1000, samples in 1usize..12, positions in 1usize..7) {
        let [b, a] = [5, 8];
        let rows = samples * positions;
        let (x, delta) = (gaussian(rows, a, seed), gaussian(rows, b, seed + 1));
        let of = |x: &[f64], delta: &[f64]| {
            let factors =
                GradientFactors { inputs: x, output_gradients: delta, samples, positions, shape: [b, a] };
            (factors.by_stack().unwrap().singular_values, factors.by_gram().unwrap().singular_values)
        };
        let (stack, gram) = of(&x, &delta);
        let (turned, _) = of(&rotated(&x, a, seed), &rotated(&delta, b, seed));
        for ((s, g), t) in stack.iter().zip(&gram).zip(&turned) {
            prop_assert!((s - g).abs() < 1e-6 * stack[0], "{s} {g}");
            prop_assert!((s - t).abs() < 1e-12 * stack[0], "{s} {t}");
        }
    }
}
