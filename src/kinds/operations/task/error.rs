//! What can be wrong with a task, said so that its author can mend it: where, what, and what to do.
//!
//! Promises: a message carries the file and, inside a file, line and column; quoted text is clipped and
//! freed of control characters, so that a hostile file cannot flood or steer a terminal.

use super::MAX_ROWS;
use crate::excerpt::{Excerpt, Span, shown};
use miette::{Diagnostic, LabeledSpan, SourceCode};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a task could not be had.
#[derive(Debug, Error, Diagnostic)]
pub enum TaskError {
    /// Neither `tasks/NAME.toml` nor a built-in task.
    #[error("there is no task {name}")]
    #[diagnostic(help("{hint}"))]
    Unknown {
        /// The name, quoted.
        name: String,
        /// Near or known names.
        hint: String,
    },
    /// The file's name cannot name a task.
    #[error("{}: the file's name cannot name a task", shown(.path))]
    #[diagnostic(help(
        "runs are called after their task: use 1 to 64 letters, digits, `_` and `-`, no `-` in front, then `.toml`"
    ))]
    Name {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("failed to read {}: {reason}", shown(.path))]
    #[diagnostic(help("check the path and its permissions; `groklab tasks list` shows the tasks there are"))]
    Read {
        /// File or directory.
        path: PathBuf,
        /// What it says.
        reason: io::Error,
    },
    /// A directory, a pipe, a device.
    #[error("{} is {kind}, not a regular file", shown(.path))]
    #[diagnostic(help(
        "give the path of a task file or of a table; save what a pipe delivers in a file first"
    ))]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is instead.
        kind: &'static str,
    },
    /// Larger than any valid file of its kind.
    #[error("{} has {bytes} bytes; at most {limit} are read", shown(.path))]
    #[diagnostic(help("a task file is a few lines, a table at most {MAX_ROWS} rows `x,y,z`"))]
    TooLarge {
        /// The path.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit for files of this kind.
        limit: u64,
    },
    /// Something at one place of a file.
    #[error(transparent)]
    #[diagnostic(transparent)]
    At(Box<Place>),
}

impl TaskError {
    /// `located` in `text`, which is the content of `file`.
    pub(crate) fn at(file: &Path, text: &str, located: Located) -> Self {
        Self::At(Box::new(Place::new(file, text, located)))
    }

    /// What is wrong at a place of a file, if the error is of that kind.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::At(place) => Some(&place.fault),
            _ => None,
        }
    }
}

/// A fault, its file, line and column.
#[derive(Debug)]
pub struct Place {
    fault: Fault,
    excerpt: Excerpt,
}

impl Place {
    /// `located` in `text`, which is the content of `file`.
    pub(crate) fn new(file: &Path, text: &str, located: Located) -> Self {
        Self { excerpt: Excerpt::new(file, text, located.span), fault: located.fault }
    }

    /// Line, counted from 1.
    pub fn line(&self) -> usize {
        self.excerpt.line
    }

    /// Column in characters, counted from 1.
    pub fn column(&self) -> usize {
        self.excerpt.column
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Excerpt { file, line, column, .. } = &self.excerpt;
        write!(f, "{file}:{line}:{column}: {}", self.fault)
    }
}

impl std::error::Error for Place {}

impl Diagnostic for Place {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.fault.remedy()))
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.excerpt)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(std::iter::once(LabeledSpan::new_primary_with_span(None, self.excerpt.mark))))
    }
}

/// A fault and the bytes of the text it is about.
#[derive(Debug)]
pub(crate) struct Located {
    pub span: Span,
    pub fault: Fault,
}

impl Span {
    pub(crate) fn fault(self, fault: Fault) -> Located {
        Located { span: self, fault }
    }
}

