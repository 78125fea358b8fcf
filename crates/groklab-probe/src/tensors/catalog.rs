//! All tensors of one or several files, and the finding of one among them.

use super::{
    Tensor, TensorError,
    error::{quote, shown},
    files,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// A file and perhaps a tensor in it, as one writes it: `FILE` or `FILE:TENSOR`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// The file.
    pub path: PathBuf,
    /// The tensor, if one is named.
    pub tensor: Option<String>,
}

impl Location {
    /// Splits at the last colon that has the name of something that exists before it, as tensors too may have colons in
    /// their names; at the last of all if there is none, so that the error is about the file.
    pub fn parse(text: &str) -> Self {
        let whole = || Self { path: text.into(), tensor: None };
        if Path::new(text).exists() {
            return whole();
        }
        let splits = || text.rmatch_indices(':').map(|(at, _)| (&text[..at], &text[at + 1..]));
        let usable = |(path, tensor): &(&str, &str)| !path.is_empty() && !tensor.is_empty();
        let existing = splits().filter(usable).find(|(path, _)| Path::new(path).exists());
        match existing.or_else(|| splits().next().filter(usable)) {
            Some((path, tensor)) => Self { path: path.into(), tensor: Some(tensor.to_owned()) },
            None => whole(),
        }
    }
}

/// A tensor that lies in one of the files and is not one of the model's.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Aside {
    /// The tensor.
    pub tensor: Tensor,
    /// Why it does not count.
    pub reason: String,
}

/// What lies in some files. Names are unique.
#[derive(Clone, Debug)]
pub struct Catalog {
    tensors: Vec<Tensor>,
    aside: Vec<Aside>,
    /// The files, for messages.
    place: String,
}

impl Catalog {
    /// Lists the tensors of `locations`, the names of tensors aside. A file that ends in `.index.json` stands for the
    /// shards it lists, and decides which of them a tensor comes from; a directory stands for the index in it, else for
    /// `model.safetensors`, else for all its safetensors.
    ///
    /// # Errors
    /// If a file cannot be read, is damaged, or holds no tensors, or two of them hold tensors of one name.
    pub fn open(locations: &[Location]) -> Result<Self, TensorError> {
        let (mut tensors, mut aside) = (Vec::new(), Vec::new());
        let mut count = 0;
        for location in locations {
            for path in files::of(&location.path)? {
                if !path.to_string_lossy().ends_with(".index.json") {
                    tensors.extend(files::tensors_of(&path)?);
                    count += 1;
                    continue;
                }
                let shards = files::shards(&path)?;
                count += shards.len();
                for (shard, names) in &shards {
                    let found = files::tensors_of(shard)?;
                    // a head that is missing would pass for a tied one
                    if let Some(name) = names.iter().find(|name| found.iter().all(|t| t.name != **name)) {
                        let reason =
                            format!("{} lists {} in it, which it lacks", path.display(), quote(name));
                        return Err(TensorError::Damaged { path: shard.clone(), reason });
                    }
                    for tensor in found {
                        if names.contains(&tensor.name) {
                            tensors.push(tensor);
                            continue;
                        }
                        let other = shards.iter().find(|(_, names)| names.contains(&tensor.name));
                        let reason = match other {
                            Some((other, _)) => format!("the index takes it from {}", other.display()),
                            None => "the index does not list it".to_owned(),
                        };
                        aside.push(Aside { tensor, reason });
                    }
                }
            }
        }
        let place = match (locations, count) {
            ([one], _) => one.path.display().to_string(),
            (_, count) => format!("{count} files"),
        };
        if tensors.is_empty() {
            return Err(TensorError::Conflict {
                what: format!("{place} holds no tensors"),
                help: "name the file of the weights; of a model in several files, all of them or its index",
            });
        }
        check_unique(&tensors)?;
        Ok(Self { tensors, aside, place })
    }

    /// Tensors that lie in the files but that an index takes from elsewhere, or does not know.
    pub fn aside(&self) -> &[Aside] {
        &self.aside
    }

    /// The files, for messages.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// All tensors: files in the order given, tensors in the order of their data.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// The tensor called `name`.
    ///
    /// # Errors
    /// If there is none; the error lists near names.
    pub fn get(&self, name: &str) -> Result<&Tensor, TensorError> {
        self.tensors.iter().find(|tensor| tensor.name == name).ok_or_else(|| TensorError::Missing {
            name: quote(name),
            place: self.place.clone(),
            hint: self.near(name),
        })
    }

