//! `groklab corpus`: what language models read.

use super::{deliver, print, report};
use clap::{Args, Subcommand};
use groklab_corpus::{Bpe, Language, LanguageConfig, Text, Tokenizer};
use std::{collections::BTreeMap, path::PathBuf};

/// Documents of the language that are counted.
const COUNTED: u64 = 2000;

/// What to do with a corpus.
#[derive(Subcommand)]
pub enum CorpusCommand {
    /// Sizes, digest and entropies
    Show(SourceArgs),
    /// Some of it, as ids and, of a text, as text
    Sample(SampleArgs),
    /// Train byte pairs on a text and write them as a tokenizer.json
    Tokens(TokensArgs),
}

/// Which corpus.
#[derive(Args)]
pub struct SourceArgs {
    /// `language`, `text:PATH` (byte pairs) or `bytes:PATH`; a path of a file or of a folder of files, UTF-8
    source: String,
    /// Ids: of the language, or of the byte pairs
    #[arg(long, default_value_t = 512)]
    vocabulary: usize,
    /// Seed of the tables of the language, as data.language_seed
    #[arg(long, default_value_t = 22)]
    language_seed: u64,
}

/// How much of which corpus.
#[derive(Args)]
pub struct SampleArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Tokens
    #[arg(long, default_value_t = 64)]
    tokens: usize,
    /// Seed of the documents of the language
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// A tokenizer to be trained.
#[derive(Args)]
pub struct TokensArgs {
    /// A file, or a folder of files, UTF-8
    path: PathBuf,
    /// Ids
    #[arg(long, default_value_t = 1024)]
    vocabulary: usize,
    /// Where to write
    #[arg(long, default_value = "tokenizer.json")]
    out: PathBuf,
}

/// A corpus in memory.
enum Corpus {
    Language(Box<Language>),
    Text(Text, Tokenizer, Vec<u32>),
}

/// Runs the command.
pub fn run(command: &CorpusCommand) -> miette::Result<()> {
    match command {
        CorpusCommand::Show(args) => print(&show(&args.load()?)?),
        CorpusCommand::Sample(args) => sample(args),
        CorpusCommand::Tokens(args) => {
            let text = Text::read(&args.path).map_err(report)?;
            let bpe = Bpe::train(&args.path.display().to_string(), &text.text, args.vocabulary, None);
            deliver(&args.out, bpe.map_err(report)?.json().map_err(report)?.as_bytes())
        }
    }
}

impl SourceArgs {
    fn load(&self) -> miette::Result<Corpus> {
        let unknown = || {
            miette::miette!(
                help = "write language, text:PATH or bytes:PATH",
                "no source of text {:?}",
                self.source
            )
        };
        if self.source == "language" {
            let config = LanguageConfig { seed: self.language_seed, ..LanguageConfig::new(self.vocabulary) };
            return Ok(Corpus::Language(Box::new(Language::new(config).map_err(report)?)));
        }
        let (scheme, path) = self.source.split_once(':').ok_or_else(unknown)?;
        let tokenizer = |text: &Text| match scheme {
            "bytes" => Ok(Tokenizer::Bytes),
            "text" => {
                let bpe = Bpe::train(path, &text.text, self.vocabulary, None).map_err(report)?;
                Ok(Tokenizer::Bpe(Box::new(bpe)))
            }
            _ => Err(unknown()),
        };
        let text = Text::read(path.as_ref()).map_err(report)?;
        let tokenizer = tokenizer(&text)?;
        let ids = tokenizer.encode(&text.text).map_err(report)?;
        Ok(Corpus::Text(text, tokenizer, ids))
    }
}

fn show(corpus: &Corpus) -> miette::Result<String> {
    let mut out = String::new();
    let mut line = |name: &str, value: String| out.push_str(&format!("{name:<22}{value}\n"));
    match corpus {
        Corpus::Language(language) => {
            let config = language.config();
            let documents = (0..COUNTED).map(|index| language.document(0, "train", index, 65).tokens);
            let ids: Vec<u32> = documents.flatten().collect();
            line("ids", config.vocabulary.to_string());
            line("seed of its tables", config.seed.to_string());
            line("unigram entropy", format!("{:.3} nats, of {} tokens", entropy(&ids), ids.len()));
            line(
                "entropy",
                format!(
                    "{:.3} nats a token, given the hidden topic: no model comes below",
                    language.floor(64)
                ),
            );
        }
        Corpus::Text(text, tokenizer, ids) => {
            line("files", text.files.len().to_string());
            line("bytes", text.text.len().to_string());
            line("sha256", text.digest.clone());
            line("ids", tokenizer.vocabulary().to_string());
            line(
                "tokens",
                format!("{} ({:.2} bytes each)", ids.len(), text.text.len() as f64 / ids.len() as f64),
            );
            line("unigram entropy", format!("{:.3} nats", entropy(ids)));
        }
    }
    Ok(out)
}

/// Of the shares of ids, in nats.
fn entropy(ids: &[u32]) -> f64 {
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    ids.iter().for_each(|id| *counts.entry(*id).or_default() += 1);
    let all = ids.len() as f64;
    -counts.values().map(|&count| count as f64 / all).map(|share| share * share.ln()).sum::<f64>()
}

fn sample(args: &SampleArgs) -> miette::Result<()> {
    let list = |ids: &[u32]| ids.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
    match args.source.load()? {
        Corpus::Language(language) => {
            let document = language.document(args.seed, "train", 0, args.tokens);
            print(&format!("topic {}\n{}\n", document.topic, list(&document.tokens)))
        }
        Corpus::Text(_, tokenizer, ids) => {
            let ids = &ids[..args.tokens.min(ids.len())];
            print(&format!("{}\n{}\n", list(ids), tokenizer.decode(ids).map_err(report)?))
        }
    }
}
