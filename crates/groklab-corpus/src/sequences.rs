//! Tokens cut into sequences of inputs and next-token targets, nested subsets of them, and the order of batches.

use crate::{CorpusError, stream};
use rand::{Rng, seq::SliceRandom};

/// Sequences of T + 1 ids each: T inputs, and the same moved by one as targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequences {
    tokens: Vec<u32>,
    rows: usize,
    /// From the beginning of one sequence to that of the next.
    stride: usize,
    targets: usize,
}

impl Sequences {
    /// One text: sequence i is ids i·T … (i+1)·T, so each id but the first is a target once. The rest is left out.
    ///
    /// `name` says in messages what the tokens are of.
    ///
    /// # Errors
    /// If T is 0, there are fewer than T + 1 ids, or all are the same.
    pub fn of_text(name: &str, tokens: Vec<u32>, targets: usize) -> Result<Self, CorpusError> {
        check_targets(targets)?;
        if tokens.len() < targets + 1 {
            return Err(CorpusError::TooShort {
                name: name.into(),
                found: tokens.len(),
                wanted: targets + 1,
                why: format!("one sequence of {targets} inputs and its next token"),
            });
        }
        check_variety(name, &tokens)?;
        Ok(Self { rows: (tokens.len() - 1) / targets, stride: targets, targets, tokens })
    }

    /// Documents of T + 1 ids, one after the other: each is a sequence of its own.
    ///
    /// # Errors
    /// If T is 0, there is no whole document, or all ids are the same.
    pub fn of_documents(name: &str, tokens: Vec<u32>, targets: usize) -> Result<Self, CorpusError> {
        check_targets(targets)?;
        let rows = tokens.len() / (targets + 1);
        if rows == 0 || !tokens.len().is_multiple_of(targets + 1) {
            return Err(CorpusError::TooShort {
                name: name.into(),
                found: tokens.len(),
                wanted: (rows + 1) * (targets + 1),
                why: format!("whole documents of {targets} inputs and the next token"),
            });
        }
        check_variety(name, &tokens)?;
        Ok(Self { rows, stride: targets + 1, targets, tokens })
    }

    /// The first `tokens` targets, so that subsets of any sizes are nested; a multiple of T, or rounded down to one.
    ///
    /// # Errors
    /// If that is less than one sequence, or more than there is.
    pub fn first(&self, name: &str, tokens: usize) -> Result<Self, CorpusError> {
        let rows = tokens / self.targets;
        if rows == 0 {
            return Err(CorpusError::setting("subset", tokens, format!("{} tokens or more", self.targets)));
        }
        if rows > self.rows {
            return Err(CorpusError::TooShort {
                name: name.into(),
                found: self.rows * self.targets,
                wanted: tokens,
                why: "the subset asked for".into(),
            });
        }
        let end = (rows - 1) * self.stride + self.targets + 1;
        Ok(Self { tokens: self.tokens[..end].to_vec(), rows, ..*self })
    }

    /// Number of sequences.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// T.
    pub fn targets(&self) -> usize {
        self.targets
    }

    /// The T + 1 ids of sequence `row`, which is below [`Self::rows`].
    pub fn row(&self, row: usize) -> &[u32] {
        let start = row * self.stride;
        &self.tokens[start..start + self.targets + 1]
    }

    /// Inputs and targets of a batch, (rows, T) each, row-major.
    pub fn batch(&self, rows: &[u32]) -> (Vec<u32>, Vec<u32>) {
        split(rows.iter().map(|&row| self.row(row as usize)))
    }
}

/// Inputs and targets, (rows, T) each, row-major, of sequences of T + 1 ids.
pub fn split<'a>(rows: impl Iterator<Item = &'a [u32]>) -> (Vec<u32>, Vec<u32>) {
    let (mut inputs, mut targets) = (Vec::new(), Vec::new());
    for row in rows {
        inputs.extend_from_slice(&row[..row.len().saturating_sub(1)]);
        targets.extend_from_slice(row.get(1..).unwrap_or_default());
    }
    (inputs, targets)
}

/// How batches are drawn from the rows of a training set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// Each epoch in a new order; what is left after the last whole batch of an epoch is left out of it.
    Epochs,
    /// Each row of each batch at random, from all.
    WithReplacement,
}

/// The rows of the batch of each step: a pure function of (seed, step).
#[derive(Clone, Debug)]
pub struct Batches {
    rows: usize,
    batch: usize,
    draw: Draw,
    seed: u64,
    /// The epoch last asked for, and its order.
    epoch: Option<(u64, Vec<u32>)>,
}

impl Batches {
    /// Batches of `batch` of `rows` rows.
    ///
    /// # Errors
    /// If the batch is empty, or an epoch would not hold one.
    pub fn new(rows: usize, batch: usize, draw: Draw, seed: u64) -> Result<Self, CorpusError> {
        let most = match draw {
            Draw::Epochs => rows,
            Draw::WithReplacement => usize::MAX,
        };
        if batch == 0 || rows == 0 || batch > most || u32::try_from(rows).is_err() {
            let expected = format!("1 to the number of training sequences, {rows}");
            return Err(CorpusError::setting("batch", batch, expected));
        }
        Ok(Self { rows, batch, draw, seed, epoch: None })
    }

    /// Steps of an epoch; drawn with replacement, steps that see as many rows as there are, rounded down, at least 1.
    pub fn steps_per_epoch(&self) -> u64 {
        (self.rows / self.batch).max(1) as u64
    }

