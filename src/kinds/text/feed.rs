//! The batches of a run: a pure function of seed and step.

use super::{
    config::Config,
    source::{Corpus, CorpusKind},
};
use crate::run::PlanError;
use groklab_corpus::{Batches, CorpusError, Draw, Language, Sequences, split};
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
    /// New documents in each step.
    Fresh { language: &'a Language, seed: u64, width: usize },
    /// The same again and again, in an order for each epoch.
    Again { sequences: Cow<'a, Sequences>, batches: Batches },
}

impl<'a> Feed<'a> {
    /// Of a checked config and its corpus.
    pub fn new(config: &Config, corpus: &'a Corpus) -> Result<Self, CorpusError> {
        check(config, corpus)?;
        let (seed, batch_size) = (config.seed, config.data.batch_size);
        let width = config.model.n_ctx + 1;
        let tokens = config.data.tokens;
        let again = |sequences: Cow<'a, Sequences>| -> Result<Train<'a>, CorpusError> {
            let batches = Batches::new(sequences.rows(), batch_size, Draw::Epochs, seed)?;
            Ok(Train::Again { sequences, batches })
        };
        let (train, rows) = match &corpus.kind {
            CorpusKind::Language(language) => {
                let document = |part, index| language.document(seed, part, index, width).tokens;
                let train = if tokens == 0 {
                    Train::Fresh { language, seed, width }
                } else {
                    let rows = (tokens / config.model.n_ctx) as u64;
                    let ids = (0..rows).flat_map(|index| document("train", index)).collect();
                    again(Cow::Owned(Sequences::of_documents(&corpus.name, ids, config.model.n_ctx)?))?
                };
                let rows: Vec<Vec<u32>> =
                    (0..config.data.held_out as u64).map(|index| document("validation", index)).collect();
                (train, rows)
            }
            CorpusKind::Text { train, held_out } => {
                let first = match tokens {
                    0 => Cow::Borrowed(train),
                    tokens => Cow::Owned(train.first(&corpus.name, tokens)?),
                };
                let rows = (0..config.data.held_out).map(|row| held_out.row(row).to_vec()).collect();
                (again(first)?, rows)
            }
        };
        let held_out = rows.chunks(batch_size).map(|rows| split(rows.iter().map(Vec::as_slice))).collect();
        Ok(Self { train, batch_size, held_out })
    }

    /// The batch of `step`, from 0.
    pub fn batch(&mut self, step: u64) -> Batch {
        match &mut self.train {
            Train::Fresh { language, seed, width } => {
                let first = step * self.batch_size as u64;
                let documents = first..first + self.batch_size as u64;
                let rows: Vec<_> =
                    documents.map(|index| language.document(*seed, "train", index, *width).tokens).collect();
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

/// Whether the corpus has what the config asks of it.
pub fn check(config: &Config, corpus: &Corpus) -> Result<(), CorpusError> {
    let CorpusKind::Text { train, held_out } = &corpus.kind else { return Ok(()) };
    let n_ctx = config.model.n_ctx;
    let wanted = config.data.tokens.max(config.tokens_per_step());
    let needs = [
        ("training", train, wanted, "the tokens of data.tokens, or of one batch"),
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
