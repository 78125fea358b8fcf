//! The tables of a language, each from a stream of its own.

use super::{Language, LanguageConfig};
use crate::{
    CorpusError,
    choose::{Weighted, without_replacement},
    stream,
};
use rand::{Rng, seq::SliceRandom};
use rand_distr::{Distribution, Gamma};

/// Ids are kept below this: the table of followers grows with it.
const MOST_IDS: usize = 1 << 16;

pub(super) fn draw(config: LanguageConfig) -> Result<Language, CorpusError> {
    check(&config)?;
    let sizes = class_sizes(&config);
    let mut starts = vec![1u32];
    for size in &sizes {
        starts.push(starts[starts.len() - 1] + *size as u32);
    }
    let (successors, ends, openings) = chain(&config)?;
    let ranks = |count: usize| (1..=count).map(|rank| 1.0 / rank as f64);
    // words of a class by frequency rank, as ids
    let words = |class: usize, count: usize, rng: &mut _| -> Vec<u32> {
        let weights: Vec<f64> = ranks(sizes[class]).collect();
        without_replacement(&weights, count, rng)
            .into_iter()
            .map(|rank| starts[class] + rank as u32)
            .collect()
    };
    let bigrams = (0..config.vocabulary)
        .flat_map(|previous| {
            let mut rng = stream(config.seed, "language/bigrams", previous as u64);
            (0..config.classes).flat_map(|class| words(class, config.followers, &mut rng)).collect::<Vec<_>>()
        })
        .collect();
    let topics = (0..config.topics)
        .flat_map(|topic| {
            let mut rng = stream(config.seed, "language/topics", topic as u64);
            (0..config.classes)
                .flat_map(|class| words(class, config.topic_words, &mut rng))
                .collect::<Vec<_>>()
        })
        .collect();
    Ok(Language {
        bigrams,
        topics,
        follower_ranks: Weighted::new(ranks(config.followers)),
        topic_ranks: Weighted::new(ranks(config.topic_words)),
        class_ranks: sizes.iter().map(|&size| Weighted::new(ranks(size))).collect(),
        starts,
        successors,
        ends,
        openings,
        config,
    })
}

/// Sizes of the classes: one id is the sentence end; what the least sizes take is taken from the largest classes.
pub(super) fn class_sizes(config: &LanguageConfig) -> Vec<usize> {
    let (words, least) = (config.vocabulary - 1, least_size(config));
    let weights: Vec<f64> = (0..config.classes).map(|rank| (rank as f64 + 1.0).powf(-0.7)).collect();
    let total: f64 = weights.iter().sum();
    let mut sizes: Vec<usize> =
        weights.iter().map(|w| ((words as f64 * w / total).floor() as usize).max(least)).collect();
    let mut sum: usize = sizes.iter().sum();
    let mut class = 0;
    while sum < words {
        sizes[class] += 1;
        sum += 1;
        class = (class + 1) % config.classes;
    }
    while sum > words {
        // the last of the largest, so that sizes stay in descending order
        let largest = sizes[0];
        let last = sizes.partition_point(|&size| size == largest) - 1;
        sizes[last] -= 1;
        sum -= 1;
    }
    sizes
}

fn least_size(config: &LanguageConfig) -> usize {
    config.followers.max(config.topic_words) + 2
}

type Chain = (Vec<Vec<(usize, f64)>>, Vec<bool>, Vec<f64>);

/// Successors of classes, classes that end a sentence, classes that open one.
fn chain(config: &LanguageConfig) -> Result<Chain, CorpusError> {
    let mut rng = stream(config.seed, "language/classes", 0);
    let classes = config.classes;
    // One successor is the next on a round trip of all classes: every class reaches every other.
    let mut trip: Vec<usize> = (0..classes).collect();
    trip.shuffle(&mut rng);
    let mut successors = vec![Vec::new(); classes];
    for at in 0..classes {
        let next = trip[(at + 1) % classes];
        let mut others: Vec<usize> = (0..classes).filter(|&class| class != next).collect();
        others.shuffle(&mut rng);
        let shares = dirichlet(1.5, config.fan, &mut rng)?;
        let chosen = std::iter::once(next).chain(others).take(config.fan);
        successors[trip[at]] = chosen.zip(shares).collect();
    }
    let mut order: Vec<usize> = (0..classes).collect();
    order.shuffle(&mut rng);
    let ends = (0..classes).map(|class| order[..2].contains(&class)).collect();
    Ok((successors, ends, dirichlet(1.0, classes, &mut rng)?))
}

/// Shares of the simplex: independent Gamma(α, 1) over their sum.
fn dirichlet(alpha: f64, count: usize, rng: &mut impl Rng) -> Result<Vec<f64>, CorpusError> {
    let gamma = Gamma::new(alpha, 1.0)
        .map_err(|error| CorpusError::setting("Dirichlet concentration", alpha, error.to_string()))?;
    let draws: Vec<f64> = (0..count).map(|_| gamma.sample(rng)).collect();
    let sum: f64 = draws.iter().sum();
    Ok(draws.into_iter().map(|draw| draw / sum).collect())
}

fn check(config: &LanguageConfig) -> Result<(), CorpusError> {
    let whole = |setting, value: usize, from: usize, to: usize| {
        if (from..=to).contains(&value) {
            return Ok(());
        }
        Err(CorpusError::setting(setting, value, format!("{from} to {to}")))
    };
    whole("classes", config.classes, 2, 256)?;
    whole("fan", config.fan, 1, config.classes)?;
    whole("followers", config.followers, 1, 256)?;
    whole("topic_words", config.topic_words, 1, 256)?;
    whole("topics", config.topics, 1, 4096)?;
    let least = 1 + config.classes * least_size(config);
    if !(least..=MOST_IDS).contains(&config.vocabulary) {
        let expected = format!(
            "{least} to {MOST_IDS}: the sentence end and {} classes of at least {} words",
            config.classes,
            least_size(config)
        );
        return Err(CorpusError::setting("vocabulary", config.vocabulary, expected));
    }
    let share = |setting, value: f64, most: f64| {
        if (0.0..=most).contains(&value) {
            return Ok(());
        }
        Err(CorpusError::setting(setting, value, format!("0 to {most}")))
    };
    share("bigram_share", config.bigram_share, 1.0)?;
    share("topic_share", config.topic_share, 1.0 - config.bigram_share)?;
    share("end_probability", config.end_probability, 0.99)
}
