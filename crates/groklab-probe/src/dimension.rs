//! How many directions matter: principal components and participation ratio of X, RankMe, stable and effective rank.

use super::{Moments, ProbeError, spectra::eigenvalues};

/// The least k such that the k largest eigenvalues hold at least `share` of their sum; k95 is `share = 0.95`.
///
/// `eigenvalues` are those of the centred covariance of X, in descending order and not negative.
/// None if they are all 0, so that every row of X is the same, or one is NaN: no number of components is the right one.
pub fn components_for(eigenvalues: &[f64], share: f64) -> Option<u32> {
    let total: f64 = eigenvalues.iter().sum();
    if total.is_nan() || total <= 0.0 {
        return None;
    }
    let mut held = 0.0;
    let mut k = 0;
    for value in eigenvalues {
        if held >= share * total {
            break;
        }
        held += value;
        k += 1;
    }
    Some(k)
}

/// ‖W‖²_F / s₁², between 1 and the rank; `singular_values` in descending order. NaN if all are 0.
pub fn stable_rank(singular_values: &[f64]) -> f64 {
    let largest = singular_values.first().copied().unwrap_or(0.0);
    singular_values.iter().map(|s| (s / largest).powi(2)).sum()
}

/// exp(−Σ s̃ ln s̃) with s̃ = s / Σ s, over singular values (Roy & Vetterli 2007); between 1 and the rank. NaN if all are 0.
///
/// Other work takes shares of s² or of covariance eigenvalues under the same name.
pub fn effective_rank(singular_values: &[f64]) -> f64 {
    spectral_entropy(singular_values).exp()
}

/// −Σ s ln s in nats, s the shares of `values` in their sum: 0 for one value, ln n for n equal ones; NaN if all are 0.
///
/// Over the eigenvalues of the centred covariance of X this is the spectral entropy of the activations; its exponential
/// is an effective dimension of X, as [`effective_rank`] is one of W.
pub fn spectral_entropy(values: &[f64]) -> f64 {
    let total: f64 = values.iter().sum();
    if total.is_nan() || total == 0.0 {
        return f64::NAN;
    }
    values.iter().map(|v| v / total).filter(|&s| s > 0.0).map(|s| -s * s.ln()).sum()
}

/// exp(−Σ p ln p), p = λ / Σλ, over the eigenvalues of the centred covariance of X: the "RankMe" of Spectral Lens
/// (arXiv 2605.05683), between 1 and n; NaN if all are 0.
///
/// Not the RankMe of Garrido et al., [`rankme`], which takes shares of singular values of the X that is not centred: of the
/// same X this one is smaller, since squares weigh the large directions more.
pub fn rankme_of_eigenvalues(eigenvalues: &[f64]) -> f64 {
    spectral_entropy(eigenvalues).exp()
}

/// Share of the `count` largest of `values`, which descend, in their sum; NaN if all are 0.
pub fn top_share(values: &[f64], count: usize) -> f64 {
    values.iter().take(count).sum::<f64>() / values.iter().sum::<f64>()
}

/// (Σλ)² / Σλ², over the eigenvalues of the centred covariance of X: between 1 and n; NaN if all are 0 (Gao et al. 2017).
pub fn participation_ratio(eigenvalues: &[f64]) -> f64 {
    eigenvalues.iter().sum::<f64>().powi(2) / eigenvalues.iter().map(|v| v * v).sum::<f64>()
}

