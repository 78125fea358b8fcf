//! How a number is stored: the float types that are read, and their decoding.

use half::{bf16, f16};
use rayon::prelude::*;

/// A float type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Element {
    /// Eight bits, four of them exponent: no infinities, largest 448 (Micikevicius et al. 2022, arXiv 2209.05433).
    F8E4m3,
    /// Eight bits, five of them exponent: the upper half of an f16.
    F8E5m2,
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
            Self::F8E4m3 | Self::F8E5m2 => 1,
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// Decodes whole numbers, little-endian, into `numbers`, over rayon's threads. Widening is exact; an f64 read as f32 is rounded.
    pub(super) fn decode<T: Number>(self, bytes: &[u8], numbers: &mut [T]) {
        match self {
            Self::F8E4m3 => each(bytes, numbers, |[b]| T::from_f32(f8_e4m3(b))),
            Self::F8E5m2 => {
                each(bytes, numbers, |[b]| T::from_f32(f16::from_bits(u16::from(b) << 8).to_f32()))
            }
            Self::F16 => each(bytes, numbers, |b| T::from_f32(f16::from_le_bytes(b).to_f32())),
            Self::Bf16 => each(bytes, numbers, |b| T::from_f32(bf16::from_le_bytes(b).to_f32())),
            Self::F32 => each(bytes, numbers, |b| T::from_f32(f32::from_le_bytes(b))),
            Self::F64 => each(bytes, numbers, |b| T::from_f64(f64::from_le_bytes(b))),
        }
    }
}

/// Sign, four bits of exponent with a bias of 7, three of mantissa; all ones is NaN.
fn f8_e4m3(bits: u8) -> f32 {
    let (exponent, mantissa) = (i32::from(bits >> 3 & 15), f32::from(bits & 7));
    let magnitude = match (exponent, bits & 7) {
        (15, 7) => f32::NAN,
        (0, _) => mantissa / 512.0,
        _ => (1.0 + mantissa / 8.0) * ((exponent - 7) as f32).exp2(),
    };
    if bits & 128 == 0 { magnitude } else { -magnitude }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_bits_are_those_of_the_paper() {
        // table 1 of arXiv 2209.05433: largest and least, normal and not
        for (bits, value) in [(0x7E, 448.0), (0x08, 0.015_625), (0x07, 0.013_671_875), (0x01, 0.001_953_125)]
        {
            assert_eq!((f8_e4m3(bits), f8_e4m3(bits | 0x80)), (value, -value));
        }
        assert!(f8_e4m3(0x7F).is_nan() && f8_e4m3(0xFF).is_nan());
        let mut found = [0f64; 4];
        Element::F8E5m2.decode(&[0x7B, 0x04, 0x03, 0x01], &mut found);
        assert_eq!(found, [57_344.0, (-14f64).exp2(), 0.75 * (-14f64).exp2(), (-16f64).exp2()]);
    }
}
