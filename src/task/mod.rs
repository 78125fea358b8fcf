//! What is learned: a binary operation as a table of equations `x ∘ y = answer`.

use serde::{Deserialize, Serialize};

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
