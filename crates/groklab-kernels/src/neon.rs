//! NEON: tiles of 6 × 16, 24 of the 32 registers for sums.

use super::{
    copy::{self, Rows},
    isa::Kernels,
    tile::{Tiles, Vector, compute, spin},
};
use std::arch::aarch64::*;

#[derive(Clone, Copy)]
pub(crate) struct Neon(float32x4_t);

// SAFETY: NEON only; the pointers are used as the trait says.
unsafe impl Vector for Neon {
    const LANES: usize = 4;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        // SAFETY: NEON, by the trait's contract; so below.
        Self(unsafe { vdupq_n_f32(x) })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: valid for 4 numbers.
        Self(unsafe { vld1q_f32(from) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: valid for 4 numbers.
        unsafe { vst1q_f32(to, self.0) }
    }

    #[inline(always)]
    unsafe fn load_part(from: *const f32, n: usize) -> Self {
        let mut lanes = [0.0; 4];
        // SAFETY: valid for n < 4 numbers.
        unsafe {
            std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), n);
            Self::load(lanes.as_ptr())
        }
    }

    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, n: usize) {
        let mut lanes = [0.0; 4];
        // SAFETY: valid for n < 4 numbers.
        unsafe {
            self.store(lanes.as_mut_ptr());
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, n);
        }
    }

    #[inline(always)]
    unsafe fn mul_add(self, a: Self, b: Self) -> Self {
        // SAFETY: NEON.
        Self(unsafe { vfmaq_f32(self.0, a.0, b.0) })
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: NEON.
        Self(unsafe { vaddq_f32(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: NEON.
        Self(unsafe { vmulq_f32(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn relu(self) -> Self {
        // SAFETY: NEON.
        unsafe { self.where_positive(self) }
    }

    #[inline(always)]
    unsafe fn where_positive(self, other: Self) -> Self {
        // SAFETY: NEON. The comparison is false for NaN.
        unsafe {
            let off = vcleq_f32(other.0, vdupq_n_f32(0.0));
            Self(vbslq_f32(off, vdupq_n_f32(0.0), self.0))
        }
    }
}

/// # Safety
/// As [`compute`].
#[target_feature(enable = "neon")]
unsafe fn neon<const MR: usize, const NV: usize>(tiles: &Tiles) {
    // SAFETY: the caller's contract.
    unsafe { compute::<Neon, MR, NV>(tiles) }
}

/// # Safety
/// As [`copy::rows`].
#[target_feature(enable = "neon")]
unsafe fn neon_copy_rows(rows: Rows) {
    // SAFETY: the caller's contract.
    unsafe { copy::rows::<Neon>(rows) }
}

/// # Safety
/// The processor must have NEON.
#[target_feature(enable = "neon")]
unsafe fn neon_spin(steps: usize) -> f32 {
    // SAFETY: the caller's contract.
    unsafe { spin::<Neon, 6, 4>(steps) }
}

pub(crate) static NEON: Kernels = Kernels {
    name: "NEON",
    lanes: Neon::LANES,
    rows: 6,
    vectors: 4,
    tiles: &[
        &[neon::<1, 1>, neon::<1, 2>, neon::<1, 3>, neon::<1, 4>],
        &[neon::<2, 1>, neon::<2, 2>, neon::<2, 3>, neon::<2, 4>],
        &[neon::<3, 1>, neon::<3, 2>, neon::<3, 3>, neon::<3, 4>],
        &[neon::<4, 1>, neon::<4, 2>, neon::<4, 3>, neon::<4, 4>],
        &[neon::<5, 1>, neon::<5, 2>, neon::<5, 3>, neon::<5, 4>],
        &[neon::<6, 1>, neon::<6, 2>, neon::<6, 3>, neon::<6, 4>],
    ],
    copy_rows: neon_copy_rows,
    transpose: copy::transpose,
    right_in_place: false,
    spin: neon_spin,
    spin_rows: 6,
    spin_vectors: 4,
};
