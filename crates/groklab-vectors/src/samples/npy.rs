//! NumPy's `.npy`: inputs of any number type, labels that are whole numbers.
//!
//! Format: NumPy Enhancement Proposal 1, versions 1.0 to 3.0.

use super::{MAX_CLASSES, Samples, SamplesError, file::Source};
use std::path::Path;

/// Longest header taken; NumPy writes 118 bytes.
const MAX_HEADER: u64 = 1 << 16;

/// Inputs of shape (rows, …), each row flattened, and labels of shape (rows) or (rows, 1) in any number type. There are
/// as many classes as the largest label and one.
///
/// # Errors
/// [`SamplesError`] if a file cannot be read or contradicts its format, a number is not finite, a label is no class, or
/// the two files do not belong together.
pub fn npy(inputs: &Path, labels: &Path) -> Result<Samples, SamplesError> {
    let (inputs, labels) = (read(inputs)?, read(labels)?);
    let flat = matches!(labels.shape[..], [_] | [_, 1]);
    if !flat || inputs.shape.len() < 2 || inputs.shape[0] != labels.shape[0] {
        let reason = format!(
            "inputs of shape {:?} and labels of shape {:?}; wanted are (rows, …) and (rows)",
            inputs.shape, labels.shape
        );
        return Err(SamplesError::Unfit(reason));
    }
    let mut classes = Vec::with_capacity(labels.numbers.len());
    for (row, &label) in labels.numbers.iter().enumerate() {
        // NaN fits no range
        if !(0.0..MAX_CLASSES as f64).contains(&label) || label.fract() != 0.0 {
            let wanted = format!("labels are whole numbers from 0 to {}", MAX_CLASSES - 1);
            return Err(SamplesError::Label { row, label, wanted });
        }
        classes.push(label as u32);
    }
    let width = inputs.numbers.len().checked_div(classes.len()).unwrap_or(0);
    let count = classes.iter().max().map_or(0, |&most| most as usize + 1);
    Samples::new(inputs.numbers.iter().map(|&v| v as f32).collect(), width, classes, count)
}

struct Array {
    shape: Vec<u64>,
    numbers: Vec<f64>,
}

fn read(path: &Path) -> Result<Array, SamplesError> {
    let mut source = Source::open(path)?;
    let lead = source.take(8)?;
    if !lead.starts_with(b"\x93NUMPY") {
        return Err(source.damaged("it does not begin as a .npy file".into()));
    }
    let size = match lead[6] {
        1 => source.take(2)?,
        2 | 3 => source.take(4)?,
        version => return Err(source.damaged(format!("version {version} of .npy is not known"))),
    };
    let size = size.iter().rev().fold(0, |size, &byte| size << 8 | u64::from(byte));
    if size > MAX_HEADER {
        return Err(source.damaged(format!("its header claims {size} bytes, at most {MAX_HEADER} are taken")));
    }
    let header = source.take(size)?;
    let header = String::from_utf8_lossy(&header);
    let entry = |key: &str| header.split_once(&format!("'{key}':")).map(|(_, rest)| rest.trim_start());
    let (Some(descr), Some(order), Some(shape)) = (entry("descr"), entry("fortran_order"), entry("shape"))
    else {
        return Err(source.damaged("its header lacks descr, fortran_order or shape".into()));
    };
    let descr = descr.strip_prefix('\'').and_then(|rest| rest.split_once('\'')).map(|(descr, _)| descr);
    let Some(decode) = descr.and_then(decoder) else {
        let shown: String = descr.unwrap_or("no plain type").chars().take(20).collect();
        return Err(source.damaged(format!(
            "its numbers are {shown:?}; little-endian floats and integers are taken: save x.astype('<f4')"
        )));
    };
    let shape: Option<Vec<u64>> =
        shape.strip_prefix('(').and_then(|rest| rest.split_once(')')).and_then(|(list, _)| {
            list.split(',').map(str::trim).filter(|s| !s.is_empty()).map(|s| s.parse().ok()).collect()
        });
    let Some(shape) = shape else {
        return Err(source.damaged("its shape is not understood".into()));
    };
    if !order.starts_with("False") && shape.len() > 1 {
        return Err(
            source.damaged("it is stored by columns; save numpy.ascontiguousarray of it instead".into())
        );
    }
    let bytes = shape.iter().try_fold(decode.size as u64, |bytes, &size| bytes.checked_mul(size));
    let bytes = bytes.ok_or_else(|| source.damaged(format!("its shape {shape:?} overflows")))?;
    let data = source.take(bytes)?;
    source.end()?;
    let numbers = data.chunks_exact(decode.size).map(decode.number).collect();
    Ok(Array { shape, numbers })
}

/// Bytes of a number and how to read them.
struct Decoder {
    size: usize,
    number: fn(&[u8]) -> f64,
}

/// Integers beyond 2⁵³ round, which no label or sensible input is.
fn decoder(descr: &str) -> Option<Decoder> {
    /// The bytes of a number, filled up with zeros.
    fn bits(bytes: &[u8]) -> u64 {
        bytes.iter().rev().fold(0, |bits, &byte| bits << 8 | u64::from(byte))
    }
    /// With its sign.
    fn signed(bytes: &[u8]) -> i64 {
        let empty = 64 - 8 * bytes.len() as u32;
        (bits(bytes) << empty).cast_signed() >> empty
    }
    let (size, number): (usize, fn(&[u8]) -> f64) = match descr {
        "<f4" => (4, |b| f32::from_bits(bits(b) as u32).into()),
        "<f8" => (8, |b| f64::from_bits(bits(b))),
        "|u1" | "|b1" => (1, |b| bits(b) as f64),
        "<u2" => (2, |b| bits(b) as f64),
        "<u4" => (4, |b| bits(b) as f64),
        "<u8" => (8, |b| bits(b) as f64),
        "|i1" => (1, |b| signed(b) as f64),
        "<i2" => (2, |b| signed(b) as f64),
        "<i4" => (4, |b| signed(b) as f64),
        "<i8" => (8, |b| signed(b) as f64),
        _ => return None,
    };
    Some(Decoder { size, number })
}
