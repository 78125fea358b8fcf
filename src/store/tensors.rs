//! Parameters in safetensors files.

use super::{StoreError, disk};
use crate::run::Layout;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

/// Entry of the file's metadata that holds ours.
const METADATA: &str = "groklab";

/// A tensor to be written: name, type, shape, little-endian bytes.
pub type NamedTensor<'a> = (String, Dtype, Vec<usize>, &'a [u8]);

/// The parameters of one flat buffer under their names, prefixed.
pub fn named_tensors<'a>(prefix: &str, layout: &Layout, flat: &'a [f32]) -> Vec<NamedTensor<'a>> {
    layout
        .iter()
        .map(|p| {
            let bytes = bytemuck::cast_slice(&flat[p.range.clone()]);
            (format!("{prefix}{}", p.name), Dtype::F32, p.shape.clone(), bytes)
        })
        .collect()
}

/// The bytes of a safetensors file. The metadata are one entry, `groklab`, a JSON object:
/// safetensors keeps its own in a hash map, whose order would make the bytes differ from time to time.
///
/// `path` is where they are meant to go, for messages.
pub fn to_bytes(
    path: &Path,
    tensors: &[NamedTensor],
    metadata: &BTreeMap<&str, String>,
) -> Result<Vec<u8>, StoreError> {
    let json = serde_json::to_string(metadata).map_err(|e| format_error(path, e.to_string()))?;
    let metadata = HashMap::from([(METADATA.to_owned(), json)]);
    let fail = |e: safetensors::SafeTensorError| format_error(path, e.to_string());
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| {
            Ok((name.as_str(), TensorView::new(*dtype, shape.clone(), bytes).map_err(fail)?))
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    safetensors::serialize(views, Some(metadata)).map_err(fail)
}

/// The metadata that [`to_bytes`] wrote.
pub(super) fn metadata(path: &Path, bytes: &[u8]) -> Result<BTreeMap<String, String>, StoreError> {
    let fail = |reason: String| format_error(path, reason);
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| fail(e.to_string()))?;
    let json = header.metadata().as_ref().and_then(|m| m.get(METADATA));
    let json = json.ok_or_else(|| fail("no metadata of groklab".to_owned()))?;
    serde_json::from_str(json).map_err(|e| fail(format!("metadata: {e}")))
}

/// Reads all parameters of `layout` from a safetensors file, each under `prefix` + name or its bare name, as f32.
pub fn read_parameters(path: &Path, prefix: &str, layout: &Layout) -> Result<Vec<f32>, StoreError> {
    // a trace holds four buffers of this size, the equations and the batches
    let limit = 64 * layout.len() as u64 + (64 << 20);
    let bytes = disk::read(path, limit).map_err(StoreError::io("read", path))?;
    parse_parameters(path, &bytes, prefix, layout)
}

/// The same from the bytes of the file at `path`.
pub(super) fn parse_parameters(
    path: &Path,
    bytes: &[u8],
    prefix: &str,
    layout: &Layout,
) -> Result<Vec<f32>, StoreError> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| format_error(path, e.to_string()))?;
    parameters(path, &file, prefix, layout)
}

/// The parameters of `layout` in an open file, each under `prefix` + name or its bare name.
pub(super) fn parameters(
    path: &Path,
    file: &SafeTensors,
    prefix: &str,
    layout: &Layout,
) -> Result<Vec<f32>, StoreError> {
    let mut flat = vec![0.0; layout.len()];
    for p in layout.iter() {
        let tensor = file
            .tensor(&format!("{prefix}{}", p.name))
            .or_else(|_| file.tensor(&p.name))
            .map_err(|_| format_error(path, format!("the tensor {prefix}{} is missing", p.name)))?;
        if tensor.dtype() != Dtype::F32 || tensor.shape() != p.shape {
            let reason = format!(
                "the tensor {} is {:?} {:?}, the model needs F32 {:?}",
                p.name,
                tensor.dtype(),
                tensor.shape(),
                p.shape
            );
            return Err(format_error(path, reason));
        }
        for (value, bytes) in flat[p.range.clone()].iter_mut().zip(tensor.data().chunks_exact(4)) {
            *value = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
    }
    Ok(flat)
}

pub(super) fn format_error(path: &Path, reason: String) -> StoreError {
    StoreError::Format { path: path.to_owned(), reason }
}
