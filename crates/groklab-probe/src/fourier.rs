//! Functions on Z/p and on pairs of residues, in the real Fourier basis: which frequencies a model of modular arithmetic
//! uses, and what it can do with these alone and without them (Nanda et al. 2023, arXiv 2301.05217).

use super::{ProbeError, moments::check_length, square_sum};
use faer::{Accum, Mat, MatMut, MatRef, Par, linalg::matmul::matmul};
use std::f64::consts::TAU;

/// A frequency is key if its energy per dimension is more than so many times the mean.
pub const KEY_ENERGY: f64 = 2.0;

/// Energy about the mean row below this share of the whole is what f32 leaves in rows that are all the same.
const ROUNDING: f64 = 1e-12;

/// The frequencies of Z/p that hold more than their share of a matrix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFrequencies {
    /// From 1 to ⌊p/2⌋, most energy per dimension first; often none.
    pub frequencies: Vec<usize>,
    /// Dimensions they span: two each, a cosine and a sine, but one for p/2, which has no sine.
    pub dimension: usize,
}

/// The orthonormal real Fourier basis of functions on Z/p, the constant left out: √(2/p) cos(2πkx/p) and
/// √(2/p) sin(2πkx/p) for each frequency k = 1 … ⌊p/2⌋; for even p the last is √(1/p)·(−1)^x alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Fourier {
    p: usize,
    /// Column by column, p numbers each: cos 1, sin 1, cos 2, ….
    columns: Vec<f64>,
}

impl Fourier {
    /// The basis for the modulus `p`.
    pub fn new(p: usize) -> Self {
        let mut columns = Vec::with_capacity(p * p.saturating_sub(1));
        for k in 1..=p / 2 {
            let is_last = 2 * k == p;
            let scale = (if is_last { 1.0 } else { 2.0 } / p as f64).sqrt();
            // k·x mod p keeps the angle small and exact
            let angle = |x: usize| TAU * (k * x % p) as f64 / p as f64;
            columns.extend((0..p).map(|x| scale * angle(x).cos()));
            if !is_last {
                columns.extend((0..p).map(|x| scale * angle(x).sin()));
            }
        }
        Self { p, columns }
    }

    /// Energy ‖Uₖᵀ A‖² of the rows of `a`, (p, width) row-major, at each frequency k = 1 … ⌊p/2⌋; Uₖ holds cosine and sine.
    ///
    /// # Errors
    /// If the length is not a multiple of p.
    pub fn energies<T: Copy + Into<f64>>(&self, a: &[T]) -> Result<Vec<f64>, ProbeError> {
        let width = a.len().checked_div(self.p).unwrap_or(0);
        check_length("matrix over Z/p", a.len(), width * self.p)?;
        let a: Vec<f64> = a.iter().map(|&v| v.into()).collect();
        let u = MatRef::from_column_major_slice(&self.columns, self.p, self.p.saturating_sub(1));
        let mut components = vec![0.0; u.ncols() * width];
        matmul(
            MatMut::from_row_major_slice_mut(&mut components, u.ncols(), width),
            Accum::Replace,
            u.transpose(),
            MatRef::from_row_major_slice(&a, self.p, width),
            1.0,
            Par::Seq,
        );
        // cosine and sine of a frequency are neighbours
        let both = 2 * width;
        Ok((0..self.p / 2)
            .map(|k| square_sum(&components[k * both..components.len().min((k + 1) * both)]))
            .collect())
    }

    /// The key frequencies of `a`, (p, width) row-major; none where its rows are all the same up to rounding, which leaves
    /// a noise with a pattern of its own.
    ///
    /// # Errors
    /// If the length is not a multiple of p.
    pub fn key_frequencies_of<T: Copy + Into<f64>>(
        &self,
        a: &[T],
    ) -> Result<Option<KeyFrequencies>, ProbeError> {
        let energies = self.energies(a)?;
        let varies = energies.iter().sum::<f64>() > ROUNDING * square_sum(a);
        Ok(varies.then(|| self.key_frequencies(&energies)))
    }

