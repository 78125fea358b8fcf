//! What can be wrong with the matrices given to a probe.

/// A probe that could not be computed. Messages name the matrix, what is wrong with it, and what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// A slice or a pooled sum does not have the length its shape asks for.
    #[error("{what} holds {found} numbers, expected {expected}")]
    Length {
        /// Which buffer.
        what: &'static str,
        /// Its length.
        found: usize,
        /// Product of the shape.
        expected: usize,
    },
    /// The inputs do not divide into rows.
    #[error("inputs X hold {found} numbers, not a whole number of rows of width {n}")]
    PartialRow {
        /// Length of the buffer.
        found: usize,
        /// Width of a row.
        n: usize,
    },
    /// Hidden states do not divide into sequences.
    #[error(
        "activations hold {found} numbers, not a whole number of sequences of {positions} states of width {n}"
    )]
    PartialSequence {
        /// Length of the buffer.
        found: usize,
        /// States of a sequence.
        positions: usize,
        /// Width of a state.
        n: usize,
    },
    /// A covariance over n − 1 needs n ≥ 2.
    #[error("{found} sample(s) of activations: a covariance needs 2 or more")]
    TooFewSamples {
        /// How many there are.
        found: u64,
    },
    /// Two things that belong to one linear map disagree about its shape.
    #[error("{what} is {found}, expected {expected}: both must come from the same linear map")]
    Mismatch {
        /// Which number.
        what: &'static str,
        /// What was given.
        found: usize,
        /// What the other side has.
        expected: usize,
    },
    /// A logarithm to base n needs n ≥ 2.
    #[error(
        "inputs X have width {n}: the log-alignment ratio is a logarithm to base n and needs n of 2 or more"
    )]
    TooNarrow {
        /// Columns of X.
        n: usize,
    },
    /// Gram matrices are n × n.
    #[error("rows have width {n}: at most {max} is taken, since matrices of n × n numbers are formed")]
    TooWide {
        /// Width of a row.
        n: usize,
        /// The limit.
        max: usize,
    },
    /// Nothing was pooled.
    #[error("no rows of X were added: pool at least one batch before probing")]
    NoRows,
    /// NaN or infinity.
    #[error("{what} holds {value} at index {index}: probe before training diverges, or skip this evaluation")]
    NotFinite {
        /// Which buffer.
        what: &'static str,
        /// Flat, row-major index of the first such number.
        index: usize,
        /// The number.
        value: f64,
    },
    /// The iteration of a decomposition did not converge.
    #[error("the {what} did not converge; please report the matrix")]
    NoConvergence {
        /// Which decomposition.
        what: &'static str,
    },
    #[cfg(feature = "candle")]
    /// A tensor of the wrong kind.
    #[error("tensor {what} has shape {shape:?} and dtype {dtype}, expected {expected}")]
    Tensor {
        /// Which tensor.
        what: &'static str,
        /// Its shape.
        shape: Vec<usize>,
        /// Its dtype.
        dtype: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    #[cfg(feature = "candle")]
    /// Candle failed to copy or convert a tensor.
    #[error("candle: {0}")]
    Candle(#[from] candle_core::Error),
}
