//! What a config's `data.source` names, and its rows.

use super::{config::DataConfig, error::DataError};
use crate::run::ConfigError;
use groklab_vectors::samples::{Mixture, Parity, Samples, SamplesError, Variant, XorClusters};
use groklab_vectors::samples::{digits, idx_directory, npy, pixel_noise};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Where rows come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Digits,
    /// A directory with the files of MNIST's format.
    Idx(PathBuf),
    /// Inputs and labels.
    Npy(PathBuf, PathBuf),
    Isotropic,
    Spike,
    Sub,
    Xor,
    XorClusters,
    /// Of so many inputs.
    Parity(usize),
}

impl Source {
    /// Of a config's text.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let words = [Self::Digits, Self::Isotropic, Self::Spike, Self::Sub, Self::Xor, Self::XorClusters];
        if let Some(source) = words.into_iter().find(|source| source.word() == text) {
            return Ok(source);
        }
        match text.split_once(':') {
            Some(("parity", relevant)) => match relevant.parse::<usize>() {
                Ok(relevant) if relevant > 0 && relevant.to_string() == text["parity:".len()..] => {
                    Ok(Self::Parity(relevant))
                }
                _ => Err(Self::unknown(text)),
            },
            Some(("idx", directory)) if !directory.is_empty() => Ok(Self::Idx(directory.into())),
            Some(("npy", files)) => match files.split_once(',') {
                Some((inputs, labels)) if !inputs.is_empty() && !labels.is_empty() => {
                    Ok(Self::Npy(inputs.into(), labels.into()))
                }
                _ => Err(Self::unknown(text)),
            },
            _ => Err(Self::unknown(text)),
        }
    }

    fn unknown(text: &str) -> ConfigError {
        let rule = "source is digits, idx:DIRECTORY, npy:INPUTS.npy,LABELS.npy, isotropic, spike, sub, xor, xor-clusters or parity:K";
        let value = text.chars().take(60).collect();
        ConfigError::OutOfRange { key: "data.source", value, rule }
    }

    /// Its name, without a path.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Digits => "digits",
            Self::Idx(_) => "idx",
            Self::Npy(..) => "npy",
            Self::Isotropic => "isotropic",
            Self::Spike => "spike",
            Self::Sub => "sub",
            Self::Xor => "xor",
            Self::XorClusters => "xor-clusters",
            Self::Parity(_) => "parity",
        }
    }

    /// As in a config, with paths that hold wherever a command is run.
    pub fn text(&self) -> String {
        let place =
            |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string();
        match self {
            Self::Idx(directory) => format!("idx:{}", place(directory)),
            Self::Npy(inputs, labels) => format!("npy:{},{}", place(inputs), place(labels)),
            Self::Parity(relevant) => format!("parity:{relevant}"),
            word => word.word().to_owned(),
        }
    }

    /// Whether the user's own files are read.
    pub fn is_file(&self) -> bool {
        matches!(self, Self::Idx(_) | Self::Npy(..))
    }

    /// Whether rows are drawn.
    pub fn is_drawn(&self) -> bool {
        matches!(self, Self::XorClusters | Self::Parity(_)) || self.is_mixture()
    }

    /// Whether they are drawn from Gaussian clusters.
    pub fn is_mixture(&self) -> bool {
        matches!(self, Self::Isotropic | Self::Spike | Self::Sub | Self::Xor)
    }

    /// So many rows, of a source that draws them.
    pub fn draw(&self, data: &DataConfig, seed: u64, rows: u64) -> Result<Samples, SamplesError> {
        let variant = match self {
            Self::XorClusters => {
                let clusters =
                    XorClusters { width: data.width, epsilon: data.epsilon, noise: data.deviation };
                return clusters.draw(seed, 0..rows);
            }
            Self::Parity(relevant) => {
                return Parity { width: data.width, relevant: *relevant }.draw(seed, 0..rows);
            }
            Self::Spike => Variant::Spiked { lean: data.lean },
            Self::Sub => Variant::Minority,
            Self::Xor => Variant::Xor,
            _ => Variant::Isotropic,
        };
        let (width, strength, deviation) = (data.width, data.feature, data.deviation);
        Mixture { variant, width, strength, deviation }.draw(seed, 0..rows)
    }
}

