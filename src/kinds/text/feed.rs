//! The batches of a run: a pure function of seed and step.

use super::{
    config::{Config, DrawName},
    source::{Corpus, CorpusKind},
};
use crate::run::PlanError;
use groklab_corpus::{Batches, CorpusError, Draw, Language, Periodic, Sequences, split};
use std::{borrow::Cow, ops::Range};

/// Inputs and targets of a batch, (rows, n_ctx) ids each, row-major.
pub type Batch = (Vec<u32>, Vec<u32>);

/// Training and held-out sequences of a run.
pub struct Feed<'a> {
    train: Train<'a>,
    batch_size: usize,
    held_out: Vec<Batch>,
}

enum Train<'a> {
    /// New sequences in each step.
    Fresh(Drawn<'a>),
    /// The same again and again, in an order for each epoch.
    Again { sequences: Cow<'a, Sequences>, batches: Batches },
}

/// Sequences that are drawn by their index.
#[derive(Clone, Copy)]
struct Drawn<'a> {
    from: Generator<'a>,
    /// Ids of each.
    width: usize,
}

#[derive(Clone, Copy)]
enum Generator<'a> {
    /// Documents by the seed of the run, but for the fixed ones.
    Language { language: &'a Language, seed: u64 },
    /// The same in all runs.
    Periodic(&'a Periodic),
}

/// Index of the first periodic sequence that is held out: no training comes so far.
const HELD_OUT: u64 = 1 << 40;
/// Seed of the fixed documents of a language: the same in all runs.
const FIXED: u64 = 0;

impl Drawn<'_> {
    fn train(&self, index: u64) -> Vec<u32> {
        match self.from {
            Generator::Language { language, seed } => {
                language.document(seed, "train", index, self.width).tokens
            }
            Generator::Periodic(periodic) => periodic.sequence(index, self.width),
        }
    }

    fn held_out(&self, index: u64) -> Vec<u32> {
        match self.from {
            Generator::Language { language, seed } => {
                language.document(seed, "validation", index, self.width).tokens
            }
            Generator::Periodic(periodic) => periodic.sequence(HELD_OUT + index, self.width),
        }
    }

    /// Whatever the seed of the run.
    fn fixed(&self, index: u64) -> Vec<u32> {
        match self.from {
            Generator::Language { language, .. } => {
                language.document(FIXED, "fixed", index, self.width).tokens
            }
            Generator::Periodic(periodic) => periodic.sequence(index, self.width),
        }
    }
}

impl<'a> Feed<'a> {
    /// Of a checked config and its corpus.
    pub fn new(config: &Config, corpus: &'a Corpus) -> Result<Self, CorpusError> {
        check(config, corpus)?;
        let (seed, batch_size, n_ctx) = (config.seed, config.data.batch_size, config.model.n_ctx);
        let tokens = config.data.tokens;
        let draw = match config.data.draw {
            DrawName::Epochs => Draw::Epochs,
            DrawName::Replacement => Draw::WithReplacement,
        };
        let again = |sequences: Cow<'a, Sequences>| -> Result<Train<'a>, CorpusError> {
            let batches = Batches::new(sequences.rows(), batch_size, draw, seed)?;
            Ok(Train::Again { sequences, batches })
        };
        let (train, rows) = match drawn(config, corpus) {
            Ok(drawn) => {
                let train = if tokens == 0 {
                    Train::Fresh(drawn)
                } else {
                    let ids = (0..(tokens / n_ctx) as u64).flat_map(|index| drawn.train(index)).collect();
                    again(Cow::Owned(Sequences::of_documents(&corpus.name, ids, n_ctx)?))?
                };
                let rows = (0..config.data.held_out as u64).map(|index| drawn.held_out(index)).collect();
                (train, rows)
            }
            Err((train, held_out)) => {
                let first = match tokens {
                    0 => Cow::Borrowed(train),
                    tokens => Cow::Owned(train.first(&corpus.name, tokens)?),
                };
                let rows: Vec<Vec<u32>> =
                    (0..config.data.held_out).map(|row| held_out.row(row).to_vec()).collect();
                (again(first)?, rows)
            }
        };
        Ok(Self { train, batch_size, held_out: in_batches(&rows, batch_size) })
    }

