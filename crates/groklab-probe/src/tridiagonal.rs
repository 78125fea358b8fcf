//! Eigenvalues of a symmetric matrix without vectors, quicker than with rotations: reduced to three diagonals by faer, whose
//! eigenvalues the root-free QL iteration of Pal, Walker & Kahan finds (Parlett 1980, The Symmetric Eigenvalue Problem,
//! §8-14 f.; the way of EISPACK's TQLRAT and LAPACK's STERF).

use faer::{
    Mat, Par,
    dyn_stack::{MemBuffer, MemStack},
    linalg::evd::tridiag::{tridiag_in_place, tridiag_in_place_scratch},
};

/// Eigenvalues, descending, of the symmetric matrix of which `a` holds the lower triangle; None if the iteration does not
/// converge. Each is known to about 2⁻⁵² of the largest.
pub(super) fn eigenvalues(mut a: Mat<f64>) -> Option<Vec<f64>> {
    let n = a.nrows();
    if n == 0 {
        return Some(Vec::new());
    }
    // coefficients of the reflections, which only vectors would need
    let mut reflections = Mat::zeros(1, n - 1);
    let mut memory = MemBuffer::new(tridiag_in_place_scratch::<f64>(n, Par::Seq, Default::default()));
    let stack = MemStack::new(&mut memory);
    tridiag_in_place(a.as_mut(), reflections.as_mut(), Par::Seq, stack, Default::default());
    let mut diagonal: Vec<f64> = (0..n).map(|i| a[(i, i)]).collect();
    let beside: Vec<f64> = (1..n).map(|i| a[(i, i - 1)]).collect();
    of_tridiagonal(&mut diagonal, &beside)?;
    diagonal.sort_by(|a, b| b.total_cmp(a));
    Some(diagonal)
}

/// Replaces `diagonal` by the eigenvalues, in any order; `beside` holds the n − 1 entries below it.
fn of_tridiagonal(diagonal: &mut [f64], beside: &[f64]) -> Option<()> {
    /// Sweeps an eigenvalue gets: two are usual.
    const SWEEPS: usize = 60;
    let n = diagonal.len();
    if diagonal.iter().chain(beside).any(|v| !v.is_finite()) {
        return None;
    }
    let scale = diagonal.iter().chain(beside).fold(0.0f64, |most, v| most.max(v.abs()));
    if scale == 0.0 {
        return Some(());
    }
    // squares are what is iterated on: they must stay in range
    diagonal.iter_mut().for_each(|v| *v /= scale);
    let mut squares: Vec<f64> = beside.iter().map(|v| (v / scale).powi(2)).collect();
    for first in 0..n {
        for sweep in 0.. {
            // the block from `first` on that nothing of weight leaves
            let negligible = |i: usize| {
                squares[i] <= f64::EPSILON.powi(2) * (diagonal[i] * diagonal[i + 1]).abs()
                    || squares[i] <= f64::MIN_POSITIVE
            };
            let last = (first..n - 1).find(|&i| negligible(i)).unwrap_or(n - 1);
            if last == first {
                break;
            }
            if sweep == SWEEPS {
                return None;
            }
            sweep_up(&mut diagonal[first..=last], &mut squares[first..last]);
        }
    }
    diagonal.iter_mut().for_each(|v| *v *= scale);
    Some(())
}

/// One QL sweep over an unreduced block, from its end to its beginning, with Wilkinson's shift.
fn sweep_up(diagonal: &mut [f64], squares: &mut [f64]) {
    let end = squares.len();
    let root = squares[0].sqrt();
    let half = (diagonal[1] - diagonal[0]) / (2.0 * root);
    let shift = diagonal[0] - root / (half + half.hypot(1.0).copysign(half));
    let (mut cosine, mut sine) = (1.0, 0.0);
    let mut gamma = diagonal[end] - shift;
    let mut p = gamma * gamma;
    for i in (0..end).rev() {
        let square = squares[i];
        let r = p + square;
        if i + 1 < end {
            squares[i + 1] = sine * r;
        }
        let before = cosine;
        (cosine, sine) = (p / r, square / r);
        let old = gamma;
        gamma = cosine * (diagonal[i] - shift) - sine * old;
        diagonal[i + 1] = old + (diagonal[i] - gamma);
        p = if cosine == 0.0 { before * square } else { gamma * gamma / cosine };
    }
    squares[0] = sine * p;
    diagonal[0] = shift + gamma;
}

#[cfg(test)]
mod tests {
    use super::super::{spectra, tests::gaussian};
    use super::*;

    fn close(found: &[f64], expected: &[f64], tolerance: f64) {
        assert_eq!(found.len(), expected.len());
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() <= tolerance, "{a} and {b}");
        }
    }

    #[test]
    fn a_string_of_beads_has_its_known_eigenvalues() {
        // 2 on the diagonal, −1 beside it: 2 − 2 cos(kπ/(n + 1))
        for n in [1usize, 2, 3, 10, 200] {
            let a = Mat::from_fn(n, n, |i, j| [2.0, -1.0, 0.0][i.abs_diff(j).min(2)]);
            let expected: Vec<f64> = (1..=n)
                .rev()
                .map(|k| 2.0 - 2.0 * (k as f64 * std::f64::consts::PI / (n + 1) as f64).cos())
                .collect();
            close(&eigenvalues(a).unwrap(), &expected, 1e-14 * n as f64);
        }
    }

    #[test]
    fn dense_matrices_have_the_eigenvalues_that_rotations_find() {
        for (n, size) in [(5, 1.0), (64, 1e-9), (150, 1e120)] {
            let w = gaussian(n, n, n as u64);
            let a = Mat::from_fn(n, n, |i, j| size * (w[i * n + j] + w[j * n + i]));
            let expected = spectra::eigenvalues(a.as_ref(), Par::Seq).unwrap();
            close(&eigenvalues(a).unwrap(), &expected, 1e-14 * n as f64 * size);
        }
    }

    #[test]
    fn equal_eigenvalues_blocks_and_zeros_are_no_trouble() {
        let identity = Mat::from_fn(6, 6, |i, j| f64::from(i == j));
        close(&eigenvalues(identity).unwrap(), &[1.0; 6], 1e-15);
        let blocks = Mat::from_fn(4, 4, |i, j| if i / 2 == j / 2 { 1.0 } else { 0.0 });
        close(&eigenvalues(blocks).unwrap(), &[2.0, 2.0, 0.0, 0.0], 1e-15);
        close(&eigenvalues(Mat::zeros(3, 3)).unwrap(), &[0.0; 3], 0.0);
        assert!(eigenvalues(Mat::from_fn(2, 2, |_, _| f64::NAN)).is_none());
        assert!(eigenvalues(Mat::zeros(0, 0)).unwrap().is_empty());
    }
}