/// The rows that runs of a source choose from.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    /// Standardised, with their noise.
    pub samples: Samples,
    /// The rows from here on are for validation only.
    pub first_val: Option<usize>,
    /// SHA-256 of the rows as they are in the file, hexadecimal.
    pub digest: String,
    /// The user's own files and their bytes.
    pub files: Vec<(PathBuf, u64)>,
}

impl Pool {
    /// Reads a source that draws nothing.
    pub fn load(source: &Source, data: &DataConfig) -> Result<Self, DataError> {
        let (raw, first_val, paths) = match source {
            Source::Idx(directory) => idx(directory)?,
            Source::Npy(inputs, labels) => (npy(inputs, labels)?, None, vec![inputs.clone(), labels.clone()]),
            _ => (digits()?, None, Vec::new()),
        };
        let digest = digest(&raw, first_val);
        let size = |path: PathBuf| {
            let bytes = std::fs::metadata(&path).map(|file| file.len()).unwrap_or_default();
            (std::path::absolute(&path).unwrap_or(path), bytes)
        };
        let files = paths.into_iter().map(size).collect();
        let samples = if source.is_file() && data.standardise { standardised(raw, first_val)? } else { raw };
        let samples = match data.pixel_noise {
            0.0 => samples,
            deviation => pixel_noise(samples, deviation as f32, data.pixel_seed)?,
        };
        Ok(Self { samples, first_val, digest, files })
    }
}

/// The pair `train` of a directory, and behind it the pair `t10k` if it has one.
fn idx(directory: &Path) -> Result<(Samples, Option<usize>, Vec<PathBuf>), SamplesError> {
    let files = |part: &str| {
        ["images-idx3", "labels-idx1"].map(|kind| directory.join(format!("{part}-{kind}-ubyte"))).to_vec()
    };
    let train = idx_directory(directory, "train")?;
    let mut paths = files("train");
    if !files("t10k").iter().any(|path| path.exists()) {
        return Ok((train, None, paths));
    }
    let val = idx_directory(directory, "t10k")?;
    if val.width() != train.width() {
        let reason = format!("images of {} pixels in train and of {} in t10k", train.width(), val.width());
        return Err(SamplesError::Unfit(reason));
    }
    paths.extend(files("t10k"));
    let inputs = [train.inputs(), val.inputs()].concat();
    let labels = [train.labels(), val.labels()].concat();
    let classes = train.classes().max(val.classes());
    Ok((Samples::new(inputs, train.width(), labels, classes)?, Some(train.rows()), paths))
}

/// By the mean and deviation of all inputs of the rows that may be trained on.
fn standardised(samples: Samples, first_val: Option<usize>) -> Result<Samples, SamplesError> {
    let inputs = &samples.inputs()[..first_val.unwrap_or(samples.rows()) * samples.width()];
    let n = inputs.len() as f64;
    let mean = inputs.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    let square = inputs.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
    samples.standardised(mean as f32, square.sqrt() as f32)
}

fn digest(samples: &Samples, first_val: Option<usize>) -> String {
    let mut hasher = Sha256::new();
    hasher.update(b"groklab-vectors/1\0");
    for size in [samples.rows(), samples.width(), samples.classes(), first_val.unwrap_or(samples.rows())] {
        hasher.update((size as u64).to_le_bytes());
    }
    samples.labels().iter().for_each(|label| hasher.update(label.to_le_bytes()));
    samples.inputs().iter().for_each(|input| hasher.update(input.to_le_bytes()));
    hex(hasher)
}

/// The digest of a rule that draws rows: which rule; its settings are keys of their own.
pub(super) fn digest_of_rule(source: &Source) -> String {
    let rule = match source {
        Source::Parity(_) => source.text(),
        word => word.word().to_owned(),
    };
    hex(Sha256::new_with_prefix(format!("groklab-vectors/1 {rule}")))
}

fn hex(hasher: Sha256) -> String {
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
