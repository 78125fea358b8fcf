//! How far two spectra are from each other, whatever their scales.

/// Jensen–Shannon divergence ½ KL(p‖m) + ½ KL(q‖m) in nats, m = (p + q)/2, of two spectra p = a/Σa and q = b/Σb, rank by
/// rank: 0 for spectra in proportion, ln 2 at most, symmetric. A shorter spectrum goes on with zeros.
///
/// NaN where a spectrum has no sum to share in, or holds a negative number or NaN.
pub fn jensen_shannon(a: &[f64], b: &[f64]) -> f64 {
    let (Some(total_a), Some(total_b)) = (total(a), total(b)) else { return f64::NAN };
    let at = |values: &[f64], i: usize| values.get(i).copied().unwrap_or(0.0);
    let towards = |p: f64, m: f64| if p > 0.0 { p * (p / m).ln() } else { 0.0 };
    let twice: f64 = (0..a.len().max(b.len()))
        .map(|i| {
            let (p, q) = (at(a, i) / total_a, at(b, i) / total_b);
            let m = 0.5 * (p + q);
            towards(p, m) + towards(q, m)
        })
        .sum();
    (0.5 * twice).max(0.0) // rounding can leave a negative zero and a little
}

/// None where there is nothing to share in.
fn total(values: &[f64]) -> Option<f64> {
    let total: f64 = values.iter().sum();
    (values.iter().all(|&v| v >= 0.0) && total > 0.0 && total.is_finite()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_forms() {
        assert_eq!(jensen_shannon(&[1.0, 2.0, 3.0], &[10.0, 20.0, 30.0]), 0.0);
        // disjoint
        assert!((jensen_shannon(&[5.0, 0.0], &[0.0, 0.1]) - 2f64.ln()).abs() < 1e-15);
        // p = (1, 0), q = (½, ½), m = (¾, ¼)
        let expected = 0.5 * f64::ln(4.0 / 3.0) + 0.25 * f64::ln(2.0 / 3.0) + 0.25 * f64::ln(2.0);
        assert!((jensen_shannon(&[7.0], &[2.0, 2.0]) - expected).abs() < 1e-15);
        assert!((jensen_shannon(&[2.0, 2.0], &[7.0]) - expected).abs() < 1e-15);
    }

    #[test]
    fn without_a_spectrum_there_is_no_divergence() {
        for bad in [&[][..], &[0.0, 0.0], &[f64::NAN, 1.0], &[1.0, -0.1], &[f64::INFINITY]] {
            assert!(jensen_shannon(bad, &[1.0]).is_nan() && jensen_shannon(&[1.0], bad).is_nan(), "{bad:?}");
        }
    }
}
