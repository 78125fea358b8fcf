//! The instruction set, chosen at run time, and the few vector idioms all kernels share.
//!
//! Kernels are written once over [`pulp::Simd`]. A multiply-add may be fused or not (`mul_add_e`): one rounding
//! where the processor has FMA, two where it has not, never a call into libm. On one machine the same input gives
//! the same bytes; between instruction sets the last bits differ.

use pulp::{Arch, Simd};

/// The instruction sets this machine can run, best first.
pub fn instruction_sets() -> Vec<Arch> {
    let mut sets = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        sets.extend(pulp::x86::V4::try_new().map(Arch::V4));
        sets.extend(pulp::x86::V3::try_new().map(Arch::V3));
    }
    #[cfg(target_arch = "aarch64")]
    sets.extend(pulp::aarch64::Neon::try_new().map(Arch::Neon));
    sets.push(Arch::Scalar);
    sets
}

/// Name of an instruction set for manifests and tables.
pub fn instruction_set_name(arch: Arch) -> &'static str {
    match arch {
        #[cfg(target_arch = "x86_64")]
        Arch::V4(_) => "AVX-512",
        #[cfg(target_arch = "x86_64")]
        Arch::V3(_) => "AVX2",
        #[cfg(target_arch = "aarch64")]
        Arch::Neon(_) => "NEON",
        _ => "portable",
    }
}

// Closures given to these loops carry `#[inline(always)]` at the call: compiled as functions of their own they would
// lack the instruction set that `dispatch` switched on, and every operation in them would become a call.

/// f of each of four. `[T; 4]::map` is compiled as a function of its own, and so without the instruction set.
#[inline(always)]
pub(super) fn each<A, B>([a, b, c, d]: [A; 4], f: impl Fn(A) -> B) -> [B; 4] {
    [f(a), f(b), f(c), f(d)]
}

/// dst = f(dst)
#[inline(always)]
pub(super) fn map<S: Simd>(s: S, dst: &mut [f32], f: impl Fn(S::f32s) -> S::f32s) {
    let (head, tail) = S::as_mut_simd_f32s(dst);
    for d in head {
        *d = f(*d);
    }
    if !tail.is_empty() {
        let v = f(s.partial_load_f32s(tail));
        s.partial_store_f32s(tail, v);
    }
}

/// dst = f(dst, a)
#[inline(always)]
pub(super) fn zip<S: Simd>(s: S, dst: &mut [f32], a: &[f32], f: impl Fn(S::f32s, S::f32s) -> S::f32s) {
    let (dst, dst_tail) = S::as_mut_simd_f32s(dst);
    let (a, a_tail) = S::as_simd_f32s(a);
    for (d, &a) in dst.iter_mut().zip(a) {
        *d = f(*d, a);
    }
    if !dst_tail.is_empty() {
        let v = f(s.partial_load_f32s(dst_tail), s.partial_load_f32s(a_tail));
        s.partial_store_f32s(dst_tail, v);
    }
}

/// dst = f(dst, a, b, c)
#[inline(always)]
pub(super) fn zip3<S: Simd>(
    s: S,
    dst: &mut [f32],
    [a, b, c]: [&[f32]; 3],
    f: impl Fn(S::f32s, S::f32s, S::f32s, S::f32s) -> S::f32s,
) {
    let (dst, dst_tail) = S::as_mut_simd_f32s(dst);
    let (a, a_tail) = S::as_simd_f32s(a);
    let (b, b_tail) = S::as_simd_f32s(b);
    let (c, c_tail) = S::as_simd_f32s(c);
    for (((d, &a), &b), &c) in dst.iter_mut().zip(a).zip(b).zip(c) {
        *d = f(*d, a, b, c);
    }
    if !dst_tail.is_empty() {
        let v = f(
            s.partial_load_f32s(dst_tail),
            s.partial_load_f32s(a_tail),
            s.partial_load_f32s(b_tail),
            s.partial_load_f32s(c_tail),
        );
        s.partial_store_f32s(dst_tail, v);
    }
}

