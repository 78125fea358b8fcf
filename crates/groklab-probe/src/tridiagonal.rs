//! Eigenvalues of a symmetric matrix without vectors, quicker than with rotations: of its [`reduced`] form by the root-free
//! QL iteration of Pal, Walker & Kahan (Parlett 1980, The Symmetric Eigenvalue Problem, §8-14 f.; the way of EISPACK's TQLRAT and
//! LAPACK's STERF).

use super::{reduction::reduced, symmetric::Symmetric};
use pulp::Arch;

/// Eigenvalues of `a`, descending; None if the iteration does not converge. Each is known to about 2⁻⁵² of the largest.
pub(super) fn eigenvalues(mut a: Symmetric) -> Option<Vec<f64>> {
    // squares of entries must stay in range
    let largest = a.largest();
    let scale = if (1e-100..1e100).contains(&largest) || largest == 0.0 { 1.0 } else { largest };
    if scale != 1.0 {
        a.numbers.iter_mut().for_each(|v| *v /= scale);
    }
    let (mut diagonal, beside) = reduced(a, Arch::new());
    of_tridiagonal(&mut diagonal, &beside)?;
    diagonal.iter_mut().for_each(|v| *v *= scale);
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
        // the block from `first` on that nothing of weight leaves
        let mut last = (first..n - 1)
            .find(|&i| is_negligible(squares[i], diagonal[i], diagonal[i + 1]))
            .unwrap_or(n - 1);
        let mut sweeps = 0;
        while last > first {
            if sweeps == SWEEPS {
                return None;
            }
            sweeps += 1;
            last = first + sweep_up(&mut diagonal[first..=last], &mut squares[first..last]);
        }
    }
    diagonal.iter_mut().for_each(|v| *v *= scale);
    Some(())
}

/// Whether an entry beside the diagonal, given squared, is nothing beside the two it lies between.
fn is_negligible(square: f64, before: f64, after: f64) -> bool {
    square <= f64::EPSILON.powi(2) * (before * after).abs() || square <= f64::MIN_POSITIVE
}

/// One QL sweep over an unreduced block, from its end to its beginning, with Wilkinson's shift; the first place at which
/// the block falls apart then, or its end.
fn sweep_up(diagonal: &mut [f64], squares: &mut [f64]) -> usize {
    let end = squares.len();
    let root = squares[0].sqrt();
    let half = (diagonal[1] - diagonal[0]) / (2.0 * root);
    let shift = diagonal[0] - root / (half + half.hypot(1.0).copysign(half));
    let (mut cosine, mut sine) = (1.0, 0.0);
    let mut gamma = diagonal[end] - shift;
    let mut p = gamma * gamma;
    let mut first = end;
    for i in (0..end).rev() {
        let square = squares[i];
        let r = p + square;
        if i + 1 < end {
            squares[i + 1] = sine * r;
            if is_negligible(sine * r, diagonal[i + 1], diagonal[i + 2]) {
                first = i + 1;
            }
        }
        let before = cosine;
        // three divisions side by side: the next p, γ²/cosine, waits for none that waits for another
        let inverse = r / p;
        (cosine, sine) = (p / r, square / r);
        let old = gamma;
        gamma = cosine * (diagonal[i] - shift) - sine * old;
        diagonal[i + 1] = old + (diagonal[i] - gamma);
        p = if inverse.is_finite() { gamma * gamma * inverse } else { before * square };
    }
    squares[0] = sine * p;
    diagonal[0] = shift + gamma;
    if is_negligible(squares[0], diagonal[0], diagonal[1]) { 0 } else { first }
}

#[cfg(test)]
mod tests {
    use super::super::{spectra, tests::gaussian};
    use super::*;
    use faer::{Mat, Par};

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
            let a = Symmetric::from_fn(n, |i, j| [2.0, -1.0, 0.0][i.abs_diff(j).min(2)]);
            let expected: Vec<f64> = (1..=n)
                .rev()
                .map(|k| 2.0 - 2.0 * (k as f64 * std::f64::consts::PI / (n + 1) as f64).cos())
                .collect();
            close(&eigenvalues(a).unwrap(), &expected, 1e-14 * n as f64);
        }
    }

    #[test]
    fn dense_matrices_have_the_eigenvalues_that_rotations_find() {
        // orders below, at and beyond a panel, a strip and whole vectors
        let sizes = [1.0, 1e-9, 1e120, 1.0, 1.0, 1.0, 1.0];
        for (n, size) in [5, 64, 150, 17, 33, 97, 203].into_iter().zip(sizes) {
            let w = gaussian(n, n, n as u64);
            let entry = |i: usize, j: usize| size * (w[i * n + j] + w[j * n + i]);
            let a = Mat::from_fn(n, n, entry);
            let expected = spectra::eigenvalues(a.as_ref(), Par::Seq).unwrap();
            close(&eigenvalues(Symmetric::from_fn(n, entry)).unwrap(), &expected, 1e-14 * n as f64 * size);
        }
    }

    /// Squares of these leave f64's range: they are scaled, and not lost without a word.
    #[test]
    fn entries_of_any_size_keep_their_eigenvalues() {
        let found = |size: f64| {
            let a = Symmetric::from_fn(3, |i, j| size * [2.0, -1.0, 0.0][i.abs_diff(j).min(2)]);
            eigenvalues(a).unwrap()
        };
        let root = 2f64.sqrt();
        for size in [1e-200, 1e-290, 1e200, 1e300] {
            close(&found(size), &[size * (2.0 + root), size * 2.0, size * (2.0 - root)], 1e-14 * size);
        }
    }

    #[test]
    fn one_column_after_the_other_is_reduced_on_any_processor() {
        let (n, w) = (41, gaussian(41, 41, 3));
        let a = || Symmetric::from_fn(n, |i, j| w[i * n + j] + w[j * n + i]);
        let (best, plain) = (reduced(a(), pulp::Arch::new()), reduced(a(), pulp::Arch::Scalar));
        close(&best.0, &plain.0, 1e-12);
        close(&best.1, &plain.1, 1e-12);
    }

    #[test]
    fn equal_eigenvalues_blocks_and_zeros_are_no_trouble() {
        let identity = Symmetric::from_fn(6, |i, j| f64::from(i == j));
        close(&eigenvalues(identity).unwrap(), &[1.0; 6], 1e-15);
        let blocks = Symmetric::from_fn(4, |i, j| if i / 2 == j / 2 { 1.0 } else { 0.0 });
        close(&eigenvalues(blocks).unwrap(), &[2.0, 2.0, 0.0, 0.0], 1e-15);
        close(&eigenvalues(Symmetric::from_fn(3, |_, _| 0.0)).unwrap(), &[0.0; 3], 0.0);
        assert!(eigenvalues(Symmetric::from_fn(2, |_, _| f64::NAN)).is_none());
        assert!(eigenvalues(Symmetric::from_fn(0, |_, _| 0.0)).unwrap().is_empty());
    }
}
