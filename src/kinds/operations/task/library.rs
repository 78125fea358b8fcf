//! Finding a task by its name: the user's `tasks/` first, then those that come with the program.

use super::source::{MAX_TASK_BYTES, read};
use super::{Task, TaskError, definition};
use crate::excerpt::quote;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where a user's own tasks lie, below the current directory.
const DIRECTORY: &str = "tasks";

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        const NAMES: &[&str] = &[$($name),*];
        const SOURCES: &[&str] = &[$(include_str!(concat!("../../../../tasks/", $name, ".toml"))),*];
    };
}

// in the order of the paper's table
built_in!(
    "add",
    "sub",
    "div",
    "div_or_sub",
    "x2_y2",
    "x2_xy_y2",
    "x2_xy_y2_x",
    "x3_xy",
    "x3_xy2_y",
    "s5_mul",
    "s5_conj",
    "s5_aba",
    // of the study grokalign
    "add_31",
    // of batch-dip-1009
    "add_1009",
);

/// Names of the tasks inside the program: the twelve operations of arXiv 2605.28975, in its order, and x + y modulo 31 and 1009.
pub fn builtin_names() -> &'static [&'static str] {
    NAMES
}

/// Whether a task of that name and digest stands in the place of a built-in one that is another.
pub fn hides_built_in(name: &str, digest: &str) -> bool {
    let built_in = NAMES.iter().position(|&built_in| built_in == name);
    let built_in = built_in.and_then(|i| Task::from_str(name, SOURCES[i], Path::new(name)).ok());
    built_in.is_some_and(|task| task.digest() != digest)
}

/// All names [`Task::find`] knows here: the built-in ones, then those of other files in `./tasks`, sorted.
///
/// # Errors
/// If `./tasks` exists and cannot be read.
pub fn available() -> Result<Vec<String>, TaskError> {
    let mut own = Vec::new();
    let directory = Path::new(DIRECTORY);
    let failed = |reason| TaskError::Read { path: directory.to_owned(), reason };
    match fs::read_dir(directory) {
        Ok(entries) => {
            for entry in entries {
                let path = PathBuf::from(entry.map_err(failed)?.file_name());
                if path.extension().is_some_and(|extension| extension == "toml")
                    && let Some(stem) = path.file_stem()
                {
                    own.push(stem.to_string_lossy().into_owned());
                }
            }
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
        Err(error) => return Err(failed(error)),
    }
    own.retain(|name| !NAMES.contains(&name.as_str()));
    own.sort();
    Ok(NAMES.iter().map(|&name| name.to_owned()).chain(own).collect())
}

impl Task {
    /// The task that a user names: a path if it ends in `.toml` or has a separator; else `tasks/NAME.toml`
    /// below the current directory if there is one; else the built-in task of that name.
    ///
    /// # Errors
    /// See [`TaskError`].
    pub fn find(name_or_path: &str) -> Result<Self, TaskError> {
        if name_or_path.ends_with(".toml") || name_or_path.contains(std::path::is_separator) {
            return Self::load(Path::new(name_or_path));
        }
        let file = Path::new(DIRECTORY).join(format!("{name_or_path}.toml"));
        if file.exists() {
            return Self::load(&file);
        }
        match NAMES.iter().position(|&name| name == name_or_path) {
            Some(i) => Self::from_str(name_or_path, SOURCES[i], &file),
            None => Err(unknown(name_or_path)),
        }
    }

    /// The task of a file, called after it.
    ///
    /// # Errors
    /// See [`TaskError`].
    pub fn load(path: &Path) -> Result<Self, TaskError> {
        let text = read(path, MAX_TASK_BYTES)?;
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("");
        Self::from_str(stem, &text, path)
    }

    /// The task called `name` that `text` defines; messages say it stands in the file `origin`, from whose
    /// directory the path of a table counts.
    ///
    /// # Errors
    /// See [`TaskError`].
    pub fn from_str(name: &str, text: &str, origin: &Path) -> Result<Self, TaskError> {
        if !is_name(name) {
            return Err(TaskError::Name { path: origin.to_owned() });
        }
        definition::task(name, text, origin)
    }
}

/// Whether runs and their directories can be called so: 1 to 64 letters, digits, `_` and `-`, no `-` in front,
/// where a command would take it for an option.
pub(crate) fn is_name(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (1..=64).contains(&text.len()) && text.chars().all(plain) && !text.starts_with('-')
}

fn unknown(name: &str) -> TaskError {
    let known = available().unwrap_or_else(|_| NAMES.iter().map(|&name| name.to_owned()).collect());
    let known: Vec<String> = known.into_iter().filter(|name| is_name(name)).collect();
    let near = known.iter().map(|k| (edits(name, k), k)).filter(|&(edits, _)| edits <= 2).min();
    let hint = match near {
        Some((_, near)) => format!("did you mean `{near}`? `groklab tasks list` shows all"),
        None => {
            let names = known.iter().take(40).map(String::as_str).collect::<Vec<_>>().join(", ");
            format!("the tasks are {names}; for a file give its path, as in ./my-task.toml")
        }
    };
    TaskError::Unknown { name: quote(name), hint }
}

/// Least number of characters to insert, delete or replace (Levenshtein); the first text is cut at 100.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, a) in a.chars().take(100).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for j in 0..b.len() {
            let replaced = diagonal + usize::from(a != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
