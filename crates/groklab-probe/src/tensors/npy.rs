//! The header of NumPy's `.npy`: magic, version, length, and a Python dictionary of three entries.
//!
//! Format: NumPy Enhancement Proposal 1, versions 1.0, 2.0 and 3.0.

use super::{Element, Tensor, TensorError, error::quote};
use std::{fs::File, io::Read, path::PathBuf, sync::Arc};

/// Longest header taken; NumPy writes 118 bytes.
const MAX_HEADER: usize = 1 << 16;
const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// The one tensor of a file of `length` bytes, called after the file.
pub(super) fn tensor(mut file: File, length: u64, path: &Arc<PathBuf>) -> Result<Tensor, TensorError> {
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    tensor_at(&mut file, 0, length, path, name)
}

/// The tensor whose `.npy` file lies in the bytes `first` to `end` of `file`, which stands at the first.
pub(super) fn tensor_at(
    file: &mut File,
    first: u64,
    end: u64,
    path: &Arc<PathBuf>,
    name: String,
) -> Result<Tensor, TensorError> {
    let damaged = |reason: String| TensorError::Damaged { path: path.as_ref().clone(), reason };
    let mut take = |count: usize| {
        let mut bytes = vec![0; count];
        file.read_exact(&mut bytes).map(|()| bytes).map_err(TensorError::read(path))
    };
    let lead = take(8)?;
    if !lead.starts_with(MAGIC) {
        return Err(damaged("it does not begin as a .npy file".into()));
    }
    let wide = match lead[6] {
        1 => false,
        2 | 3 => true,
        version => return Err(damaged(format!("version {version} of .npy is not known"))),
    };
    let size = take(if wide { 4 } else { 2 })?;
    let start = 8 + size.len();
    let size = size.iter().rev().fold(0, |size, &byte| size << 8 | usize::from(byte));
    if size > MAX_HEADER {
        return Err(damaged(format!("its header claims {size} bytes, at most {MAX_HEADER} are taken")));
    }
    let header = take(size)?;
    let text = std::str::from_utf8(&header).map_err(|_| damaged("its header is not text".into()))?;
    let Header { dtype, fortran_order, shape } =
        header_of(text).ok_or_else(|| damaged(format!("its header is not understood: {}", quote(text))))?;

    let start = first + (start + size) as u64;
    let (element, big_endian) = element(&dtype).map_or((None, false), |(e, big)| (Some(e), big));
    if let Some(element) = element {
        let room = end.saturating_sub(start);
        if super::tensor::bytes(&shape, element).is_none_or(|needed| needed > room) {
            let reason =
                format!("shape {shape:?} of type {dtype} needs more than the {room} bytes that follow");
            return Err(damaged(reason));
        }
    }
    let mut tensor =
        Tensor { name, path: path.clone(), dtype, element, shape, fortran_order, big_endian, start };
    if element == Some(Element::Bf16) {
        tensor.dtype.push_str(", read as bf16");
    }
    Ok(tensor)
}

/// The type, and whether its bytes are turned round. NumPy has no bf16: ml_dtypes' is saved as two bytes of no type.
fn element(dtype: &str) -> Option<(Element, bool)> {
    match dtype {
        "<f2" => Some((Element::F16, false)),
        "<f4" => Some((Element::F32, false)),
        "<f8" => Some((Element::F64, false)),
        "<V2" | "|V2" => Some((Element::Bf16, false)),
        ">f2" => Some((Element::F16, true)),
        ">f4" => Some((Element::F32, true)),
        ">f8" => Some((Element::F64, true)),
        _ => None,
    }
}

#[derive(Debug, PartialEq)]
struct Header {
    dtype: String,
    fortran_order: bool,
    shape: Vec<usize>,
}

/// `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`, entries in any order; None if it is anything else.
fn header_of(text: &str) -> Option<Header> {
    let mut rest = text.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
    let (mut dtype, mut fortran_order, mut shape) = (None, None, None);
    while !rest.is_empty() {
        let (key, after) = quoted(rest)?;
        let after = after.trim_start().strip_prefix(':')?.trim_start();
        rest = match key {
            // A list here is a record type: shown as it stands, and refused by its type.
            "descr" if after.starts_with('[') => {
                let end = after.find("],").or_else(|| after.rfind(']'))? + 1;
                dtype = Some(after[..end].to_owned());
                &after[end..]
            }
            "descr" => {
                let (value, after) = quoted(after)?;
                dtype = Some(value.to_owned());
                after
            }
            "fortran_order" => match (after.strip_prefix("True"), after.strip_prefix("False")) {
                (Some(after), _) => {
                    fortran_order = Some(true);
                    after
                }
                (_, Some(after)) => {
                    fortran_order = Some(false);
                    after
                }
                _ => return None,
            },
            "shape" => {
                let (inside, after) = after.strip_prefix('(')?.split_once(')')?;
                let inside = inside.trim().strip_suffix(',').unwrap_or(inside).trim();
                let dimensions = inside.split(',').filter(|_| !inside.is_empty());
                // Python 2 wrote its long numbers as 13L
                let number = |d: &str| d.trim().trim_end_matches('L').parse().ok();
                shape = Some(dimensions.map(number).collect::<Option<Vec<usize>>>()?);
                after
            }
            _ => return None,
        }
        .trim_start();
        rest = match rest.strip_prefix(',') {
            Some(after) => after.trim_start(),
            None if rest.is_empty() => rest,
            None => return None,
        };
    }
    Some(Header { dtype: dtype?, fortran_order: fortran_order?, shape: shape? })
}

/// A quoted word at the start of `text`, and what comes after it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let mark = text.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    text[1..].split_once(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_as_numpy_writes_them_are_read_and_others_are_not() {
        let read = |text: &str| header_of(text).map(|h| (h.dtype, h.fortran_order, h.shape));
        let of = |dtype: &str, order, shape: &[usize]| Some((dtype.to_owned(), order, shape.to_vec()));
        assert_eq!(
            read("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }   \n"),
            of("<f4", false, &[3, 4])
        );
        assert_eq!(read("{'descr': '<f8', 'fortran_order': True, 'shape': (3,), }"), of("<f8", true, &[3]));
        assert_eq!(
            read("{'descr': '<f4', 'fortran_order': False, 'shape': (13L, 8L)}"),
            of("<f4", false, &[13, 8])
        );
        assert_eq!(read("{'shape': (), 'fortran_order': False, 'descr': '|b1'}"), of("|b1", false, &[]));
        let record = "{'descr': [('a', '<f4'), ('b', '<i8')], 'fortran_order': False, 'shape': (2,), }";
        assert_eq!(read(record), of("[('a', '<f4'), ('b', '<i8')]", false, &[2]));
        for hostile in [
            "",
            "{",
            "{}",
            "{'descr': '<f4', 'fortran_order': False}",
            "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (1,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 4)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1 4)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999,)}",
            "{'descr': '<f4' 'fortran_order': False, 'shape': (1,)}",
            "{'descr': é, 'fortran_order': False, 'shape': (1,)}",
            "{'other': 1}",
        ] {
            assert_eq!(read(hostile), None, "{hostile}");
        }
    }
}