/// What is wrong at a place of a task file, a table or an experiment.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[allow(missing_docs)] // the messages are the documentation
pub enum Fault {
    #[error("not UTF-8 text")]
    NotUtf8 { utf16: bool },
    #[error("a NUL byte")]
    Nul,
    #[error("{message}")]
    Toml { message: String },
    #[error("{problem}")]
    Definition { problem: String, remedy: String },
    #[error("modulus {modulus}: at least 2 is needed")]
    SmallModulus { modulus: i64 },
    #[error("modulus {modulus} gives {rows} rows; a table has at most {MAX_ROWS}")]
    LargeModulus { modulus: i64, rows: u128 },
    #[error("unknown group {name}")]
    UnknownGroup { name: String },
    #[error("the group {name} has {order} elements; {} are the most", super::MAX_ORDER)]
    LargeGroup { name: String, order: usize },
    #[error("{found}, but {expected} was expected")]
    Syntax { found: String, expected: &'static str },
    #[error("unknown name {name}")]
    UnknownName { name: String },
    #[error("unknown character {character}")]
    UnknownCharacter { character: String },
    #[error("an integer beyond 2^64 − 1")]
    HugeInteger,
    #[error("nested deeper than {limit} levels")]
    TooDeep { limit: usize },
    #[error("longer than {limit} tokens")]
    TooLong { limit: usize },
    #[error("the table takes {operations} operations; {limit} are the most")]
    TooSlow { operations: u64, limit: u64 },
    #[error("a condition stands where a value is needed")]
    NotAValue,
    #[error("a value stands where a condition is needed")]
    NotACondition,
    #[error("{what} has no meaning in {group}")]
    NotInGroup { what: &'static str, group: String },
    #[error("at x = {x}, y = {y}: {value} has no inverse modulo {modulus}, gcd({value}, {modulus}) = {gcd}")]
    NoInverse { x: u16, y: u16, value: u16, modulus: u16, gcd: u16 },
    #[error("the domain holds no pair (x, y)")]
    EmptyDomain,
    #[error("the table holds no rows")]
    EmptyTable,
    #[error("the table has more than {MAX_ROWS} rows")]
    ManyRows,
    #[error("the table's header lacks the column `{column}`")]
    MissingColumn { column: &'static str },
    #[error("the column `{column}` stands twice in the table's header")]
    RepeatedColumn { column: &'static str },
    #[error("the table has no column {name}")]
    UnknownColumn { name: String },
    #[error("the row has more fields than the header names")]
    LongRow,
    #[error("the row ends before the column `{column}`")]
    ShortRow { column: &'static str },
    #[error("{text} is neither train nor val")]
    NotASide { text: String },
    #[error("the column split marks all rows for one side")]
    OneSided,
    #[error("{text} is not a symbol")]
    NotASymbol { text: String },
    #[error("symbol {text} is out of range: the symbols are 0 … {last}")]
    OutOfRange { text: String, last: usize },
    #[error("x = {x}, y = {y} has a row already, at line {line}")]
    Repeated { x: u16, y: u16, line: usize },
}

impl Fault {
    /// What to do about it.
    pub fn remedy(&self) -> String {
        let fixed = match self {
            Self::NotUtf8 { utf16: true } => "this looks like UTF-16: save the file as UTF-8",
            Self::NotUtf8 { utf16: false } => "save the file as UTF-8",
            Self::Nul => "what is read here is plain text; was another file meant?",
            Self::Toml { .. } => {
                "a task file is TOML with the keys title, modulus | group | table, expression | expressions, domain, symbols"
            }
            Self::Definition { remedy, .. } => remedy,
            Self::SmallModulus { .. } => "take a modulus from 2 to 1024, such as 97",
            Self::LargeModulus { .. } => {
                "take a modulus up to 1024, or list the rows wanted in a CSV file: table = \"FILE.csv\""
            }
            Self::UnknownGroup { .. } => {
                "the groups are S2 to S6, A3 to A6, dihedral D3, D4, …, cyclic Z2, Z3, …, powers and products: Z5^2, S3 x Z5"
            }
            Self::LargeGroup { .. } => "take a smaller one: the table has the square of its elements as rows",
            Self::Syntax { .. } => {
                "write e.g. `x^2 + x*y`, `x * y^-1` or `if y odd then x/y else x - y`; a product needs its `*`"
            }
            Self::UnknownName { name } if name == "`z`" => {
                "a task has two operands, x and y: put two of three into one symbol, as a·m + b, and list the rows in a table (docs/tasks.md)"
            }
            Self::UnknownName { .. } => {
                "the operands are x and y, the words if then else odd even unit units and or; a product needs its `*`: x*y"
            }
            Self::UnknownCharacter { .. } => {
                "an expression is made of x y 0-9 + - * / ^ ( ) == != < <= > >= and words"
            }
            Self::HugeInteger => "reduce it modulo the modulus",
            Self::TooDeep { .. } => "take out parentheses and nested conditions, or give the table as CSV",
            Self::TooLong { .. } => "simplify it, or give the table as CSV: table = \"FILE.csv\"",
            Self::TooSlow { .. } => {
                "simplify it, take smaller exponents or a smaller modulus, or give the table as CSV: table = \"FILE.csv\""
            }
            Self::NotAValue => "turn it into a value: `if x <= y then 1 else 0`",
            Self::NotACondition => {
                "compare it, as in `y != 0` or `x <= y`, or ask for its parity, as in `y odd`"
            }
            Self::NotInGroup { .. } => {
                "a group knows x * y, powers such as x^2 and y^-1, and the comparisons == and !="
            }
            Self::NoInverse { value: 0, .. } => {
                "leave these rows out with a domain, e.g. domain = \"y != 0\""
            }
            Self::NoInverse { .. } => "take a prime modulus, or leave these rows out: domain = \"y unit\"",
            Self::EmptyDomain => "widen it, or take it out to have every pair",
            Self::EmptyTable => "add rows `x,y,z` below the header",
            Self::ManyRows => "shorten the table, or give the operation as an expression",
            Self::MissingColumn { .. } | Self::RepeatedColumn { .. } | Self::UnknownColumn { .. } => {
                "the first line of a table names its columns, which are x, y and z, and perhaps split: x,y,z,split"
            }
            Self::ShortRow { .. } | Self::LongRow => "give each row a field for each column of the header",
            Self::NotASide { .. } => "write train or val: a row is for training or for validation",
            Self::OneSided => "mark rows of both sides, or take the column split out to have a split drawn",
            Self::NotASymbol { .. } => "symbols are the integers 0, 1, 2, …",
            Self::OutOfRange { .. } => "number the symbols from 0 and raise `symbols` if there are more",
            Self::Repeated { .. } => "take one of the two rows out: an operation has one answer",
        };
        fixed.to_owned()
    }
}
