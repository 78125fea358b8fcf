//! The 1,797 handwritten digits of 8 × 8 pixels that lie in this crate (Alpaydin & Kaynak 1998, UCI, CC BY 4.0).

use super::{Samples, SamplesError, pixel_noise};
use std::path::Path;

const FILE: &[u8] = include_bytes!("../../data/digits.bin");
const MAGIC: &[u8] = b"GLDIGIT1";
const HEAD: usize = MAGIC.len() + 12;

/// Mean of all pixels divided by 16.
pub const DIGITS_MEAN: f32 = 0.305_26;
/// Population standard deviation of all pixels divided by 16.
pub const DIGITS_DEVIATION: f32 = 0.376_05;

/// The digits, (1797, 64), standardised by one mean and one deviation for all pixels; 10 classes.
///
/// # Errors
/// [`SamplesError::Damaged`] if the file this was built with is.
pub fn digits() -> Result<Samples, SamplesError> {
    parse(FILE)?.standardised(DIGITS_MEAN, DIGITS_DEVIATION)
}

/// The digits with N(0, 1) added to every standardised pixel, drawn once with the stream `pixels` of `data_seed`: few
/// rows of them cannot be learned well, which shows what decides about generalisation.
///
/// # Errors
/// As [`digits`].
pub fn hard_digits(data_seed: u64) -> Result<Samples, SamplesError> {
    pixel_noise(digits()?, 1.0, data_seed)
}

/// Pixels / 16 of a file laid out as `scripts/digits.py` says.
pub(super) fn parse(file: &[u8]) -> Result<Samples, SamplesError> {
    let damaged =
        |reason: &str| SamplesError::Damaged { path: Path::new("digits.bin").into(), reason: reason.into() };
    let Some((head, body)) = file.split_at_checked(HEAD).filter(|(head, _)| head.starts_with(MAGIC)) else {
        return Err(damaged("it does not begin as a file of digits"));
    };
    let (numbers, _) = head[MAGIC.len()..].as_chunks::<4>();
    let [rows, width, classes] = [0, 1, 2].map(|i| u32::from_le_bytes(numbers[i]) as usize);
    let pixels = rows.checked_mul(width).filter(|&pixels| pixels.checked_add(rows) == Some(body.len()));
    let Some(pixels) = pixels else {
        return Err(damaged("its length is not what its head says"));
    };
    let (pixels, labels) = body.split_at(pixels);
    let inputs = pixels.iter().map(|&p| f32::from(p) / 16.0).collect();
    Samples::new(inputs, width, labels.iter().map(|&l| l.into()).collect(), classes)
}