    /// Rows of the batch of `step`, counted from 0.
    pub fn rows_of(&mut self, step: u64) -> Vec<u32> {
        if self.draw == Draw::WithReplacement {
            let mut rng = stream(self.seed, "draw", step);
            return (0..self.batch).map(|_| rng.random_range(0..self.rows as u32)).collect();
        }
        let (epoch, at) = (step / self.steps_per_epoch(), (step % self.steps_per_epoch()) as usize);
        let order = match self.epoch.take() {
            Some((drawn, order)) if drawn == epoch => order,
            _ => {
                let mut order: Vec<u32> = (0..self.rows as u32).collect();
                order.shuffle(&mut stream(self.seed, "order", epoch));
                order
            }
        };
        let rows = order[at * self.batch..(at + 1) * self.batch].to_vec();
        self.epoch = Some((epoch, order));
        rows
    }
}

fn check_targets(targets: usize) -> Result<(), CorpusError> {
    if targets == 0 {
        return Err(CorpusError::setting("sequence length", 0, "1 or more"));
    }
    Ok(())
}

fn check_variety(name: &str, tokens: &[u32]) -> Result<(), CorpusError> {
    if tokens.iter().all(|token| *token == tokens[0]) {
        return Err(CorpusError::OneToken { name: name.into(), count: tokens.len() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn each_token_of_a_text_is_a_target_once(count in 2usize..200, targets in 1usize..20) {
            prop_assume!(count > targets);
            let sequences = Sequences::of_text("t", (0..count as u32).collect(), targets).unwrap();
            let all: Vec<u32> = (0..sequences.rows() as u32).collect();
            let (inputs, next) = sequences.batch(&all);
            let used = sequences.rows() * targets;
            prop_assert_eq!(inputs, (0..used as u32).collect::<Vec<_>>());
            prop_assert_eq!(next, (1..=used as u32).collect::<Vec<_>>());
            prop_assert!(count - 1 - used < targets);
        }

        #[test]
        fn subsets_are_nested(count in 1usize..10, large in 1usize..10, documents: bool) {
            prop_assume!(count <= large);
            let tokens: Vec<u32> = (0..if documents { 80 } else { 77 }).collect();
            let of = if documents { Sequences::of_documents } else { Sequences::of_text };
            let all = of("t", tokens, 7).unwrap();
            let (small, large) = (all.first("t", 7 * count).unwrap(), all.first("t", 7 * large + 6).unwrap());
            prop_assert_eq!((small.rows(), large.rows() >= count), (count, true));
            for row in 0..small.rows() {
                prop_assert_eq!(small.row(row), large.row(row));
                prop_assert_eq!(small.row(row), all.row(row));
            }
        }

        #[test]
        fn an_epoch_holds_each_row_at_most_once_and_is_computed_not_remembered(
            rows in 1usize..60, batch in 1usize..60, seed: u64, step in 0u64..500,
        ) {
            prop_assume!(batch <= rows);
            let mut batches = Batches::new(rows, batch, Draw::Epochs, seed).unwrap();
            let steps = batches.steps_per_epoch();
            let first = step / steps * steps;
            let mut seen: Vec<u32> = (first..first + steps).flat_map(|step| batches.rows_of(step)).collect();
            prop_assert_eq!(seen.len(), rows / batch * batch);
            seen.sort_unstable();
            seen.dedup();
            prop_assert_eq!(seen.len(), rows / batch * batch);
            let fresh = Batches::new(rows, batch, Draw::Epochs, seed).unwrap().rows_of(step);
            prop_assert_eq!(batches.rows_of(step), fresh);
        }
    }

    #[test]
    fn with_replacement_every_row_is_as_likely() {
        let mut batches = Batches::new(10, 64, Draw::WithReplacement, 3).unwrap();
        let mut counts = [0u32; 10];
        (0..500).flat_map(|step| batches.rows_of(step)).for_each(|row| counts[row as usize] += 1);
        let error = (32_000f64 * 0.1 * 0.9).sqrt();
        assert!(counts.iter().all(|&c| (f64::from(c) - 3_200.0).abs() < 5.0 * error), "{counts:?}");
    }

    #[test]
    fn epochs_have_different_orders() {
        let mut batches = Batches::new(100, 100, Draw::Epochs, 0).unwrap();
        assert_ne!(batches.rows_of(0), batches.rows_of(1));
    }

    #[test]
    fn what_is_too_short_or_the_same_is_named() {
        let message = |tokens, targets| Sequences::of_text("a.txt", tokens, targets).unwrap_err().to_string();
        assert_eq!(
            message(vec![1, 2, 3], 3),
            "a.txt: 3 tokens, but 4 are needed (one sequence of 3 inputs and its next token); \
             give more text, or shorten what is asked for"
        );
        assert!(message(vec![5; 9], 2).starts_with("a.txt: all 9 tokens are the same"));
        assert!(message(vec![], 2).starts_with("a.txt: 0 tokens, but 3"));
        assert_eq!(message(vec![1], 0), "sequence length = 0: must be 1 or more");
        let text = Sequences::of_text("a.txt", (0..21).collect(), 10).unwrap();
        assert!(text.first("a.txt", 9).unwrap_err().to_string().starts_with("subset = 9: must be 10"));
        assert!(text.first("a.txt", 40).unwrap_err().to_string().contains("20 tokens, but 40"));
        assert!(
            Sequences::of_documents("d", vec![1, 2, 3], 1).unwrap_err().to_string().contains("4 are needed")
        );
        assert!(Batches::new(4, 5, Draw::Epochs, 0).unwrap_err().to_string().contains("batch = 5"));
        assert!(Batches::new(4, 5, Draw::WithReplacement, 0).is_ok());
    }
}
