//! What is read: the synthetic language, periodic sequences, or a text of the user's own.

use super::config::{Config, DataConfig};
use crate::run::{Document, PlanError};
use groklab_corpus::{
    Bpe, CorpusError, Language, LanguageConfig, Periodic, Sequences, Text, Tokenizer, digest,
};
use std::path::{Path, PathBuf};

/// Share of a text, its end, that is held out, as in arXiv 2605.28975.
const HELD_OUT_SHARE: f64 = 0.1;

/// Names a folder that keeps trained byte pairs, by the digest of their text.
const CACHE: &str = "GROKLAB_CACHE";

/// `data.source` as it is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The synthetic language.
    Language,
    /// Periodic sequences.
    Periodic,
    /// A text in byte pairs.
    Text(PathBuf),
    /// A text in bytes.
    Bytes(PathBuf),
}

impl Source {
    /// None if it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let path = |path: &str| Some(PathBuf::from(path)).filter(|_| !path.is_empty());
        match text.split_once(':') {
            None if text == "language" => Some(Self::Language),
            None if text == "periodic" => Some(Self::Periodic),
            None => None,
            Some(("text", rest)) => path(rest).map(Self::Text),
            Some(("bytes", rest)) => path(rest).map(Self::Bytes),
            Some(_) => None,
        }
    }

    /// Without the path, which is not part of what a run is.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Language => "language",
            Self::Periodic => "periodic",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
        }
    }

    /// Whether sequences are drawn from a seed; else there is a file.
    pub fn is_drawn(&self) -> bool {
        matches!(self, Self::Language | Self::Periodic)
    }
}

/// A text that is not the one a run was made of.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum SourceError {
    /// It cannot be used as asked.
    #[error("{}", with_cause(.0))]
    #[diagnostic(help("data.source names the text: text:PATH or bytes:PATH, a path from here"))]
    Corpus(#[from] CorpusError),
    /// It has changed.
    #[error("{path}: its SHA-256 is {found}, not {wanted}")]
    #[diagnostic(help(
        "the text has changed since data.digest was written: put the old one back, \
         or leave data.digest empty for another run with this one"
    ))]
    Changed {
        /// The text.
        path: String,
        /// What it has now.
        found: String,
        /// What the config asks for.
        wanted: String,
    },
}