    /// The key frequencies of rows with these `energies`: those with more than [`KEY_ENERGY`] times the energy per
    /// dimension that they would have if all p − 1 dimensions had the same. Energies of random rows of width d scatter
    /// by √(1/d) about their mean: they have none, once d is more than a few. Never one for p < 6.
    ///
    /// A rule of this laboratory; Nanda et al. pick theirs from the finished network by eye. A share of the whole, such
    /// as the 95 % of k95, would count the flat floor that training leaves in all other frequencies.
    pub fn key_frequencies(&self, energies: &[f64]) -> KeyFrequencies {
        let dimensions = |k: usize| if 2 * k == self.p { 1 } else { 2 };
        let mean = energies.iter().sum::<f64>() / self.p.saturating_sub(1) as f64;
        let density = |(k, energy): (usize, &f64)| (k, energy / dimensions(k) as f64);
        let mut key: Vec<(usize, f64)> = (1..).zip(energies).map(density).collect();
        key.retain(|(_, density)| *density > KEY_ENERGY * mean);
        key.sort_by(|a, b| b.1.total_cmp(&a.1));
        let frequencies: Vec<usize> = key.into_iter().map(|(k, _)| k).collect();
        let dimension = frequencies.iter().map(|k| dimensions(*k)).sum();
        KeyFrequencies { frequencies, dimension }
    }

    /// What `logits`, (p·p, m) row-major with rows in the order (x, y) = (0, 0), (0, 1), …, are at the `frequencies`:
    /// their projection on the products of a cosine or sine of 2πkx/p and one of 2πky/p, both of the same k. That is the
    /// space of cos and sin of w(x + y) and w(x − y), four dimensions a frequency.
    ///
    /// # Errors
    /// If the length is not a multiple of p².
    pub fn component(&self, logits: &[f32], frequencies: &[usize]) -> Result<Vec<f64>, ProbeError> {
        let p = self.p;
        let m = logits.len().checked_div(p * p).unwrap_or(0);
        check_length("logits over pairs of residues", logits.len(), m * p * p)?;
        let chosen: Vec<(usize, &[f64])> = self
            .columns
            .chunks_exact(p.max(1))
            .enumerate()
            .map(|(column, values)| (column / 2 + 1, values))
            .filter(|(k, _)| frequencies.contains(k))
            .collect();
        let u = Mat::from_fn(p, chosen.len(), |x, column| chosen[column].1[x]);
        let mut found = vec![0.0; logits.len()];
        if chosen.is_empty() {
            return Ok(found);
        }
        let product = |a: MatRef<f64>, b: MatRef<f64>| {
            let mut c = Mat::zeros(a.nrows(), b.ncols());
            matmul(c.as_mut(), Accum::Replace, a, b, 1.0, Par::Seq);
            c
        };
        for answer in 0..m {
            let surface = Mat::from_fn(p, p, |x, y| f64::from(logits[(x * p + y) * m + answer]));
            let mut g = product(product(u.transpose(), surface.as_ref()).as_ref(), u.as_ref());
            for i in 0..chosen.len() {
                for j in 0..chosen.len() {
                    if chosen[i].0 != chosen[j].0 {
                        g[(i, j)] = 0.0;
                    }
                }
            }
            let kept = product(product(u.as_ref(), g.as_ref()).as_ref(), u.transpose());
            for x in 0..p {
                for y in 0..p {
                    found[(x * p + y) * m + answer] = kept[(x, y)];
                }
            }
        }
        Ok(found)
    }
}

