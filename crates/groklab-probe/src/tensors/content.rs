//! What a file is by its first bytes, where that is not what its name says.

use super::TensorError;
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

/// First bytes, what they are the first bytes of, and what to do.
const KINDS: [(&[u8], &str, &str); 9] = [
    (
        b"version https://git-lfs.github.com/spec/",
        "a Git LFS pointer: the place of a file, not the file",
        "fetch the file it stands for with `git lfs pull`, or download it from the hub",
    ),
    (b"<!doctype", "a web page", WEB),
    (b"<html", "a web page", WEB),
    (b"<?xml", "an XML document", WEB),
    (
        b"PK\x03\x04",
        "a ZIP archive, as torch.save and numpy.savez write it",
        "name an archive of NumPy's .npz; rewrite one of torch.save with safetensors.torch.save_file(torch.load(…), \"out.safetensors\")",
    ),
    (
        b"\x80\x02",
        "a Python pickle",
        "rewrite it with safetensors.torch.save_file(torch.load(…), \"out.safetensors\"), if you trust it",
    ),
    (b"GGUF", "a GGUF file", "take the safetensors it was made from: quantised blocks of GGUF are not read"),
    (b"\x89HDF", "an HDF5 file", "rewrite its arrays with numpy.savez"),
    (b"\x1f\x8b", "compressed by gzip", "unpack it with gunzip first"),
];
const WEB: &str = "the download got a page instead of the file: log in, or follow the link to the raw file";

/// Refuses what its first bytes give away; leaves `file` at its start.
pub(super) fn check(file: &mut File, path: &Path) -> Result<(), TensorError> {
    let mut start = Vec::new();
    file.by_ref().take(64).read_to_end(&mut start).map_err(TensorError::read(path))?;
    file.seek(SeekFrom::Start(0)).map_err(TensorError::read(path))?;
    // a length and an opening brace: safetensors, whatever magic number the length happens to be
    if start.get(8) == Some(&b'{') {
        return Ok(());
    }
    let text = start.trim_ascii_start();
    let begins = |first: &[u8]| text.len() >= first.len() && text[..first.len()].eq_ignore_ascii_case(first);
    match KINDS.iter().find(|(first, ..)| begins(first)) {
        Some((_, kind, help)) => Err(TensorError::OtherContent { path: path.to_owned(), kind, help }),
        None => Ok(()),
    }
}
