//! Agreement of single diagnostics with NumPy (`tests/oracle/diagnostics.py` of the workspace).

use super::*;
use serde_json::Value;

fn list(v: &Value) -> Vec<f64> {
    v.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

#[track_caller]
fn assert_close(what: &str, found: f64, expected: &Value) {
    let close = |e: f64| (found - e).abs() <= 1e-9 * e.abs().max(1.0);
    assert!(expected.as_f64().map_or(found.is_nan(), close), "{what}: {found}, NumPy has {expected}");
}

fn oracle() -> Value {
    serde_json::from_str(include_str!("../tests/oracle/diagnostics.json")).unwrap()
}

#[test]
fn shapes_of_activations_agree_with_numpy() {
    let oracle = oracle();
    for case in oracle["matrices"].as_array().unwrap() {
        let n = case["n"].as_u64().unwrap() as usize;
        let x: Vec<f32> = list(&case["x"]).iter().map(|&v| v as f32).collect();
        let answers: Vec<u16> = list(&case["answers"]).iter().map(|&v| v as u16).collect();
        let mut moments = Moments::new(n, 0);
        moments.add(&x, &[]).unwrap();
        // any W will do for the spectra of X
        let mut w = vec![0.0; n * n];
        (0..n).for_each(|i| w[i * n + i] = 1.0);
        let variances = Spectra::new(&w, n, &moments).unwrap().covariance_eigenvalues;

        let expected = &case["expected"];
        assert_close(
            "participation ratio",
            participation_ratio(&variances),
            &expected["participation_ratio"],
        );
        assert_close("spectral entropy", spectral_entropy(&variances), &expected["spectral_entropy"]);
        assert_close("RankMe", rankme(&moments).unwrap(), &expected["rankme"]);
        let (head, tail) = head_and_tail(&variances);
        assert_close("head", head.slope, &expected["head_slope"]);
        assert_close("head R²", head.r2, &expected["head_r2"]);
        assert_close("tail", tail.slope, &expected["tail_slope"]);
        assert_close("tail R²", tail.r2, &expected["tail_r2"]);

        let mut classes = ClassSums::new(n, 4);
        let (half, rest) = (answers.len() / 2, answers.len() / 2 * n);
        classes.add(&x[..rest], &answers[..half]).unwrap();
        classes.add(&x[rest..], &answers[half..]).unwrap();
        let distances = classes.distances();
        assert_close("within", distances.within, &expected["within_class_distance"]);
        assert_close("between", distances.between, &expected["between_class_distance"]);
    }
}

#[test]
fn fourier_energies_and_components_agree_with_numpys_fft() {
    let oracle = oracle();
    for case in oracle["fourier"].as_array().unwrap() {
        let p = case["p"].as_u64().unwrap() as usize;
        let fourier = Fourier::new(p);
        let energies = fourier.energies(&list(&case["a"])).unwrap();
        let expected = case["energies"].as_array().unwrap();
        assert_eq!(energies.len(), expected.len());
        energies.iter().zip(expected).for_each(|(e, expected)| assert_close("energy", *e, expected));
        let norms: Vec<f64> = energies.iter().map(|e| e.sqrt()).collect();
        assert_close("Gini", gini(&norms), &case["gini"]);

        let logits: Vec<f32> = list(&case["logits"]).iter().map(|&v| v as f32).collect();
        let frequencies: Vec<usize> = list(&case["frequencies"]).iter().map(|&k| k as usize).collect();
        let component = fourier.component(&logits, &frequencies).unwrap();
        let expected = case["component"].as_array().unwrap();
        assert_eq!(component.len(), expected.len());
        component.iter().zip(expected).for_each(|(c, expected)| assert_close("component", *c, expected));
    }
}
