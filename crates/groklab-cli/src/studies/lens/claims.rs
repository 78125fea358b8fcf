//! The claims about stages, batches and the three changes of the last stage.

use super::{
    matched::{divergence, over_sampling, seed_floor},
    toy::{BATCHES, Rule, STAGES, Toy, at, logged, same_seed, tokens_to},
};
use crate::analysis::{
    claims::{Claim, Part, Range, Sample, judge},
    general::Run,
};
use crate::studies::contrast::mean;

/// A divergence of batches counts when it is so many times that of seeds.
const TIMES_FLOOR: f64 = 3.0;

fn sample(group: &str, value: f64) -> Sample {
    Sample { group: group.to_owned(), value }
}

/// Runs of neighbouring stages with the same batch and seed under the authors' rates, the earlier first.
fn neighbours<'t, 'a>(toys: &'t [Toy<'a>], first: usize) -> Vec<(u64, &'t Toy<'a>, &'t Toy<'a>)> {
    let of_batch = |&batch: &u64| {
        let [a, b] = [first, first + 1].map(|i| at(toys, STAGES[i], batch, Rule::Authors));
        same_seed(&a, &b).into_iter().map(move |(a, b)| (batch, a, b)).collect::<Vec<_>>()
    };
    BATCHES.iter().flat_map(of_batch).collect()
}

fn batch_name(batch: u64) -> String {
    format!("B {batch}")
}

/// Validation losses at the last step at which both were evaluated.
fn at_equal_steps(a: &Run, b: &Run) -> Option<(f64, f64)> {
    let (a, b) = (logged(a), logged(b));
    a.iter().rev().find_map(|x| Some((x.loss, b.iter().find(|y| y.step == x.step)?.loss)))
}

pub fn order(toys: &[Toy]) -> Claim {
    let part = |first: usize| {
        let lower = neighbours(toys, first).into_iter().filter_map(|(batch, a, b)| {
            let (earlier, later) = at_equal_steps(a.run, b.run)?;
            Some(sample(&batch_name(batch), earlier - later))
        });
        let what = format!("validation loss at equal steps, {} − {}", STAGES[first], STAGES[first + 1]);
        judge(&what, Range::Above(0.0), lower.collect())
    };
    let claim = "each stage has a lower loss than the one before it: baseline > rope > muon > untied";
    Claim::new("lens-order", claim, "Table 1", (0..3).map(part).collect())
}

pub fn untied_moves_most(toys: &[Toy]) -> Claim {
    let part = |second: usize| {
        let more = neighbours(toys, second).into_iter().filter_map(|(batch, b, c)| {
            let first = at(toys, STAGES[second - 1], batch, Rule::Authors);
            let a = first.iter().find(|toy| toy.run.seed() == b.run.seed())?;
            Some(sample(&batch_name(batch), divergence(b.run, c.run)? - divergence(a.run, b.run)?))
        });
        let [a, b, c] = [second - 1, second, second + 1].map(|i| STAGES[i]);
        let what = format!("JS at matched loss, ({b}, {c}) − ({a}, {b})");
        judge(&what, Range::Above(0.0), more.collect())
    };
    let claim = "each stage moves the spectrum at matched loss further than the one before it";
    Claim::new("lens-untied-moves-most", claim, "Table 2", vec![part(1), part(2)])
}

pub fn stages_above_noise(toys: &[Toy]) -> Claim {
    let mut parts = Vec::new();
    for first in 0..3 {
        let names = format!("({}, {})", STAGES[first], STAGES[first + 1]);
        let seeds = neighbours(toys, first).into_iter().filter_map(|(batch, a, b)| {
            let floors = [&a.stage, &b.stage].map(|stage| seed_floor(&at(toys, stage, batch, Rule::Authors)));
            let floor = mean(floors.into_iter().flatten())?;
            Some(sample(&batch_name(batch), divergence(a.run, b.run)? / floor))
        });
        let what = format!("JS at matched loss {names} / that of two seeds of either");
        parts.push(judge(&what, Range::Above(1.0), seeds.collect()));
        let samples = neighbours(toys, first)
            .into_iter()
            .filter_map(|(batch, a, b)| Some(sample(&batch_name(batch), over_sampling(a.run, b.run)?)));
        let what = format!("JS at matched loss {names} / that of two sample sets of either");
        parts.push(judge(&what, Range::Above(1.0), samples.collect()));
    }
    let claim = "neighbouring stages differ by more than two seeds of one do, and than two sets of samples";
    Claim::new("lens-stages-above-noise", claim, "own control", parts)
}

/// The divergence of two batch sizes for each seed that has both.
fn of_batches(toys: &[Toy], stage: &str, (a, b): (u64, u64), rule: Rule) -> Vec<(String, f64)> {
    let pairs = same_seed(&at(toys, stage, a, rule), &at(toys, stage, b, rule));
    pairs.into_iter().filter_map(|(a, b)| Some((a.run.seed(), divergence(a.run, b.run)?))).collect()
}

/// A part for each rule for the rate that has runs; the stages are its groups.
fn by_rule(what: &str, range: Range, samples: impl Fn(&str, Rule) -> Vec<f64>) -> Vec<Part> {
    let part = |rule: Rule| {
        let of_stage = |stage: &&'static str| {
            samples(stage, rule).into_iter().map(|value| sample(stage, value)).collect::<Vec<_>>()
        };
        let values: Vec<Sample> = STAGES.iter().flat_map(of_stage).collect();
        (!values.is_empty()).then(|| judge(&format!("{what}, {}", rule.name()), range, values))
    };
    Rule::ALL.into_iter().filter_map(part).collect()
}

