//! The heavy tail of a spectrum: a power law by maximum likelihood, and whether another law does as well.
//!
//! Method of Clauset, Shalizi & Newman 2009 (arXiv 0706.1062) for continuous values, as Martin, Peng & Mahoney 2021
//! (Nature Communications 12, 4122; WeightWatcher) apply it to the eigenvalues λ = s² of WᵀW. A least-squares line in
//! log-log axes, which [`head_and_tail`](super::head_and_tail) is, estimates something else.

use std::f64::consts::{PI, SQRT_2};

/// Fewest positive values that are fitted: below, x_min is chosen among a handful of points.
pub const MIN_VALUES: usize = 20;

/// p(x) ∝ x^(−α) for x ≥ x_min.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct TailFit {
    /// α = 1 + n / Σ ln(x_i / x_min) over the n values of the tail (eq. 3.1).
    pub alpha: f64,
    /// Its standard error, (α − 1)/√n (eq. 3.2); x_min's choice is not in it.
    pub alpha_error: f64,
    /// The value at which the tail begins: that with the least `ks` (§3.3).
    pub x_min: f64,
    /// Kolmogorov–Smirnov distance of the tail from the law, max |i/n − F(x_i)|, i from 0.
    pub ks: f64,
    /// Values in the tail.
    pub tail: usize,
    /// Positive values there were.
    pub values: usize,
    /// Against a lognormal with its best parameters on the same tail.
    pub lognormal: Comparison,
    /// Against an exponential on the same tail.
    pub exponential: Comparison,
}

/// A likelihood ratio of the power law and another one (Vuong's test; Clauset et al., appendix C).
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Comparison {
    /// Σ (ℓ_power − ℓ_other) / (σ √n): positive where the power law is likelier. NaN where both are the same law.
    pub ratio: f64,
    /// erfc(|ratio|/√2): how often a ratio so far from 0 comes about although neither is better. Below 0.1, say, the sign
    /// means something.
    pub p: f64,
}

/// Fits the tail of `values`, in any order; those that are not positive are left out. None with fewer than
/// [`MIN_VALUES`] of them, or if all are the same.
pub fn fit_tail(values: &[f64]) -> Option<TailFit> {
    let mut x: Vec<f64> = values.iter().copied().filter(|&v| v > 0.0 && v.is_finite()).collect();
    if x.len() < MIN_VALUES {
        return None;
    }
    x.sort_by(f64::total_cmp);
    let logs: Vec<f64> = x.iter().map(|v| v.ln()).collect();
    let count = x.len();
    let mut best: Option<(f64, usize, f64)> = None;
    // Σ of the logarithms from the i-th on; the greatest value alone is no tail
    let mut sum = logs[count - 1];
    for first in (0..count - 1).rev() {
        sum += logs[first];
        // of equal values the first, so that the tail holds them all
        if first > 0 && x[first - 1] == x[first] {
            continue;
        }
        let n = (count - first) as f64;
        let excess = sum - n * logs[first];
        if excess <= 0.0 {
            continue;
        }
        let slope = n / excess;
        let limit = best.map_or(f64::INFINITY, |(ks, ..)| ks);
        if let Some(ks) = distance(&logs[first..], slope, limit) {
            best = Some((ks, first, slope));
        }
    }
    let (ks, first, slope) = best?;
    let (tail, n) = (&logs[first..], (count - first) as f64);
    let power: Vec<f64> = tail.iter().map(|y| slope.ln() - slope * (y - tail[0]) - y).collect();
    Some(TailFit {
        alpha: 1.0 + slope,
        alpha_error: slope / n.sqrt(),
        x_min: x[first],
        ks,
        tail: count - first,
        values: count,
        lognormal: compare(&power, &lognormal(tail)),
        exponential: compare(&power, &exponential(&x[first..])),
    })
}

/// max |i/n − F(x_i)|; None as soon as it is `limit` or more: the candidate is out.
fn distance(logs: &[f64], slope: f64, limit: f64) -> Option<f64> {
    let n = logs.len() as f64;
    let mut greatest = 0.0f64;
    for (i, y) in logs.iter().enumerate() {
        let law = 1.0 - (-slope * (y - logs[0])).exp();
        greatest = greatest.max((i as f64 / n - law).abs());
        if greatest >= limit {
            return None;
        }
    }
    Some(greatest)
}

