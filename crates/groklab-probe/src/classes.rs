//! How far the activations of one class lie from each other, and the classes from one another: the traces of the
//! within-class and between-class covariance, whose ratio vanishes under neural collapse (Papyan, Han & Donoho 2020).

use super::{ProbeError, moments::check_length, square_sum};

/// Sums over the rows of each class, pooled over any number of batches in f64.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassSums {
    n: usize,
    counts: Vec<u64>,
    /// Σ x of each class, (classes, n).
    sums: Vec<f64>,
    square_sum: f64,
}

/// Root mean square distances, in the units of X.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassDistances {
    /// √( (1/N) Σ_x ‖x − μ_class(x)‖² ): rows from the mean of their class.
    pub within: f64,
    /// √( (1/N) Σ_x ‖μ_class(x) − μ‖² ): class means from the mean of all rows.
    pub between: f64,
}

impl ClassSums {
    /// Nothing seen yet, for rows of width `n` in classes `0..classes`.
    pub fn new(n: usize, classes: usize) -> Self {
        Self { n, counts: vec![0; classes], sums: vec![0.0; n * classes], square_sum: 0.0 }
    }

    /// Pools rows `x`, (rows, n) row-major, the i-th of class `classes[i]`.
    ///
    /// # Errors
    /// If `x` does not have as many rows as there are classes given, or a class is too large; nothing is added then.
    pub fn add(&mut self, x: &[f32], classes: &[u16]) -> Result<(), ProbeError> {
        check_length("inputs X", x.len(), classes.len() * self.n)?;
        if let Some(&class) = classes.iter().find(|&&c| usize::from(c) >= self.counts.len()) {
            let (found, expected) = (usize::from(class), self.counts.len());
            return Err(ProbeError::Mismatch { what: "class of a row", found, expected });
        }
        for (row, &class) in x.chunks_exact(self.n.max(1)).zip(classes) {
            let class = usize::from(class);
            self.counts[class] += 1;
            let sum = &mut self.sums[class * self.n..][..self.n];
            sum.iter_mut().zip(row).for_each(|(s, &v)| *s += f64::from(v));
        }
        self.square_sum += square_sum(x);
        Ok(())
    }

    /// The distances; NaN if there are no rows.
    pub fn distances(&self) -> ClassDistances {
        let rows = self.counts.iter().sum::<u64>() as f64;
        let mut total = vec![0.0; self.n];
        // Σ_x ‖μ_class(x)‖²
        let mut means = 0.0;
        for (sum, &count) in self.sums.chunks_exact(self.n.max(1)).zip(&self.counts) {
            if count > 0 {
                means += square_sum(sum) / count as f64;
            }
            total.iter_mut().zip(sum).for_each(|(t, s)| *t += s);
        }
        let overall = square_sum(&total) / rows;
        // differences of sums of squares: rounding may leave them slightly below 0
        let distance = |squares: f64| (squares.max(0.0) / rows).sqrt();
        ClassDistances { within: distance(self.square_sum - means), between: distance(means - overall) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_pairs_on_a_line() {
        // class 0 at 0 and 2, class 2 at 10 and 12: within 1, means at 1 and 11, so 5 from the middle
        let mut sums = ClassSums::new(1, 3);
        sums.add(&[0.0, 10.0], &[0, 2]).unwrap();
        sums.add(&[12.0, 2.0], &[2, 0]).unwrap();
        assert_eq!(sums.distances(), ClassDistances { within: 1.0, between: 5.0 });
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut sums = ClassSums::new(2, 2);
        assert!(sums.add(&[1.0; 3], &[0]).is_err());
        assert!(sums.add(&[1.0; 2], &[2]).unwrap_err().to_string().contains("class of a row is 2"));
        assert!(sums.distances().within.is_nan());
    }
}
