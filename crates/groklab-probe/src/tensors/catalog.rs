//! All tensors of one or several files, and the finding of one among them.

use super::{Tensor, TensorError, error::quote, npy, safetensors};
use serde::Deserialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::{Component, Path, PathBuf},
    sync::Arc,
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
    /// Splits at the last colon, unless the whole text is a file that exists.
    pub fn parse(text: &str) -> Self {
        match text.rsplit_once(':') {
            Some((path, tensor)) if !path.is_empty() && !tensor.is_empty() && !Path::new(text).exists() => {
                Self { path: path.into(), tensor: Some(tensor.to_owned()) }
            }
            _ => Self { path: text.into(), tensor: None },
        }
    }
}

/// Names to look for when none was given.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// Each stands for itself and for any name that ends in `.` and it; the first that is found is taken.
    pub names: &'static [&'static str],
}

/// What lies in some files. Names are unique.
#[derive(Clone, Debug)]
pub struct Catalog {
    tensors: Vec<Tensor>,
    /// The files, for messages.
    place: String,
}

impl Catalog {
    /// Lists the tensors of `locations`, the names of tensors aside. A file that ends in `.index.json` stands for the
    /// shards it lists, beside it.
    ///
    /// # Errors
    /// If a file cannot be read, is damaged, or two of them hold tensors of one name.
    pub fn open(locations: &[Location]) -> Result<Self, TensorError> {
        let mut tensors: Vec<Tensor> = Vec::new();
        let mut files = 0;
        for Location { path, .. } in locations {
            if !path.to_string_lossy().ends_with(".index.json") {
                tensors.extend(tensors_of(path)?);
                files += 1;
                continue;
            }
            for (shard, names) in shards(path)? {
                let found = tensors_of(&shard)?;
                // a head that is missing would pass for a tied one
                if let Some(name) = names.iter().find(|name| found.iter().all(|tensor| tensor.name != **name))
                {
                    let reason = format!("{} lists {} in it, which it lacks", path.display(), quote(name));
                    return Err(TensorError::Damaged { path: shard, reason });
                }
                tensors.extend(found);
                files += 1;
            }
        }
        let mut seen: BTreeMap<&str, &Tensor> = BTreeMap::new();
        for tensor in &tensors {
            if let Some(other) = seen.insert(&tensor.name, tensor) {
                let (a, b) = (other.path.display(), tensor.path.display());
                return Err(TensorError::Conflict {
                    what: format!("the tensor {} is in {a} and in {b}", quote(&tensor.name)),
                    help: "name each file once, and only the files of one model; a matrix whose rows lie in several files has to be put together in one first, as torch.cat does",
                });
            }
        }
        let place = match (locations, files) {
            ([one], _) => one.path.display().to_string(),
            (_, files) => format!("{files} files"),
        };
        Ok(Self { tensors, place })
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

    /// The tensor that `choice` finds; None if it finds nothing.
    ///
    /// # Errors
    /// If one of its names fits several tensors.
    pub fn choose(&self, choice: Choice) -> Result<Option<&Tensor>, TensorError> {
        for &wanted in choice.names {
            let fits = |name: &str| {
                name == wanted || name.strip_suffix(wanted).is_some_and(|start| start.ends_with('.'))
            };
            let found: Vec<&Tensor> = self.tensors.iter().filter(|tensor| fits(&tensor.name)).collect();
            match found[..] {
                [] => {}
                [tensor] => return Ok(Some(tensor)),
                _ => return Err(self.ambiguous(&format!("holds several called {wanted}"), &found)),
            }
        }
        Ok(None)
    }

    /// The only tensor that `fits`.
    ///
    /// # Errors
    /// If there is none or more than one.
    pub fn only(&self, fits: impl Fn(&Tensor) -> bool) -> Result<&Tensor, TensorError> {
        let found: Vec<&Tensor> = self.tensors.iter().filter(|tensor| fits(tensor)).collect();
        match found[..] {
            [tensor] => Ok(tensor),
            [] => {
                Err(self
                    .ambiguous("holds none that could be taken", &self.tensors.iter().collect::<Vec<_>>()))
            }
            _ => Err(self.ambiguous(&format!("holds {} that could be taken", found.len()), &found)),
        }
    }

    fn ambiguous(&self, found: &str, among: &[&Tensor]) -> TensorError {
        TensorError::Ambiguous { place: self.place.clone(), found: found.into(), hint: listed(among) }
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
        if near.is_empty() { listed(&self.tensors.iter().collect::<Vec<_>>()) } else { listed(&near) }
    }
}

/// Names, types and shapes of the first few.
fn listed(tensors: &[&Tensor]) -> String {
    const SHOWN: usize = 12;
    if tensors.is_empty() {
        return "there are no tensors at all".into();
    }
    let one = |t: &&Tensor| format!("{} {} {:?}", quote(&t.name), quote(&t.dtype), t.shape);
    let names: Vec<String> = tensors.iter().take(SHOWN).map(one).collect();
    let more = tensors.len().saturating_sub(SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("there are {}{more}", names.join(", "))
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

fn tensors_of(path: &Path) -> Result<Vec<Tensor>, TensorError> {
    let shared = Arc::new(path.to_owned());
    let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase());
    let (length, file) = open(path)?;
    match extension.as_deref() {
        Some("safetensors") => safetensors::tensors(file, length, &shared),
        Some("npy") => Ok(vec![npy::tensor(file, length, &shared)?]),
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
fn shards(index: &Path) -> Result<BTreeMap<PathBuf, Vec<String>>, TensorError> {
    /// Far beyond any model's: the largest published ones take a few MB.
    const MAX_INDEX: u64 = 100_000_000;
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let damaged = |reason: String| TensorError::Damaged { path: index.to_owned(), reason };
    let (length, file) = open(index)?;
    if length > MAX_INDEX {
        return Err(damaged(format!("{length} bytes; an index has at most {MAX_INDEX}")));
    }
    let index_json: Index = serde_json::from_reader(std::io::BufReader::new(file))
        .map_err(|e| damaged(format!("it is not an index of shards: {e}")))?;
    let directory = index.parent().unwrap_or(Path::new(""));
    let mut shards: BTreeMap<PathBuf, Vec<String>> = BTreeMap::new();
    for (tensor, file) in index_json.weight_map {
        match Path::new(&file).components().collect::<Vec<_>>()[..] {
            [Component::Normal(name)] => shards.entry(directory.join(name)).or_default().push(tensor),
            _ => return Err(damaged(format!("{} is not the name of a file beside it", quote(&file)))),
        }
    }
    Ok(shards)
}
