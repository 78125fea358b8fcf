//! A synthetic language with a known floor: word classes, sentences, bigrams and topics, drawn once from a seed.
//!
//! Id 0 ends a sentence; the other ids are words, in classes of contiguous ids. After a word its class is followed by
//! one of `fan` classes, or in two classes by a sentence end; after a sentence end a class is drawn anew. Inside the
//! class the word is drawn from a mixture: one of `followers` words that follow the previous word, one of `topic_words`
//! words of the document's topic, or any word of the class by its frequency rank. A document has one hidden topic and
//! begins as after a sentence end.
//!
//! Given its topic a document is a Markov chain over ids, so its entropy has no estimate in it: see [`Language::floor`].

mod entropy;
mod tables;
#[cfg(test)]
mod tests;

use crate::{CorpusError, choose::Weighted, stream};
use rand::Rng;

/// What the tables of a language are drawn from. Weights of ranks are 1/rank throughout.
#[derive(Clone, Debug, PartialEq)]
pub struct LanguageConfig {
    /// Number of ids V, the sentence end among them.
    pub vocabulary: usize,
    /// Seed of all tables.
    pub seed: u64,
    /// Word classes. Their sizes are as (rank + 1)^−0.7, but at least `followers` + 2.
    pub classes: usize,
    /// Classes that may follow a class, with Dirichlet(1.5) weights.
    pub fan: usize,
    /// Words of each class that follow a given word.
    pub followers: usize,
    /// Hidden topics, all equally likely.
    pub topics: usize,
    /// Words of each class in a topic.
    pub topic_words: usize,
    /// Probability that a word is one of the followers.
    pub bigram_share: f64,
    /// Probability that it is one of the topic; the rest is by frequency.
    pub topic_share: f64,
    /// Probability of a sentence end after a word of one of the two classes that may end a sentence.
    pub end_probability: f64,
}

impl LanguageConfig {
    /// The language of the studies, of `vocabulary` ids: 12 classes, 3 successors, 12 followers, 16 topics, seed 7.
    pub fn new(vocabulary: usize) -> Self {
        Self {
            vocabulary,
            seed: 7,
            classes: 12,
            fan: 3,
            followers: 12,
            topics: 16,
            topic_words: 12,
            bigram_share: 0.5,
            topic_share: 0.3,
            end_probability: 0.3,
        }
    }
}

/// A language: its tables.
#[derive(Clone, Debug)]
pub struct Language {
    config: LanguageConfig,
    /// First id of each class, and one past the last.
    starts: Vec<u32>,
    /// (class, probability) after a word of each class, given that no sentence ends.
    successors: Vec<Vec<(usize, f64)>>,
    /// Whether a class may end a sentence.
    ends: Vec<bool>,
    /// Class after a sentence end.
    openings: Vec<f64>,
    /// `followers` ids for each (previous id, class), in order of rank.
    bigrams: Vec<u32>,
    /// `topic_words` ids for each (topic, class), in order of rank.
    topics: Vec<u32>,
    /// 1/rank over the followers, over the topic's words, and over the words of each class.
    follower_ranks: Weighted,
    topic_ranks: Weighted,
    class_ranks: Vec<Weighted>,
}

/// One document and what hid behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Its topic.
    pub topic: usize,
    /// Its ids.
    pub tokens: Vec<u32>,
}

impl Language {
    /// What it was drawn from.
    pub fn config(&self) -> &LanguageConfig {
        &self.config
    }

    /// Document `index` of the named part ("train", "validation", …), `width` ids long. Parts share no draws.
    pub fn document(&self, seed: u64, part: &str, index: u64, width: usize) -> Document {
        let mut rng = stream(seed, &format!("document/{part}"), index);
        let topic = rng.random_range(0..self.config.topics);
        let mut tokens = Vec::with_capacity(width);
        let mut previous = 0;
        for _ in 0..width {
            previous = self.next(previous, topic, &mut rng);
            tokens.push(previous);
        }
        Document { topic, tokens }
    }

