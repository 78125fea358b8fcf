//! Which rows a layer has, and which of them each row attends to: the factorisation itself.
//!
//! The input is `x op y =` under a causal mask, and only the last position is read. So position 0 depends on x
//! alone and so does position 1 (the operator is constant): with V symbols and a batch of B equations the rows of a
//! layer are
//!
//! `[position 0 by x: V | position 1 by x: V | position 2 by equation: B | position 3 by equation: B]`
//!
//! The inputs of the first layer depend on token and position alone, which leaves 2V + 2 of them:
//!
//! `[x at 0: V | op at 1: 1 | y at 2: V | = at 3: 1]`
//!
//! A symbol that no equation has as x, or as y, needs no row there: [`Rows::set_symbols`] leaves it out, so that V
//! stands for the symbols that occur.

use crate::kinds::operations::task::Equation;
use std::ops::Range;

/// One row's view of the layer's inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::kinds::operations::engine) struct Row {
    /// The row's own input: its residual, and the source of its query.
    pub own: u32,
    keys: [u32; 4],
    n_keys: u8,
}

impl Row {
    fn new(keys: &[usize]) -> Self {
        let mut row = Self { own: 0, keys: [0; 4], n_keys: keys.len() as u8 };
        for (slot, &key) in row.keys.iter_mut().zip(keys) {
            *slot = key as u32;
            row.own = key as u32;
        }
        row
    }

    /// As many as there are positions; those beyond its [`keys`](Self::keys) mean nothing.
    #[inline(always)]
    pub fn four(&self) -> [usize; 4] {
        self.keys.map(
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

/// How many rows a layer has, for V symbols and B equations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::kinds::operations::engine) struct Counts {
    pub inputs: usize,
    pub outputs: usize,
    /// The inputs that need a query: all, or those of the last position.
    pub queries: Range<usize>,
}

impl Counts {
    pub fn new([v, b]: [usize; 2], (first, last): (bool, bool)) -> Self {
        let inner = 2 * v + 2 * b;
        let inputs = if first { 2 * v + 2 } else { inner };
        let outputs = if last { b } else { inner };
        let queries = match (first, last) {
            (_, false) => 0..inputs,
            (true, true) => inputs - 1..inputs,
            (false, true) => inputs - b..inputs,
        };
        Self { inputs, outputs, queries }
    }

    /// Of each layer of a model, the first layer first.
    pub fn of_layers(n_layers: usize, sizes: [usize; 2]) -> impl Iterator<Item = Self> {
        (0..n_layers).map(move |l| Self::new(sizes, (l == 0, l + 1 == n_layers)))
    }
}

/// The rows of the first layer and of all others for the batch at hand.
#[derive(Clone, Debug)]
pub(in crate::kinds::operations::engine) struct Rows {
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
    pub fn new(n_symbols: usize) -> Self {
        let symbols = Symbols::all(n_symbols);
        let mut rows =
            Self { x: symbols.clone(), y: symbols, batch: 0, first: Vec::new(), inner: Vec::new() };
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
        self.first.clear();
        self.first.extend((0..x).map(|i| Row::new(&[i])).chain((0..x).map(|i| Row::new(&[i, x]))));
        self.inner.clear();
        self.inner.extend((0..x).map(|i| Row::new(&[i])).chain((0..x).map(|i| Row::new(&[i, x + i]))));
    }

    /// Replaces the rows of positions 2 and 3. Symbols must have been checked, and have rows.
    pub fn set_batch(&mut self, batch: &[Equation]) {
        let (v, b) = (self.n_x(), batch.len());
        let equals = self.n_inputs(true) - 1;
        self.batch = b;
        let (x_row, y_row) = (&self.x.row, &self.y.row);
        let xy = |e: &Equation| (x_row[usize::from(e.x)] as usize, y_row[usize::from(e.y)] as usize);
        self.first.truncate(2 * v);
        self.first.extend(batch.iter().map(xy).map(|(x, y)| Row::new(&[x, v, v + 1 + y])));
        self.first.extend(batch.iter().map(xy).map(|(x, y)| Row::new(&[x, v, v + 1 + y, equals])));
        self.inner.truncate(2 * v);
        let third = batch.iter().zip(2 * v..);
        self.inner.extend(third.map(|(e, i)| Row::new(&[xy(e).0, v + xy(e).0, i])));
        let fourth = batch.iter().zip(2 * v..);
        self.inner.extend(fourth.map(|(e, i)| Row::new(&[xy(e).0, v + xy(e).0, i, i + b])));
    }

    /// Rows of x, at each of positions 0 and 1.
    pub fn n_x(&self) -> usize {
        self.x.present.len()
    }

    /// Token and position of an input row of the first layer, of `v` symbols.
    pub fn embedding(&self, row: usize, v: usize) -> (usize, usize) {
        let (x, y) = (&self.x.present, &self.y.present);
        if let Some(&symbol) = x.get(row) {
            return (usize::from(symbol), 0);
        }
        match row - x.len() {
            0 => (v, 1),
            after => y.get(after - 1).map_or((v + 1, 3), |&symbol| (usize::from(symbol), 2)),
        }
    }

    /// Input rows of a layer.
    pub fn n_inputs(&self, first: bool) -> usize {
        if first { self.n_x() + self.y.present.len() + 2 } else { 2 * self.n_x() + 2 * self.batch }
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

    /// Rows of positions 0 and 1, which no equation's y or answer reaches.
    pub fn n_symbol_rows(&self) -> usize {
        2 * self.n_x()
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
        let mut rows = Rows::new(v);
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
}
