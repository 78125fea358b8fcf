//! Byte-level byte-pair encoding by the `tokenizers` crate: trained once from a text, kept by digest, reusable anywhere.
//!
//! Trained without special tokens, from the alphabet of all 256 bytes, over pairs that occur twice at least; where two
//! pairs are as frequent, the one of smaller ids is merged first, so the same text gives the same merges. The file is
//! the `tokenizer.json` that Hugging Face's tools read.

use crate::{CorpusError, digest, text::io};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tokenizers::{
    Model, Tokenizer, TokenizerImpl,
    models::bpe::{BPE, BpeTrainer},
    normalizers::NormalizerWrapper,
    pre_tokenizers::byte_level::ByteLevel,
};

/// Part of the digest that names a trained tokenizer: changes when training changes.
const RECIPE: &str = "groklab-corpus bpe 1, tokenizers 0.22";
/// Characters that are encoded at a time; whole texts at once take memory that grows with them.
const BLOCK: usize = 4_000;
/// The bytes.
const ALPHABET: usize = 256;

/// A trained byte-pair encoding.
#[derive(Clone, Debug)]
pub struct Bpe {
    tokenizer: Tokenizer,
    name: String,
}

impl Bpe {
    /// Trains a vocabulary of exactly `vocabulary` ids, or takes the one that `cache` holds for this text and size.
    ///
    /// With a cache folder the file is `bpe-V-DIGEST.json` in it. `name` says in messages what the text is.
    ///
    /// # Errors
    /// If the text does not support so many ids (nothing is written then), or a file cannot be read or written.
    pub fn train(
        name: &str,
        text: &str,
        vocabulary: usize,
        cache: Option<&Path>,
    ) -> Result<Self, CorpusError> {
        let file = cache.map(|folder| folder.join(file_name(text, vocabulary)));
        if let Some(file) = file.as_deref().filter(|file| file.is_file()) {
            return Self::read(file);
        }
        let bpe = Self::learn(name, text, vocabulary)?;
        if let Some(file) = file {
            bpe.write(&file)?;
        }
        Ok(bpe)
    }

    fn learn(name: &str, text: &str, vocabulary: usize) -> Result<Self, CorpusError> {
        if !(ALPHABET..=1 << 20).contains(&vocabulary) {
            return Err(CorpusError::setting("vocabulary", vocabulary, "256, the bytes, to 1048576"));
        }
        let failed = |reason: tokenizers::Error| CorpusError::Tokenizer {
            name: name.into(),
            reason: format!("failed to train byte pairs: {reason}"),
        };
        let splitter = ByteLevel::default().add_prefix_space(false);
        let mut tokenizer: TokenizerImpl<BPE, NormalizerWrapper, ByteLevel, ByteLevel, ByteLevel> =
            TokenizerImpl::new(BPE::default());
        tokenizer.with_pre_tokenizer(Some(splitter)).with_decoder(Some(splitter));
        let mut trainer = BpeTrainer::builder()
            .show_progress(false)
            .vocab_size(vocabulary)
            .min_frequency(2)
            .special_tokens(Vec::new())
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .build();
        tokenizer.train(&mut trainer, blocks(text)).map_err(failed)?;
        let found = tokenizer.get_model().get_vocab_size();
        if found != vocabulary {
            return Err(CorpusError::VocabularyTooLarge { name: name.into(), wanted: vocabulary, found });
        }
        let json = tokenizer.to_string(false).map_err(failed)?;
        Ok(Self { tokenizer: json.parse().map_err(failed)?, name: name.into() })
    }

    /// Reads a `tokenizer.json`, of whatever origin.
    ///
    /// # Errors
    /// If the file cannot be read, or is none.
    pub fn read(path: &Path) -> Result<Self, CorpusError> {
        let json = fs::read_to_string(path).map_err(|e| io(path, "read", e))?;
        let name = path.display().to_string();
        let tokenizer = json.parse().map_err(|reason: tokenizers::Error| CorpusError::Tokenizer {
            name: name.clone(),
            reason: format!(
                "no tokenizer.json that the tokenizers crate reads: {reason}; remove or replace it"
            ),
        })?;
        Ok(Self { tokenizer, name })
    }

    /// Writes `tokenizer.json` under another name first, so that no reader finds half of it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), CorpusError> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|e| io(folder, "create", e))?;
        }
        let mut half = path.as_os_str().to_owned();
        half.push(format!(".{}.part", std::process::id()));
        let half = PathBuf::from(half);
        fs::write(&half, self.json()?).map_err(|e| io(&half, "write", e))?;
        fs::rename(&half, path).map_err(|e| io(path, "write", e))
    }

    /// The text of `tokenizer.json`.
    ///
    /// # Errors
    /// If a part of a foreign tokenizer cannot be written.
    pub fn json(&self) -> Result<String, CorpusError> {
        self.tokenizer.to_string(true).map_err(|e| self.failed("write", &e))
    }

    /// Number of ids.
    pub fn vocabulary(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    /// The ids of a text, special tokens of a foreign tokenizer not added.
    ///
    /// # Errors
    /// If a foreign tokenizer cannot take the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, CorpusError> {
        let mut ids = Vec::new();
        for block in blocks(text) {
            let encoding = self.tokenizer.encode_fast(block, false).map_err(|e| self.failed("encode", &e))?;
            ids.extend_from_slice(encoding.get_ids());
        }
        Ok(ids)
    }

    /// The text of ids.
    ///
    /// # Errors
    /// If an id is not in the vocabulary.
    pub fn decode(&self, ids: &[u32]) -> Result<String, CorpusError> {
        let vocabulary = self.vocabulary();
        if let Some(id) = ids.iter().find(|&&id| id as usize >= vocabulary) {
            return Err(CorpusError::setting("token", id, format!("0 to {}", vocabulary - 1)));
        }
        self.tokenizer.decode(ids, false).map_err(|e| self.failed("decode", &e))
    }

    fn failed(&self, action: &str, reason: &dyn std::fmt::Display) -> CorpusError {
        CorpusError::Tokenizer { name: self.name.clone(), reason: format!("failed to {action}: {reason}") }
    }
}

