//! The log-alignment ratio in its three forms, and what follows from it.
//!
//! All functions are exact rewritings of one number (Shehper & Vaswani, arXiv 2605.28975); `n` is the width of X,
//! the base of the logarithm. p and q are the energy shares defined in [`Spectra`](super::Spectra).

/// LAR from norms: log_n( RMS(X Wᵀ) / (RMS(W)·RMS(X)) ), with RMS(A) = ‖A‖_F / √(entries).
///
/// Arguments are ‖X Wᵀ‖²_F, ‖W‖²_F and ‖X‖²_F, each pooled over all batches. The numbers of rows of X and W cancel:
/// the ratio is n·‖X Wᵀ‖ / (‖W‖·‖X‖). At most 1; −∞ if X Wᵀ = 0.
pub fn lar_from_norms(
    output_square_sum: f64,
    weight_square_sum: f64,
    input_square_sum: f64,
    n: usize,
) -> f64 {
    // A sum of logarithms: a product of squared norms could overflow.
    let log_share = output_square_sum.ln() - weight_square_sum.ln() - input_square_sum.ln();
    1.0 + 0.5 * log_share / (n as f64).ln()
}

/// LAR from spectra: 1 + ½·log_n Σ p_i q_i, where n is the length of p and q.
pub fn lar_from_spectra(p: &[f64], q: &[f64]) -> f64 {
    partial_lar(p, q, p.len())
}

/// LAR from the spread of the spectra: 1 + ½·log_n( n·σ_p·σ_q·corr(p, q) + 1/n ).
///
/// σ are population standard deviations, corr is Pearson's. σ_p·σ_q·corr is the covariance, which is 0 where corr is
/// undefined (NaN, p or q constant).
pub fn lar_from_spread(sigma_p: f64, sigma_q: f64, pearson: f64, n: usize) -> f64 {
    let n = n as f64;
    let covariance = if pearson.is_nan() { 0.0 } else { sigma_p * sigma_q * pearson };
    1.0 + 0.5 * (n * covariance + 1.0 / n).ln() / n.ln()
}

/// L_k, the LAR of the first k singular directions of W alone: 1 + ½·log_n Σ_{i≤k} p_i q_i.
///
/// Δ_k = LAR − L_k is what the other directions add. `k` beyond n counts as n; −∞ for k = 0.
pub fn partial_lar(p: &[f64], q: &[f64], k: usize) -> f64 {
    let overlap: f64 = p.iter().zip(q).take(k).map(|(p, q)| p * q).sum();
    1.0 + 0.5 * overlap.ln() / (p.len() as f64).ln()
}

/// The dimension LAR predicts for X: k_pred = n^(2(1 − LAR)) = 1 / Σ p_i q_i, between 1 and ∞.
pub fn k_pred(lar: f64, n: usize) -> f64 {
    (n as f64).powf(2.0 * (1.0 - lar))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_shared_direction_is_full_alignment() {
        let e1 = [1.0, 0.0, 0.0];
        assert_eq!(lar_from_spectra(&e1, &e1), 1.0);
        assert_eq!(k_pred(1.0, 3), 1.0);
    }

    #[test]
    fn orthogonal_directions_have_no_alignment_at_all() {
        assert_eq!(lar_from_spectra(&[1.0, 0.0], &[0.0, 1.0]), f64::NEG_INFINITY);
        assert_eq!(lar_from_norms(0.0, 2.0, 3.0, 2), f64::NEG_INFINITY);
        assert_eq!(k_pred(f64::NEG_INFINITY, 2), f64::INFINITY);
    }

    #[test]
    fn k_equal_directions_of_n_predict_k() {
        // p = q = 1/k on k directions: Σ p q = 1/k.
        for k in 1..=16usize {
            let p: Vec<f64> = (0..16).map(|i| if i < k { 1.0 / k as f64 } else { 0.0 }).collect();
            let lar = lar_from_spectra(&p, &p);
            assert!((k_pred(lar, 16) - k as f64).abs() < 1e-12);
            let half_of_them = 1.0 + 0.5 * (0.5 / k as f64).log(16.0);
            if k % 2 == 0 {
                assert!((partial_lar(&p, &p, k / 2) - half_of_them).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn without_spread_lar_is_one_half() {
        assert!((lar_from_spread(0.0, 0.3, f64::NAN, 128) - 0.5).abs() < 1e-15);
    }

    #[test]
    fn huge_norms_do_not_overflow() {
        assert!((lar_from_norms(1e300, 1e200, 1e100, 7) - 1.0).abs() < 1e-12);
    }
}
