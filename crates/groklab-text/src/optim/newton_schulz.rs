//! The orthogonal factor of a matrix, roughly: the quintic iteration of Muon (Jordan et al. 2024).
//!
//! X ← G / (‖G‖_F + 1e-7), then five times X ← (a·I + b·A + c·A²)·X with A = X Xᵀ, on the side of the smaller
//! dimension. The singular vectors stay; the singular values are driven to about 1, not to 1: the coefficients are
//! chosen for speed. Those from 0.01 of the norm up come out in .68 … 1.21; one of 0.001 reaches .21.

use groklab_kernels::{Finish, InstructionSet, Matrix, MatrixMut, Packed, SizeError, multiply_once};

/// a, b, c.
const COEFFICIENTS: [f32; 3] = [3.4445, -4.7750, 2.0315];

/// The iteration, with its working memory.
#[derive(Debug)]
pub struct NewtonSchulz {
    iterations: usize,
    packed: Packed,
    gram: Vec<f32>,
    square: Vec<f32>,
    next: Vec<f32>,
}

impl NewtonSchulz {
    /// Muon takes five iterations.
    pub fn new(iterations: usize) -> Self {
        Self {
            iterations,
            packed: Packed::new(InstructionSet::best()),
            gram: Vec::new(),
            square: Vec::new(),
            next: Vec::new(),
        }
    }