/// Σ f(acc, a, b, c) over the lanes; lanes beyond the end are zero in all three, so f must leave `acc` alone there.
#[inline(always)]
pub(super) fn fold<S: Simd>(
    s: S,
    [a, b, c]: [&[f32]; 3],
    f: impl Fn(S::f32s, S::f32s, S::f32s, S::f32s) -> S::f32s,
) -> f32 {
    let (a, a_tail) = S::as_simd_f32s(a);
    let (b, b_tail) = S::as_simd_f32s(b);
    let (c, c_tail) = S::as_simd_f32s(c);
    let mut acc = s.splat_f32s(0.0);
    for ((&a, &b), &c) in a.iter().zip(b).zip(c) {
        acc = f(acc, a, b, c);
    }
    if !a_tail.is_empty() {
        acc = f(acc, s.partial_load_f32s(a_tail), s.partial_load_f32s(b_tail), s.partial_load_f32s(c_tail));
    }
    s.reduce_sum_f32s(acc)
}

/// Σ a·b
#[inline(always)]
pub(super) fn dot<S: Simd>(s: S, a: &[f32], b: &[f32]) -> f32 {
    fold(
        s,
        [a, b, b],
        #[inline(always)]
        |acc, a, b, _| s.mul_add_e_f32s(a, b, acc),
    )
}

/// Σ a
#[inline(always)]
pub(super) fn sum<S: Simd>(s: S, a: &[f32]) -> f32 {
    fold(
        s,
        [a, a, a],
        #[inline(always)]
        |acc, a, _, _| s.add_f32s(acc, a),
    )
}

/// dst += factor · a
#[inline(always)]
pub(super) fn axpy<S: Simd>(s: S, dst: &mut [f32], factor: f32, a: &[f32]) {
    let factor = s.splat_f32s(factor);
    zip(
        s,
        dst,
        a,
        #[inline(always)]
        |d, a| s.mul_add_e_f32s(factor, a, d),
    );
}

/// dst += a
#[inline(always)]
pub(super) fn add<S: Simd>(s: S, dst: &mut [f32], a: &[f32]) {
    zip(
        s,
        dst,
        a,
        #[inline(always)]
        |d, a| s.add_f32s(d, a),
    );
}

/// c₀ + x·(c₁ + x·(…))
#[inline(always)]
pub(super) fn polynomial<S: Simd>(s: S, x: S::f32s, coefficients: &[f32]) -> S::f32s {
    let mut acc = s.splat_f32s(0.0);
    for (i, &c) in coefficients.iter().rev().enumerate() {
        let c = s.splat_f32s(c);
        acc = if i == 0 { c } else { s.mul_add_e_f32s(acc, x, c) };
    }
    acc
}

/// e^r on |r| ≤ ln(2)/2, relative error 2e-9 before rounding; from `tests/oracle/gelu_fit.py`.
const EXP: [f32; 7] = [1.0, 1.0, 0.4999999, 0.1666642, 0.041668225, 0.008374824, 0.0013836835];
/// ln 2 in two parts: the first has 9 bits, so that its product with an exponent is exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
/// 1.5·2²³: adding it rounds to an integer, which then stands in the low bits.
const ROUND: f32 = 12_582_912.0;

/// e^−(a + b) for a ≥ 0 and a small b ≥ 0, a + b ≤ 87; the sum is never rounded.
#[inline(always)]
pub(super) fn exp_neg<S: Simd>(s: S, a: S::f32s, b: S::f32s) -> S::f32s {
    let rounded =
        s.mul_add_e_f32s(s.add_f32s(a, b), s.splat_f32s(-std::f32::consts::LOG2_E), s.splat_f32s(ROUND));
    let n = s.sub_f32s(rounded, s.splat_f32s(ROUND));
    let r = s.neg_f32s(s.mul_add_e_f32s(n, s.splat_f32s(LN_2[0]), a));
    let r = s.sub_f32s(s.mul_add_e_f32s(n, s.splat_f32s(-LN_2[1]), r), b);
    // 2ⁿ: the integer, biased, moved into the exponent
    let bits = s.add_u32s(s.transmute_u32s_f32s(rounded), s.splat_u32s(127));
    let power = s.transmute_f32s_u32s(s.wrapping_dyn_shl_u32s(bits, s.splat_u32s(23)));
    s.mul_f32s(polynomial(s, r, &EXP), power)
}

