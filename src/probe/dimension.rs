//! How many directions matter: principal components of X, stable and effective rank of W.

/// The least k such that the k largest eigenvalues hold at least `share` of their sum; k95 is `share = 0.95`.
///
/// `eigenvalues` are those of the centred covariance of X, in descending order and not negative.
/// 0 if they are all 0: every row of X is the same.
pub fn components_for(eigenvalues: &[f64], share: f64) -> u32 {
    let total: f64 = eigenvalues.iter().sum();
    let mut held = 0.0;
    let mut k = 0;
    for value in eigenvalues {
        if held >= share * total {
            break;
        }
        held += value;
        k += 1;
    }
    k
}

/// ‖W‖²_F / s₁², between 1 and the rank; `singular_values` in descending order, s₁ > 0.
pub fn stable_rank(singular_values: &[f64]) -> f64 {
    let largest = singular_values.first().copied().unwrap_or(0.0);
    singular_values.iter().map(|s| (s / largest).powi(2)).sum()
}

/// exp(−Σ s̃ ln s̃) with s̃ = s / Σ s, over singular values (Roy & Vetterli 2007); between 1 and the rank.
///
/// Other work takes shares of s² or of covariance eigenvalues under the same name.
pub fn effective_rank(singular_values: &[f64]) -> f64 {
    let total: f64 = singular_values.iter().sum();
    let entropy: f64 =
        singular_values.iter().map(|s| s / total).filter(|&s| s > 0.0).map(|s| -s * s.ln()).sum();
    entropy.exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_are_counted_up_to_and_with_the_one_that_reaches_the_share() {
        let eigenvalues = [8.0, 4.0, 2.0, 1.0, 1.0]; // cumulative shares 1/2, 3/4, 7/8, 15/16, 1
        assert_eq!(components_for(&eigenvalues, 0.5), 1);
        assert_eq!(components_for(&eigenvalues, 0.500001), 2);
        assert_eq!(components_for(&eigenvalues, 0.9), 4);
        assert_eq!(components_for(&eigenvalues, 0.95), 5);
        assert_eq!(components_for(&eigenvalues, 1.0), 5);
        assert_eq!(components_for(&[0.0; 4], 0.95), 0);
    }

    #[test]
    fn ranks_of_equal_and_of_single_directions() {
        assert_eq!(stable_rank(&[3.0; 5]), 5.0);
        assert!((effective_rank(&[3.0; 5]) - 5.0).abs() < 1e-14);
        assert_eq!(stable_rank(&[3.0, 0.0, 0.0]), 1.0);
        assert_eq!(effective_rank(&[3.0, 0.0, 0.0]), 1.0);
    }

    #[test]
    fn ranks_of_two_to_one() {
        assert_eq!(stable_rank(&[2.0, 1.0]), 1.25);
        // entropy of (2/3, 1/3): ln 3 − (2/3) ln 2, so the rank is 3 / 2^(2/3)
        assert!((effective_rank(&[2.0, 1.0]) - 3.0 / 2f64.powf(2.0 / 3.0)).abs() < 1e-14);
    }
}
