//! The bulk of a spectrum: what noise alone would leave, and what stands out of it.
//!
//! Eigenvalues λ = s² of WᵀW, W (N, M) with N ≥ M, entries independent of variance σ²: λ/(σ²N) follow the law of
//! Marčenko & Pastur 1967 with β = M/N on [(1 − √β)², (1 + √β)²], density √((b − x)(x − a)) / (2πβx).

/// Points at which the law is tabulated.
const POINTS: usize = 4096;
/// 95 % quantile of the Tracy–Widom law of real matrices (Johnstone 2001, table 2).
const TRACY_WIDOM_95: f64 = 0.9793;

/// Noise as it would look, fitted to a spectrum, and what lies above it.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Bulk {
    /// σ̂ = s_med / √(N μ), μ the law's median: the noise that the median singular value shows, whatever stands out
    /// (Gavish & Donoho 2014, arXiv 1305.5870, §III-E).
    pub sigma: f64,
    /// λ₊ = σ̂²(√N + √M)², the upper edge.
    pub edge: f64,
    /// Eigenvalues above what the largest of pure noise reaches in one matrix of twenty (Johnstone 2001, eq. 1.3 to 1.5).
    pub spikes: usize,
    /// λ₊/λ₁: 1 or more of noise, near 0 where the largest direction is far out of it ("MP soft rank").
    pub soft_rank: f64,
    /// Kolmogorov–Smirnov distance of the eigenvalues up to the edge from the law: how well noise describes them.
    pub ks: f64,
}

/// Fits the law to the singular values, descending, of a matrix of `m` by `n` entries; all min(m, n) of them count. None
/// without values, or where half of them are 0.
pub fn fit_bulk(singular_values: &[f64], m: usize, n: usize) -> Option<Bulk> {
    let (long, short) = (m.max(n) as f64, m.min(n) as f64);
    let count = singular_values.len();
    if count == 0 || count != m.min(n) {
        return None;
    }
    let median = 0.5 * (singular_values[(count - 1) / 2] + singular_values[count / 2]);
    if median.is_nan() || median <= 0.0 {
        return None;
    }
    let law = MarcenkoPastur::new(short / long);
    let variance = median * median / (long * law.quantile(0.5));
    let edge = variance * (long.sqrt() + short.sqrt()).powi(2);
    // n − 1 as Johnstone has it, for the mean that is not taken off here: of no consequence but for tiny matrices
    let (p, q) = ((long - 1.0).max(1.0).sqrt(), short.sqrt());
    let threshold =
        variance * ((p + q).powi(2) + TRACY_WIDOM_95 * (p + q) * (1.0 / p + 1.0 / q).powf(1.0 / 3.0));
    let squares: Vec<f64> = singular_values.iter().rev().map(|s| s * s).collect();
    let inside = squares.partition_point(|&square| square <= edge);
    let ks = squares[..inside].iter().enumerate().fold(0.0f64, |greatest, (i, square)| {
        let law = law.share_below(square / (variance * long));
        let (before, after) = (i as f64 / inside as f64, (i + 1) as f64 / inside as f64);
        greatest.max((law - before).abs()).max((after - law).abs())
    });
    Some(Bulk {
        sigma: variance.sqrt(),
        edge,
        spikes: squares.iter().filter(|&&square| square > threshold).count(),
        soft_rank: edge / squares[count - 1],
        ks,
    })
}

/// The law of β, tabulated at x = (1 + β) − 2√β cos θ for equal steps of θ from 0 to π.
struct MarcenkoPastur {
    beta: f64,
    /// F at each point.
    shares: Vec<f64>,
}

impl MarcenkoPastur {
    fn new(beta: f64) -> Self {
        let step = std::f64::consts::PI / POINTS as f64;
        // density · dx/dθ = 4β sin²θ / (2πβx): smooth, and finite at x = 0 for β = 1
        let rate = |theta: f64| {
            let x = Self::place(beta, theta);
            let limit = 2.0 / std::f64::consts::PI;
            if x <= 0.0 { limit } else { limit * theta.sin().powi(2) / x }
        };
        let mut shares = vec![0.0; POINTS + 1];
        for i in 0..POINTS {
            let theta = i as f64 * step;
            // Simpson's rule
            let area = (rate(theta) + 4.0 * rate(theta + 0.5 * step) + rate(theta + step)) * step / 6.0;
            shares[i + 1] = shares[i] + area;
        }
        Self { beta, shares }
    }