    /// The batch of `step`, from 0.
    pub fn batch(&mut self, step: u64) -> Batch {
        match &mut self.train {
            Train::Fresh(drawn) => {
                let first = step * self.batch_size as u64;
                let indices = first..first + self.batch_size as u64;
                let rows: Vec<_> = indices.map(|index| drawn.train(index)).collect();
                split(rows.iter().map(Vec::as_slice))
            }
            Train::Again { sequences, batches } => sequences.batch(&batches.rows_of(step)),
        }
    }

    /// The batches over which LAR of training inputs is pooled after `step` steps: the last `count`, or at the beginning
    /// the first `count`, of which some are yet to come.
    pub fn pool(step: u64, count: u64) -> Range<u64> {
        let first = step.saturating_sub(count);
        first..first + count
    }

    /// Held-out sequences, in batches.
    pub fn held_out(&self) -> &[Batch] {
        &self.held_out
    }
}

/// The generator of a corpus that is drawn, or the training and held-out sequences of one that is not.
fn drawn<'a>(config: &Config, corpus: &'a Corpus) -> Result<Drawn<'a>, (&'a Sequences, &'a Sequences)> {
    let from = match &corpus.kind {
        CorpusKind::Language(language) => Generator::Language { language, seed: config.seed },
        CorpusKind::Periodic(periodic) => Generator::Periodic(periodic),
        CorpusKind::Text { train, held_out } => return Err((train, held_out)),
    };
    Ok(Drawn { from, width: config.model.n_ctx + 1 })
}

/// The first `count` sequences of the data set from the `first`-th on, the same for all runs on it, in batches of at most
/// `most`: documents of the language that no run trains on, the first training sequences of all else.
pub fn fixed(config: &Config, corpus: &Corpus, first: usize, count: usize, most: usize) -> Vec<Batch> {
    let rows: Vec<Vec<u32>> = match drawn(config, corpus) {
        Ok(drawn) => (first..first + count).map(|index| drawn.fixed(index as u64)).collect(),
        Err((train, _)) => (first..first + count).map(|row| train.row(row).to_vec()).collect(),
    };
    in_batches(&rows, most)
}

fn in_batches(rows: &[Vec<u32>], most: usize) -> Vec<Batch> {
    rows.chunks(most).map(|rows| split(rows.iter().map(Vec::as_slice))).collect()
}

/// Whether the corpus has what the config asks of it.
pub fn check(config: &Config, corpus: &Corpus) -> Result<(), CorpusError> {
    let CorpusKind::Text { train, held_out } = &corpus.kind else { return Ok(()) };
    let n_ctx = config.model.n_ctx;
    let wanted = config.data.tokens.max(config.tokens_per_step());
    let fixed = config.fixed_sequences() * n_ctx;
    let needs = [
        ("training", train, wanted, "the tokens of data.tokens, or of one batch"),
        (
            "training",
            train,
            fixed,
            "the sequences whose spectra are taken, probe.activations.sequences twice",
        ),
        ("held out", held_out, config.data.held_out * n_ctx, "the sequences of data.held_out"),
    ];
    for (part, sequences, wanted, why) in needs {
        let found = sequences.rows() * n_ctx;
        if found < wanted {
            let name = format!("{} ({part})", corpus.name);
            return Err(CorpusError::TooShort { name, found, wanted, why: why.into() });
        }
    }
    Ok(())
}

/// [`check`] as planning says it.
pub fn check_plan(config: &Config, corpus: &Corpus) -> Result<(), PlanError> {
    check(config, corpus).map_err(PlanError::from)
}
