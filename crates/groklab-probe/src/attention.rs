//! How widely an attention head looks.

/// −Σ a ln a in nats, of one row of attention weights, which sum to 1: 0 for a single key, ln T for T keys alike.
pub fn attention_entropy(weights: &[f32]) -> f64 {
    weights.iter().map(|&a| f64::from(a)).filter(|&a| a > 0.0).map(|a| -a * a.ln()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_has_no_entropy_and_four_alike_have_ln_four() {
        assert_eq!(attention_entropy(&[0.0, 1.0, 0.0, 0.0]), 0.0);
        assert!((attention_entropy(&[0.25; 4]) - 4f64.ln()).abs() < 1e-15);
        // ½ ln 2 + 2·¼ ln 4 = 3/2 ln 2
        assert!((attention_entropy(&[0.5, 0.25, 0.25, 0.0]) - 1.5 * 2f64.ln()).abs() < 1e-15);
    }
}
