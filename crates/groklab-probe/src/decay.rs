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
    fn too_few_values_have_no_slope() {
        let (head, tail) = head_and_tail(&[4.0, 2.0, 1.0, 0.5, 0.0]);
        assert!(head.slope.is_nan() && head.r2.is_nan() && tail.slope.is_nan());
        assert!(head_and_tail(&[]).0.slope.is_nan());
    }
}
