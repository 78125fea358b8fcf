//! Which rows a layer has, and which of them each row attends to: the factorisation itself.
//!
//! The input is `x op y =` under a causal mask, and only the last position is read. So what stands at x depends on x
//! alone and so does what stands at the operator, which is constant: with V symbols and a batch of B equations the rows
//! of a layer are
//!
//! `[at x, by x: V | at op, by x: V | at y, by equation: B | at =, by equation: B]`
//!
//! The inputs of the first layer depend on token and position alone, which leaves 2V + 2 of them:
//!
//! `[x: V | op: 1 | y: V | =: 1]`
//!
//! The sequence `x y =` has no operator, so that the second part of both is empty.
//!
//! A symbol that no equation has as x, or as y, needs no row there: [`Rows::set_symbols`] leaves it out, so that V
//! stands for the symbols that occur.

use super::vector::each;
use crate::kinds::operations::{config::Sequence, task::Equation};
use std::ops::Range;

/// Where in the equation a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kinds::operations::engine) enum Place {
    X,
    Operator,
    Y,
    Equals,
}

/// One row's view of the layer's inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kinds::operations::engine) struct Row {
    /// The row's own input: its residual, and the source of its query.
    pub own: u32,
    pub place: Place,
    keys: [u32; 4],
    n_keys: u8,
}

impl Row {
    /// Of what it attends to: x, what follows up to its own place, an operator if there is one.
    fn new(place: Place, keys: impl IntoIterator<Item = Option<usize>>) -> Self {
        let mut row = Self { own: 0, place, keys: [0; 4], n_keys: 0 };
        for (slot, key) in row.keys.iter_mut().zip(keys.into_iter().flatten()) {
            *slot = key as u32;
            row.own = key as u32;
            row.n_keys += 1;
        }
        row
    }

    /// As many as an equation has tokens at most; those beyond its [`keys`](Self::keys) mean nothing.
    #[inline(always)]
    pub fn four(&self) -> [usize; 4] {
        each(
            self.keys,
            #[inline(always)]
            |key| key as usize,
        )
    }

    /// The inputs it attends to, in the order of their positions; its own is the last.
    #[inline(always)]
    pub fn keys(&self) -> &[u32] {
        &self.keys[..usize::from(self.n_keys).min(4)]
    }
}

/// Rows behind the first layer that depend on x alone, for `v` symbols: at x, and at the operator if there is one.
pub(in crate::kinds::operations::engine) fn symbol_rows(sequence: Sequence, v: usize) -> usize {
    (1 + sequence.operators()) * v
}

/// How many rows a layer has, for V symbols and B equations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::kinds::operations::engine) struct Counts {
    pub inputs: usize,
    pub outputs: usize,
    /// The inputs that need a query: all, or those of the last position.
    pub queries: Range<usize>,
}

impl Counts {
    pub fn new(sequence: Sequence, [v, b]: [usize; 2], (first, last): (bool, bool)) -> Self {
        let inner = symbol_rows(sequence, v) + 2 * b;
        let inputs = if first { 2 * v + sequence.operators() + 1 } else { inner };
        let outputs = if last { b } else { inner };
        let queries = match (first, last) {
            (_, false) => 0..inputs,
            (true, true) => inputs - 1..inputs,
            (false, true) => inputs - b..inputs,
        };
        Self { inputs, outputs, queries }
    }

    /// Of each layer of a model, the first layer first.
    pub fn of_layers(n_layers: usize, sequence: Sequence, sizes: [usize; 2]) -> impl Iterator<Item = Self> {
        (0..n_layers).map(move |l| Self::new(sequence, sizes, (l == 0, l + 1 == n_layers)))
    }
}

/// The rows of the first layer and of all others for the batch at hand.
#[derive(Clone, Debug)]
pub(in crate::kinds::operations::engine) struct Rows {
    sequence: Sequence,
    /// Symbols that have a row as x, and as y, in order.
    x: Symbols,
    y: Symbols,
    batch: usize,
    first: Vec<Row>,
    inner: Vec<Row>,
}

/// Symbols that have a row.
#[derive(Clone, Debug)]
struct Symbols {
    present: Vec<u16>,
    /// By symbol; of a symbol without a row, anything.
    row: Vec<u32>,
}

impl Symbols {
    fn all(n: usize) -> Self {
        Self { present: (0..n).map(|s| s as u16).collect(), row: (0..n as u32).collect() }
    }

    /// Those among `symbols` alone.
    fn set(&mut self, symbols: impl Iterator<Item = u16>) {
        self.row.fill(u32::MAX);
        symbols.for_each(|s| self.row[usize::from(s)] = 0);
        self.present.clear();
        for (symbol, row) in self.row.iter_mut().enumerate().filter(|(_, row)| **row == 0) {
            *row = self.present.len() as u32;
            self.present.push(symbol as u16);
        }
    }
}

