//! The files of a run's directory by name, and how they are read: as far as the manifest vouches for them.

use super::{
    Extent, SavePoint, StoreError, disk,
    metrics::{Metrics, Parser, Wrong},
};
use flate2::bufread::GzDecoder;
use serde::de::DeserializeOwned;
use std::{
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

pub(super) const CONFIG: &str = "config.toml";
pub(super) const METRICS: &str = "metrics.csv";
pub(super) const SPECTRA: &str = "spectra.csv";
pub(super) const DIAGNOSTICS: &str = "diagnostics.csv";
pub(super) const FINAL: &str = "final.safetensors";
pub(super) const CHECKPOINT: &str = "checkpoint-";
/// Behind the name of a table that was published: it is compressed by gzip.
pub(super) const COMPRESSED: &str = ".gz";
/// Before what belongs to the end of a budget.
pub(super) const END: &str = "end-";

/// The tables of a trajectory: they grow.
pub(super) const TABLES: [&str; 3] = [METRICS, SPECTRA, DIAGNOSTICS];

/// The file of the end at `epoch` that continues `name`: `end-00001000-metrics.csv`.
pub(super) fn end_file(epoch: u64, name: &str) -> String {
    format!("{END}{epoch:08}-{name}")
}

/// Whether a file holds parameters or a state, and not text.
pub(super) fn is_parameters(name: &str) -> bool {
    name.ends_with(".safetensors")
}

/// What may lie behind the part of a file that is vouched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// Nothing: the file is whole.
    None,
    /// Rows that the manifest does not know yet.
    Rows,
}

/// The vouched part of a file, of at most `limit` bytes.
pub(super) fn read_vouched(
    dir: &Path,
    name: &str,
    point: &SavePoint,
    tail: Tail,
    limit: u64,
) -> Result<Vec<u8>, StoreError> {
    let path = dir.join(name);
    let extent = extent(&path, name, point)?;
    if extent.bytes > limit {
        let reason = format!("{} bytes in the manifest; {limit} are the most", extent.bytes);
        return Err(StoreError::Format { path, reason });
    }
    let mut reader = open(&path, extent, tail)?;
    let mut bytes = Vec::with_capacity(usize::try_from(extent.bytes).unwrap_or(0));
    reader.read_to_end(&mut bytes).map_err(StoreError::io("read", &path))?;
    reader.check(&path, extent)?;
    Ok(bytes)
}

/// Whether the vouched part of a file, of any size, is what was written.
pub(super) fn check_vouched(dir: &Path, name: &str, point: &SavePoint, tail: Tail) -> Result<(), StoreError> {
    let path = dir.join(name);
    let extent = extent(&path, name, point)?;
    open(&path, extent, tail)?.check(&path, extent)
}

/// The rows of the vouched part of a table of any size, one after the other. What `row` was given counts only if all went
/// well: that the file is whole is known at its end.
pub(super) fn for_each_row<R: DeserializeOwned>(
    dir: &Path,
    name: &str,
    point: &SavePoint,
    tail: Tail,
    mut row: impl FnMut(R),
) -> Result<(), StoreError> {
    let path = dir.join(name);
    let extent = extent(&path, name, point)?;
    let mut reader = open(&path, extent, tail)?;
    let parsed: Result<(), csv::Error> =
        csv::Reader::from_reader(&mut reader).deserialize().try_for_each(|found| {
            row(found?);
            Ok(())
        });
    // a damaged file is called damaged, whatever the parser made of it
    reader.check(&path, extent)?;
    parsed.map_err(|source| StoreError::Rows { path, source })
}

/// The evaluations in the vouched part of a table of run `run`.
pub(super) fn read_metrics(
    dir: &Path,
    name: &str,
    run: &str,
    point: &SavePoint,
    tail: Tail,
) -> Result<Metrics, StoreError> {
    let path = dir.join(name);
    let extent = extent(&path, name, point)?;
    let mut reader = open(&path, extent, tail)?;
    let parsed = parse_metrics(run, csv::Reader::from_reader(&mut reader));
    // a damaged file is called damaged, whatever the parser made of it
    reader.check(&path, extent)?;
    parsed.map_err(|(line, what)| StoreError::Format { path, reason: format!("line {line}: {what}") })
}

pub(super) fn parse_metrics(run: &str, mut reader: csv::Reader<impl Read>) -> Result<Metrics, Wrong> {
    let failed = |e: csv::Error| (e.position().map_or(0, csv::Position::line), e.to_string());
    let header = reader.headers().map_err(failed)?;
    if header.is_empty() {
        return Ok(Metrics::default());
    }
    let mut parser = Parser::new(run, header)?;
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(failed)? {
        parser.row(&record)?;
    }
    Ok(parser.metrics)
}

fn extent<'a>(path: &Path, name: &str, point: &'a SavePoint) -> Result<&'a Extent, StoreError> {
    let missing =
        || StoreError::Format { path: path.to_owned(), reason: "the manifest does not name it".into() };
    point.files.get(name).ok_or_else(missing)
}

fn open(path: &Path, extent: &Extent, tail: Tail) -> Result<Vouched, StoreError> {
    let wrong = |reason: String| StoreError::Format { path: path.to_owned(), reason };
    let vouched = |file: Box<dyn Read>, is_compressed| Vouched {
        file: file.take(extent.bytes),
        hasher: disk::Hasher::default(),
        is_compressed,
    };
    let (file, length) = match disk::open_regular(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound && compressed(path).is_file() => {
            let path = compressed(path);
            let (file, _) = disk::open_regular(&path).map_err(StoreError::io("read", &path))?;
            return Ok(vouched(Box::new(GzDecoder::new(BufReader::new(file))), true));
        }
        opened => opened.map_err(StoreError::io("read", path))?,
    };
    if length < extent.bytes {
        return Err(wrong(format!("cut: {length} bytes, {} were written", extent.bytes)));
    }
    if length > extent.bytes && tail == Tail::None {
        return Err(wrong(format!("damaged: {length} bytes, {} were written", extent.bytes)));
    }
    Ok(vouched(Box::new(BufReader::new(file)), false))
}

/// Where the table at `path` is if it was published.
fn compressed(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(COMPRESSED);
    name.into()
}

/// The first bytes of a file, hashed as they are read.
struct Vouched {
    file: io::Take<Box<dyn Read>>,
    hasher: disk::Hasher,
    is_compressed: bool,
}

impl Vouched {
    /// Reads what is left and compares the digest. What was compressed was whole, so nothing may come behind it.
    fn check(mut self, path: &Path, extent: &Extent) -> Result<(), StoreError> {
        io::copy(&mut self, &mut io::sink()).map_err(StoreError::io("read", path))?;
        let damaged = |reason: &str| StoreError::Format { path: path.to_owned(), reason: reason.to_owned() };
        if self.hasher.hex() != extent.sha256 {
            return Err(damaged("damaged: its digest is not the one in the manifest"));
        }
        if self.is_compressed {
            self.file.set_limit(1);
            if self.file.read(&mut [0]).map_err(StoreError::io("read", path))? > 0 {
                return Err(damaged("damaged: there is more than was written"));
            }
        }
        Ok(())
    }
}

impl Read for Vouched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// What gzip made of something.
    pub(in crate::store) fn decompress(bytes: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        GzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
        plain
    }
}