/// Gini coefficient of values that are not negative: Σᵢⱼ |vᵢ − vⱼ| / (2 n Σ v); 0 if all are equal, 1 − 1/n if all but
/// one are 0, NaN if all are. As a measure of sparsity: Hurley & Rickard 2009.
pub fn gini(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len() as f64;
    let total: f64 = sorted.iter().sum();
    let weighted: f64 = sorted.iter().zip(1u32..).map(|(v, i)| (2.0 * f64::from(i) - n - 1.0) * v).sum();
    weighted / (n * total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(p: usize, f: impl Fn(f64) -> f64) -> Vec<f64> {
        (0..p).map(|x| f(TAU * x as f64 / p as f64)).collect()
    }

    #[test]
    fn a_wave_has_its_energy_at_its_frequency() {
        for p in [7, 8] {
            let fourier = Fourier::new(p);
            // a constant is at no frequency; ‖cos‖² = p/2 on Z/p
            let found = fourier.energies(&wave(p, |t| 5.0 + (2.0 * t + 0.3).cos())).unwrap();
            assert_eq!(found.len(), p / 2);
            for (i, energy) in found.iter().enumerate() {
                let expected = if i == 1 { p as f64 / 2.0 } else { 0.0 };
                assert!((energy - expected).abs() < 1e-12, "modulus {p}: {found:?}");
            }
            assert_eq!(fourier.key_frequencies(&found).frequencies, [2]);
        }
        // (−1)^x, the last frequency of an even modulus
        let fourier = Fourier::new(8);
        let found = fourier.energies(&[1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0]).unwrap();
        assert!((found[3] - 8.0).abs() < 1e-12 && found[..3].iter().all(|e| e.abs() < 1e-12));
        assert_eq!(fourier.key_frequencies(&found), KeyFrequencies { frequencies: vec![4], dimension: 1 });
    }

    #[test]
    fn energies_and_the_constant_make_the_whole() {
        for (p, width) in [(9, 5), (8, 3)] {
            let a: Vec<f64> = (0..p * width).map(|i| ((i * i + 5 * i) % 23) as f64 - 7.0).collect();
            let means: f64 = (0..width)
                .map(|j| (0..p).map(|x| a[x * width + j]).sum::<f64>())
                .map(|sum| sum * sum / p as f64)
                .sum();
            let found: f64 = Fourier::new(p).energies(&a).unwrap().iter().sum();
            assert!((found + means - square_sum(&a)).abs() < 1e-10);
        }
    }

    #[test]
    fn rows_that_are_all_the_same_have_no_key_frequencies_and_not_none_of_them() {
        let fourier = Fourier::new(97);
        // 0.7 is no sum of powers of two: what f64 leaves of its sums is a pattern, with key frequencies of its own
        let same = [0.7_f32; 97 * 3];
        assert_eq!(fourier.key_frequencies_of(&same).unwrap(), None);
        assert_eq!(fourier.key_frequencies_of(&[0.0_f32; 97]).unwrap(), None);
        let found = fourier.key_frequencies_of(&wave(97, |t| (5.0 * t).sin())).unwrap().unwrap();
        assert_eq!(found, KeyFrequencies { frequencies: vec![5], dimension: 2 });
    }

    #[test]
    fn the_frequency_without_a_sine_is_key_by_its_one_dimension() {
        // seven dimensions of mean energy (3 + b)/7: the last is key if b > 2 (3 + b)/7, that is b > 6/5
        let key = |b: f64| Fourier::new(8).key_frequencies(&[1.0, 1.0, 1.0, b]);
        assert_eq!(key(1.19), KeyFrequencies::default());
        assert_eq!(key(1.21), KeyFrequencies { frequencies: vec![4], dimension: 1 });
        // any other has two: it is key if b/2 > 2 (3 + b)/7, that is b > 4
        let key = |b: f64| Fourier::new(8).key_frequencies(&[1.0, b, 1.0, 1.0]).dimension;
        assert_eq!([key(3.99), key(4.01)], [0, 2]);
    }

    #[test]
    fn logits_of_one_frequency_are_its_component_and_nobody_elses() {
        let p = 7;
        // the ideal logits of x + y: cos(2π·3·(x + y − c)/p)
        let logits: Vec<f32> = (0..p * p * p)
            .map(|i| (i / p / p, i / p % p, i % p))
            .map(|(x, y, c)| (TAU * (3 * (x + y + p - c)) as f64 / p as f64).cos() as f32)
            .collect();
        let fourier = Fourier::new(p);
        let (its, others) =
            (fourier.component(&logits, &[3]).unwrap(), fourier.component(&logits, &[1, 2]).unwrap());
        assert!(its.iter().zip(&logits).all(|(a, &b)| (a - f64::from(b)).abs() < 1e-6));
        assert!(others.iter().all(|a| a.abs() < 1e-6));
        assert!(fourier.component(&logits, &[]).unwrap().iter().all(|&a| a == 0.0));
    }

    #[test]
    fn gini_of_equal_of_single_and_of_linear_values() {
        assert_eq!(gini(&[2.0; 5]), 0.0);
        assert!((gini(&[0.0, 0.0, 3.0, 0.0]) - 0.75).abs() < 1e-15);
        // 1 … n: (n² − 1)/3 · n / (n² (n + 1)) = (n − 1)/(3 n)
        assert!((gini(&[3.0, 1.0, 4.0, 2.0]) - 0.25).abs() < 1e-15);
        assert!(gini(&[0.0; 3]).is_nan());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(Fourier::new(5).energies(&[1.0; 7]).is_err());
        assert!(Fourier::new(3).component(&[1.0; 10], &[1]).is_err());
        assert_eq!(Fourier::new(9).key_frequencies(&[1.0; 4]), KeyFrequencies::default());
    }
}
