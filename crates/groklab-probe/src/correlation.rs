//! Spread and correlation of two short lists of numbers.

/// Population standard deviation, √(Σ (aᵢ − ā)² / n); for shares that sum to 1, σ² = (1/n) Σ p² − 1/n².
pub fn standard_deviation(values: &[f64]) -> f64 {
    let mean = mean(values);
    (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

/// Pearson correlation. NaN if either list is constant (spread below 10⁻¹² of its largest
/// value, which is rounding), empty or holds a NaN, or if the lengths differ.
pub fn pearson(a: &[f64], b: &[f64]) -> f64 {
    if a.len() != b.len() || has_no_spread(a) || has_no_spread(b) {
        return f64::NAN;
    }
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        let (x, y) = (x - mean_a, y - mean_b);
        aa += x * x;
        bb += y * y;
        ab += x * y;
    }
    (ab / (aa.sqrt() * bb.sqrt())).clamp(-1.0, 1.0)
}

/// Spearman rank correlation: Pearson of the ranks, equal values sharing the mean of their ranks. NaN as [`pearson`].
pub fn spearman(a: &[f64], b: &[f64]) -> f64 {
    if a.len() != b.len() || has_no_spread(a) || has_no_spread(b) {
        return f64::NAN;
    }
    pearson(&ranks(a), &ranks(b))
}

/// Ranks from 1 to n in ascending order; equal values share the mean of the ranks they fill.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for equal in order.chunk_by(|&i, &j| values[i] == values[j]) {
        let shared = first as f64 + (equal.len() + 1) as f64 / 2.0;
        equal.iter().for_each(|&i| ranks[i] = shared);
        first += equal.len();
    }
    ranks
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Spread so small beside the values that it is rounding of the decomposition they came from, or not a number.
fn has_no_spread(values: &[f64]) -> bool {
    let largest = values.iter().fold(0.0, |max: f64, v| max.max(v.abs()));
    let spread = standard_deviation(values);
    spread.is_nan() || spread <= 1e-12 * largest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_share_the_mean_rank() {
        assert_eq!(ranks(&[0.5, 0.0, 0.0, 0.2, 0.0]), [5.0, 2.0, 2.0, 4.0, 2.0]);
    }

    #[test]
    fn monotone_lists_have_rank_correlation_one() {
        let a = [1.0, 2.0, 3.0, 4.0];
        let b = [1.0, 8.0, 27.0, 64.0];
        assert!((spearman(&a, &b) - 1.0).abs() < 1e-15);
        assert!(pearson(&a, &b) < 0.99);
        assert!((pearson(&a, &[3.0, 1.0, -1.0, -3.0]) + 1.0).abs() < 1e-15);
    }

    #[test]
    fn a_constant_list_has_no_correlation() {
        let rounded = [0.1 + 0.2, 0.3, 0.3]; // differ in the last bit only
        assert!(pearson(&rounded, &[1.0, 2.0, 3.0]).is_nan());
        assert!(spearman(&[1.0, 2.0, 3.0], &rounded).is_nan());
        assert!(pearson(&[1.0, 2.0], &[1.0]).is_nan());
        assert!(spearman(&[], &[]).is_nan());
        assert!(spearman(&[f64::NAN, 1.0], &[1.0, 2.0]).is_nan());
    }

    #[test]
    fn deviation_of_a_point_mass() {
        // (1/n) Σ p² − 1/n² = 1/4 − 1/16
        assert!((standard_deviation(&[1.0, 0.0, 0.0, 0.0]) - (3.0f64 / 16.0).sqrt()).abs() < 1e-16);
    }
}