pub fn batch_geometry(toys: &[Toy]) -> Claim {
    let times = |stage: &str, rule: Rule| {
        let Some(floor) = seed_floor(&at(toys, stage, 32, rule)) else { return Vec::new() };
        of_batches(toys, stage, (32, 512), rule).into_iter().map(|(_, js)| js / floor).collect()
    };
    let what = "JS at matched loss (B 32, B 512) / that of two seeds of B 32";
    let claim =
        "batch sizes sit in different spectra at the same loss: more than three times what two seeds make";
    Claim::new("lens-batch-geometry", claim, "Fig. 3", by_rule(what, Range::Above(TIMES_FLOOR), times))
}

pub fn batch_order(toys: &[Toy]) -> Claim {
    let more = |stage: &str, rule: Rule| {
        let [far, low, high] =
            [(32, 512), (32, 128), (128, 512)].map(|pair| of_batches(toys, stage, pair, rule));
        let of_seed =
            |all: &[(String, f64)], seed: &str| all.iter().find(|(s, _)| s == seed).map(|(_, js)| *js);
        far.iter()
            .filter_map(|(seed, js)| Some(js - of_seed(&low, seed)?.max(of_seed(&high, seed)?)))
            .collect()
    };
    let what = "JS at matched loss, (B 32, B 512) − the larger of its neighbours'";
    let claim = "batch sizes that are further apart have spectra that are further apart";
    Claim::new("lens-batch-order", claim, "Table 3", by_rule(what, Range::Above(0.0), more))
}

pub fn collapse(toys: &[Toy]) -> Claim {
    let (mut less, mut left) = (Vec::new(), Vec::new());
    for stage in STAGES {
        let [one, root] = [Rule::One, Rule::Root].map(|rule| of_batches(toys, stage, (32, 512), rule));
        for (seed, js) in &root {
            less.extend(one.iter().find(|(s, _)| s == seed).map(|(_, other)| sample(stage, other - js)));
        }
        if let Some(floor) = seed_floor(&at(toys, stage, 32, Rule::Root)) {
            left.extend(root.iter().map(|(_, js)| sample(stage, js / floor)));
        }
    }
    let parts = vec![
        judge("JS at matched loss (B 32, B 512), one rate − rate ∝ √B", Range::Above(0.0), less),
        judge("JS (B 32, B 512) / that of two seeds of B 32, rate ∝ √B", Range::Below(TIMES_FLOOR), left),
    ];
    let claim =
        "the effect of the batch is one of the learning rate: with rates ∝ √B spectra nearly coincide";
    Claim::new("lens-batch-collapse", claim, "own", parts)
}

pub fn token_optimal(toys: &[Toy]) -> Claim {
    let arms = BATCHES.map(|batch| at(toys, "untied", batch, Rule::Authors));
    let part = |larger: usize| {
        let ratios = same_seed(&arms[0], &arms[larger]).into_iter().filter_map(|(small, large)| {
            // the loss that both came to
            let least = |toy: &Toy| logged(toy.run).iter().map(|row| row.loss).fold(f64::INFINITY, f64::min);
            let loss = least(small).max(least(large));
            let value = (tokens_to(large.run, loss)? / tokens_to(small.run, loss)?).ln();
            Some(sample("untied", value))
        });
        let what = format!("ln(tokens to a loss that both reach, B {} / B 32), untied", BATCHES[larger]);
        judge(&what, Range::Above(0.0), ratios.collect())
    };
    let claim = "of the last stage the smallest batch needs the fewest tokens";
    Claim::new("lens-token-optimal", claim, "Table 1", vec![part(1), part(2)])
}

/// The switches of the last stage, and what a stage's name has without and with each.
const SWITCHES: [(&str, [&str; 2]); 3] = [
    ("own head", ["", " + own head"]),
    ("zero head, of an own one", [" + own head", " + zero head"]),
    ("normalised embedding", ["", " + normalised embedding"]),
];

/// The stage with and without a switch, for each state of the others.
fn switched(switch: usize) -> Vec<[String; 2]> {
    let [without, with] = SWITCHES[switch].1;
    let name = |head: &str, normalised: &str| match (head, normalised) {
        (" + zero head", " + normalised embedding") => "untied".to_owned(),
        _ => format!("muon{head}{normalised}"),
    };
    if switch == 2 {
        return ["", " + own head", " + zero head"]
            .map(|head| [name(head, without), name(head, with)])
            .to_vec();
    }
    ["", " + normalised embedding"].map(|rest| [name(without, rest), name(with, rest)]).to_vec()
}

pub fn untie(toys: &[Toy]) -> Claim {
    let part = |switch: usize| {
        let mut times = Vec::new();
        for stages in switched(switch) {
            let mut rates: Vec<(u64, f64)> = toys.iter().map(|toy| (toy.batch, toy.rate)).collect();
            rates.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
            rates.dedup();
            for (batch, rate) in rates {
                let [without, with] = stages.each_ref().map(|stage| {
                    let is_there = |toy: &&Toy| toy.stage == *stage && toy.batch == batch && toy.rate == rate;
                    toys.iter().filter(is_there).collect::<Vec<_>>()
                });
                let floors = [seed_floor(&without), seed_floor(&with)];
                let Some(floor) = mean(floors.into_iter().flatten()) else { continue };
                let found = same_seed(&without, &with)
                    .into_iter()
                    .filter_map(|(a, b)| Some(sample(&stages[0], divergence(a.run, b.run)? / floor)));
                times.extend(found);
            }
        }
        let what = format!("JS at matched loss / that of two seeds of either, {}", SWITCHES[switch].0);
        judge(&what, Range::Above(TIMES_FLOOR), times)
    };
    let claim = "each of the three changes of the last stage moves the spectrum by itself, three times further than two seeds";
    Claim::new("lens-untie", claim, "own ablation", (0..3).map(part).collect())
}