/// Log-likelihoods of an exponential above its least value.
fn exponential(x: &[f64]) -> Vec<f64> {
    let mean = x.iter().map(|v| v - x[0]).sum::<f64>() / x.len() as f64;
    x.iter().map(|v| -mean.ln() - (v - x[0]) / mean).collect()
}

/// Log-likelihoods of the best lognormal above its least value: a normal law of y = ln x cut off below.
///
/// Its likelihood is greatest where its first two moments about y₀ are those of the data (Cohen 1950): with
/// ξ = (μ − y₀)/σ and h the hazard φ/Φ at ξ, they are σ(ξ + h) and σ²(ξ² + ξh + 1). Their ratio falls from 2, that of the
/// exponential law of y which is the power law of x, to 1: one number to find.
fn lognormal(logs: &[f64]) -> Vec<f64> {
    let n = logs.len() as f64;
    let moment = |power| logs.iter().map(|y| (y - logs[0]).powi(power)).sum::<f64>() / n;
    let (first, second) = (moment(1), moment(2));
    let ratio = |xi: f64| {
        let h = hazard(xi);
        (xi * xi + xi * h + 1.0) / (xi + h).powi(2)
    };
    // beyond, the two laws cannot be told apart in f64
    let (mut low, mut high) = (-60.0, 60.0);
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if ratio(middle) > second / (first * first) { low = middle } else { high = middle }
    }
    let xi = 0.5 * (low + high);
    let sigma = first / (xi + hazard(xi));
    let log_kept = log_normal_cdf(xi);
    let constant = -(sigma * (2.0 * PI).sqrt()).ln() - log_kept;
    logs.iter().map(|y| constant - 0.5 * ((y - logs[0]) / sigma - xi).powi(2) - y).collect()
}

/// φ(ξ)/Φ(ξ) of the standard normal law.
fn hazard(xi: f64) -> f64 {
    (-0.5 * xi * xi - 0.5 * (2.0 * PI).ln() - log_normal_cdf(xi)).exp()
}

/// ln Φ(ξ), also where Φ is too small for f64.
fn log_normal_cdf(xi: f64) -> f64 {
    if xi > -10.0 {
        return (0.5 * libm::erfc(-xi / SQRT_2)).ln();
    }
    // Laplace's continued fraction of Mills' ratio (1 − Φ(x))/φ(x) = 1/(x + 1/(x + 2/(x + …)))
    let x = -xi;
    let mills = (1..=60).rev().fold(x, |tail, k| x + f64::from(k) / tail);
    -0.5 * x * x - 0.5 * (2.0 * PI).ln() - mills.ln()
}

