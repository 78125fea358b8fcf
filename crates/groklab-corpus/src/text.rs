//! Text from a file or a folder: UTF-8, in sorted order, with a digest of what was read.

use crate::{CorpusError, digest};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// What was read, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The file or folder.
    pub path: PathBuf,
    /// Each file's path, relative to the folder, and its bytes; in the order they were put together.
    pub files: Vec<(PathBuf, usize)>,
    /// All of it, one file after the other with nothing between.
    pub text: String,
    /// SHA-256 of `text`.
    pub digest: String,
}

impl Text {
    /// Reads a file, or all files of a folder and the folders in it, sorted by the bytes of their paths.
    ///
    /// Files and folders whose name begins with a dot are left out, and links to folders are not followed.
    ///
    /// # Errors
    /// If something cannot be read, is empty or is not UTF-8. The message names the file.
    pub fn read(path: &Path) -> Result<Self, CorpusError> {
        let mut paths = Vec::new();
        let is_folder = fs::metadata(path).map_err(|e| io(path, "read", e))?.is_dir();
        if is_folder {
            collect(path, &mut paths)?;
            if paths.is_empty() {
                return Err(CorpusError::EmptyFolder { path: path.into() });
            }
        } else {
            paths.push(path.to_path_buf());
        }
        let mut read = Vec::new();
        for file in paths {
            let relative = if is_folder { file.strip_prefix(path).unwrap_or(&file) } else { &file };
            read.push((relative.to_path_buf(), read_file(&file)?));
        }
        read.sort_by(|a, b| a.0.as_os_str().as_encoded_bytes().cmp(b.0.as_os_str().as_encoded_bytes()));
        let files = read.iter().map(|(path, text)| (path.clone(), text.len())).collect();
        let text: String = read.into_iter().map(|(_, text)| text).collect();
        Ok(Self { path: path.into(), files, digest: digest(text.as_bytes()), text })
    }

    /// Cuts off the last `share` of the text for validation, at the next line's beginning, so that no word is cut.
    ///
    /// # Errors
    /// If one of the two parts would be empty.
    pub fn hold_out(&self, share: f64) -> Result<(&str, &str), CorpusError> {
        if !(0.0..1.0).contains(&share) {
            return Err(CorpusError::setting("held-out share", share, "0 or more and below 1"));
        }
        let wanted = (self.text.len() as f64 * (1.0 - share)) as usize;
        let mut at = wanted.min(self.text.len());
        if share > 0.0 {
            at = self.text.as_bytes()[at..].iter().position(|&b| b == b'\n').map_or(at, |line| at + line + 1);
        }
        while !self.text.is_char_boundary(at) {
            at += 1;
        }
        let (train, held_out) = self.text.split_at(at);
        if train.is_empty() || (share > 0.0 && held_out.is_empty()) {
            return Err(CorpusError::TooShort {
                name: self.path.display().to_string(),
                found: self.text.lines().count(),
                wanted: 2,
                why: format!("lines, to hold out {share} of them"),
            });
        }
        Ok((train, held_out))
    }
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<(), CorpusError> {
    for entry in fs::read_dir(folder).map_err(|e| io(folder, "list", e))? {
        let entry = entry.map_err(|e| io(folder, "list", e))?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        if entry.file_type().map_err(|e| io(&path, "read", e))?.is_dir() {
            collect(&path, paths)?;
        } else if fs::metadata(&path).map_err(|e| io(&path, "read", e))?.is_file() {
            paths.push(path);
        }
    }
    Ok(())
}

fn read_file(path: &Path) -> Result<String, CorpusError> {
    let bytes = fs::read(path).map_err(|e| io(path, "read", e))?;
    if bytes.is_empty() {
        return Err(CorpusError::EmptyFile { path: path.into() });
    }
    String::from_utf8(bytes)
        .map_err(|e| CorpusError::NotUtf8 { path: path.into(), offset: e.utf8_error().valid_up_to() })
}

pub(crate) fn io(path: &Path, action: &'static str, source: std::io::Error) -> CorpusError {
    CorpusError::Io { path: path.into(), action, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_its_files_in_sorted_order() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir(root.join("b")).unwrap();
        for (name, text) in
            [("c.txt", "third\n"), ("b/z.txt", "second\n"), ("a.txt", "first\n"), (".x", "no")]
        {
            fs::write(root.join(name), text).unwrap();
        }
        let text = Text::read(root).unwrap();
        assert_eq!(text.text, "first\nsecond\nthird\n");
        assert_eq!(
            text.files.iter().map(|f| f.0.to_str().unwrap()).collect::<Vec<_>>(),
            ["a.txt", "b/z.txt", "c.txt"]
        );
        fs::write(root.join("all"), "first\nsecond\nthird\n").unwrap();
        assert_eq!(Text::read(&root.join("all")).unwrap().digest, text.digest);
    }

    #[test]
    fn what_is_no_text_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let message = |path: &Path| Text::read(path).unwrap_err().to_string();
        assert!(message(root).contains("no files in this folder"));
        assert!(message(&root.join("none")).ends_with("none: failed to read"));
        fs::write(root.join("latin"), b"na\xefve").unwrap();
        assert!(message(root).contains("latin: not UTF-8 at byte 2; convert it first"));
        fs::write(root.join("latin"), b"").unwrap();
        assert!(message(root).contains("latin: empty; give a text"));
    }

    #[test]
    fn the_held_out_part_begins_with_a_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        fs::write(&path, "ääää\n".repeat(100)).unwrap();
        let text = Text::read(&path).unwrap();
        let (train, held_out) = text.hold_out(0.1).unwrap();
        assert!(held_out.starts_with('ä') && train.ends_with('\n'));
        assert_eq!(format!("{train}{held_out}"), text.text);
        assert!((0.08..=0.1).contains(&(held_out.len() as f64 / text.text.len() as f64)));
        assert_eq!(text.hold_out(0.0).unwrap().1, "");
        assert!(text.hold_out(1.0).unwrap_err().to_string().starts_with("held-out share = 1"));
        fs::write(&path, "one line").unwrap();
        assert_eq!(Text::read(&path).unwrap().hold_out(0.5).unwrap(), ("one ", "line"));
        fs::write(&path, "one line\n").unwrap();
        assert!(Text::read(&path).unwrap().hold_out(0.1).is_err());
    }
}