/// e^x for x ≤ 0; 0 below −87, where the result nears the end of f32's normal range. NaN stays NaN.
#[inline(always)]
pub(super) fn exp_nonpositive<S: Simd>(s: S, x: S::f32s) -> S::f32s {
    let (zero, limit) = (s.splat_f32s(0.0), s.splat_f32s(-87.0));
    let tiny = s.less_than_f32s(x, limit);
    let y = exp_neg(s, s.neg_f32s(s.select_f32s(tiny, limit, x)), zero);
    s.select_f32s(tiny, zero, y)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulp::WithSimd;

    struct Exp<'a>(&'a mut [f32]);
    impl WithSimd for Exp<'_> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, s: S) {
            map(
                s,
                self.0,
                #[inline(always)]
                |x| exp_nonpositive(s, x),
            );
        }
    }

    #[test]
    fn exp_is_libms_to_3e_7_on_every_instruction_set() {
        let x: Vec<f32> = (0..87_000).map(|i| -(i as f32) * 1e-3).chain([-1e-20, -0.0]).collect();
        for arch in instruction_sets() {
            let isa = instruction_set_name(arch);
            let mut y = x.clone();
            arch.dispatch(Exp(&mut y));
            for (&x, &y) in x.iter().zip(&y) {
                let exact = libm::exp(f64::from(x));
                assert!((f64::from(y) / exact - 1.0).abs() < 3e-7, "{isa}: exp({x}) = {y}, not {exact}");
            }
            let mut ends = [0.0, -1e30, f32::NEG_INFINITY, f32::NAN];
            arch.dispatch(Exp(&mut ends));
            assert_eq!(ends[..3], [1.0, 0.0, 0.0], "{isa}");
            assert!(ends[3].is_nan(), "{isa}");
        }
    }

    struct Sums<'a>(&'a [f32], &'a [f32], &'a mut Vec<f32>);
    impl WithSimd for Sums<'_> {
        type Output = (f32, f32);
        #[inline(always)]
        fn with_simd<S: Simd>(self, s: S) -> (f32, f32) {
            axpy(s, self.2, 2.0, self.0);
            add(s, self.2, self.1);
            zip3(
                s,
                self.2,
                [self.0, self.1, self.0],
                #[inline(always)]
                |d, a, b, c| s.add_f32s(d, s.mul_f32s(a, s.sub_f32s(b, c))),
            );
            (dot(s, self.0, self.1), sum(s, self.0))
        }
    }

    /// Small integers, so every order of summation gives the same f32.
    #[test]
    fn loops_cover_every_length_exactly() {
        for n in 0..70usize {
            let a: Vec<f32> = (0..n).map(|i| (i % 7) as f32 - 3.0).collect();
            let b: Vec<f32> = (0..n).map(|i| (i % 5) as f32 + 1.0).collect();
            let expected: Vec<f32> = (0..n).map(|i| 1.0 + 2.0 * a[i] + b[i] + a[i] * (b[i] - a[i])).collect();
            let dot: f32 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
            for arch in instruction_sets() {
                let isa = instruction_set_name(arch);
                let mut c = vec![1.0; n];
                let sums = arch.dispatch(Sums(&a, &b, &mut c));
                assert_eq!(sums, (dot, a.iter().sum()), "{isa} length {n}");
                assert_eq!(c, expected, "{isa} length {n}");
            }
        }
    }
}
