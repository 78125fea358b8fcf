//! Safe matrix products on row-major slices, over the `gemm` crate's run-time chosen kernels.
//!
//! One thread, always: parallelism is over runs. Sizes are checked before the pointers are used;
//! this is the only file of the engine with `unsafe`.

use crate::engine::Precision;
use gemm::{Parallelism, gemm};
use std::cell::RefCell;

/// What happens to the old content of the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Into {
    /// dst = product
    Overwrite,
    /// dst = dst + product
    Add,
}

/// dst (m, n) = a (m, k) · b (k, n), all row-major and contiguous.
pub fn product(dst: &mut [f32], a: &[f32], b: &[f32], [m, k, n]: [usize; 3], into: Into) {
    assert!(dst.len() == m * n && a.len() == m * k && b.len() == k * n, "sizes of a product");
    // SAFETY: with the lengths above every element addressed by these strides lies inside its slice,
    // and `dst` is borrowed mutably, so nothing aliases it.
    unsafe { strided(dst, a, (k, 1), b, [m, k, n], into) }
}

/// dst (m, n) = aᵀ · b with a (k, m) and b (k, n), all row-major and contiguous.
pub fn product_tn(dst: &mut [f32], a: &[f32], b: &[f32], [m, k, n]: [usize; 3], into: Into) {
    assert!(dst.len() == m * n && a.len() == k * m && b.len() == k * n, "sizes of a product");
    // SAFETY: as above; a is read with its strides exchanged.
    unsafe { strided(dst, a, (1, m), b, [m, k, n], into) }
}

/// One of the products above.
pub type Product = fn(&mut [f32], &[f32], &[f32], [usize; 3], Into);

/// A product whose factors are rounded first where `precision` says so.
pub fn multiply(
    precision: Precision,
    product: Product,
    dst: &mut [f32],
    (a, b): (&[f32], &[f32]),
    shape: [usize; 3],
    into: Into,
) {
    thread_local! {
        static ROUNDED: RefCell<[Vec<f32>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
    }
    match precision {
        Precision::F32 => product(dst, a, b, shape, into),
        Precision::Tf32 => ROUNDED.with_borrow_mut(|rounded| {
            for (rounded, factor) in rounded.iter_mut().zip([a, b]) {
                rounded.clear();
                rounded.extend(factor.iter().map(|&x| to_tf32(x)));
            }
            product(dst, &rounded[0], &rounded[1], shape, into);
        }),
    }
}

/// The nearest number with 10 bits of fraction, ties away from zero: what `cvt.rna.tf32` makes of an f32.
fn to_tf32(x: f32) -> f32 {
    if !x.is_finite() {
        return x;
    }
    f32::from_bits((x.to_bits() + 0x1000) & !0x1fff)
}

/// # Safety
/// `a` read as (m, k) with the given (row, column) strides must lie inside its slice; `dst` and `b` are
/// contiguous (m, n) and (k, n).
unsafe fn strided(
    dst: &mut [f32],
    a: &[f32],
    (a_row, a_col): (usize, usize),
    b: &[f32],
    [m, k, n]: [usize; 3],
    into: Into,
) {
    let add = into == Into::Add;
    // SAFETY: the caller's contract.
    unsafe {
        gemm(
            m,
            n,
            k,
            dst.as_mut_ptr(),
            1,
            n as isize,
            add,
            a.as_ptr(),
            a_col as isize,
            a_row as isize,
            b.as_ptr(),
            1,
            n as isize,
            if add { 1.0 } else { 0.0 },
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize, seed: u32) -> Vec<f32> {
        (0..n as u32).map(|i| ((i * 37 + seed * 11) % 19) as f32 - 9.0).collect()
    }

    #[test]
    fn tf32_keeps_ten_bits_and_rounds_ties_away() {
        let ulp = 2f32.powi(-10);
        let cases = [
            (1.0, 1.0),
            (1.0 + 0.49 * ulp, 1.0),
            (1.0 + 0.5 * ulp, 1.0 + ulp),
            (-1.0 - 0.5 * ulp, -1.0 - ulp),
            (1.0 + 1.49 * ulp, 1.0 + ulp),
            (1.0 + 1.5 * ulp, 1.0 + 2.0 * ulp),
            (3.0 * 2f32.powi(100) * (1.0 + ulp / 8.0), 3.0 * 2f32.powi(100)),
            (0.0, 0.0),
            (f32::INFINITY, f32::INFINITY),
        ];
        for (x, rounded) in cases {
            assert_eq!(to_tf32(x), rounded, "{x}");
        }
        assert!(to_tf32(f32::NAN).is_nan());
        // a product of rounded factors, summed in f32
        let (a, b, mut c) = ([1.0 + 0.5 * ulp, 3.0], [1.0, 1.0 + 0.25 * ulp], [0.0]);
        multiply(Precision::Tf32, product, &mut c, (&a, &b), [1, 2, 1], Into::Overwrite);
        assert_eq!(c, [1.0 + ulp + 3.0]);
    }

    /// Small integers: products are exact in f32, so the comparison is too.
    #[test]
    fn products_equal_the_triple_loop_exactly() {
        for [m, k, n] in [[1, 1, 1], [3, 5, 7], [17, 2, 33], [64, 70, 6], [5, 0, 4]] {
            let (a, b, c) = (numbers(m * k, 1), numbers(k * n, 2), numbers(m * n, 3));
            let at: Vec<f32> = (0..k * m).map(|i| a[(i % m) * k + i / m]).collect();
            for into in [Into::Overwrite, Into::Add] {
                let mut expected = if into == Into::Add { c.clone() } else { vec![0.0; m * n] };
                for i in 0..m {
                    for j in 0..n {
                        expected[i * n + j] += (0..k).map(|l| a[i * k + l] * b[l * n + j]).sum::<f32>();
                    }
                }
                let mut got = c.clone();
                product(&mut got, &a, &b, [m, k, n], into);
                assert_eq!(got, expected, "a·b {m} {k} {n} {into:?}");
                let mut got = c.clone();
                product_tn(&mut got, &at, &b, [m, k, n], into);
                assert_eq!(got, expected, "aᵀ·b {m} {k} {n} {into:?}");
            }
        }
    }
}