    fn place(beta: f64, theta: f64) -> f64 {
        // (1 − √β)² + 4√β sin²(θ/2), without the cancellation
        (1.0 - beta.sqrt()).powi(2) + 4.0 * beta.sqrt() * (0.5 * theta).sin().powi(2)
    }

    /// F(x).
    fn share_below(&self, x: f64) -> f64 {
        let sine = ((x - (1.0 - self.beta.sqrt()).powi(2)) / (4.0 * self.beta.sqrt())).clamp(0.0, 1.0).sqrt();
        let at = 2.0 * sine.asin() / std::f64::consts::PI * POINTS as f64;
        let i = (at as usize).min(POINTS - 1);
        self.shares[i] + (at - i as f64) * (self.shares[i + 1] - self.shares[i])
    }

    /// The x below which lies `share` of the law.
    fn quantile(&self, share: f64) -> f64 {
        let i = self.shares.partition_point(|&f| f < share).clamp(1, POINTS);
        let (before, after) = (self.shares[i - 1], self.shares[i]);
        let at = (i - 1) as f64 + (share - before) / (after - before);
        Self::place(self.beta, at / POINTS as f64 * std::f64::consts::PI)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{tests::gaussian, weight_spectrum};
    use super::*;

    #[test]
    fn the_law_is_one_and_has_the_medians_that_gavish_and_donoho_tabulate() {
        // μ_β of arXiv 1305.5870: ω(β) = λ(β)/√μ_β, λ(β) of eq. 11, and table IV: ω(1) = 2.8582, ω(0.5) = 2.1711 …
        for (beta, omega) in [(0.05, 1.5194), (0.1, 1.6089), (0.5, 2.1711), (1.0, 2.8582)] {
            let law = MarcenkoPastur::new(beta);
            assert!((law.shares[POINTS] - 1.0).abs() < 1e-9, "{}", law.shares[POINTS]);
            let lambda = (2.0 * (beta + 1.0)
                + 8.0 * beta / (beta + 1.0 + (beta * beta + 14.0 * beta + 1.0).sqrt()))
            .sqrt();
            let found = lambda / law.quantile(0.5).sqrt();
            assert!((found - omega).abs() < 2e-4, "β = {beta}: {found}, and not {omega}");
        }
    }

    #[test]
    fn noise_has_no_spikes_and_what_is_added_to_it_is_found() {
        let (m, n) = (300, 120);
        let mut w: Vec<f64> = gaussian(m, n, 4).iter().map(|v| 0.3 * v).collect();
        let bulk = fit_bulk(&weight_spectrum(&w, m, n).unwrap().singular_values, m, n).unwrap();
        assert!((bulk.sigma - 0.3).abs() < 0.01 && bulk.spikes == 0 && bulk.ks < 0.03, "{bulk:?}");
        assert!((bulk.soft_rank - 1.0).abs() < 0.05, "{bulk:?}");
        // two directions of twice the edge
        let (u, v) = (gaussian(m, 2, 5), gaussian(2, n, 6));
        for k in 0..2 {
            let column: f64 = (0..m).map(|i| u[i * 2 + k].powi(2)).sum::<f64>().sqrt();
            let row: f64 = v[k * n..][..n].iter().map(|v| v * v).sum::<f64>().sqrt();
            let size = 2.0 * 0.3 * ((m as f64).sqrt() + (n as f64).sqrt()) / (column * row);
            for i in 0..m {
                for j in 0..n {
                    w[i * n + j] += size * u[i * 2 + k] * v[k * n + j];
                }
            }
        }
        let bulk = fit_bulk(&weight_spectrum(&w, m, n).unwrap().singular_values, m, n).unwrap();
        assert!((bulk.sigma - 0.3).abs() < 0.01 && bulk.spikes == 2 && bulk.soft_rank < 0.3, "{bulk:?}");
    }

    #[test]
    fn what_has_no_bulk_is_told() {
        assert!(fit_bulk(&[], 0, 3).is_none());
        assert!(fit_bulk(&[2.0, 0.0, 0.0], 3, 5).is_none());
        assert!(fit_bulk(&[2.0, 1.0], 3, 5).is_none());
    }
}
