//! How a number is stored: the float types that are read, and their decoding.

use half::{bf16, f16};
use rayon::prelude::*;

/// A float type, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// IEEE half precision.
    F16,
    /// The upper half of an f32.
    Bf16,
    /// IEEE single precision.
    F32,
    /// IEEE double precision.
    F64,
}

impl Element {
    /// Bytes a number takes.
    pub fn size(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// Decodes whole numbers into `numbers`, over rayon's threads. Widening is exact; an f64 read as f32 is rounded.
    pub(super) fn decode<T: Number>(self, bytes: &[u8], numbers: &mut [T]) {
        match self {
            Self::F16 => each(bytes, numbers, |b| T::from_f32(f16::from_le_bytes(b).to_f32())),
            Self::Bf16 => each(bytes, numbers, |b| T::from_f32(bf16::from_le_bytes(b).to_f32())),
            Self::F32 => each(bytes, numbers, |b| T::from_f32(f32::from_le_bytes(b))),
            Self::F64 => each(bytes, numbers, |b| T::from_f64(f64::from_le_bytes(b))),
        }
    }
}

fn each<const SIZE: usize, T: Number>(
    bytes: &[u8],
    numbers: &mut [T],
    read: impl Fn([u8; SIZE]) -> T + Sync,
) {
    /// Numbers a thread takes at a time.
    const SHARE: usize = 1 << 15;
    let (bytes, _) = bytes.as_chunks::<SIZE>();
    let share = |(numbers, bytes): (&mut [T], &[[u8; SIZE]])| {
        numbers.iter_mut().zip(bytes).for_each(|(number, &b)| *number = read(b));
    };
    if numbers.len() <= SHARE {
        return share((numbers, bytes));
    }
    numbers.par_chunks_mut(SHARE).zip(bytes.par_chunks(SHARE)).for_each(share);
}

/// What numbers are read as: f32 or f64.
pub trait Number: Copy + Default + PartialEq + Into<f64> + Send + Sync {
    /// Exact.
    fn from_f32(value: f32) -> Self;
    /// Exact, or rounded to the nearest f32.
    fn from_f64(value: f64) -> Self;
}

impl Number for f32 {
    fn from_f32(value: f32) -> Self {
        value
    }
    fn from_f64(value: f64) -> Self {
        value as Self
    }
}

impl Number for f64 {
    fn from_f32(value: f32) -> Self {
        value.into()
    }
    fn from_f64(value: f64) -> Self {
        value
    }
}
