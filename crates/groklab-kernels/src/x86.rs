//! AVX2 with FMA (tiles of 6 × 16) and AVX-512 (tiles of 8 × 48).
//!
//! 6 × 16 fills 12 of 16 registers with sums; 8 × 48 fills 24 of 32. Of the possible AVX-512 tiles it needs few enough
//! rows for their addresses to stay in general registers, so that the left factor need not be packed.

use super::{
    copy::{self, Columns, Rows, SIDE},
    isa::Kernels,
    tile::{Tiles, Vector, compute, spin},
};
use std::arch::x86_64::*;

#[derive(Clone, Copy)]
pub(crate) struct Avx2(__m256);

// SAFETY: AVX2 and FMA only; the pointers are used as the trait says.
unsafe impl Vector for Avx2 {
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        // SAFETY: AVX, by the trait's contract; so below.
        Self(unsafe { _mm256_set1_ps(x) })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: valid for 8 numbers.
        Self(unsafe { _mm256_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: valid for 8 numbers.
        unsafe { _mm256_storeu_ps(to, self.0) }
    }

    // by way of the stack: masked stores take tens of cycles on AMD's processors

    #[inline(always)]
    unsafe fn load_part(from: *const f32, n: usize) -> Self {
        let mut lanes = [0.0; 8];
        // SAFETY: valid for n < 8 numbers.
        unsafe {
            std::ptr::copy_nonoverlapping(from, lanes.as_mut_ptr(), n);
            Self::load(lanes.as_ptr())
        }
    }

    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, n: usize) {
        let mut lanes = [0.0; 8];
        // SAFETY: valid for n < 8 numbers.
        unsafe {
            self.store(lanes.as_mut_ptr());
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), to, n);
        }
    }

    #[inline(always)]
    unsafe fn mul_add(self, a: Self, b: Self) -> Self {
        // SAFETY: FMA.
        Self(unsafe { _mm256_fmadd_ps(a.0, b.0, self.0) })
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: AVX.
        Self(unsafe { _mm256_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: AVX.
        Self(unsafe { _mm256_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn relu(self) -> Self {
        // SAFETY: AVX. The comparison is false for NaN.
        unsafe {
            let off = _mm256_cmp_ps::<_CMP_LE_OQ>(self.0, _mm256_setzero_ps());
            Self(_mm256_andnot_ps(off, self.0))
        }
    }

    #[inline(always)]
    unsafe fn where_positive(self, other: Self) -> Self {
        // SAFETY: AVX.
        unsafe {
            let off = _mm256_cmp_ps::<_CMP_LE_OQ>(other.0, _mm256_setzero_ps());
            Self(_mm256_andnot_ps(off, self.0))
        }
    }

    #[inline(always)]
    unsafe fn prefetch(at: *const f32) {
        // SAFETY: a hint takes any address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }

    #[inline(always)]
    unsafe fn prefetch_later(at: *const f32) {
        // SAFETY: a hint takes any address.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Avx512(__m512);

/// The first n of 16 lanes.
fn lanes(n: usize) -> __mmask16 {
    ((1u32 << n) - 1) as __mmask16
}

/// Lanes that are positive or NaN.
///
/// # Safety
/// The processor must have AVX-512F.
#[inline(always)]
unsafe fn positive(x: __m512) -> __mmask16 {
    // SAFETY: AVX-512F.
    #[cfg(not(miri))]
    unsafe {
        _mm512_cmp_ps_mask::<_CMP_NLE_UQ>(x, _mm512_setzero_ps())
    }
    // Miri does not know the comparison; all else of this file it does
    #[cfg(miri)]
    {
        let mut lanes = [0.0f32; 16];
        // SAFETY: AVX-512F; 16 numbers.
        unsafe { _mm512_storeu_ps(lanes.as_mut_ptr(), x) };
        (0..16).map(|i| __mmask16::from(lanes[i] > 0.0 || lanes[i].is_nan()) << i).sum()
    }
}

// SAFETY: AVX-512F only; the pointers are used as the trait says.
unsafe impl Vector for Avx512 {
    const LANES: usize = 16;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        // SAFETY: AVX-512F, by the trait's contract; so below.
        Self(unsafe { _mm512_set1_ps(x) })
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: valid for 16 numbers.
        Self(unsafe { _mm512_loadu_ps(from) })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: valid for 16 numbers.
        unsafe { _mm512_storeu_ps(to, self.0) }
    }

    #[inline(always)]
    unsafe fn load_part(from: *const f32, n: usize) -> Self {
        // SAFETY: valid for n < 16 numbers; masked lanes are not touched.
        Self(unsafe { _mm512_maskz_loadu_ps(lanes(n), from) })
    }

    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, n: usize) {
        // SAFETY: valid for n < 16 numbers; masked lanes are not touched.
        unsafe { _mm512_mask_storeu_ps(to, lanes(n), self.0) }
    }

    #[inline(always)]
    unsafe fn mul_add(self, a: Self, b: Self) -> Self {
        // SAFETY: AVX-512F.
        Self(unsafe { _mm512_fmadd_ps(a.0, b.0, self.0) })
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: AVX-512F.
        Self(unsafe { _mm512_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: AVX-512F.
        Self(unsafe { _mm512_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn relu(self) -> Self {
        // SAFETY: AVX-512F.
        unsafe { self.where_positive(self) }
    }

    #[inline(always)]
    unsafe fn where_positive(self, other: Self) -> Self {
        // SAFETY: AVX-512F.
        unsafe { Self(_mm512_maskz_mov_ps(positive(other.0), self.0)) }
    }

    #[inline(always)]
    unsafe fn prefetch(at: *const f32) {
        // SAFETY: a hint takes any address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }

    #[inline(always)]
    unsafe fn prefetch_later(at: *const f32) {
        // SAFETY: a hint takes any address.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }
}

// The kernels are compiled here, where the instruction set is switched on.

/// # Safety
/// As [`compute`].
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2<const MR: usize, const NV: usize>(tiles: &Tiles) {
    // SAFETY: the caller's contract.
    unsafe { compute::<Avx2, MR, NV>(tiles) }
}

/// # Safety
/// As [`copy::rows`].
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2_copy_rows(rows: Rows) {
    // SAFETY: the caller's contract.
    unsafe { copy::rows::<Avx2>(rows) }
}

/// # Safety
/// The processor must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2_spin(steps: usize) -> f32 {
    // SAFETY: the caller's contract.
    unsafe { spin::<Avx2, 6, 2>(steps) }
}

/// Blocks of 8 x 8 in registers.
///
/// # Safety
/// As [`copy::transpose_from`]; the processor must have AVX2, as each with AVX-512 has.
#[target_feature(enable = "avx2")]
unsafe fn transpose(columns: Columns) {
    let Columns { from, stride, count, to, to_stride } = columns;
    let whole = count - count % SIDE;
    for i in (0..whole).step_by(SIDE) {
        // SAFETY: the caller's contract: i + 8 ≤ count.
        unsafe {
            let column = |j: usize| _mm256_loadu_ps(from.add(j * stride + i));
            let columns =
                [column(0), column(1), column(2), column(3), column(4), column(5), column(6), column(7)];
            for (j, row) in transposed(columns).into_iter().enumerate() {
                _mm256_storeu_ps(to.add((i + j) * to_stride), row);
            }
        }
    }
    // SAFETY: the caller's contract.
    unsafe { copy::transpose_from(columns, whole) }
}

/// The transpose of 8 x 8 numbers.
#[inline]
#[target_feature(enable = "avx2")]
fn transposed(x: [__m256; SIDE]) -> [__m256; SIDE] {
    // in each half of a register: two numbers of two rows, then one of four
    let twos = |a, b| (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    let fours = |a, b| (_mm256_shuffle_ps::<0x44>(a, b), _mm256_shuffle_ps::<0xee>(a, b));
    let ((a0, a1), (b0, b1)) = (twos(x[0], x[1]), twos(x[2], x[3]));
    let ((c0, c1), (d0, d1)) = (twos(x[4], x[5]), twos(x[6], x[7]));
    let ((r0, r1), (r2, r3)) = (fours(a0, b0), fours(a1, b1));
    let ((s0, s1), (s2, s3)) = (fours(c0, d0), fours(c1, d1));
    // then of all eight, from both halves
    let low = |a, b| _mm256_permute2f128_ps::<0x20>(a, b);
    let high = |a, b| _mm256_permute2f128_ps::<0x31>(a, b);
    [
        low(r0, s0),
        low(r1, s1),
        low(r2, s2),
        low(r3, s3),
        high(r0, s0),
        high(r1, s1),
        high(r2, s2),
        high(r3, s3),
    ]
}

pub(crate) static AVX2: Kernels = Kernels {
    name: "AVX2",
    lanes: Avx2::LANES,
    rows: 6,
    vectors: 2,
    tiles: &[
        &[avx2::<1, 1>, avx2::<1, 2>],
        &[avx2::<2, 1>, avx2::<2, 2>],
        &[avx2::<3, 1>, avx2::<3, 2>],
        &[avx2::<4, 1>, avx2::<4, 2>],
        &[avx2::<5, 1>, avx2::<5, 2>],
        &[avx2::<6, 1>, avx2::<6, 2>],
    ],
    copy_rows: avx2_copy_rows,
    transpose,
    right_in_place: false,
    spin: avx2_spin,
    spin_rows: 6,
    spin_vectors: 2,
};

/// # Safety
/// As [`compute`].
#[target_feature(enable = "avx512f")]
unsafe fn avx512<const MR: usize, const NV: usize>(tiles: &Tiles) {
    // SAFETY: the caller's contract.
    unsafe { compute::<Avx512, MR, NV>(tiles) }
}

/// # Safety
/// As [`copy::rows`].
#[target_feature(enable = "avx512f")]
unsafe fn avx512_copy_rows(rows: Rows) {
    // SAFETY: the caller's contract.
    unsafe { copy::rows::<Avx512>(rows) }
}

/// # Safety
/// The processor must have AVX-512F.
#[target_feature(enable = "avx512f")]
unsafe fn avx512_spin(steps: usize) -> f32 {
    // SAFETY: the caller's contract.
    unsafe { spin::<Avx512, 8, 2>(steps) }
}

pub(crate) static AVX512: Kernels = Kernels {
    name: "AVX-512",
    lanes: Avx512::LANES,
    rows: 8,
    vectors: 3,
    tiles: &[
        &[avx512::<1, 1>, avx512::<1, 2>, avx512::<1, 3>],
        &[avx512::<2, 1>, avx512::<2, 2>, avx512::<2, 3>],
        &[avx512::<3, 1>, avx512::<3, 2>, avx512::<3, 3>],
        &[avx512::<4, 1>, avx512::<4, 2>, avx512::<4, 3>],
        &[avx512::<5, 1>, avx512::<5, 2>, avx512::<5, 3>],
        &[avx512::<6, 1>, avx512::<6, 2>, avx512::<6, 3>],
        &[avx512::<7, 1>, avx512::<7, 2>, avx512::<7, 3>],
        &[avx512::<8, 1>, avx512::<8, 2>, avx512::<8, 3>],
    ],
    copy_rows: avx512_copy_rows,
    transpose,
    right_in_place: true,
    spin: avx512_spin,
    spin_rows: 8,
    spin_vectors: 2,
};
