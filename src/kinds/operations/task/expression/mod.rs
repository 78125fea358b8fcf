//! The language of operations: `x^2 + x*y`, `x * y * x^-1`, `if y odd then x/y else x - y`.
//!
//! ```text
//! condition  = conjunction { "or" conjunction }
//! conjunction = comparison { "and" comparison }
//! comparison = sum ( "==" | "!=" | "<" | "<=" | ">" | ">=" ) sum | sum ( "odd" | "even" | "unit" ) | "units"
//! sum        = product { ( "+" | "-" ) product }
//! product    = unary { ( "*" | "/" ) unary }
//! unary      = { "-" } power
//! power      = primary [ "^" exponent ]            also x², x⁻¹
//! exponent   = [ "-" ] integer | "x" | "y" | "(" exponent ")"
//! primary    = "x" | "y" | integer | "(" value or condition ")" | "if" condition "then" value "else" value
//! ```
//! So −x² is −(x²), and `else` reaches as far as it can. Values are residues modulo m or permutations:
//! `==` compares residues; `<` and its kin, `odd` and `even` ask the representatives in 0 … m−1, an operand as exponent counts
//! as that representative. `y unit` is gcd(y, m) = 1, and `units` that both operands are such. x / y is x times the inverse of y. `·` `×` `−` `≠` `≤` `≥` may replace `*` `*` `-` `!=` `<=` `>=`.
//!
//! Promises: parsing and evaluation take bounded stack and time linear in the text, whatever the text.

mod cost;
mod evaluate;
mod lexer;
mod parser;
#[cfg(test)]
mod tests;

pub(crate) use evaluate::Point;
pub(crate) use parser::{parse_condition, parse_value};

use crate::excerpt::Span;

/// Most tokens of an expression.
pub(crate) const MAX_TOKENS: usize = 1000;
/// Most elementary operations for a whole table, counted by `cost`: a fraction of a second.
pub(crate) const MAX_OPERATIONS: u64 = 1 << 26;
/// Deepest nesting of parentheses and conditions: what fits small stacks also without optimisation.
pub(crate) const MAX_DEPTH: usize = 32;

/// Something that has a value.
#[derive(Debug)]
pub(crate) enum Value {
    X,
    Y,
    Integer(u64, Span),
    /// −a
    Negative(Box<Value>, Span),
    /// a ± b ± …: flat, so that long sums are not deep.
    Sum(Box<Value>, Vec<Term>),
    /// a * b / …
    Product(Box<Value>, Vec<Factor>),
    Power(Box<Value>, Exponent, Span),
    If(Box<Condition>, Box<Value>, Box<Value>),
}

/// `+ b` or `- b`; the span covers sign and operand.
#[derive(Debug)]
pub(crate) struct Term {
    minus: bool,
    value: Value,
    span: Span,
}

/// `* b` or `/ b`; the span covers sign and operand.
#[derive(Debug)]
pub(crate) struct Factor {
    divide: bool,
    value: Value,
    span: Span,
}

/// What stands after `^`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exponent {
    Integer { negative: bool, magnitude: u64 },
    X,
    Y,
}

/// Something that holds or does not.
#[derive(Debug)]
pub(crate) enum Condition {
    Equal {
        left: Value,
        right: Value,
        negated: bool,
    },
    Odd {
        value: Value,
        negated: bool,
        span: Span,
    },
    /// left < right, or left ≤ right
    Ordered {
        left: Value,
        right: Value,
        strictly: bool,
        span: Span,
    },
    Unit {
        value: Value,
        span: Span,
    },
    All(Vec<Condition>),
    Any(Vec<Condition>),
}