fn with_cause(error: &CorpusError) -> String {
    match std::error::Error::source(error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

impl From<CorpusError> for PlanError {
    fn from(error: CorpusError) -> Self {
        SourceError::from(error).into()
    }
}

impl From<SourceError> for PlanError {
    fn from(error: SourceError) -> Self {
        let key = if matches!(error, SourceError::Changed { .. }) { "data.digest" } else { "data.source" };
        Self::Data { key, error: Box::new(error) }
    }
}

/// What is read, loaded.
#[derive(Debug)]
pub struct Corpus {
    /// For people: `language`, or the file's name without its ending.
    pub name: String,
    /// SHA-256: of what is drawn of its definition and first ids, of a text of the text.
    pub digest: String,
    /// Where its sequences come from.
    pub kind: CorpusKind,
    /// What was read, for a run's directory.
    pub documents: Vec<Document>,
}

/// Where sequences come from.
#[derive(Debug)]
pub enum CorpusKind {
    /// Documents are drawn as they are needed.
    Language(Box<Language>),
    /// Sequences are drawn as they are needed.
    Periodic(Box<Periodic>),
    /// Cut into sequences.
    Text {
        /// All but the last tenth.
        train: Sequences,
        /// The last tenth.
        held_out: Sequences,
    },
}

impl Corpus {
    /// Draws the tables of what is drawn, or reads the text.
    pub fn load(config: &Config) -> Result<Self, PlanError> {
        let DataConfig { vocabulary, language_seed, .. } = &config.data;
        match Source::parse(&config.data.source) {
            None | Some(Source::Language) => Self::language(*vocabulary, *language_seed),
            Some(Source::Periodic) => Self::periodic(*vocabulary, *language_seed),
            Some(Source::Bytes(path)) => {
                let text = Text::read(&path)?;
                Self::text(&text, &Tokenizer::Bytes, config)
            }
            Some(Source::Text(path)) => {
                let text = Text::read(&path)?;
                let (train, _) = text.hold_out(HELD_OUT_SHARE)?;
                let cache = std::env::var_os(CACHE).filter(|folder| !folder.is_empty()).map(PathBuf::from);
                let bpe = Bpe::train(&path.display().to_string(), train, *vocabulary, cache.as_deref())?;
                let pairs = Document { name: "tokenizer.json", text: bpe.json()? };
                let mut corpus = Self::text(&text, &Tokenizer::Bpe(Box::new(bpe)), config)?;
                corpus.documents.push(pairs);
                Ok(corpus)
            }
        }
    }

    /// Whether it is the text that a config asks for, where it asks for one.
    pub fn check_digest(&self, source: &str, wanted: &str) -> Result<(), PlanError> {
        if wanted.is_empty() || wanted.eq_ignore_ascii_case(&self.digest) {
            return Ok(());
        }
        let path = source.split_once(':').map_or(source, |(_, path)| path).to_owned();
        Err(SourceError::Changed { path, found: self.digest.clone(), wanted: wanted.to_owned() }.into())
    }

    fn language(vocabulary: usize, seed: u64) -> Result<Self, PlanError> {
        let definition = LanguageConfig { seed, ..LanguageConfig::new(vocabulary) };
        let mut content = format!("{definition:?}").into_bytes();
        let language = Language::new(definition)?;
        // so that another way to draw is another language
        let words = (0..16).flat_map(|index| language.document(0, "digest", index, 64).tokens);
        content.extend(words.flat_map(u32::to_le_bytes));
        Ok(Self {
            name: "language".into(),
            digest: digest(&content),
            kind: CorpusKind::Language(Box::new(language)),
            documents: Vec::new(),
        })
    }

    fn periodic(vocabulary: usize, seed: u64) -> Result<Self, PlanError> {
        let periodic = Periodic::new(vocabulary, seed)?;
        let mut content = format!("periodic {vocabulary} {seed}").into_bytes();
        // so that another way to draw is another data set
        let ids = (0..64).flat_map(|index| periodic.sequence(index, 64));
        content.extend(ids.flat_map(u32::to_le_bytes));
        Ok(Self {
            name: "periodic".into(),
            digest: digest(&content),
            kind: CorpusKind::Periodic(Box::new(periodic)),
            documents: Vec::new(),
        })
    }

    fn text(text: &Text, tokenizer: &Tokenizer, config: &Config) -> Result<Self, PlanError> {
        let name = text.path.display().to_string();
        let (train, held_out) = text.hold_out(HELD_OUT_SHARE)?;
        let cut = |part: &str, what: &str| -> Result<Sequences, CorpusError> {
            Sequences::of_text(&format!("{name} ({what})"), tokenizer.encode(part)?, config.model.n_ctx)
        };
        let kind = CorpusKind::Text { train: cut(train, "training")?, held_out: cut(held_out, "held out")? };
        let stem = text.path.file_stem().map_or_else(|| "text".into(), |stem| stem.to_string_lossy());
        Ok(Self { name: plain(&stem), digest: text.digest.clone(), kind, documents: vec![listing(text)] })
    }
}

/// Letters, digits, `_` and `-` of a name, which then can name a directory.
fn plain(name: &str) -> String {
    let kept: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).take(40).collect();
    let kept = kept.trim_matches('-').to_owned();
    if kept.is_empty() { "text".into() } else { kept }
}

/// Path, size and digest of the text, and its files.
fn listing(text: &Text) -> Document {
    let quoted = |path: &Path| toml::Value::from(path.display().to_string()).to_string();
    let mut lines = format!(
        "# The text that was read. It is too large for this directory: keep it.\npath = {}\nbytes = {}\nsha256 = \"{}\"\n",
        quoted(&text.path),
        text.text.len(),
        text.digest
    );
    for (path, bytes) in &text.files {
        lines += &format!("[[files]]\npath = {}\nbytes = {bytes}\n", quoted(path));
    }
    Document { name: "corpus.toml", text: lines }
}
