//! Draws by weight, with and without replacement.

use rand::{Rng, RngCore};

/// Items 0, 1, … with weights, drawn with replacement.
#[derive(Clone, Debug)]
pub(crate) struct Weighted {
    /// Sums of the weights up to and with each item.
    sums: Vec<f64>,
}

impl Weighted {
    /// Weights are positive and there is one at least.
    pub(crate) fn new(weights: impl Iterator<Item = f64>) -> Self {
        let sums = weights.scan(0.0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        });
        Self { sums: sums.collect() }
    }

    pub(crate) fn draw(&self, rng: &mut impl Rng) -> usize {
        self.draw_first(self.sums.len(), rng)
    }

    /// Of the first `count` items only.
    pub(crate) fn draw_first(&self, count: usize, rng: &mut impl Rng) -> usize {
        let sums = &self.sums[..count];
        let at = rng.random::<f64>() * sums[count - 1];
        // rounding may give the sum itself
        sums.partition_point(|&sum| sum <= at).min(count - 1)
    }

    /// Share of the whole weight.
    pub(crate) fn probability(&self, item: usize) -> f64 {
        let before = if item == 0 { 0.0 } else { self.sums[item - 1] };
        (self.sums[item] - before) / self.sums[self.sums.len() - 1]
    }
}

/// `count` different items in the order drawn, each time by the weights of those left.
///
/// By exponential clocks: the first to ring have this law (Efraimidis & Spirakis 2006).
pub(crate) fn without_replacement(weights: &[f64], count: usize, rng: &mut impl RngCore) -> Vec<usize> {
    let mut clocks: Vec<(f64, usize)> = weights
        .iter()
        .enumerate()
        // 1 − u is in (0, 1]
        .map(|(item, weight)| (-(1.0 - rng.random::<f64>()).ln() / weight, item))
        .collect();
    clocks.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    clocks.into_iter().take(count).map(|(_, item)| item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream;

    /// Weights 1, 2, 3: the pair (i, j) comes with probability w_i/6 · w_j/(6 − w_i).
    #[test]
    fn pairs_without_replacement_have_their_law() {
        let (weights, n) = ([1.0, 2.0, 3.0], 30_000);
        let mut rng = stream(0, "test", 0);
        let mut counts = [[0u32; 3]; 3];
        for _ in 0..n {
            let pair = without_replacement(&weights, 2, &mut rng);
            counts[pair[0]][pair[1]] += 1;
        }
        for i in 0..3 {
            for j in 0..3 {
                let p = if i == j { 0.0 } else { weights[i] / 6.0 * weights[j] / (6.0 - weights[i]) };
                let error = (f64::from(n) * p * (1.0 - p)).sqrt();
                assert!((f64::from(counts[i][j]) - f64::from(n) * p).abs() <= 5.0 * error, "{i} {j}");
            }
        }
    }

    #[test]
    fn shares_are_weights_over_their_sum() {
        let weighted = Weighted::new([1.0, 3.0, 4.0].into_iter());
        assert_eq!([0, 1, 2].map(|i| weighted.probability(i)), [0.125, 0.375, 0.5]);
        let mut rng = stream(0, "test", 1);
        assert!((0..1000).all(|_| weighted.draw_first(2, &mut rng) < 2));
    }
}
