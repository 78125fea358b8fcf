//! The header of a safetensors file: an 8-byte little-endian length, that many bytes of JSON, then the data.
//!
//! Format: <https://github.com/huggingface/safetensors#format>. The `safetensors` crate wants the whole file in
//! memory, or mapped, which a file cut short answers with a signal; here only the header is read.

use super::{Element, Tensor, TensorError, error::quote};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::{fs::File, io::Read, path::PathBuf, sync::Arc};

/// Longest header taken, as in the `safetensors` crate.
const MAX_HEADER: u64 = 100_000_000;

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
    let header: Map<String, Value> =
        serde_json::from_slice(&header).map_err(|e| damaged(format!("its header is not JSON: {e}")))?;

    let mut tensors = Vec::with_capacity(header.len());
    for (name, entry) in header.into_iter().filter(|(name, _)| name != "__metadata__") {
        let entry: Entry = serde_json::from_value(entry)
            .map_err(|e| damaged(format!("the header's entry {}: {e}", quote(&name))))?;
        let element = element(&entry.dtype);
        check(&entry, element, length - 8 - size)
            .map_err(|what| damaged(format!("the tensor {} {what}", quote(&name))))?;
        tensors.push(Tensor {
            name,
            path: path.clone(),
            element,
            dtype: entry.dtype,
            shape: entry.shape,
            fortran_order: false,
            start: 8 + size + entry.data_offsets.0,
        });
    }
    tensors.sort_by_key(|tensor| tensor.start);
    Ok(tensors)
}

fn element(dtype: &str) -> Option<Element> {
    match dtype {
        "F16" => Some(Element::F16),
        "BF16" => Some(Element::Bf16),
        "F32" => Some(Element::F32),
        "F64" => Some(Element::F64),
        _ => None,
    }
}

/// That the data lie inside the file and are as many as the shape asks for.
fn check(entry: &Entry, element: Option<Element>, room: u64) -> Result<(), String> {
    let (start, end) = entry.data_offsets;
    if start > end || end > room {
        return Err(format!("claims the bytes {start} to {end} of {room}: the file is cut short or damaged"));
    }
    let Some(element) = element else { return Ok(()) };
    match super::tensor::bytes(&entry.shape, element) {
        Some(needed) if needed == end - start => Ok(()),
        _ => Err(format!("has shape {:?} and type {}, but {} bytes", entry.shape, entry.dtype, end - start)),
    }
}
