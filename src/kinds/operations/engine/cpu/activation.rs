//! The non-linearity of the MLP and its derivative in one pass.
//!
//! GELU(x) = x·Φ(x) with the exact normal distribution function. With t = |x|, φ the normal density and
//! R(t) = (1 − Φ(t))/φ(t) (Mills' ratio):
//!
//! GELU(x) = max(x, 0) − t·R(t)·φ(t),  GELU′(x) = 1{x > 0} + sign(x)·φ(t)·(t − R(t)).
//!
//! No term cancels on the left, so the far negative tail keeps its relative precision. R is a polynomial in
//! (t − 3)/(t + 3). φ splits t² into a part that f32 holds exactly and a remainder.

use super::vector::{exp_neg, polynomial};
use crate::kinds::operations::config::Activation;
use pulp::{Arch, Simd, WithSimd};

/// Mills' ratio on 0 ≤ t ≤ 13.25 in u = (t − 3)/(t + 3), relative error 7e-9 before rounding;
/// from `tests/oracle/gelu_fit.py`.
const MILLS: [f32; 10] = [
    0.304_590_28,
    -0.517_374_63,
    0.308_879_32,
    -0.115_839_6,
    0.015_371_104,
    0.007_281_009_6,
    -0.002_466_980_4,
    -0.000_852_031_4,
    0.000_290_866_23,
    0.000_135_736_1,
];
/// From here on t·(1 − Φ(t)) is below f32's smallest normal number; it becomes 0, so that no product meets subnormals.
const TAIL: f32 = 13.1475;
const INV_SQRT_2PI: f32 = 0.398_942_3;

/// out = activation of the pre-activations in `hidden`, which become the derivative there.
///
/// GELU: relative error of the value below 1e-6 for all x with |GELU(x)| ≥ 2⁻¹²⁶ (0 below), absolute error of the
/// derivative below 1e-6. ReLU′(0) = 0. NaN stays NaN.
pub fn activate(arch: Arch, kind: Activation, hidden: &mut [f32], out: &mut [f32]) {
    assert_eq!(hidden.len(), out.len(), "lengths of activations");
    match kind {
        Activation::Gelu => arch.dispatch(Activate(hidden, out, Gelu)),
        Activation::Relu => arch.dispatch(Activate(hidden, out, Relu)),
    }
}

/// A non-linearity on vectors.
trait Function {
    /// Value and derivative.
    fn apply<S: Simd>(&self, s: S, x: S::f32s) -> (S::f32s, S::f32s);
}

struct Activate<'a, F>(&'a mut [f32], &'a mut [f32], F);

impl<F: Function> WithSimd for Activate<'_, F> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Self(hidden, out, function) = self;
        let (hidden, hidden_tail) = S::as_mut_simd_f32s(hidden);
        let (out, out_tail) = S::as_mut_simd_f32s(out);
        for (hidden, out) in hidden.iter_mut().zip(out) {
            (*out, *hidden) = function.apply(s, *hidden);
        }
        if !hidden_tail.is_empty() {
            let (value, derivative) = function.apply(s, s.partial_load_f32s(hidden_tail));
            s.partial_store_f32s(out_tail, value);
            s.partial_store_f32s(hidden_tail, derivative);
        }
    }
}

struct Relu;

impl Function for Relu {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, x: S::f32s) -> (S::f32s, S::f32s) {
        let (zero, one) = (s.splat_f32s(0.0), s.splat_f32s(1.0));
        let off = s.less_than_or_equal_f32s(x, zero);
        (s.select_f32s(off, zero, x), s.select_f32s(off, zero, one))
    }
}

struct Gelu;

impl Function for Gelu {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, x: S::f32s) -> (S::f32s, S::f32s) {
        gelu(s, x)
    }
}