    /// The only tensor that `fits`.
    ///
    /// # Errors
    /// If there is none or more than one.
    pub fn only(&self, fits: impl Fn(&Tensor) -> bool) -> Result<&Tensor, TensorError> {
        let found: Vec<&Tensor> = self.tensors.iter().filter(|tensor| fits(tensor)).collect();
        match found[..] {
            [tensor] => Ok(tensor),
            [] => Err(self.ambiguous("holds none that could be taken", self.tensors.iter())),
            _ => {
                Err(self.ambiguous(&format!("holds {} that could be taken", found.len()), found.into_iter()))
            }
        }
    }

    /// The error that says that `found` were found and asks which of them is meant.
    pub(super) fn ambiguous<'a>(&self, found: &str, among: impl Iterator<Item = &'a Tensor>) -> TensorError {
        self.ambiguous_among(found, among.map(described))
    }

    /// The same of (name, type, shape).
    pub(super) fn ambiguous_among<'a>(
        &self,
        found: &str,
        among: impl Iterator<Item = (&'a str, &'a String, &'a [usize])>,
    ) -> TensorError {
        TensorError::Ambiguous { place: self.place.clone(), found: found.into(), hint: listed(among) }
    }

    /// Why the model may have more tensors than these, if the names of its files say so.
    pub(super) fn missing_shards(&self) -> Option<String> {
        let mut seen: BTreeMap<(&str, u64), BTreeSet<u64>> = BTreeMap::new();
        let files: BTreeSet<&Path> = self.tensors.iter().map(|tensor| tensor.path.as_path()).collect();
        for file in files {
            let Some((stem, number, count)) = file.to_str().and_then(shard) else { continue };
            seen.entry((stem, count)).or_default().insert(number);
        }
        let mut partial = seen.into_iter().filter(|((_, count), numbers)| (numbers.len() as u64) < *count);
        let ((stem, count), numbers) = partial.next()?;
        Some(format!("of the {count} shards of {} there are {} here", shown(stem), numbers.len()))
    }

    /// Up to five names near `wanted`: parts of it or it a part of them, or similar; else the first few.
    fn near(&self, wanted: &str) -> String {
        let mut scored: Vec<(f64, &Tensor)> = self
            .tensors
            .iter()
            .map(|t| {
                let inside = t.name.contains(wanted) || (t.name.len() > 2 && wanted.contains(&t.name));
                (if inside { 1.0 } else { similarity(wanted, &t.name) }, t)
            })
            .filter(|&(score, _)| score >= 0.5)
            .collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        let near: Vec<&Tensor> = scored.into_iter().take(5).map(|(_, tensor)| tensor).collect();
        let near = if near.is_empty() { self.tensors.iter().collect() } else { near };
        listed(near.into_iter().map(described))
    }
}

fn described(tensor: &Tensor) -> (&str, &String, &[usize]) {
    (&tensor.name, &tensor.dtype, &tensor.shape)
}

/// Names, types and shapes of the first few.
fn listed<'a>(tensors: impl Iterator<Item = (&'a str, &'a String, &'a [usize])>) -> String {
    const SHOWN: usize = 12;
    let names: Vec<String> =
        tensors.map(|(name, dtype, shape)| format!("{} {} {shape:?}", quote(name), shown(dtype))).collect();
    if names.is_empty() {
        return "there are no tensors at all".into();
    }
    let more = names.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("there are {}{more}", names[..names.len().min(SHOWN)].join(", "))
}

/// Of `PREFIX-00001-of-00004.safetensors`, as the Hugging Face hub calls shards, the prefix and the two numbers.
fn shard(path: &str) -> Option<(&str, u64, u64)> {
    let (rest, count) = path.strip_suffix(".safetensors")?.rsplit_once("-of-")?;
    let (stem, number) = rest.rsplit_once('-')?;
    Some((stem, number.parse().ok()?, count.parse().ok()?))
}

/// Share of common pairs of neighbouring letters (Dice's coefficient), 0 to 1.
fn similarity(a: &str, b: &str) -> f64 {
    let pairs = |text: &str| {
        let bytes = text.to_lowercase().into_bytes();
        bytes.windows(2).map(|pair| (pair[0], pair[1])).collect::<BTreeSet<_>>()
    };
    let (a, b) = (pairs(a), pairs(b));
    2.0 * a.intersection(&b).count() as f64 / (a.len() + b.len()).max(1) as f64
}

fn check_unique(tensors: &[Tensor]) -> Result<(), TensorError> {
    let mut seen: BTreeMap<&str, &Tensor> = BTreeMap::new();
    for tensor in tensors {
        if let Some(other) = seen.insert(&tensor.name, tensor) {
            let (a, b) = (other.path.display(), tensor.path.display());
            return Err(TensorError::Conflict {
                what: format!("the tensor {} is in {a} and in {b}", quote(&tensor.name)),
                help: "name each file once, and only the files of one model; a matrix whose rows lie in several files has to be put together in one first, as torch.cat does",
            });
        }
    }
    Ok(())
}
