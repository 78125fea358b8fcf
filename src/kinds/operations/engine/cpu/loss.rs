//! Cross-entropy of logits, its gradient, and what an evaluation counts.

use super::vector::{exp_nonpositive, map, sum};
use crate::{kinds::operations::engine::Tally, kinds::operations::task::Equation};
use pulp::{Arch, Simd, WithSimd};

/// Adds up the losses of (n, V) logits. They are used up: afterwards they hold `gradient_scale`·∂loss/∂logit.
pub(in crate::kinds::operations::engine) fn cross_entropy(
    arch: Arch,
    batch: &[Equation],
    logits: &mut [f32],
    gradient_scale: f32,
    tally: &mut Tally,
) {
    arch.dispatch(CrossEntropy { batch, logits, gradient_scale, tally });
}

struct CrossEntropy<'a> {
    batch: &'a [Equation],
    logits: &'a mut [f32],
    gradient_scale: f32,
    tally: &'a mut Tally,
}

impl WithSimd for CrossEntropy<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let n = self.logits.len() / self.batch.len().max(1);
        for (equation, z) in self.batch.iter().zip(self.logits.chunks_exact_mut(n.max(1))) {
            let answer = usize::from(equation.answer);
            let largest = largest(s, z);
            // ln Σ e^(z − max) − (z_answer − max): exactly 0 once the other terms vanish beside 1
            let shifted = z[answer] - largest;
            let correct = shifted == 0.0 && !z[..answer].contains(&largest);
            let splat = s.splat_f32s(largest);
            map(
                s,
                z,
                #[inline(always)]
                |z| exp_nonpositive(s, s.sub_f32s(z, splat)),
            );
            let total = sum(s, z);
            let loss = total.ln() - shifted;
            self.tally.add_row(loss, correct);
            // softmax − one-hot; p − 1 of the answer as minus the sum of the others would be finer, but the plain
            // model rounds here too
            let scale = s.splat_f32s(self.gradient_scale / total);
            map(
                s,
                z,
                #[inline(always)]
                |e| s.mul_f32s(e, scale),
            );
            z[answer] -= self.gradient_scale;
        }
    }
}

/// The largest entry; NaN if there is one is found by the exponentials instead.
#[inline(always)]
fn largest<S: Simd>(s: S, z: &[f32]) -> f32 {
    let (head, tail) = S::as_simd_f32s(z);
    let start = s.splat_f32s(f32::NEG_INFINITY);
    let lanes = head.iter().fold(start, |acc, &z| s.max_f32s(acc, z));
    tail.iter().fold(s.reduce_max_f32s(lanes), |acc, &z| acc.max(z))
}
