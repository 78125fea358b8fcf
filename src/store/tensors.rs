//! Parameters in safetensors files.

use super::StoreError;
use crate::model::ParamLayout;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
};

/// A tensor to be written: name, type, shape, little-endian bytes.
pub type NamedTensor<'a> = (String, Dtype, Vec<usize>, &'a [u8]);

/// The parameters of one flat buffer under their names, prefixed.
pub fn named_tensors<'a>(prefix: &str, layout: &ParamLayout, flat: &'a [f32]) -> Vec<NamedTensor<'a>> {
    layout
        .iter()
        .map(|p| {
            let bytes = bytemuck::cast_slice(&flat[p.range.clone()]);
            (format!("{prefix}{}", p.name), Dtype::F32, p.shape.clone(), bytes)
        })
        .collect()
}

/// Writes tensors as one safetensors file, atomically. The metadata are one entry, `groklab`, a JSON object:
/// safetensors keeps its own in a hash map, whose order would make the bytes differ from time to time.
pub fn write_safetensors(
    path: &Path,
    tensors: &[NamedTensor],
    metadata: &BTreeMap<&str, String>,
) -> Result<(), StoreError> {
    let json = serde_json::to_string(metadata).map_err(|e| format_error(path, e.to_string()))?;
    let metadata = HashMap::from([("groklab".to_owned(), json)]);
    let fail = |e: safetensors::SafeTensorError| format_error(path, e.to_string());
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| {
            Ok((name.as_str(), TensorView::new(*dtype, shape.clone(), bytes).map_err(fail)?))
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(fail)?;
    super::write_atomic(path, &bytes)
}

/// Reads all parameters of `layout` from a safetensors file, each under `prefix` + name or its bare name, as f32.
pub fn read_parameters(path: &Path, prefix: &str, layout: &ParamLayout) -> Result<Vec<f32>, StoreError> {
    if !fs::metadata(path).map_err(StoreError::io("read", path))?.is_file() {
        return Err(format_error(path, "not a regular file".to_owned()));
    }
    let bytes = fs::read(path).map_err(StoreError::io("read", path))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| format_error(path, e.to_string()))?;
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

fn format_error(path: &Path, reason: String) -> StoreError {
    StoreError::Format { path: path.to_owned(), reason }
}