/// GELU and its derivative.
#[inline(always)]
fn gelu<S: Simd>(s: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let (zero, one) = (s.splat_f32s(0.0), s.splat_f32s(1.0));
    let t = s.abs_f32s(x);
    let beyond = s.greater_than_or_equal_f32s(t, s.splat_f32s(TAIL));
    let t = s.select_f32s(beyond, s.splat_f32s(TAIL), t);

    // φ(t): t = high + low with 12 bits in high, so high² is exact; t² = high² + low·(t + high)
    let high = s.and_f32s(t, s.splat_f32s(f32::from_bits(0xffff_f000)));
    let half = s.splat_f32s(0.5);
    let exact = s.mul_f32s(half, s.mul_f32s(high, high));
    let rest = s.mul_f32s(s.mul_f32s(half, s.sub_f32s(t, high)), s.add_f32s(t, high));
    let density = s.mul_f32s(s.splat_f32s(INV_SQRT_2PI), exp_neg(s, exact, rest));
    let density = s.select_f32s(beyond, zero, density);

    let three = s.splat_f32s(3.0);
    let u = s.div_f32s(s.sub_f32s(t, three), s.add_f32s(t, three));
    let mills = polynomial(s, u, &MILLS);

    let tail = s.mul_f32s(s.mul_f32s(t, mills), density);
    let slope = s.mul_f32s(s.sub_f32s(t, mills), density);
    let positive = s.greater_than_f32s(x, zero);
    let value = s.sub_f32s(s.select_f32s(positive, x, zero), tail);
    let derivative = s.select_f32s(positive, s.add_f32s(one, slope), s.neg_f32s(slope));
    (value, derivative)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::operations::engine::cpu::{instruction_set_name, instruction_sets};

    fn run(arch: Arch, kind: Activation, x: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let (mut derivative, mut value) = (x.to_vec(), vec![0.0; x.len()]);
        activate(arch, kind, &mut derivative, &mut value);
        (value, derivative)
    }

    /// A dense grid, every 49,999th f32 of both signs, and the odd ones.
    fn points() -> Vec<f32> {
        let grid = (-15_000..=15_000).map(|i| i as f32 * 1e-3);
        let magnitudes = (0..0x7f80_0000u32).step_by(49_999).flat_map(|b| {
            let x = f32::from_bits(b);
            [x, -x]
        });
        grid.chain(magnitudes).collect()
    }

    #[test]
    fn gelu_and_its_derivative_are_libms_to_1e_6_everywhere() {
        let x = points();
        for arch in instruction_sets() {
            let isa = instruction_set_name(arch);
            let (value, derivative) = run(arch, Activation::Gelu, &x);
            let (mut worst, mut worst_derivative) = (0f64, 0f64);
            for i in 0..x.len() {
                let t = f64::from(x[i]);
                let upper = 0.5 * libm::erfc(-t / 2f64.sqrt());
                let exact = t * upper;
                let slope = upper + t * libm::exp(-0.5 * t * t) / (2.0 * std::f64::consts::PI).sqrt();
                if exact.abs() >= f64::from(f32::MIN_POSITIVE) {
                    let error = (f64::from(value[i]) / exact - 1.0).abs();
                    worst = worst.max(error);
                    assert!(error < 1e-6, "{isa}: gelu({t}) = {}, not {exact}", value[i]);
                } else {
                    assert!(value[i].abs() <= f32::MIN_POSITIVE, "{isa}: gelu({t}) = {}", value[i]);
                }
                let error = (f64::from(derivative[i]) - slope).abs();
                worst_derivative = worst_derivative.max(error);
                assert!(error < 1e-6, "{isa}: gelu'({t}) = {}, not {slope}", derivative[i]);
            }
            println!("{isa}: worst errors {worst:.2e} (relative), {worst_derivative:.2e} (derivative)");
        }
    }

    #[test]
    fn ends_of_the_range_and_nan() {
        for arch in instruction_sets() {
            let x = [f32::INFINITY, f32::NEG_INFINITY, 0.0, f32::NAN, 100.0, -100.0];
            let (value, derivative) = run(arch, Activation::Gelu, &x);
            assert_eq!(value[..3], [f32::INFINITY, 0.0, 0.0]);
            assert_eq!(derivative[..2], [1.0, 0.0]);
            assert!((derivative[2] - 0.5).abs() < 1e-7);
            assert!(value[3].is_nan() && derivative[3].is_nan());
            assert_eq!((value[4], value[5]), (100.0, 0.0));

            let (value, derivative) = run(arch, Activation::Relu, &[-2.0, -0.0, 0.0, 3.0, f32::NAN]);
            assert_eq!(value[..4], [0.0, 0.0, 0.0, 3.0]);
            assert_eq!(derivative[..4], [0.0, 0.0, 0.0, 1.0], "ReLU'(0) is 0");
            assert!(value[4].is_nan());
        }
    }
}
