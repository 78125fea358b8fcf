//! Which files a path stands for, and what is in each.

use super::{Tensor, TensorError, content, error::quote, npy, npz, safetensors};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::{Component, Path, PathBuf},
    sync::Arc,
};

/// The files that `path` stands for: itself, or of a directory the index, else `model.safetensors`, else all safetensors.
pub(super) fn of(path: &Path) -> Result<Vec<PathBuf>, TensorError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect());
    let mut files: Vec<PathBuf> = entries.map_err(TensorError::read(path))?;
    files.sort();
    let ending = |end: &str| -> Vec<PathBuf> {
        let ends = |file: &&PathBuf| file.to_string_lossy().ends_with(end) && !file.is_dir();
        files.iter().filter(ends).cloned().collect()
    };
    let (indices, whole, all) =
        (ending(".safetensors.index.json"), path.join("model.safetensors"), ending(".safetensors"));
    match (&indices[..], &all[..]) {
        ([_], _) => Ok(indices),
        ([_, ..], _) => Err(TensorError::Conflict {
            what: format!("{} holds {} indices of shards", path.display(), indices.len()),
            help: "name the one that is meant",
        }),
        ([], _) if whole.is_file() => Ok(vec![whole]),
        ([], []) => Err(TensorError::Conflict {
            what: format!("{} holds no safetensors", path.display()),
            help: "name the directory of a model, as the Hugging Face hub has it, or the files themselves",
        }),
        ([], _) => Ok(all),
    }
}

/// The tensors of one file.
pub(super) fn tensors_of(path: &Path) -> Result<Vec<Tensor>, TensorError> {
    let shared = Arc::new(path.to_owned());
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    let (length, mut file) = open(path)?;
    match extension.as_deref() {
        Some("npz") => npz::tensors(file, length, &shared),
        Some("safetensors") => {
            content::check(&mut file, path)?;
            safetensors::tensors(file, length, &shared)
        }
        Some("npy") => {
            content::check(&mut file, path)?;
            Ok(vec![npy::tensor(file, length, &shared)?])
        }
        _ => Err(TensorError::UnknownFormat { path: path.to_owned() }),
    }
}

/// Opens a regular file. Others are refused unopened: opening a pipe would wait for its writer.
fn open(path: &Path) -> Result<(u64, File), TensorError> {
    let about = fs::metadata(path).map_err(TensorError::read(path))?;
    if !about.is_file() {
        let kind = if about.is_dir() { "a directory" } else { "a pipe, a socket or a device" };
        return Err(TensorError::NotAFile { path: path.to_owned(), kind });
    }
    let file = File::open(path).map_err(TensorError::read(path))?;
    Ok((about.len(), file))
}

/// The files an index as Hugging Face writes it refers to, in the order of their names, and the tensors it says are in each.
pub(super) fn shards(index: &Path) -> Result<BTreeMap<PathBuf, BTreeSet<String>>, TensorError> {
    /// Far beyond any model's: the largest published ones take a few MB.
    const MAX_INDEX: u64 = 100_000_000;
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let damaged = |reason: String| TensorError::Damaged { path: index.to_owned(), reason };
    let (length, mut file) = open(index)?;
    if length > MAX_INDEX {
        return Err(damaged(format!("{length} bytes; an index has at most {MAX_INDEX}")));
    }
    content::check(&mut file, index)?;
    let index_json: Index = serde_json::from_reader(std::io::BufReader::new(file))
        .map_err(|e| damaged(format!("it is not an index of shards: {e}")))?;
    let directory = index.parent().unwrap_or(Path::new(""));
    let mut shards: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
    for (tensor, file) in index_json.weight_map {
        let is_below = Path::new(&file).components().all(|part| matches!(part, Component::Normal(_)));
        if file.is_empty() || !is_below {
            return Err(damaged(format!("{} is not the name of a file beside it or below", quote(&file))));
        }
        shards.entry(directory.join(file)).or_default().insert(tensor);
    }
    Ok(shards)
}
