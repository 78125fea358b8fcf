//! Four numbers in an array: what the compiler makes of it anywhere. A multiply-add rounds twice.

use super::{isa::Kernels, tile::Vector};

#[derive(Clone, Copy)]
pub(crate) struct Portable([f32; 4]);

// SAFETY: no instructions beyond the target's own; the pointers are used as the trait says.
unsafe impl Vector for Portable {
    const LANES: usize = 4;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self([x; 4])
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: valid for 4 numbers, by the trait's contract.
        Self(unsafe { from.cast::<[f32; 4]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: valid for 4 numbers, by the trait's contract.
        unsafe { to.cast::<[f32; 4]>().write_unaligned(self.0) }
    }

    #[inline(always)]
    unsafe fn load_part(from: *const f32, n: usize) -> Self {
        let mut lanes = [0.0; 4];
        // SAFETY: valid for n < 4 numbers, by the trait's contract.
        lanes[..n].copy_from_slice(unsafe { std::slice::from_raw_parts(from, n) });
        Self(lanes)
    }

    #[inline(always)]
    unsafe fn store_part(self, to: *mut f32, n: usize) {
        // SAFETY: valid for n < 4 numbers, by the trait's contract.
        unsafe { std::slice::from_raw_parts_mut(to, n) }.copy_from_slice(&self.0[..n]);
    }

    #[inline(always)]
    unsafe fn mul_add(self, a: Self, b: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + a.0[i] * b.0[i]))
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] * other.0[i]))
    }

    #[inline(always)]
    unsafe fn relu(self) -> Self {
        Self(self.0.map(|x| if x <= 0.0 { 0.0 } else { x }))
    }

    #[inline(always)]
    unsafe fn where_positive(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| if other.0[i] <= 0.0 { 0.0 } else { self.0[i] }))
    }
}

/// 4 × 8: eight of the sixteen registers that even the oldest x86-64 has.
pub(crate) static PORTABLE: Kernels = {
    use super::{copy, tile::compute};
    type V = Portable;
    Kernels {
        name: "portable",
        lanes: V::LANES,
        rows: 4,
        vectors: 2,
        tiles: &[
            &[compute::<V, 1, 1>, compute::<V, 1, 2>],
            &[compute::<V, 2, 1>, compute::<V, 2, 2>],
            &[compute::<V, 3, 1>, compute::<V, 3, 2>],
            &[compute::<V, 4, 1>, compute::<V, 4, 2>],
        ],
        copy_rows: copy::rows::<V>,
        transpose: copy::transpose,
        right_in_place: false,
        spin: super::tile::spin::<V, 4, 2>,
        spin_rows: 4,
        spin_vectors: 2,
    }
};
