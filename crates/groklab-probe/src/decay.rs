//! How fast a spectrum falls: straight lines through ln λ against ln i.

/// A least-squares line ln λ_i = a + slope·ln i.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PowerLaw {
    /// Exponent of the power law, negative where the spectrum falls; NaN with fewer than three values.
    pub slope: f64,
    /// R², the share of the variance of ln λ that the line explains; NaN also where all λ are equal.
    pub r2: f64,
}

/// Power laws through the head and the tail of a spectrum: ranks 1 … ⌊√r⌋ and ⌊√r⌋+1 … r of its r positive values, the
/// two halves of the axis ln i. `values` descend. The exponent of the whole is the α of Ghosh et al. 2022
/// (arXiv 2202.05808), up to its sign; a spectrum with a few strong directions and a floor has two.
pub fn head_and_tail(values: &[f64]) -> (PowerLaw, PowerLaw) {
    let positive = values.iter().take_while(|&&v| v > 0.0).count();
    let (head, tail) = values[..positive].split_at(positive.isqrt());
    (fit(head, 1), fit(tail, head.len() + 1))
}

/// A power law λ_i ∝ i^−α through a window of ranks, with what it was fitted to: α alone cannot be compared, for it moves
/// with the window and with d/n (arXiv 2605.05683).
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct WindowSlope {
    /// α, positive where the spectrum falls; NaN with fewer than three positive values in the window.
    pub alpha: f64,
    /// R² of the line; NaN also where all λ are equal.
    pub r2: f64,
    /// First rank of the window, from 1.
    pub first: usize,
    /// Last rank that was fitted: of the window, or of the last positive value before; less than `first` if there is none.
    pub last: usize,
    /// Length d of the spectrum.
    pub values: usize,
}

/// The least-squares line through ln λ_i against ln i over the ranks of `window`, counted from 1 and cut to the length of the
/// spectrum. `values` descend; only positive ones are fitted. [`HEAD`] and [`tail_window`] are the windows of Spectral Lens.
pub fn slope_in(values: &[f64], window: std::ops::RangeInclusive<usize>) -> WindowSlope {
    let first = (*window.start()).max(1);
    let positive = values.iter().take_while(|&&v| v > 0.0).count();
    let last = (*window.end()).min(positive);
    let PowerLaw { slope, r2 } = fit(values.get(first - 1..last).unwrap_or_default(), first);
    WindowSlope { alpha: -slope, r2, first, last, values: values.len() }
}

/// Ranks of the head in arXiv 2605.05683.
pub const HEAD: std::ops::RangeInclusive<usize> = 1..=10;

/// Ranks of the tail of a covariance of width `d`: from ⌊25d/64⌋ on, which is the window from 50 of arXiv 2605.05683 at its
/// d = 128, kept in proportion.
pub fn tail_window(d: usize) -> std::ops::RangeInclusive<usize> {
    (25 * d / 64).max(1)..=d
}

/// The line through `values`, the first of which has rank `first`.
fn fit(values: &[f64], first: usize) -> PowerLaw {
    let count = values.len() as f64;
    if values.len() < 3 {
        return PowerLaw { slope: f64::NAN, r2: f64::NAN };
    }
    let points = || values.iter().zip(first..).map(|(v, i)| ((i as f64).ln(), v.ln()));
    let (sum_x, sum_y) = points().fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let (mut xx, mut xy, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in points() {
        let (x, y) = (x - mean_x, y - mean_y);
        xx += x * x;
        xy += x * y;
        yy += y * y;
    }
    // 0/0 is NaN: a constant has no variance to explain
    PowerLaw { slope: xy / xx, r2: xy * xy / (xx * yy) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_law_is_found_on_both_sides_and_fits() {
        let values: Vec<f64> = (1..=64).map(|i| 7.0 * f64::from(i).powf(-1.5)).chain([0.0; 9]).collect();
        let (head, tail) = head_and_tail(&values);
        for law in [head, tail] {
            assert!((law.slope + 1.5).abs() < 1e-12 && (law.r2 - 1.0).abs() < 1e-12, "{law:?}");
        }
    }

    #[test]
    fn head_and_tail_meet_at_the_root_of_the_number_of_values() {
        // ranks 1 … 4 fall as 1/i, ranks 5 … 16 as 1/i³
        let value = |i: i32| if i <= 4 { 1e3 / f64::from(i) } else { 1e3 / f64::from(i).powi(3) };
        let (head, tail) = head_and_tail(&(1..=16).map(value).collect::<Vec<_>>());
        assert!((head.slope + 1.0).abs() < 1e-12 && (tail.slope + 3.0).abs() < 1e-12);
    }

    #[test]
    fn a_window_is_cut_to_the_positive_values_and_says_so() {
        // ranks 1 … 10 fall as 2/i, the rest up to 40 as i^−2.5, then zeros
        let value = |i: i32| if i <= 10 { 2.0 / f64::from(i) } else { f64::from(i).powf(-2.5) };
        let values: Vec<f64> = (1..=40).map(value).chain([0.0; 8]).collect();
        let (head, tail) = (slope_in(&values, HEAD), slope_in(&values, 18..=200));
        assert!((head.alpha - 1.0).abs() < 1e-12 && (head.r2 - 1.0).abs() < 1e-12);
        assert!((tail.alpha - 2.5).abs() < 1e-12 && (tail.r2 - 1.0).abs() < 1e-12);
        assert_eq!((head.first, head.last, head.values), (1, 10, 48));
        assert_eq!((tail.first, tail.last, tail.values), (18, 40, 48));
        // across the break it is no line
        assert!(slope_in(&values, 5..=20).r2 < 0.999);
    }

    #[test]
    fn windows_without_three_values_have_no_slope() {
        for (values, window) in [(vec![3.0, 2.0, 1.0], 2..=9), (vec![0.0; 9], 1..=9), (vec![], 50..=200)] {
            let slope = slope_in(&values, window);
            assert!(slope.alpha.is_nan() && slope.r2.is_nan(), "{slope:?}");
        }
        assert!((slope_in(&[4.0, 2.0, 1.0], 0..=3).alpha).is_finite());
        assert!(slope_in(&[f64::NAN; 12], HEAD).alpha.is_nan());
    }

    #[test]
    fn the_tail_window_is_in_proportion_to_that_of_the_paper() {
        assert_eq!((tail_window(128), tail_window(64), tail_window(1)), (50..=128, 25..=64, 1..=1));
    }

    #[test]
    fn too_few_values_have_no_slope() {
        let (head, tail) = head_and_tail(&[4.0, 2.0, 1.0, 0.5, 0.0]);
        assert!(head.slope.is_nan() && head.r2.is_nan() && tail.slope.is_nan());
        assert!(head_and_tail(&[]).0.slope.is_nan());
    }
}
