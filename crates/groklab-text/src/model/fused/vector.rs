//! Loops that the compiler makes vectors of, with the instruction set found at run time.

/// Runs `f` compiled for the best instruction set there is. What `f` calls must be `#[inline(always)]`, as the closure
/// itself: compiled as a function of its own it would lack that set.
#[inline(always)]
pub(super) fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(f)
}

/// Numbers that are summed up side by side.
pub(super) const LANES: usize = 8;

/// e^r on |r| ≤ ln(2)/2, relative error 2e-9 before rounding: `tests/oracle/gelu_fit.py`.
const EXP: [f32; 7] = [1.0, 1.0, 0.4999999, 0.1666642, 0.041668225, 0.008374824, 0.0013836835];
/// ln 2 in two parts: the first has 9 bits, so that its product with an exponent is exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
/// 1.5·2²³: adding it rounds to an integer, which then stands in the low bits.
const ROUND: f32 = 12_582_912.0;

/// e^x, of x between −87 and 88; those beyond count as the nearest. NaN stays NaN.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.0);
    let rounded = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = rounded - ROUND;
    let r = n.mul_add(-LN_2[1], n.mul_add(-LN_2[0], x));
    let mut sum = EXP[6];
    for i in (0..6).rev() {
        sum = sum.mul_add(r, EXP[i]);
    }
    // 2ⁿ: the integer, biased, moved into the exponent
    sum * f32::from_bits(rounded.to_bits().wrapping_add(127) << 23)
}

/// Σ aᵢbᵢ
#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 4 * LANES];
    let (a_parts, b_parts) = (a.chunks_exact(4 * LANES), b.chunks_exact(4 * LANES));
    let rest = a_parts.remainder().iter().zip(b_parts.remainder());
    let rest: f32 = rest.map(|(x, y)| x * y).sum();
    for (a, b) in a_parts.zip(b_parts) {
        for (sum, (x, y)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum = x.mul_add(*y, *sum);
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// y ← y + a·x
#[inline(always)]
pub(super) fn axpy(y: &mut [f32], a: f32, x: &[f32]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y = a.mul_add(*x, *y);
    }
}

/// yₛ = Σᵢ aᵢ·Mᵢₛ of rows i of M, (len a, `width`), for s below len y, a multiple of [`LANES`].
#[inline(always)]
pub(super) fn combine(y: &mut [f32], a: &[f32], matrix: &[f32], width: usize) {
    for (at, y) in y.chunks_exact_mut(LANES).enumerate() {
        let mut sums = [0.0f32; LANES];
        for (a, row) in a.iter().zip(matrix.chunks_exact(width)) {
            let row = &row[at * LANES..][..LANES];
            for (sum, x) in sums.iter_mut().zip(row) {
                *sum = a.mul_add(*x, *sum);
            }
        }
        y.copy_from_slice(&sums);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_that_of_f64_to_3e_7() {
        let x: Vec<f32> = (-86_999..88_000).map(|i| i as f32 * 1e-3).chain([-1e-20, -0.0]).collect();
        let mut y = x.clone();
        vectorised(
            #[inline(always)]
            || y.iter_mut().for_each(|y| *y = exp(*y)),
        );
        for (x, y) in x.iter().zip(&y) {
            let exact = f64::from(*x).exp();
            assert!((f64::from(*y) / exact - 1.0).abs() < 3e-7, "exp({x}) = {y}, not {exact}");
        }
        assert!(exp(f32::NAN).is_nan() && exp(-1e30) < 1e-37 && exp(1e30) > 1e38);
    }

    /// Small integers: every order of summation gives the same f32.
    #[test]
    fn sums_take_every_length() {
        for n in 0..70usize {
            let a: Vec<f32> = (0..n).map(|i| (i % 7) as f32 - 3.0).collect();
            let b: Vec<f32> = (0..n).map(|i| (i % 5) as f32 + 1.0).collect();
            let expected: f32 = (0..n).map(|i| a[i] * b[i]).sum();
            assert_eq!(dot(&a, &b), expected, "{n}");
        }
        let matrix: Vec<f32> = (0..3 * 24).map(|i| (i % 11) as f32).collect();
        let mut y = [0.0; 16];
        combine(&mut y, &[1.0, -2.0, 3.0], &matrix, 24);
        for (s, y) in y.iter().enumerate() {
            assert_eq!(*y, matrix[s] - 2.0 * matrix[24 + s] + 3.0 * matrix[48 + s]);
        }
    }
}
