//! Writes a run directory: `config.toml`, `manifest.json`, `metrics.csv`, `spectra.csv`, `final.safetensors`.
//!
//! Whole files appear atomically; CSV rows are flushed one by one, so what a reader sees is always a prefix of the truth.

use super::{Checkpoint, Manifest, MetricsRow, SpectrumRow, named_tensors, write_safetensors};
use crate::{config::RunConfig, model::ParamLayout, probe::Spectra};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Version of the format of run directories.
pub const FORMAT: u32 = 1;

/// Something in a results directory could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file operation failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// A row could not be written.
    #[error("cannot write a row of {}: {source}", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// Why.
        source: csv::Error,
    },
    /// A document could not be encoded or decoded.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl StoreError {
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}

/// Writes `bytes` to `path` so that a reader sees the old file or the new one, never a part.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let dir = path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(dir).map_err(StoreError::io("create", dir))?;
    let write = || -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(".writing-").tempfile_in(dir)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        // a temporary file is private to its owner, a result is not
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
        }
        file.persist(path).map_err(|e| e.error)?;
        Ok(())
    };
    write().map_err(StoreError::io("write", path))
}

/// The manifest of a run directory, if there is one.
pub fn read_manifest(dir: &Path) -> Result<Option<Manifest>, StoreError> {
    let path = dir.join("manifest.json");
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(StoreError::io("read", &path)(e)),
    };
    serde_json::from_slice(&text).map(Some).map_err(|e| StoreError::Format { path, reason: e.to_string() })
}

/// An open run directory.
pub struct RunWriter {
    dir: PathBuf,
    metrics: csv::Writer<File>,
    spectra: csv::Writer<File>,
    run: String,
}

impl RunWriter {
    /// Starts the directory anew: what an interrupted run left there is replaced.
    pub fn create(dir: &Path, config: &RunConfig, manifest: &Manifest) -> Result<Self, StoreError> {
        fs::create_dir_all(dir).map_err(StoreError::io("create", dir))?;
        let config_path = dir.join("config.toml");
        let text = toml::to_string(config)
            .map_err(|e| StoreError::Format { path: config_path.clone(), reason: e.to_string() })?;
        write_manifest(dir, manifest)?;
        write_atomic(&config_path, text.as_bytes())?;
        let open = |name: &str| {
            let path = dir.join(name);
            File::create(&path).map(csv::Writer::from_writer).map_err(StoreError::io("create", &path))
        };
        Ok(Self {
            metrics: open("metrics.csv")?,
            spectra: open("spectra.csv")?,
            dir: dir.to_owned(),
            run: manifest.run.clone(),
        })
    }

    /// Appends one evaluation.
    pub fn metrics(&mut self, row: &MetricsRow) -> Result<(), StoreError> {
        append(&mut self.metrics, &self.dir.join("metrics.csv"), [row])
    }

    /// Appends the spectra of one checkpoint, n rows.
    pub fn spectra(&mut self, checkpoint: Checkpoint, epoch: u64, s: &Spectra) -> Result<(), StoreError> {
        let value = |list: &[f64], i: usize| list.get(i).copied().unwrap_or(0.0);
        let rows = (0..s.p.len()).map(|i| SpectrumRow {
            run: self.run.clone(),
            checkpoint,
            epoch,
            i: i + 1,
            singular_value: value(&s.singular_values, i),
            p: s.p[i],
            q: s.q[i],
            covariance_eigenvalue: value(&s.covariance_eigenvalues, i),
        });
        append(&mut self.spectra, &self.dir.join("spectra.csv"), rows)
    }

    /// Writes the final parameters.
    pub fn parameters(&self, layout: &ParamLayout, flat: &[f32]) -> Result<(), StoreError> {
        let metadata = BTreeMap::from([("run", self.run.clone())]);
        let path = self.dir.join("final.safetensors");
        write_safetensors(&path, &named_tensors("", layout, flat), &metadata)
    }
}

fn append<R: serde::Serialize>(
    writer: &mut csv::Writer<File>,
    path: &Path,
    rows: impl IntoIterator<Item = R>,
) -> Result<(), StoreError> {
    for row in rows {
        writer.serialize(row).map_err(|source| StoreError::Csv { path: path.to_owned(), source })?;
    }
    writer.flush().map_err(StoreError::io("write", path))
}

/// Replaces the manifest of a run directory.
pub fn write_manifest(dir: &Path, manifest: &Manifest) -> Result<(), StoreError> {
    let path = dir.join("manifest.json");
    let mut text = serde_json::to_vec_pretty(manifest)
        .map_err(|e| StoreError::Format { path: path.clone(), reason: e.to_string() })?;
    text.push(b'\n');
    write_atomic(&path, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("new/dir/runs.csv");
        write_atomic(&path, b"one").unwrap();
        write_atomic(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_refused_write_names_the_path() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("taken");
        fs::create_dir(&path).unwrap();
        assert!(write_atomic(&path, b"x").unwrap_err().to_string().contains("taken"));
    }
}
