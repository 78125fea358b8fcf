//! Sparse parity: of many signs a few decide, by their product (Barak et al. 2022, arXiv 2207.08799).

use super::{Samples, SamplesError, error::demand};
use crate::stream::stream;
use rand::Rng;
use std::ops::Range;

/// x ∈ {−1, 1}^width with all signs drawn; class 1 where an odd number of the first `relevant` are −1. What it draws is a
/// function of (seed, row).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parity {
    /// n, inputs.
    pub width: usize,
    /// k, those that decide: from 1 to `width`.
    pub relevant: usize,
}

impl Parity {
    /// The rows numbered `rows`, from the stream `parity` of (seed, row).
    ///
    /// # Errors
    /// [`SamplesError`] if a setting is out of range or there are no rows.
    pub fn draw(&self, seed: u64, rows: Range<u64>) -> Result<Samples, SamplesError> {
        let Self { width, relevant } = *self;
        let holds = (1..=width).contains(&relevant);
        demand(holds, "width", width as f64, "a parity of k inputs needs k of them, and k at least 1")?;
        let (mut inputs, mut labels) = (Vec::new(), Vec::new());
        for row in rows {
            let mut generator = stream(seed, "parity", row);
            let signs: Vec<bool> = (0..width).map(|_| generator.random()).collect();
            labels.push(signs[..relevant].iter().filter(|is_negative| **is_negative).count() as u32 % 2);
            inputs.extend(signs.iter().map(|is_negative| if *is_negative { -1.0 } else { 1.0 }));
        }
        Samples::new(inputs, width, labels, 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_is_the_product_of_the_first_signs() {
        let samples = Parity { width: 10, relevant: 3 }.draw(4, 0..2000).unwrap();
        for row in 0..samples.rows() {
            let x = samples.row(row);
            assert!(x.iter().all(|v| v.abs() == 1.0));
            let product: f32 = x[..3].iter().product();
            assert_eq!(samples.labels()[row], u32::from(product < 0.0), "{row}");
        }
        // fair signs: each mean of 2,000 has a standard error of 0.022, and no two inputs together say more
        let mean = |f: &dyn Fn(&[f32]) -> f32| {
            (0..2000).map(|row| f64::from(f(samples.row(row)))).sum::<f64>() / 2000.0
        };
        for i in 0..10 {
            assert!(mean(&|x| x[i]).abs() < 0.1, "{i}");
            assert!(mean(&|x| x[i] * x[(i + 1) % 10]).abs() < 0.1, "{i}");
        }
    }

    #[test]
    fn rows_are_the_same_however_many_are_drawn_and_settings_are_checked() {
        let parity = Parity { width: 6, relevant: 6 };
        let (few, many) = (parity.draw(1, 3..5).unwrap(), parity.draw(1, 0..9).unwrap());
        assert_eq!(few, many.select(&[3, 4]).unwrap());
        for relevant in [0, 7] {
            assert!(Parity { width: 6, relevant }.draw(1, 0..2).is_err(), "{relevant}");
        }
    }
}
