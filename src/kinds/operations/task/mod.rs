//! What is learned: a binary operation as a table of equations `x ∘ y = answer`.
//!
//! A task comes from a few lines of TOML: a modulus or a permutation group with an expression and perhaps a
//! domain, or a table in CSV.
//! ```toml
//! title = "x / y (mod 97)"
//! modulus = 97            # or: group = "S5", "D7", "Z5^2 x A4"; or: table = "FILE.csv", perhaps with symbols = 120
//! expression = "x / y"    # or several, which the left operand tells apart: expressions = ["x + y", "x - y"]
//! domain = "y != 0"       # without it: every pair
//! ```
//! ```
//! # fn main() -> Result<(), groklab::kinds::operations::task::TaskError> {
//! use groklab::kinds::operations::task::Task;
//! let task = Task::find("div")?;
//! assert_eq!(task.equations.len(), 97 * 96);
//! # Ok(())
//! # }
//! ```
//! Promises: a task that loads has at least one and at most 2^20 equations, x-major, no pair twice, and every
//! symbol below `n_symbols`; whatever the file holds, loading ends soon with a task or a [`TaskError`].

mod algebra;
mod definition;
mod document;
mod error;
mod expression;
mod group;
mod library;
mod permutation;
mod source;
mod table;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod oracle_tests;

pub(crate) use definition::is_title;
pub use document::TaskDocument;
pub(crate) use error::Located;
pub use error::{Fault, Place, TaskError};

pub use group::{Group, MAX_ORDER};
pub(crate) use library::is_name;
pub use library::{available, builtin_names, hides_built_in};
pub use permutation::{MAX_DEGREE, SymmetricGroup};
pub(crate) use source::{read as read_text, without_bom};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::PathBuf;

/// Most rows of a table.
pub const MAX_ROWS: usize = 1 << 20;
/// Most symbols: as many as an [`Equation`] can tell apart.
pub const MAX_SYMBOLS: usize = 1 << 16;

/// One row of a task's table: `x ∘ y = answer`, each a symbol in `0..n_symbols`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Equation {
    /// Left operand.
    pub x: u16,
    /// Right operand.
    pub y: u16,
    /// The symbol to be predicted.
    pub answer: u16,
}

/// A binary operation to be learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// What commands and runs call it: the name of its file.
    pub name: String,
    /// One line for people, e.g. `x + y (mod 97)`.
    pub title: String,
    /// Number of symbols, m: operands and answers are `0..n_symbols`.
    pub n_symbols: usize,
    /// The table, sorted by x, then y.
    pub equations: Vec<Equation>,
    /// What the symbols stand for.
    pub symbols: Symbols,
    /// The operation, if it was given as an expression.
    pub expression: Option<String>,
    /// The condition on x and y under which there is a row; all pairs if `None`.
    pub domain: Option<String>,
    /// Which rows are for training, of a table that says so: then no split is drawn.
    pub train: Option<Vec<bool>>,
}

/// What the symbols of a task stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Symbols {
    /// The residues 0 … modulus − 1.
    Residues {
        /// The modulus.
        modulus: u16,
    },
    /// The permutations of a symmetric group, numbered as in [`SymmetricGroup`].
    Permutations(SymmetricGroup),
    /// The elements of another group, numbered as in [`Group`].
    Elements(Group),
    /// Several operations: the left operand says which. Symbol i·order + x is the operand x of operation i, from 0.
    Several {
        /// What the operands of each stand for.
        symbols: Box<Symbols>,
        /// Number of these.
        order: usize,
        /// The operations.
        expressions: Vec<String>,
    },
    /// Numbers in a table, without a further meaning.
    Listed {
        /// The CSV file.
        table: PathBuf,
    },
}

impl Task {
    /// How people write a symbol: the number, or a permutation of 1 … n in one-line notation (`21345`
    /// swaps 1 and 2).
    pub fn label(&self, symbol: u16) -> String {
        self.symbols.label(symbol)
    }
}

impl Symbols {
    fn label(&self, symbol: u16) -> String {
        match self {
            Symbols::Permutations(group) => group.label(symbol),
            Symbols::Elements(group) => group.label(symbol),
            Symbols::Several { symbols, order, .. } => {
                let operation = usize::from(symbol) / order;
                let operand = symbols.label((usize::from(symbol) % order) as u16);
                if operation == 0 { operand } else { format!("{operand}#{}", operation + 1) }
            }
            Symbols::Residues { .. } | Symbols::Listed { .. } => symbol.to_string(),
        }
    }
}

impl Task {
    /// Number of training rows, of a task whose table says which they are.
    pub fn marked(&self) -> Option<usize> {
        self.train.as_ref().map(|train| train.iter().filter(|&&is_train| is_train).count())
    }

    /// SHA-256 of the table, 64 hex digits: over `n_symbols` as u32, then x, y and answer of each row in
    /// order as u16, all little-endian; where the table says which rows are for training, behind `split` a byte a row. Title,
    /// name and wording of the file do not enter.
    pub fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update((self.n_symbols as u32).to_le_bytes());
        for Equation { x, y, answer } in &self.equations {
            for symbol in [x, y, answer] {
                hasher.update(symbol.to_le_bytes());
            }
        }
        if let Some(train) = &self.train {
            hasher.update(b"split");
            train.iter().for_each(|&is_train| hasher.update([u8::from(is_train)]));
        }
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