    /// p(`next` | `previous`, `topic`), exact up to rounding; 0 stands for "before the first word" too.
    pub fn probability(&self, next: u32, previous: u32, topic: usize) -> f64 {
        let end = self.end_after(previous);
        if next == 0 {
            return end;
        }
        let class = self.class_of(next);
        let opening = self.classes_after(previous).find(|&(c, _)| c == class).map_or(0.0, |(_, share)| share);
        (1.0 - end) * opening * self.word_probability(next, class, previous, topic)
    }

    /// Ids of a class.
    fn words(&self, class: usize) -> std::ops::Range<u32> {
        self.starts[class]..self.starts[class + 1]
    }

    /// Class of a word; ids are 1 and more.
    fn class_of(&self, word: u32) -> usize {
        self.starts.partition_point(|&start| start <= word) - 1
    }

    fn end_after(&self, previous: u32) -> f64 {
        if previous != 0 && self.ends[self.class_of(previous)] { self.config.end_probability } else { 0.0 }
    }

    /// Classes that may follow, with their probabilities given that the sentence goes on.
    fn classes_after(&self, previous: u32) -> impl Iterator<Item = (usize, f64)> {
        let (openings, successors): (&[f64], &[(usize, f64)]) = match previous {
            0 => (&self.openings, &[]),
            word => (&[], &self.successors[self.class_of(word)]),
        };
        openings.iter().copied().enumerate().chain(successors.iter().copied())
    }

    fn followers(&self, previous: u32, class: usize) -> &[u32] {
        let k = self.config.followers;
        let at = (previous as usize * self.config.classes + class) * k;
        &self.bigrams[at..at + k]
    }

    fn topic_words(&self, topic: usize, class: usize) -> &[u32] {
        let k = self.config.topic_words;
        let at = (topic * self.config.classes + class) * k;
        &self.topics[at..at + k]
    }

    /// Probability of a word given its class.
    fn word_probability(&self, word: u32, class: usize, previous: u32, topic: usize) -> f64 {
        let LanguageConfig { bigram_share, topic_share, .. } = self.config;
        let listed = |words: &[u32], ranks: &Weighted| {
            words.iter().position(|&w| w == word).map_or(0.0, |rank| ranks.probability(rank))
        };
        let rank = (word - self.starts[class]) as usize;
        bigram_share * listed(self.followers(previous, class), &self.follower_ranks)
            + topic_share * listed(self.topic_words(topic, class), &self.topic_ranks)
            + (1.0 - bigram_share - topic_share) * self.class_ranks[class].probability(rank)
    }

    fn next(&self, previous: u32, topic: usize, rng: &mut impl Rng) -> u32 {
        if rng.random_bool(self.end_after(previous)) {
            return 0;
        }
        let mut left: f64 = rng.random();
        let mut chosen = 0;
        for (class, share) in self.classes_after(previous).filter(|&(_, share)| share > 0.0) {
            // the last one stays where rounding leaves a rest
            chosen = class;
            left -= share;
            if left < 0.0 {
                break;
            }
        }
        let LanguageConfig { bigram_share, topic_share, .. } = self.config;
        let source: f64 = rng.random();
        if source < bigram_share {
            self.followers(previous, chosen)[self.follower_ranks.draw(rng)]
        } else if source < bigram_share + topic_share {
            self.topic_words(topic, chosen)[self.topic_ranks.draw(rng)]
        } else {
            self.starts[chosen] + self.class_ranks[chosen].draw(rng) as u32
        }
    }
}

impl Language {
    /// Draws the tables.
    ///
    /// # Errors
    /// If a setting is outside its range, or the vocabulary is too small for its classes.
    pub fn new(config: LanguageConfig) -> Result<Self, CorpusError> {
        tables::draw(config)
    }
}
