//! A symmetric matrix reduced to three diagonals with the same eigenvalues, on the calling thread.
//!
//! As LAPACK's xSYTRD (Dongarra, Sorensen & Hammarling 1989): reflections are gathered in a panel before the matrix is
//! touched. Each column then reads what is left of the matrix once and writes nothing, and the rest is a product.

use super::{
    columns::{Combine, Dots, SymmetricTimes},
    symmetric::{Factor, LINE, Lines, Symmetric},
};
use pulp::Arch;
use std::ops::Range;

/// Reflections that are gathered.
const PANEL: usize = 16;

/// The diagonal, and the n − 1 entries below it. Squares of entries must stay in the range of f64.
pub(super) fn reduced(mut a: Symmetric, arch: Arch) -> (Vec<f64>, Vec<f64>) {
    let (n, stride) = (a.n, a.stride);
    let (mut diagonal, mut beside) = (vec![0.0; n], vec![0.0; n.saturating_sub(1)]);
    let mut panel = Panel::new(arch, stride);
    // the column that is reduced, the same as a reflection, and what the matrix makes of that; zeros where they have no rows
    let [mut column, mut v, mut w] = std::array::from_fn(|_| Lines::zeros(stride));
    for k in 0..n {
        if panel.count == PANEL {
            panel.take_off(&mut a, k);
        }
        column[k..n].copy_from_slice(a.column(k));
        panel.take_off_column(k, &mut column[k..n]);
        diagonal[k] = column[k];
        if k + 1 == n {
            break;
        }
        v[..=k].fill(0.0);
        let tau;
        (beside[k], tau) = reflection(&column[k + 1..n], &mut v[k + 1..n]);
        panel.gather(&a, k + 1, &v, tau, &mut w);
    }
    (diagonal, beside)
}

/// τ and, in `v`, the v of a reflection 1 − τvvᵀ that leaves nothing of `x` but its first entry, and what that becomes.
fn reflection(x: &[f64], v: &mut [f64]) -> (f64, f64) {
    v.copy_from_slice(x);
    v[0] = 1.0;
    let rest = Dots::one(&x[1..], &x[1..]);
    if rest == 0.0 {
        return (x[0], 0.0);
    }
    let first = -x[0].hypot(rest.sqrt()).copysign(x[0]);
    let scale = 1.0 / (x[0] - first);
    v[1..].iter_mut().for_each(|v| *v *= scale);
    (first, (first - x[0]) / first)
}

/// Reflections that the matrix A has not seen yet: with them it is A − VWᵀ − WVᵀ.
struct Panel {
    arch: Arch,
    stride: usize,
    count: usize,
    /// V, W and V again, [`PANEL`] columns each, so that both [V W] and [W V] lie side by side.
    numbers: Lines,
}

impl Panel {
    fn new(arch: Arch, stride: usize) -> Self {
        Self { arch, stride, count: 0, numbers: Lines::zeros(3 * PANEL * stride) }
    }

    /// Where column `index` of V, for block 0 and 2, or of W, for 1, begins.
    fn at(&self, block: usize, index: usize) -> usize {
        (block * PANEL + index) * self.stride
    }

    /// These rows of the columns of V and W in turn.
    fn columns(&self, rows: Range<usize>) -> [&[f64]; 2 * PANEL] {
        std::array::from_fn(|i| &self.numbers[self.at(i % 2, i / 2)..][rows.clone()])
    }

    /// Takes column k of VWᵀ + WVᵀ off `column`, rows k to n − 1.
    fn take_off_column(&self, k: usize, column: &mut [f64]) {
        let columns = self.columns(k..k + column.len());
        let shares: [f64; 2 * PANEL] = std::array::from_fn(|i| -columns[i ^ 1][0]);
        let used = 2 * self.count;
        self.arch.dispatch(Combine { columns: &columns[..used], shares: &shares[..used], to: column });
    }

    /// Takes all of VWᵀ + WVᵀ off `a` from row and column `from` on, and is empty then.
    fn take_off(&mut self, a: &mut Symmetric, from: usize) {
        let (stride, numbers) = (self.stride, &self.numbers);
        let rows = |block: usize| {
            move |row: usize| Factor {
                numbers: &numbers[block * PANEL * stride + row..],
                outer: 1,
                inner: stride,
            }
        };
        a.add_product(from, 2 * PANEL, -1.0, rows(0), rows(1));
        self.count = 0;
    }

    /// Adds 1 − τvvᵀ, `v` zero before row `from` and below the last one: what it makes of A − VWᵀ − WVᵀ is that matrix less vwᵀ + wvᵀ.
    fn gather(&mut self, a: &Symmetric, from: usize, v: &[f64], tau: f64, w: &mut [f64]) {
        // whole lines, so that vectors are aligned
        let first = from / LINE * LINE;
        let (v, w) = (&v[first..], &mut w[first..]);
        w.fill(0.0);
        let numbers = &a.numbers[first * a.stride..];
        self.arch.dispatch(SymmetricTimes { numbers, stride: a.stride, first, x: v, to: w });
        let columns = self.columns(first..self.stride);
        let used = 2 * self.count;
        let mut products = [0.0; 2 * PANEL];
        self.arch.dispatch(Dots { columns: &columns[..used], with: v, to: &mut products[..used] });
        let shares: [f64; 2 * PANEL] = std::array::from_fn(|i| -products[i ^ 1]);
        self.arch.dispatch(Combine { columns: &columns[..used], shares: &shares[..used], to: w });
        w.iter_mut().for_each(|w| *w *= tau);
        let share = -0.5 * tau * Dots::one(v, w);
        w.iter_mut().zip(v).for_each(|(w, v)| *w += share * v);
        for (block, from) in [(0, v), (1, &*w), (2, v)] {
            let at = self.at(block, self.count);
            let to = &mut self.numbers[at..][..self.stride];
            to[..first].fill(0.0);
            to[first..].copy_from_slice(from);
        }
        self.count += 1;
    }
}
