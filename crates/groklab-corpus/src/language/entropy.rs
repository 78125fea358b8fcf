//! What can be known about the next id: the language's own floor, computed, not sampled.

use super::{Document, Language, LanguageConfig};

impl Language {
    /// Least loss in nats a target, of `targets` targets in a document of `targets` + 1 ids, for a reader who knows the
    /// tables and the topic: (1/T) Σ_{t=1..T} H(x_t | x_(t−1), topic), the mean over topics. The floor line of a figure.
    ///
    /// Exact up to rounding: the distribution of each x_t is propagated, nothing is drawn. A reader who has to infer the
    /// topic pays a little more, [`Language::loss_without_topic`].
    pub fn floor(&self, targets: usize) -> f64 {
        let topics = self.config.topics;
        let total: f64 = (0..topics)
            .map(|topic| {
                let entropies = self.entropies(topic);
                let mut before = vec![0.0; self.config.vocabulary];
                before[0] = 1.0;
                let mut sum = 0.0;
                for _ in 0..targets {
                    before = self.propagate(&before, topic);
                    sum += before.iter().zip(&entropies).map(|(p, h)| p * h).sum::<f64>();
                }
                sum
            })
            .sum();
        total / (topics * targets.max(1)) as f64
    }

    /// H(next | previous, topic) in nats for every previous id.
    pub fn entropies(&self, topic: usize) -> Vec<f64> {
        (0..self.config.vocabulary as u32)
            .map(|previous| {
                let end = self.end_after(previous);
                let classes: f64 = self
                    .classes_after(previous)
                    .map(|(class, share)| {
                        let p = (1.0 - end) * share;
                        p * self.word_entropy(class, previous, topic) + surprise(p)
                    })
                    .sum();
                classes + surprise(end)
            })
            .collect()
    }

    /// Distribution of the id after one with distribution `before`.
    pub fn propagate(&self, before: &[f64], topic: usize) -> Vec<f64> {
        let LanguageConfig { bigram_share, topic_share, classes, .. } = self.config;
        let mut after = vec![0.0; before.len()];
        let mut mass = vec![0.0; classes];
        for (previous, &p) in before.iter().enumerate() {
            let previous = previous as u32;
            let end = self.end_after(previous);
            after[0] += p * end;
            for (class, share) in self.classes_after(previous) {
                let p = p * (1.0 - end) * share;
                mass[class] += p;
                for (rank, &word) in self.followers(previous, class).iter().enumerate() {
                    after[word as usize] += p * bigram_share * self.follower_ranks.probability(rank);
                }
            }
        }
        for (class, p) in mass.into_iter().enumerate() {
            for (rank, &word) in self.topic_words(topic, class).iter().enumerate() {
                after[word as usize] += p * topic_share * self.topic_ranks.probability(rank);
            }
            for (rank, word) in self.words(class).enumerate() {
                after[word as usize] +=
                    p * (1.0 - bigram_share - topic_share) * self.class_ranks[class].probability(rank);
            }
        }
        after
    }

    /// Σ −ln p(x_t | x_(t−1), topic) over the targets of a document, its first id left out, in nats.
    pub fn loss_given_topic(&self, tokens: &[u32], topic: usize) -> f64 {
        tokens.windows(2).map(|pair| -self.probability(pair[1], pair[0], topic).ln()).sum()
    }

    /// The same for the best reader who knows the tables but not the topic, and has seen the first id:
    /// −ln p(x_1 … x_T | x_0), each topic weighted by what the ids before said about it. In nats.
    pub fn loss_without_topic(&self, document: &Document) -> f64 {
        let Some(&first) = document.tokens.first() else { return 0.0 };
        let joint: Vec<f64> = (0..self.config.topics)
            .map(|topic| {
                self.probability(first, 0, topic).ln() - self.loss_given_topic(&document.tokens, topic)
            })
            .collect();
        let opening: Vec<f64> =
            (0..self.config.topics).map(|topic| self.probability(first, 0, topic).ln()).collect();
        log_sum(&opening) - log_sum(&joint)
    }

    fn word_entropy(&self, class: usize, previous: u32, topic: usize) -> f64 {
        self.words(class).map(|word| surprise(self.word_probability(word, class, previous, topic))).sum()
    }
}

/// −p ln p.
fn surprise(p: f64) -> f64 {
    if p > 0.0 { -p * p.ln() } else { 0.0 }
}

/// ln Σ exp.
fn log_sum(logs: &[f64]) -> f64 {
    let greatest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    greatest + logs.iter().map(|log| (log - greatest).exp()).sum::<f64>().ln()
}
