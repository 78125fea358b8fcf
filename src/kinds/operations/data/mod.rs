//! What a run sees and when: the train/validation split and the batches of each epoch.
//!
//! Every draw comes from a named stream derived from (seed, name, index), so the batch order of epoch e is
//! computed, never remembered, and nothing a run does can shift another draw.

use crate::{
    kinds::operations::config::{LastBatch, train_rows},
    kinds::operations::task::{Equation, Task},
};
pub use groklab_corpus::stream;
use rand::{Rng, seq::SliceRandom};

/// The training set has no rows, or the validation set has none.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error(
    "train_fraction {fraction:?} of {rows} equations leaves {train} rows for training and {val} for validation; \
     both need at least one"
)]
pub struct SplitError {
    fraction: f64,
    rows: usize,
    train: usize,
    val: usize,
}

/// A task's equations, split.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// Training rows.
    pub train: Vec<Equation>,
    /// The rest.
    pub val: Vec<Equation>,
}

impl Split {
    /// Draws `floor(rows · fraction)` training rows with the stream `split` of `split_seed`.
    pub fn new(equations: &[Equation], fraction: f64, split_seed: u64) -> Result<Self, SplitError> {
        let rows = equations.len();
        let train = train_rows(rows, fraction);
        let val = rows - train;
        if !fraction.is_finite() || train == 0 || val == 0 {
            return Err(SplitError { fraction, rows, train, val });
        }
        let mut shuffled = equations.to_vec();
        shuffled.shuffle(&mut stream(split_seed, "split", 0));
        let val = shuffled.split_off(train);
        Ok(Self { train: shuffled, val })
    }

    /// The rows that the task's table marks for training, and the others; where it marks none, those drawn for `fraction`.
    pub fn of(task: &Task, fraction: f64, split_seed: u64) -> Result<Self, SplitError> {
        let Some(marks) = &task.train else { return Self::new(&task.equations, fraction, split_seed) };
        let side = |is_train: bool| {
            let rows = task.equations.iter().zip(marks).filter(|(_, mark)| **mark == is_train);
            rows.map(|(equation, _)| *equation).collect()
        };
        Ok(Self { train: side(true), val: side(false) })
    }

    /// Gives `floor(rows · share)` training rows a wrong answer, any of the other symbols (the outliers of Power et al.,
    /// arXiv 2201.02177, §3.2.2), drawn with the stream `labels` of `seed`. A task of one symbol has no wrong answer.
    #[must_use]
    pub fn with_label_noise(mut self, share: f64, n_symbols: usize, seed: u64) -> Self {
        let wrong = train_rows(self.train.len(), share);
        if wrong == 0 || n_symbols < 2 {
            return self;
        }
        let mut draws = stream(seed, "labels", 0);
        let mut rows: Vec<usize> = (0..self.train.len()).collect();
        rows.shuffle(&mut draws);
        for row in rows.into_iter().take(wrong) {
            let answer = &mut self.train[row].answer;
            let other = draws.random_range(0..n_symbols - 1);
            *answer = (other + usize::from(other >= usize::from(*answer))) as u16;
        }
        self
    }
}

/// Order of the training rows in one epoch.
#[derive(Clone, Debug)]
pub struct BatchOrder {
    order: Vec<u32>,
    batch_size: usize,
    last: LastBatch,
}

impl BatchOrder {
    /// For `rows` training rows.
    pub fn new(rows: usize, batch_size: usize, last: LastBatch) -> Self {
        Self { order: (0..rows as u32).collect(), batch_size, last }
    }

    /// Draws the order of `epoch` (counted from 1) with the stream `order` of `seed`.
    pub fn shuffle(&mut self, seed: u64, epoch: u64) {
        self.order.iter_mut().zip(0..).for_each(|(row, i)| *row = i);
        self.order.shuffle(&mut stream(seed, "order", epoch));
    }

    /// The batches of the epoch last drawn, as row numbers of the training set.
    pub fn batches(&self) -> impl Iterator<Item = &[u32]> {
        self.order.chunks(self.batch_size).take(self.steps())
    }