impl Rows {
    /// A row for each symbol.
    pub fn new(sequence: Sequence, n_symbols: usize) -> Self {
        let (x, y) = (Symbols::all(n_symbols), Symbols::all(n_symbols));
        let mut rows = Self { sequence, x, y, batch: 0, first: Vec::new(), inner: Vec::new() };
        rows.set_symbol_rows();
        rows
    }

    /// Leaves out the symbols that no one of `equations` has at a place. Symbols must have been checked.
    pub fn set_symbols(&mut self, equations: &[Equation]) {
        self.x.set(equations.iter().map(|e| e.x));
        self.y.set(equations.iter().map(|e| e.y));
        self.set_symbol_rows();
    }

    fn set_symbol_rows(&mut self) {
        let x = self.n_x();
        let with_operator = 0..x * self.operators();
        let alone = (0..x).map(|i| Row::new(Place::X, [Some(i)]));
        let pair = |i, operator| Row::new(Place::Operator, [Some(i), Some(operator)]);
        self.first.clear();
        self.first.extend(alone.clone().chain(with_operator.clone().map(|i| pair(i, x))));
        self.inner.clear();
        self.inner.extend(alone.chain(with_operator.map(|i| pair(i, x + i))));
    }

    /// Replaces the rows of y and `=`. Symbols must have been checked, and have rows.
    pub fn set_batch(&mut self, batch: &[Equation]) {
        let (v, symbols, b) = (self.n_x(), self.n_symbol_rows(), batch.len());
        let (first_y, has_operator) = (self.first_y(), self.operators() > 0);
        self.batch = b;
        let (x_row, y_row) = (&self.x.row, &self.y.row);
        let x = |e: &Equation| x_row[usize::from(e.x)] as usize;
        // x, the operator behind it, and y: by token, or by equation
        let first = |e: &Equation| {
            [Some(x(e)), has_operator.then_some(v), Some(first_y.start + y_row[usize::from(e.y)] as usize)]
        };
        let inner =
            |(e, i): (&Equation, usize)| [Some(x(e)), has_operator.then_some(v + x(e)), Some(symbols + i)];
        let equals_of = |keys: [_; 3], own| Row::new(Place::Equals, keys.into_iter().chain([Some(own)]));
        self.first.truncate(symbols);
        self.first.extend(batch.iter().map(|e| Row::new(Place::Y, first(e))));
        self.first.extend(batch.iter().map(|e| equals_of(first(e), first_y.end)));
        self.inner.truncate(symbols);
        self.inner.extend(batch.iter().zip(0..).map(|e| Row::new(Place::Y, inner(e))));
        self.inner.extend(batch.iter().zip(0..).map(|e| equals_of(inner(e), symbols + b + e.1)));
    }

    /// Rows of x; as many again of the operator behind x, if there is one.
    pub fn n_x(&self) -> usize {
        self.x.present.len()
    }

    /// The first layer's inputs of y.
    pub fn first_y(&self) -> Range<usize> {
        let start = self.n_x() + self.operators();
        start..start + self.y.present.len()
    }

    /// Operators in an equation: 1 or 0.
    pub fn operators(&self) -> usize {
        self.sequence.operators()
    }

    /// Token and position of an input row of the first layer, of `v` symbols.
    pub fn embedding(&self, row: usize, v: usize) -> (usize, usize) {
        let (y, operators) = (self.first_y(), self.operators());
        if let Some(&symbol) = self.x.present.get(row) {
            (usize::from(symbol), 0)
        } else if row < y.start {
            (v, 1)
        } else if y.contains(&row) {
            (usize::from(self.y.present[row - y.start]), 1 + operators)
        } else {
            (v + operators, 2 + operators)
        }
    }

    /// Input rows of a layer.
    pub fn n_inputs(&self, first: bool) -> usize {
        if first { self.first_y().end + 1 } else { self.n_symbol_rows() + 2 * self.batch }
    }

    /// The output rows of a layer, in order.
    pub fn outputs(&self, first: bool, last: bool) -> &[Row] {
        let rows = if first { &self.first } else { &self.inner };
        if last { &rows[rows.len() - self.batch..] } else { rows }
    }

    /// The inputs that ask for an output: all, or those of the last position.
    pub fn queries(&self, first: bool, last: bool) -> Range<usize> {
        let n_in = self.n_inputs(first);
        match (first, last) {
            (_, false) => 0..n_in,
            (true, true) => n_in - 1..n_in,
            (false, true) => n_in - self.batch..n_in,
        }
    }

    /// Rows of x and of the operator, which no equation's y or answer reaches.
    pub fn n_symbol_rows(&self) -> usize {
        symbol_rows(self.sequence, self.n_x())
    }

