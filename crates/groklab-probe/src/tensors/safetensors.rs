//! The header of a safetensors file: an 8-byte little-endian length, that many bytes of JSON, then the data.
//!
//! Format: <https://github.com/huggingface/safetensors#format>. The `safetensors` crate wants the whole file in
//! memory, or mapped, which a file cut short answers with a signal; here only the header is read.

use super::{Element, Tensor, TensorError, error::quote};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;
use std::{fmt, fs::File, io::Read, path::PathBuf, sync::Arc};

/// Longest header taken, as in the `safetensors` crate.
const MAX_HEADER: u64 = 100_000_000;

/// The header's entries, in their order and with those of one name, of which JSON's own reading keeps the last.
struct Entries(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Entries;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object of tensors")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(All)
    }
}

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

/// The tensors of a file of `length` bytes, in the order of their data.
pub(super) fn tensors(mut file: File, length: u64, path: &Arc<PathBuf>) -> Result<Vec<Tensor>, TensorError> {
    let damaged = |reason: String| TensorError::Damaged { path: path.as_ref().clone(), reason };
    if length < 8 {
        return Err(damaged(format!("{length} bytes are too few for a safetensors header")));
    }
    let mut size = [0; 8];
    file.read_exact(&mut size).map_err(TensorError::read(path))?;
    let size = u64::from_le_bytes(size);
    if size > MAX_HEADER.min(length - 8) {
        let room = length - 8;
        return Err(damaged(format!(
            "its header claims {size} bytes, but {room} follow and at most {MAX_HEADER} are taken"
        )));
    }
    let mut header = vec![0; size as usize];
    file.read_exact(&mut header).map_err(TensorError::read(path))?;
    let Entries(entries) =
        serde_json::from_slice(&header).map_err(|e| damaged(format!("its header is not JSON: {e}")))?;
    let mut names: Vec<&str> = entries.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(damaged(format!("its header names {} twice", quote(pair[0]))));
    }

    let mut tensors = Vec::with_capacity(entries.len());
    let mut claims = Vec::with_capacity(entries.len());
    for (name, entry) in entries.into_iter().filter(|(name, _)| name != "__metadata__") {
        let entry: Entry = serde_json::from_value(entry)
            .map_err(|e| damaged(format!("the header's entry {}: {e}", quote(&name))))?;
        let element = element(&entry.dtype);
        check(&entry, length - 8 - size)
            .map_err(|what| damaged(format!("the tensor {} {what}", quote(&name))))?;
        claims.push((entry.data_offsets, quote(&name)));
        tensors.push(Tensor {
            name,
            path: path.clone(),
            element,
            dtype: entry.dtype,
            shape: entry.shape,
            fortran_order: false,
            big_endian: false,
            start: 8 + size + entry.data_offsets.0,
        });
    }
    tensors.sort_by_key(|tensor| tensor.start);
    check_claims(claims, length - 8 - size).map_err(damaged)?;
    Ok(tensors)
}

/// That the data lie one after the other, from the header to the end of the file: "no holes" says the format, so that
/// nothing hides in a file, and no tensor in another.
fn check_claims(mut claims: Vec<((u64, u64), String)>, room: u64) -> Result<(), String> {
    claims.sort();
    let mut end = 0;
    let mut before: Option<String> = None;
    for ((start, next), name) in claims {
        match &before {
            Some(before) if start < end => {
                return Err(format!("the tensors {before} and {name} overlap: both claim byte {start}"));
            }
            _ if start > end => {
                return Err(format!("the bytes {end} to {start} before {name} belong to no tensor"));
            }
            _ => {}
        }
        (end, before) = (next, Some(name));
    }
    if end < room {
        return Err(format!("{} bytes after the last tensor belong to none", room - end));
    }
    Ok(())
}

fn element(dtype: &str) -> Option<Element> {
    match dtype {
        "F8_E4M3" => Some(Element::F8E4m3),
        "F8_E5M2" => Some(Element::F8E5m2),
        "F16" => Some(Element::F16),
        "BF16" => Some(Element::Bf16),
        "F32" => Some(Element::F32),
        "F64" => Some(Element::F64),
        _ => None,
    }
}

/// Bits of a number of each type of the format that has any.
fn bits(dtype: &str) -> Option<u64> {
    Some(match dtype {
        "F4" => 4,
        "F6_E2M3" | "F6_E3M2" => 6,
        "BOOL" | "U8" | "I8" | "F8_E4M3" | "F8_E5M2" | "F8_E8M0" | "F8_E4M3FNUZ" | "F8_E5M2FNUZ" => 8,
        "I16" | "U16" | "F16" | "BF16" => 16,
        "I32" | "U32" | "F32" => 32,
        "I64" | "U64" | "F64" | "C64" => 64,
        _ => return None,
    })
}

/// That the data lie inside the file and are as many as the shape asks for; of a type that is not known, any but none.
fn check(entry: &Entry, room: u64) -> Result<(), String> {
    let (start, end) = entry.data_offsets;
    if start > end || end > room {
        return Err(format!("claims the bytes {start} to {end} of {room}: the file is cut short or damaged"));
    }
    let numbers = super::tensor::count(&entry.shape);
    let fits = match (bits(&entry.dtype), numbers) {
        (Some(bits), Some(numbers)) => {
            numbers.checked_mul(bits).is_some_and(|bits| bits.div_ceil(8) == end - start)
        }
        (None, Some(numbers)) => (numbers == 0) == (start == end),
        (_, None) => false,
    };
    let dtype = quote(&entry.dtype);
    if fits {
        Ok(())
    } else {
        Err(format!("has shape {:?} and type {dtype}, but {} bytes", entry.shape, end - start))
    }
}