    /// Steps in an epoch.
    pub fn steps(&self) -> usize {
        let (whole, rest) = (self.order.len() / self.batch_size, self.order.len() % self.batch_size);
        whole + usize::from(rest > 0 && (self.last == LastBatch::Keep || whole == 0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngCore;

    fn equations(n: u16) -> Vec<Equation> {
        (0..n).map(|x| Equation { x, y: 0, answer: 0 }).collect()
    }

    #[test]
    fn so_many_training_rows_have_a_wrong_answer_and_no_other_row_changes() {
        let clean = Split::new(&equations(200), 0.5, 3).unwrap();
        let noisy = clean.clone().with_label_noise(0.1, 7, 3);
        let changed: Vec<_> = clean
            .train
            .iter()
            .zip(&noisy.train)
            .filter(|(a, b)| a.answer != b.answer)
            .map(|(_, b)| b)
            .collect();
        assert_eq!((changed.len(), noisy.train.len(), &noisy.val), (10, 100, &clean.val));
        assert!(changed.iter().all(|row| (1..7).contains(&row.answer)), "an answer is never itself: 0");
        assert_eq!(noisy, clean.clone().with_label_noise(0.1, 7, 3));
        assert_ne!(noisy, clean.clone().with_label_noise(0.1, 7, 4));
        assert_eq!(clean, clean.clone().with_label_noise(0.0, 7, 3));
        assert_eq!(clean, clean.clone().with_label_noise(0.5, 1, 3));
    }

    #[test]
    fn train_rows_are_the_papers() {
        // science.md §2: rows at 50 % and in the fraction sweep
        for (rows, fraction, train) in [
            (9409, 0.5, 4704),
            (9312, 0.5, 4656),
            (14400, 0.5, 7200),
            (9409, 0.05, 470),
            (9409, 0.1, 940),
            (9409, 0.2, 1881),
            (9409, 0.3, 2822),
            (100, 0.29, 29),
        ] {
            let split = Split::new(&equations(rows), fraction, 0).unwrap();
            assert_eq!((split.train.len(), split.val.len()), (train, rows as usize - train));
        }
    }

    #[test]
    fn a_split_loses_and_repeats_nothing_and_depends_on_its_seed() {
        let all = equations(1000);
        let a = Split::new(&all, 0.3, 1).unwrap();
        let mut xs: Vec<u16> = a.train.iter().chain(&a.val).map(|e| e.x).collect();
        xs.sort_unstable();
        assert_eq!(xs, (0..1000).collect::<Vec<_>>());
        assert_eq!(a, Split::new(&all, 0.3, 1).unwrap());
        assert_ne!(a, Split::new(&all, 0.3, 2).unwrap());
    }

    #[test]
    fn empty_sides_are_refused() {
        for fraction in [0.0, 0.001, 1.0, -1.0, 2.0, f64::NAN, f64::INFINITY] {
            assert!(Split::new(&equations(100), fraction, 0).is_err(), "{fraction}");
        }
    }

    #[test]
    fn an_epoch_visits_every_row_once_in_nine_full_batches_and_one_of_96() {
        let mut order = BatchOrder::new(4704, 512, LastBatch::Keep);
        order.shuffle(7, 1);
        let sizes: Vec<usize> = order.batches().map(<[u32]>::len).collect();
        assert_eq!(sizes, [&[512; 9][..], &[96]].concat());
        let mut seen: Vec<u32> = order.batches().flatten().copied().collect();
        let first = seen.clone();
        seen.sort_unstable();
        assert_eq!(seen, (0..4704).collect::<Vec<_>>());

        order.shuffle(7, 2);
        assert_ne!(first, order.batches().flatten().copied().collect::<Vec<_>>());
        order.shuffle(7, 1); // recomputed, not remembered
        assert_eq!(first, order.batches().flatten().copied().collect::<Vec<_>>());
    }

    #[test]
    fn dropping_the_last_batch_keeps_an_only_one() {
        assert_eq!(BatchOrder::new(4704, 512, LastBatch::Drop).steps(), 9);
        assert_eq!(BatchOrder::new(470, 512, LastBatch::Drop).batches().count(), 1);
        assert_eq!(BatchOrder::new(1024, 512, LastBatch::Keep).steps(), 2);
    }

    #[test]
    fn streams_differ_by_seed_name_and_index() {
        let first = |seed, name, index| stream(seed, name, index).next_u64();
        let base = first(1, "a", 0);
        assert_eq!(base, first(1, "a", 0));
        for other in [first(2, "a", 0), first(1, "b", 0), first(1, "a", 1)] {
            assert_ne!(base, other);
        }
    }
}