    /// Replaces `x`, (rows, columns) row-major, by the result. A zero matrix stays zero.
    ///
    /// # Errors
    /// If the shape is not that of `x`.
    pub fn run(&mut self, x: &mut Vec<f32>, [rows, columns]: [usize; 2]) -> Result<(), SizeError> {
        Matrix::new(x, [rows, columns])?;
        let norm = x.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
        let scale = (1.0 / (norm + 1e-7)) as f32;
        x.iter_mut().for_each(|v| *v *= scale);
        let is_tall = rows > columns;
        let side = rows.min(columns);
        let shape = [rows, columns];
        let finish = Finish::default();
        self.gram.resize(side * side, 0.0);
        self.square.resize(side * side, 0.0);
        self.next.resize(x.len(), 0.0);
        for _ in 0..self.iterations {
            // A = X Xᵀ, or Xᵀ X of a tall matrix
            let left = Matrix::new(x, shape)?;
            let left = if is_tall { left.transposed() } else { left };
            let gram = MatrixMut::new(&mut self.gram, [side, side])?;
            multiply_once(gram, left, left.transposed(), &finish, &mut self.packed)?;
            let gram = Matrix::new(&self.gram, [side, side])?;
            let square = MatrixMut::new(&mut self.square, [side, side])?;
            multiply_once(square, gram, gram, &finish, &mut self.packed)?;
            // a·I + b·A + c·A², symmetric
            let [a, b, c] = COEFFICIENTS;
            self.gram.iter_mut().zip(&self.square).for_each(|(g, s)| *g = b * *g + c * s);
            self.gram.iter_mut().step_by(side + 1).for_each(|g| *g += a);
            let polynomial = Matrix::new(&self.gram, [side, side])?;
            let x_before = Matrix::new(x, shape)?;
            let (left, right) = if is_tall { (x_before, polynomial) } else { (polynomial, x_before) };
            multiply_once(MatrixMut::new(&mut self.next, shape)?, left, right, &finish, &mut self.packed)?;
            std::mem::swap(x, &mut self.next);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use faer::Mat;
    use groklab_corpus::stream;
    use rand::Rng;
    use rand_distr::StandardNormal;

    fn gaussian(count: usize, index: u64) -> Vec<f32> {
        let mut rng = stream(0, "newton-schulz", index);
        (0..count).map(|_| rng.sample(StandardNormal)).collect()
    }

    fn mat(x: &[f32], [rows, columns]: [usize; 2]) -> Mat<f64> {
        Mat::from_fn(rows, columns, |i, j| f64::from(x[i * columns + j]))
    }

    /// U, V of a Gaussian matrix, and the matrix U diag(s) Vᵀ.
    fn with_singular_values(values: &[f64], shape: [usize; 2], index: u64) -> (Mat<f64>, Mat<f64>, Vec<f32>) {
        let svd = mat(&gaussian(shape[0] * shape[1], index), shape).thin_svd().unwrap();
        let (u, v) = (svd.U().to_owned(), svd.V().to_owned());
        let product = &u
            * Mat::from_fn(values.len(), values.len(), |i, j| if i == j { values[i] } else { 0.0 })
            * v.transpose();
        let x = (0..shape[0]).flat_map(|i| (0..shape[1]).map(move |j| (i, j)));
        let x = x.map(|(i, j)| product[(i, j)] as f32).collect();
        (u, v, x)
    }

    /// The polynomial, applied to one singular value: what the whole iteration does to each.
    fn scalar(mut s: f64) -> f64 {
        let [a, b, c] = COEFFICIENTS.map(f64::from);
        for _ in 0..5 {
            s = a * s + b * s.powi(3) + c * s.powi(5);
        }
        s
    }

    /// Uᵀ X V is diagonal, and holds the polynomial of s/‖s‖: against the singular value decomposition by faer.
    #[test]
    fn singular_vectors_stay_and_singular_values_follow_the_polynomial() {
        for (index, shape) in
            [[16, 16], [8, 24], [24, 8], [64, 256], [256, 64], [1, 5], [5, 1]].into_iter().enumerate()
        {
            let side = shape[0].min(shape[1]);
            let values: Vec<f64> = (0..side).map(|i| 10f64.powf(-2.0 * i as f64 / side as f64)).collect();
            let (u, v, mut x) = with_singular_values(&values, shape, index as u64);
            NewtonSchulz::new(5).run(&mut x, shape).unwrap();
            let inner = u.transpose() * mat(&x, shape) * &v;
            let norm = values.iter().map(|s| s * s).sum::<f64>().sqrt();
            for i in 0..side {
                for j in 0..side {
                    let expected = if i == j { scalar(values[i] / norm) } else { 0.0 };
                    // small values are enlarged 3.4445⁵ = 485 times, and f32's rounding with them
                    assert!((inner[(i, j)] - expected).abs() < 3e-4, "{shape:?} {i} {j}: {}", inner[(i, j)]);
                }
            }
        }
    }

    /// The polar factor U Vᵀ within the tolerance known of these coefficients, for singular values from 0.01 of the norm.
    #[test]
    fn the_polar_factor_is_met_to_a_third() {
        let side = 32;
        // norm 1: values from about .3 to .01
        let mut values: Vec<f64> =
            (0..side).map(|i| (0.01f64 / 0.3).powf(i as f64 / (side - 1) as f64)).collect();
        let norm = values.iter().map(|s| s * s).sum::<f64>().sqrt();
        values.iter_mut().for_each(|s| *s = (*s / norm).max(0.01));
        let (u, v, mut x) = with_singular_values(&values, [32, 48], 9);
        NewtonSchulz::new(5).run(&mut x, [32, 48]).unwrap();
        let singular = mat(&x, [32, 48]).singular_values().unwrap();
        assert!(singular.iter().all(|s| (0.65..1.25).contains(s)), "{singular:?}");
        let difference = mat(&x, [32, 48]) - &u * v.transpose();
        let farthest = difference.singular_values().unwrap()[0];
        assert!(farthest < 0.35, "{farthest}");
    }

    /// Measured for the note of the design: Gaussian 64 × 256 gives singular values in .68 … 1.13.
    #[test]
    fn a_gaussian_matrix_comes_out_nearly_orthogonal() {
        let mut x = gaussian(64 * 256, 3);
        NewtonSchulz::new(5).run(&mut x, [64, 256]).unwrap();
        let singular = mat(&x, [64, 256]).singular_values().unwrap();
        assert!(singular.iter().all(|s| (0.65..1.20).contains(s)), "{singular:?}");
    }

    #[test]
    fn zero_stays_zero_and_another_shape_is_refused() {
        let mut x = vec![0.0; 6];
        NewtonSchulz::new(5).run(&mut x, [2, 3]).unwrap();
        assert_eq!(x, [0.0; 6]);
        assert!(NewtonSchulz::new(5).run(&mut x, [2, 2]).is_err());
    }
}
