//! Corpora for language-model experiments, of which more is known than of a scrape: no model, no tensors, no downloads.
//!
//! | source | what is known of it |
//! |---|---|
//! | [`Language`] | a synthetic language of any length: its conditional entropy, exactly, which no model's loss goes below |
//! | [`Periodic`] | the periodic sequences of Spectral Lens (arXiv 2605.05683) |
//! | [`Text`] | files and folders of the user's own, with their digest |
//!
//! Texts become ids by [`Tokenizer`]: bytes, or with the feature `bpe` a byte-pair encoding that is trained
//! deterministically. [`Sequences`] cuts ids into inputs and targets and takes nested subsets; [`Batches`] orders them.
//! Every draw is a function of (seed, name, index), see [`stream`], so nothing is remembered between steps.
//!
//! ```
//! use groklab_corpus::{Batches, Draw, Language, LanguageConfig, Sequences};
//!
//! let language = Language::new(LanguageConfig::new(512))?;
//! let tokens = (0..256).flat_map(|i| language.document(0, "train", i, 65).tokens).collect();
//! let train = Sequences::of_documents("language", tokens, 64)?;
//! let small = train.first("language", 4_096)?; // the first 64 documents
//! let mut batches = Batches::new(small.rows(), 8, Draw::Epochs, 0)?;
//! let (inputs, targets) = small.batch(&batches.rows_of(17)); // (8, 64) each
//! assert_eq!((inputs.len(), targets.len()), (512, 512));
//! assert!(language.floor(64) < 512f64.ln());
//! # Ok::<(), groklab_corpus::CorpusError>(())
//! ```

#[cfg(feature = "bpe")]
mod bpe;
mod choose;
mod error;
mod language;
mod periodic;
mod sequences;
mod stream;
mod text;
mod tokens;

#[cfg(feature = "bpe")]
pub use bpe::Bpe;
pub use error::CorpusError;
pub use language::{Document, Language, LanguageConfig};
pub use periodic::{Period, Periodic};
pub use sequences::{Batches, Draw, Sequences, split};
pub use stream::{digest, stream};
pub use text::Text;
pub use tokens::Tokenizer;
