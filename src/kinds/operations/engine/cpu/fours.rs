//! Loops over one vector and four others: what the others' shared partner costs to load is paid once.

use super::vector::{dot, each};
use pulp::Simd;

/// x·aᵢ
#[inline(always)]
pub(super) fn dot4<S: Simd>(s: S, x: &[f32], a: [&[f32]; 4]) -> [f32; 4] {
    let (x, x_tail) = S::as_simd_f32s(x);
    let [a0, a1, a2, a3] = each(a, S::as_simd_f32s);
    let mut sums = [s.splat_f32s(0.0); 4];
    for ((((&x, &a0), &a1), &a2), &a3) in x.iter().zip(a0.0).zip(a1.0).zip(a2.0).zip(a3.0) {
        sums[0] = s.mul_add_e_f32s(x, a0, sums[0]);
        sums[1] = s.mul_add_e_f32s(x, a1, sums[1]);
        sums[2] = s.mul_add_e_f32s(x, a2, sums[2]);
        sums[3] = s.mul_add_e_f32s(x, a3, sums[3]);
    }
    let tails = [a0.1, a1.1, a2.1, a3.1];
    let mut out = [0.0; 4];
    for i in 0..4 {
        out[i] = s.reduce_sum_f32s(sums[i]);
        if !x_tail.is_empty() {
            out[i] += dot(s, x_tail, tails[i]);
        }
    }
    out
}

/// dst = Σ wᵢ·aᵢ, or added to it.
#[inline(always)]
pub(super) fn gather4<S: Simd, const KEEP: bool>(s: S, dst: &mut [f32], w: [f32; 4], a: [&[f32]; 4]) {
    let w = each(
        w,
        #[inline(always)]
        |w| s.splat_f32s(w),
    );
    let (dst, dst_tail) = S::as_mut_simd_f32s(dst);
    let [a0, a1, a2, a3] = each(a, S::as_simd_f32s);
    for ((((dst, &a0), &a1), &a2), &a3) in dst.iter_mut().zip(a0.0).zip(a1.0).zip(a2.0).zip(a3.0) {
        *dst = mix::<S, KEEP>(s, *dst, w, [a0, a1, a2, a3]);
    }
    if !dst_tail.is_empty() {
        let tails = each(
            [a0.1, a1.1, a2.1, a3.1],
            #[inline(always)]
            |tail| s.partial_load_f32s(tail),
        );
        let sum = mix::<S, KEEP>(s, s.partial_load_f32s(dst_tail), w, tails);
        s.partial_store_f32s(dst_tail, sum);
    }
}

#[inline(always)]
fn mix<S: Simd, const KEEP: bool>(s: S, old: S::f32s, w: [S::f32s; 4], a: [S::f32s; 4]) -> S::f32s {
    let first = if KEEP { s.mul_add_e_f32s(w[0], a[0], old) } else { s.mul_f32s(w[0], a[0]) };
    let second = s.mul_add_e_f32s(w[1], a[1], first);
    s.mul_add_e_f32s(w[3], a[3], s.mul_add_e_f32s(w[2], a[2], second))
}

/// dstᵢ += wᵢ·x for the four quarters of `dst`.
#[inline(always)]
pub(super) fn spread4<S: Simd>(s: S, dst: &mut [f32], w: [f32; 4], x: &[f32]) {
    let (front, back) = dst.split_at_mut(2 * x.len());
    let ((d0, d1), (d2, d3)) = (front.split_at_mut(x.len()), back.split_at_mut(x.len()));
    let w = each(
        w,
        #[inline(always)]
        |w| s.splat_f32s(w),
    );
    let (x, x_tail) = S::as_simd_f32s(x);
    let [d0, d1, d2, d3] = each([d0, d1, d2, d3], S::as_mut_simd_f32s);
    for ((((&x, d0), d1), d2), d3) in x.iter().zip(d0.0).zip(d1.0).zip(d2.0).zip(d3.0) {
        *d0 = s.mul_add_e_f32s(w[0], x, *d0);
        *d1 = s.mul_add_e_f32s(w[1], x, *d1);
        *d2 = s.mul_add_e_f32s(w[2], x, *d2);
        *d3 = s.mul_add_e_f32s(w[3], x, *d3);
    }
    if !x_tail.is_empty() {
        let x = s.partial_load_f32s(x_tail);
        for (tail, w) in [d0.1, d1.1, d2.1, d3.1].into_iter().zip(w) {
            let sum = s.mul_add_e_f32s(w, x, s.partial_load_f32s(tail));
            s.partial_store_f32s(tail, sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::operations::engine::cpu::{instruction_set_name, instruction_sets};
    use pulp::WithSimd;

    struct All<'a> {
        x: &'a [f32],
        a: [&'a [f32]; 4],
        sum: &'a mut [f32],
        spread: &'a mut [f32],
    }

    impl WithSimd for All<'_> {
        type Output = [f32; 4];
        #[inline(always)]
        fn with_simd<S: Simd>(self, s: S) -> [f32; 4] {
            gather4::<S, false>(s, self.sum, [1.0, -2.0, 3.0, 4.0], self.a);
            gather4::<S, true>(s, self.sum, [5.0, 0.0, -1.0, 2.0], self.a);
            spread4(s, self.spread, [1.0, 2.0, -3.0, 4.0], self.x);
            dot4(s, self.x, self.a)
        }
    }

    /// Small integers, so every order of summation gives the same f32.
    #[test]
    fn every_length_is_covered_exactly() {
        for n in 0..70usize {
            let x: Vec<f32> = (0..n).map(|i| (i % 7) as f32 - 3.0).collect();
            let a: [Vec<f32>; 4] =
                std::array::from_fn(|k| (0..n).map(|i| ((i + 2 * k) % 5) as f32 + 1.0 - k as f32).collect());
            let dots: [f32; 4] = std::array::from_fn(|k| x.iter().zip(&a[k]).map(|(x, a)| x * a).sum());
            let weights = [6.0, -2.0, 2.0, 6.0];
            for arch in instruction_sets() {
                let isa = instruction_set_name(arch);
                let (mut sum, mut spread) = (vec![f32::NAN; n], vec![1.0; 4 * n]);
                let a_slices = [&a[0][..], &a[1], &a[2], &a[3]];
                let got = arch.dispatch(All { x: &x, a: a_slices, sum: &mut sum, spread: &mut spread });
                assert_eq!(got, dots, "{isa} length {n}");
                for i in 0..n {
                    let expected: f32 = (0..4).map(|k| weights[k] * a[k][i]).sum();
                    assert_eq!(sum[i], expected, "{isa} length {n}");
                    for (k, w) in [1.0, 2.0, -3.0, 4.0].into_iter().enumerate() {
                        assert_eq!(spread[k * n + i], 1.0 + w * x[i], "{isa} length {n}");
                    }
                }
            }
        }
    }
}