/// RankMe of X from its second moments: exp(−Σ p ln p), p = σ / Σσ + 10⁻⁷, over the singular values σ of X, not centred
/// (Garrido et al. 2023, arXiv 2210.02885, eq. 1). NaN if X is 0 or the eigenvalue iteration does not converge.
///
/// σ² are the eigenvalues of XᵀX. Those within rounding of 0, n·ε·‖X‖² with ε = 2⁻⁵², count as 0.
///
/// # Errors
/// If nothing was pooled or a number is not finite.
pub fn rankme(moments: &Moments) -> Result<f64, ProbeError> {
    /// RankMe's ε.
    const EPSILON: f64 = 1e-7;
    moments.check()?;
    if moments.rows == 0 {
        return Err(ProbeError::NoRows);
    }
    if let Some(index) = moments.gram.iter().position(|v| !v.is_finite()) {
        let value = moments.gram[index];
        return Err(ProbeError::NotFinite { what: "Gram matrix of inputs X", index, value });
    }
    let n = moments.n;
    let gram = faer::MatRef::from_row_major_slice(&moments.gram, n, n);
    let rounding = n as f64 * f64::EPSILON * moments.input_square_sum();
    let Some(squares) = eigenvalues(gram, faer::Par::Seq) else { return Ok(f64::NAN) };
    // X has no more singular values than rows
    let count = n.min(usize::try_from(moments.rows).unwrap_or(n));
    let singular: Vec<f64> =
        squares[..count].iter().map(|&v| if v > rounding { v.sqrt() } else { 0.0 }).collect();
    let total: f64 = singular.iter().sum();
    if total == 0.0 {
        return Ok(f64::NAN);
    }
    let entropy: f64 = singular.iter().map(|s| s / total + EPSILON).map(|p| -p * p.ln()).sum();
    Ok(entropy.exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k_equal_eigenvalues_are_k_dimensions_whatever_the_measure() {
        for k in 1..=6 {
            let values: Vec<f64> = (0..6).map(|i| if i < k { 2.5 } else { 0.0 }).collect();
            assert!((participation_ratio(&values) - k as f64).abs() < 1e-14);
            assert!((spectral_entropy(&values) - (k as f64).ln()).abs() < 1e-14);
        }
        assert!(participation_ratio(&[0.0; 3]).is_nan() && spectral_entropy(&[0.0; 3]).is_nan());
        assert!((rankme_of_eigenvalues(&[0.5, 0.25, 0.25]) - 8f64.sqrt()).abs() < 1e-14); // 1½ bits
        assert_eq!((top_share(&[3.0, 2.0, 1.0, 2.0], 2), top_share(&[3.0, 1.0], 10)), (0.625, 1.0));
        assert!(top_share(&[0.0; 3], 1).is_nan() && rankme_of_eigenvalues(&[]).is_nan());
        // 3² / (2² + 1²)
        assert!((participation_ratio(&[2.0, 1.0]) - 9.0 / 5.0).abs() < 1e-15);
    }

    #[test]
    fn rankme_of_axes_is_their_number_but_for_its_epsilon() {
        // X = 3·(e₁, e₂, e₄) and a zero row: three equal singular values of four
        let mut moments = Moments::new(4, 0);
        moments.add(&[3., 0., 0., 0., 0., 3., 0., 0., 0., 0., 0., 3., 0., 0., 0., 0.], &[]).unwrap();
        let (p, zero) = (1.0 / 3.0 + 1e-7, 1e-7f64);
        let expected = (-3.0 * p * f64::ln(p) - zero * zero.ln()).exp();
        assert!((rankme(&moments).unwrap() - expected).abs() < 1e-12);
        assert!((expected - 3.0).abs() < 1e-5);
        assert!(rankme(&Moments::new(4, 0)).is_err());
    }

    #[test]
    fn components_are_counted_up_to_and_with_the_one_that_reaches_the_share() {
        let eigenvalues = [8.0, 4.0, 2.0, 1.0, 1.0]; // cumulative shares 1/2, 3/4, 7/8, 15/16, 1
        assert_eq!(components_for(&eigenvalues, 0.5), Some(1));
        assert_eq!(components_for(&eigenvalues, 0.500001), Some(2));
        assert_eq!(components_for(&eigenvalues, 0.9), Some(4));
        assert_eq!(components_for(&eigenvalues, 0.95), Some(5));
        assert_eq!(components_for(&eigenvalues, 1.0), Some(5));
        assert_eq!(components_for(&[0.0; 4], 0.95), None);
        assert_eq!(components_for(&[f64::NAN; 4], 0.95), None);
    }

    #[test]
    fn ranks_of_equal_and_of_single_directions() {
        assert_eq!(stable_rank(&[3.0; 5]), 5.0);
        assert!((effective_rank(&[3.0; 5]) - 5.0).abs() < 1e-14);
        assert_eq!(stable_rank(&[3.0, 0.0, 0.0]), 1.0);
        assert_eq!(effective_rank(&[3.0, 0.0, 0.0]), 1.0);
        assert!(stable_rank(&[0.0; 3]).is_nan() && effective_rank(&[0.0; 3]).is_nan());
    }

    #[test]
    fn ranks_of_two_to_one() {
        assert_eq!(stable_rank(&[2.0, 1.0]), 1.25);
        // entropy of (2/3, 1/3): ln 3 − (2/3) ln 2, so the rank is 3 / 2^(2/3)
        assert!((effective_rank(&[2.0, 1.0]) - 3.0 / 2f64.powf(2.0 / 3.0)).abs() < 1e-14);
    }
}