    /// Equations in the batch.
    pub fn batch(&self) -> usize {
        self.batch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every row's keys must be the rows of the same x (and equation) at the positions up to its own.
    #[test]
    fn keys_are_the_positions_up_to_ones_own() {
        let v = 3;
        let mut rows = Rows::new(Sequence::WithOperator, v);
        let batch = [Equation { x: 2, y: 0, answer: 1 }, Equation { x: 1, y: 1, answer: 0 }];
        rows.set_batch(&batch);
        let keys = |first, last| -> Vec<Vec<u32>> {
            rows.outputs(first, last).iter().map(|r| r.keys().to_vec()).collect()
        };
        // inputs of the first layer: x 0..3, op 3, y 4..7, = 7
        assert_eq!(
            keys(true, false),
            [
                vec![0],
                vec![1],
                vec![2],
                vec![0, 3],
                vec![1, 3],
                vec![2, 3],
                vec![2, 3, 4],
                vec![1, 3, 5],
                vec![2, 3, 4, 7],
                vec![1, 3, 5, 7],
            ]
        );
        // inputs of the others: position 0 0..3, 1 3..6, 2 6..8, 3 8..10
        assert_eq!(
            keys(false, false),
            [
                vec![0],
                vec![1],
                vec![2],
                vec![0, 3],
                vec![1, 4],
                vec![2, 5],
                vec![2, 5, 6],
                vec![1, 4, 7],
                vec![2, 5, 6, 8],
                vec![1, 4, 7, 9],
            ]
        );
        assert_eq!(keys(false, true), [vec![2, 5, 6, 8], vec![1, 4, 7, 9]]);
        assert_eq!((rows.queries(true, true), rows.queries(false, true)), (7..8, 8..10));
        assert_eq!((rows.n_inputs(true), rows.n_inputs(false)), (8, 10));
        assert!(rows.outputs(true, true).iter().all(|r| r.own == 7));

        // without the symbols that do not occur: x 1 and 2, y 0 and 1
        rows.set_symbols(&batch);
        rows.set_batch(&batch);
        let embedded: Vec<_> = (0..rows.n_inputs(true)).map(|row| rows.embedding(row, v)).collect();
        assert_eq!(embedded, [(1, 0), (2, 0), (3, 1), (0, 2), (1, 2), (4, 3)]);
        let keys: Vec<_> = rows.outputs(true, false).iter().map(|r| r.keys().to_vec()).collect();
        assert_eq!(
            keys,
            [
                vec![0],
                vec![1],
                vec![0, 2],
                vec![1, 2],
                vec![1, 2, 3],
                vec![0, 2, 4],
                vec![1, 2, 3, 5],
                vec![0, 2, 4, 5],
            ]
        );
        let keys: Vec<_> = rows.outputs(false, true).iter().map(|r| r.keys().to_vec()).collect();
        assert_eq!(keys, [[1, 3, 4, 6], [0, 2, 5, 7]]);
    }

    #[test]
    fn without_an_operator_nothing_stands_between_x_and_y() {
        let v = 3;
        let mut rows = Rows::new(Sequence::WithoutOperator, v);
        rows.set_batch(&[Equation { x: 2, y: 0, answer: 1 }, Equation { x: 1, y: 1, answer: 0 }]);
        let keys = |first, last| -> Vec<Vec<u32>> {
            rows.outputs(first, last).iter().map(|r| r.keys().to_vec()).collect()
        };
        // inputs of the first layer: x 0..3, y 3..6, = 6; of the others: x 0..3, y 3..5, = 5..7
        let first = [vec![0], vec![1], vec![2], vec![2, 3], vec![1, 4], vec![2, 3, 6], vec![1, 4, 6]];
        let inner = [vec![0], vec![1], vec![2], vec![2, 3], vec![1, 4], vec![2, 3, 5], vec![1, 4, 6]];
        assert_eq!((keys(true, false), keys(false, false)), (first.to_vec(), inner.to_vec()));
        assert_eq!(keys(false, true), [[2, 3, 5], [1, 4, 6]]);
        assert_eq!((rows.queries(true, true), rows.queries(false, true)), (6..7, 5..7));
        assert_eq!((rows.n_inputs(true), rows.n_inputs(false), rows.n_symbol_rows()), (7, 7, 3));
        let embedded: Vec<_> = (0..7).map(|row| rows.embedding(row, v)).collect();
        assert_eq!(embedded, [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (3, 2)]);
        let places: Vec<_> = rows.outputs(true, false).iter().map(|r| r.place).collect();
        assert_eq!(places[2..6], [Place::X, Place::Y, Place::Y, Place::Equals]);
        for (first, last) in [(true, false), (false, false), (false, true), (true, true)] {
            let counts = Counts::new(Sequence::WithoutOperator, [v, 2], (first, last));
            assert_eq!(counts.inputs, rows.n_inputs(first));
            assert_eq!(counts.outputs, rows.outputs(first, last).len());
            assert_eq!(counts.queries, rows.queries(first, last));
        }
    }
}