fn file_name(text: &str, vocabulary: usize) -> String {
    let key = digest(format!("{RECIPE}\0{}", digest(text.as_bytes())).as_bytes());
    format!("bpe-{vocabulary}-{}.json", &key[..16])
}

/// Pieces of some thousand characters, cut after a line's end, else before a space, else between characters: no word
/// is cut unless it is as long as a block.
fn blocks(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.char_indices().nth(BLOCK).map_or(rest.len(), |(at, _)| at);
        let window = &rest[..end];
        let at = if end == rest.len() {
            end
        } else {
            let space = || window.rfind(' ').filter(|&at| at > 0);
            window.rfind('\n').map(|at| at + 1).or_else(space).unwrap_or(end)
        };
        let (block, after) = rest.split_at(at);
        rest = after;
        Some(block)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Language, LanguageConfig};
    use proptest::prelude::*;

    /// Words with a few letters each, in the order the language says.
    fn text(documents: u64) -> String {
        let language = Language::new(LanguageConfig::new(256)).unwrap();
        let word = |id: u32| {
            ["ka", "lo", "mi", "ne"].map(String::from)[(id % 4) as usize].repeat(1 + id as usize % 3)
                + &id.to_string()
        };
        (0..documents)
            .map(|index| {
                let tokens = language.document(0, "text", index, 60).tokens;
                tokens.into_iter().map(word).collect::<Vec<_>>().join(" ") + ".\n"
            })
            .collect()
    }

    /// Both ways to count pairs, and hash maps of other seeds in each training.
    #[test]
    fn the_same_text_gives_the_same_merges() {
        let text = text(80);
        let train = || Bpe::train("t", &text, 400, None).unwrap().json().unwrap();
        let expected = train();
        for parallel in [false, true, true, true] {
            tokenizers::utils::parallelism::set_parallelism(parallel);
            assert_eq!(train(), expected);
        }
    }

    /// "ab" occurs four times, "cd" three times: with two merges both are ids, in that order. By hand.
    #[test]
    fn the_most_frequent_pair_is_merged_first() {
        let bpe = Bpe::train("t", "ab ab ab ab\ncd\ncd\ncd\n", 258, None).unwrap();
        assert_eq!(bpe.encode("ab").unwrap(), [256]);
        assert_eq!(bpe.encode("cd").unwrap(), [257]);
        assert_eq!(bpe.encode("ac").unwrap().len(), 2);
    }

    #[test]
    fn a_vocabulary_larger_than_the_text_supports_is_named_and_nothing_written() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("cache");
        let message = Bpe::train("a.txt", "ab ab", 300, Some(&cache)).unwrap_err().to_string();
        // "ab" and, with the space before it, no other pair twice
        assert!(message.starts_with("a.txt: a vocabulary of 300 was asked for"), "{message}");
        assert!(message.contains("is merged at 257; ask for 257"), "{message}");
        assert!(!cache.exists());
        assert!(Bpe::train("a.txt", "ab ab", 257, Some(&cache)).is_ok());
        assert!(Bpe::train("a.txt", "ab", 10, None).unwrap_err().to_string().starts_with("vocabulary = 10"));
    }

    #[test]
    fn a_trained_tokenizer_is_kept_by_digest_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let text = text(40);
        let trained = Bpe::train("t", &text, 300, Some(folder.path())).unwrap();
        let files: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path()).collect();
        assert_eq!(files.len(), 1);
        let read = Bpe::read(&files[0]).unwrap();
        assert_eq!(read.json().unwrap(), trained.json().unwrap());
        assert_eq!(read.encode(&text).unwrap(), trained.encode(&text).unwrap());
        // what lies there is taken, not trained again
        fs::write(&files[0], "{}").unwrap();
        let message = Bpe::train("t", &text, 300, Some(folder.path())).unwrap_err().to_string();
        assert!(message.contains("no tokenizer.json") && message.contains("bpe-300-"), "{message}");
        // another text or size has another file
        Bpe::train("t", &text, 301, Some(folder.path())).unwrap();
        Bpe::train("t", &format!("{text}x"), 300, Some(folder.path())).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn blocks_are_the_text_and_cut_no_word() {
        let text = text(400);
        let pieces: Vec<&str> = blocks(&text).collect();
        assert!(pieces.len() > 10 && pieces.concat() == text);
        assert!(pieces.iter().all(|piece| piece.ends_with('\n') && piece.chars().count() <= BLOCK));
        let long = "ä".repeat(2 * BLOCK + 1);
        assert_eq!(blocks(&long).map(|piece| piece.chars().count()).collect::<Vec<_>>(), [BLOCK, BLOCK, 1]);
        let spaced = "word ".repeat(BLOCK);
        assert!(blocks(&spaced).skip(1).all(|piece| piece.starts_with(" word") || piece == " "));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_text_comes_back(text: String) {
            let bpe = Bpe::train("t", "to be or not to be, that is the question\nto be\n", 260, None).unwrap();
            prop_assert_eq!(bpe.decode(&bpe.encode(&text).unwrap()).unwrap(), text);
        }
    }
}