fn compare(power: &[f64], other: &[f64]) -> Comparison {
    let n = power.len() as f64;
    let differences = || power.iter().zip(other).map(|(a, b)| a - b);
    let mean = differences().sum::<f64>() / n;
    let spread = (differences().map(|d| (d - mean).powi(2)).sum::<f64>() / n).sqrt();
    let ratio = mean * n.sqrt() / spread;
    Comparison { ratio, p: libm::erfc(ratio.abs() / SQRT_2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// n values at the middles of n equal shares of the law.
    fn quantiles(n: usize, law: impl Fn(f64) -> f64) -> Vec<f64> {
        (0..n).map(|i| law((i as f64 + 0.5) / n as f64)).collect()
    }

    #[test]
    fn the_exponent_of_a_power_law_comes_back() {
        for alpha in [1.7, 2.5, 4.0] {
            let values = quantiles(2_000, |u| 3.0 * (1.0 - u).powf(-1.0 / (alpha - 1.0)));
            let fit = fit_tail(&values).unwrap();
            assert!((fit.alpha - alpha).abs() < 0.01 * alpha, "{fit:?}");
            assert!(fit.tail > 1_500 && fit.ks < 1e-3 && fit.exponential.ratio > 3.0, "{fit:?}");
            assert!((fit.alpha_error - (fit.alpha - 1.0) / (fit.tail as f64).sqrt()).abs() < 1e-15);
        }
    }

    #[test]
    fn two_values_give_the_exponent_by_hand() {
        // α = 1 + n/Σ ln(x/x_min): 19 of 1 and one of e² give 1 + 20/2; the tail of e² alone is none
        let mut values = vec![1.0; 19];
        values.push(2f64.exp());
        let fit = fit_tail(&values).unwrap();
        assert!((fit.alpha - 11.0).abs() < 1e-12 && fit.tail == 20 && fit.x_min == 1.0, "{fit:?}");
    }

    #[test]
    fn a_lognormal_is_preferred_where_it_is_the_law() {
        // e^z, z normal: its upper half is not straight
        let normal = |u: f64| {
            let (mut low, mut high) = (-9.0, 9.0);
            for _ in 0..80 {
                let z: f64 = 0.5 * (low + high);
                if 0.5 * libm::erfc(-z / SQRT_2) < u { low = z } else { high = z }
            }
            low
        };
        let logs = quantiles(3_000, |u| normal(u).max(-1.0) + 1.0);
        let above: Vec<f64> = logs.iter().copied().filter(|&y| y > 0.0).collect();
        let power: Vec<f64> = {
            let slope = above.len() as f64 / above.iter().map(|y| y - above[0]).sum::<f64>();
            above.iter().map(|y| slope.ln() - slope * (y - above[0]) - y).collect()
        };
        let found = compare(&power, &lognormal(&above));
        assert!(found.ratio < -5.0 && found.p < 1e-6, "{found:?}");
    }

    #[test]
    fn the_normal_law_is_continuous_where_its_formula_changes() {
        let step = log_normal_cdf(-10.0 + 1e-9) - log_normal_cdf(-10.0 - 1e-9);
        assert!((step - 2e-9 * hazard(-10.0)).abs() < 1e-12, "{step}");
        // h(ξ) → −ξ + 1/ξ… for ξ → −∞, and √(2/π) at 0
        assert!((hazard(0.0) - (2.0 / PI).sqrt()).abs() < 1e-15);
        assert!((hazard(-50.0) - 50.019_984).abs() < 1e-5, "{}", hazard(-50.0));
    }

    #[test]
    fn too_few_or_equal_values_have_no_fit() {
        assert!(fit_tail(&[1.0; 30]).is_none());
        assert!(fit_tail(&quantiles(MIN_VALUES - 1, |u| 1.0 + u)).is_none());
        assert!(fit_tail(&[vec![0.0; 40], vec![f64::NAN; 3], vec![2.0; 5]].concat()).is_none());
    }

    /// `tests/oracle/heavy_tail.py`. `powerlaw` 2.0 takes no α above 3, and another x_min where that is the best fit; its
    /// lognormals come from a search that stops early, ours are the best there are.
    #[test]
    fn fits_are_those_of_weightwatcher_and_of_powerlaw() {
        let cases: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../tests/oracle/heavy_tail.json")).unwrap();
        let mut same_x_min = 0;
        for case in &cases {
            let values: Vec<f64> =
                case["eigenvalues"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
            let fit = fit_tail(&values).unwrap();
            let found = [
                ("alpha", fit.alpha),
                ("alpha_error", fit.alpha_error),
                ("x_min", fit.x_min),
                ("ks", fit.ks),
            ];
            for (package, applies) in
                [("weightwatcher", true), ("powerlaw", case["powerlaw"]["x_min"] == fit.x_min)]
            {
                for (key, value) in found.into_iter().filter(|_| applies) {
                    let expected = case[package][key].as_f64().unwrap();
                    let close = (value - expected).abs() <= 1e-9 * expected;
                    assert!(close, "{}: {key} is {value}, {package} says {expected}", case["name"]);
                }
            }
            if case["powerlaw"]["x_min"] != fit.x_min {
                assert!(fit.alpha > 3.0, "{}: {fit:?}", case["name"]);
                continue;
            }
            same_x_min += 1;
            for (name, other) in [("lognormal", fit.lognormal), ("exponential", fit.exponential)] {
                let expected = &case["powerlaw"][name];
                let (ratio, p) = (expected["ratio"].as_f64().unwrap(), expected["p"].as_f64().unwrap());
                // where the two likelihoods are the same but for that search, their ratio is its rounding
                if expected["log_likelihoods"].as_f64().unwrap().abs() > 0.01 {
                    let close = (other.ratio - ratio).abs() < 0.02 && (other.p - p).abs() < 0.01;
                    assert!(close, "{}: {name} {other:?}, powerlaw says {ratio}, {p}", case["name"]);
                }
            }
        }
        assert!(same_x_min >= 4);
    }
}
