//! NumPy's `.npz`: a ZIP archive of `.npy` files. What `numpy.savez` stores is read where it lies, nothing is unpacked.
//!
//! Format: PKWARE's APPNOTE.TXT 6.3, §4.3.7 (local headers), §4.3.12 (central directory), §4.3.14 to §4.3.16 (its end,
//! and ZIP64, which NumPy uses for every array). An archive that `numpy.savez_compressed` wrote is refused by name.

use super::{Tensor, TensorError, error::quote, npy};
use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
    sync::Arc,
};

/// Largest central directory taken.
const MAX_DIRECTORY: u64 = 100_000_000;

/// One file of the archive.
struct Entry {
    name: String,
    method: u16,
    size: u64,
    header: u64,
}

/// The tensors of an archive of `length` bytes, each called after its file.
pub(super) fn tensors(mut file: File, length: u64, path: &Arc<PathBuf>) -> Result<Vec<Tensor>, TensorError> {
    let damaged = |reason: String| TensorError::Damaged { path: path.as_ref().clone(), reason };
    let directory = directory(&mut file, length, path)?;
    let entries = entries(&directory)
        .ok_or_else(|| damaged("the list of files at its end is not one of a ZIP archive".into()))?;
    let mut tensors = Vec::new();
    for entry in entries {
        let Some(name) = entry.name.strip_suffix(".npy") else { continue };
        if entry.method != 0 {
            return Err(TensorError::Conflict {
                what: format!("{} in {} is compressed", quote(&entry.name), path.display()),
                help: "write the archive with numpy.savez instead of numpy.savez_compressed",
            });
        }
        let local = read_at(&mut file, entry.header, 30, path)?;
        let lengths = [26, 28].map(|at| u64::from(u16_at(&local, at).unwrap_or(0)));
        let start = (entry.header + 30).checked_add(lengths[0] + lengths[1]);
        let end = start.and_then(|start| start.checked_add(entry.size)).filter(|&end| end <= length);
        let (Some(start), Some(end), true) = (start, end, local.starts_with(b"PK\x03\x04")) else {
            return Err(damaged(format!("{} does not lie where the archive says", quote(&entry.name))));
        };
        file.seek(SeekFrom::Start(start)).map_err(TensorError::read(path))?;
        tensors.push(npy::tensor_at(&mut file, start, end, path, name.to_owned())?);
    }
    Ok(tensors)
}

fn read_at(file: &mut File, at: u64, count: u64, path: &Arc<PathBuf>) -> Result<Vec<u8>, TensorError> {
    let mut bytes = vec![0; count as usize];
    let read = file.seek(SeekFrom::Start(at)).and_then(|_| file.read_exact(&mut bytes));
    read.map(|()| bytes).map_err(TensorError::read(path))
}

/// The bytes of the central directory.
fn directory(file: &mut File, length: u64, path: &Arc<PathBuf>) -> Result<Vec<u8>, TensorError> {
    let damaged = |reason: &str| TensorError::Damaged { path: path.as_ref().clone(), reason: reason.into() };
    // the end record, 22 bytes, and a comment of at most 65,535 after it
    let tail = length.min(22 + 65_535);
    let end = read_at(file, length - tail, tail, path)?;
    let at = end.windows(4).rposition(|four| four == b"PK\x05\x06");
    let at = at.ok_or_else(|| damaged("it does not end as a ZIP archive: it is cut short or damaged"))?;
    let mut size = u32_at(&end, at + 12).map(u64::from);
    let mut start = u32_at(&end, at + 16).map(u64::from);
    if let Some(locator) = at.checked_sub(20).filter(|&l| end[l..].starts_with(b"PK\x06\x07")) {
        let record = u64_at(&end, locator + 8).filter(|&record| record.checked_add(56) <= Some(length));
        let record = record.ok_or_else(|| damaged("its ZIP64 record lies outside of it"))?;
        let record = read_at(file, record, 56, path)?;
        (size, start) = (u64_at(&record, 40), u64_at(&record, 48));
    }
    match (start, size) {
        (Some(start), Some(size)) if size <= MAX_DIRECTORY && start.checked_add(size) <= Some(length) => {
            read_at(file, start, size, path)
        }
        _ => Err(damaged("its list of files lies outside of it")),
    }
}

fn entries(directory: &[u8]) -> Option<Vec<Entry>> {
    let (mut entries, mut rest) = (Vec::new(), directory);
    while !rest.is_empty() {
        if !rest.starts_with(b"PK\x01\x02") {
            return None;
        }
        let lengths = [28, 30, 32].map(|at| u16_at(rest, at).map(usize::from));
        let [Some(name), Some(extra), Some(comment)] = lengths else { return None };
        let mut entry = Entry {
            name: String::from_utf8_lossy(rest.get(46..46 + name)?).into_owned(),
            method: u16_at(rest, 10)?,
            size: u32_at(rest, 24)?.into(),
            header: u32_at(rest, 42)?.into(),
        };
        zip64(&mut entry, rest.get(46 + name..46 + name + extra)?, u32_at(rest, 20)?)?;
        entries.push(entry);
        rest = rest.get(46 + name + extra + comment..)?;
    }
    Some(entries)
}

/// Takes sizes and places of 64 bits from the extra field 1: those whose 32-bit field is all ones, in this order.
fn zip64(entry: &mut Entry, mut extra: &[u8], stored: u32) -> Option<()> {
    const WIDE: u64 = u32::MAX as u64;
    while extra.len() >= 4 {
        let size = usize::from(u16_at(extra, 2)?);
        if u16_at(extra, 0)? == 1 {
            let mut at = 4;
            let mut next = || {
                at += 8;
                u64_at(extra, at - 8)
            };
            if entry.size == WIDE {
                entry.size = next()?;
            }
            if u64::from(stored) == WIDE {
                next()?;
            }
            if entry.header == WIDE {
                entry.header = next()?;
            }
        }
        extra = extra.get(4 + size..)?;
    }
    Some(())
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}
fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}
fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
