//! What can be wrong with a file of tensors: where, what, and what to do.
//!
//! Promises: text that comes out of a file is clipped and freed of control characters before it is shown.

use miette::Diagnostic;
use std::{io, path::PathBuf};
use thiserror::Error;

/// A tensor that could not be had.
#[derive(Debug, Error, Diagnostic)]
#[non_exhaustive]
pub enum TensorError {
    /// The operating system refused.
    #[error("failed to read {}", .path.display())]
    #[diagnostic(help(
        "check the path and its permissions; a tensor inside a file is named after a colon, as in model.safetensors:lm_head.weight, and the shell expands shards such as model-*.safetensors if not quoted"
    ))]
    Read {
        /// The file.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// A directory, a pipe, a device.
    #[error("{} is {kind}, not a regular file", .path.display())]
    #[diagnostic(help(
        "name a .safetensors, .npy or .npz file, several of them, a model.safetensors.index.json or the directory of a model; save what a pipe delivers in a file first"
    ))]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is instead.
        kind: &'static str,
    },
    /// No known format.
    #[error("{} is not a tensor file by its name", .path.display())]
    #[diagnostic(help(
        "read are .safetensors, .npy, .npz and .safetensors.index.json; torch.save files can be rewritten with safetensors.torch.save_file(tensors, \"out.safetensors\")"
    ))]
    UnknownFormat {
        /// The path.
        path: PathBuf,
    },
    /// Another kind of file than its name says.
    #[error("{} is {kind}", .path.display())]
    #[diagnostic(help("{help}"))]
    OtherContent {
        /// The file.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
        /// What to do.
        help: &'static str,
    },
    /// The file contradicts its format or itself.
    #[error("{}: {reason}", .path.display())]
    #[diagnostic(help("the file is damaged, incomplete or not what its name says: copy or export it again"))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No tensor of that name.
    #[error("there is no tensor {name} in {place}")]
    #[diagnostic(help("{hint}"))]
    Missing {
        /// The name, quoted.
        name: String,
        /// The file or files.
        place: String,
        /// Near or known names.
        hint: String,
    },
    /// Nothing was named, and there is none or more than one to take.
    #[error("no tensor was named, and {place} {found}")]
    #[diagnostic(help("name one after a colon, FILE:TENSOR; {hint}"))]
    Ambiguous {
        /// The file or files.
        place: String,
        /// What there is.
        found: String,
        /// Names to choose from.
        hint: String,
    },
    /// Two files hold, or two arguments name, different things where one is needed.
    #[error("{what}")]
    #[diagnostic(help("{help}"))]
    Conflict {
        /// What disagrees.
        what: String,
        /// What to do.
        help: &'static str,
    },
    /// A tensor that is no matrix of real numbers this program reads.
    #[error("the tensor {name} in {} {reason}", .path.display())]
    #[diagnostic(help(
        "f16, bf16, f32, f64 and 8-bit floats are read; weights have two dimensions, activations end in their width"
    ))]
    Unfit {
        /// The name, quoted.
        name: String,
        /// The file.
        path: PathBuf,
        /// Why it cannot be used.
        reason: String,
    },
    /// NaN or infinity.
    #[error("the tensor {name} in {} holds {value} at {index:?}", .path.display())]
    #[diagnostic(help(
        "no norm or spectrum exists then: export again before the model diverged, or from rows without padding"
    ))]
    NotFinite {
        /// The name, quoted.
        name: String,
        /// The file.
        path: PathBuf,
        /// The number.
        value: f64,
        /// Its place, one index a dimension, from 0.
        index: Vec<usize>,
    },
}

impl TensorError {
    pub(super) fn read(path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::UnexpectedEof => {
                Self::Damaged { path, reason: "the file ends before its data do".into() }
            }
            _ => Self::Read { path, source },
        }
    }
}

/// Text out of a file, harmless: at most 120 characters of it, and none that steers a terminal or turns the direction
/// of what follows.
pub fn shown(text: &str) -> String {
    let clean = |c: char| if is_steering(c) { '\u{fffd}' } else { c };
    let mut shown: String = text.chars().take(120).map(clean).collect();
    if text.chars().nth(120).is_some() {
        shown.push('…');
    }
    shown
}

/// Whether a character has no shape of its own but changes how others are shown: controls, breaks of lines, marks and
/// overrides of direction, joiners and the like (Unicode's general categories Cc, Zl and Zp, and those of Cf in use).
pub fn is_steering(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// [`shown`] in backticks.
pub(super) fn quote(text: &str) -> String {
    format!("`{}`", shown(text))
}
