//! The claims on made-up runs whose answers are known beforehand.

use super::{STUDY, matched, toy};
use crate::{
    analysis::{
        claims::{Claim, Verdict},
        general::{Run, Study},
    },
    kinds,
    run::{Mark, Milestones},
    store::{Diagnostics, Metrics, RunState, made::MadeRun},
};
use toml::{Table, Value};

/// What a made-up run is.
#[derive(Clone, Copy)]
struct Made {
    seed: u64,
    stage: &'static str,
    batch: i64,
    rate: f64,
    /// Loss after so many tokens: 6·exp(−tokens/pace), evaluated every 40,960 tokens.
    pace: f64,
    /// Exponent of its spectrum at loss L: shape + 0.1·L.
    shape: f64,
    target: f64,
    evaluations: u64,
}

impl Made {
    fn new(seed: u64, stage: &'static str, batch: i64) -> Self {
        let rate = toy::Rule::Authors.rate(stage, batch as u64).unwrap();
        Self { seed, stage, batch, rate, pace: 4e5, shape: 1.0, target: 0.0, evaluations: 20 }
    }

    fn run(self) -> Run {
        let is = |stages: &[&str]| Value::Boolean(stages.contains(&self.stage));
        let last = |text: &str| Value::Boolean(self.stage == "untied" || self.stage.contains(text));
        let is_muon = !matches!(self.stage, "baseline" | "rope");
        let tied = !(self.stage == "untied" || self.stage.contains("head"));
        let mut recipe = Table::from_iter([("seed".to_owned(), Value::Integer(self.seed as i64))]);
        let mut set = |section: &str, key: &str, value: Value| {
            let section = recipe.entry(section).or_insert_with(|| Table::new().into());
            section.as_table_mut().unwrap().insert(key.to_owned(), value);
        };
        set("model", "architecture", "lens".into());
        set("model", "rotary", Value::Boolean(is(&["baseline"]) == Value::Boolean(false)));
        set("model", "tied", Value::Boolean(tied));
        set("model", "zero_head", last("zero"));
        set("model", "normalised_embedding", last("normalised"));
        set("optim", "name", if is_muon { "muon" } else { "adamw" }.into());
        let rate = Table::from_iter([("learning_rate".to_owned(), Value::Float(self.rate))]);
        set("optim", "muon", rate.into());
        set("optim", "learning_rate", self.rate.into());
        set("data", "batch_size", self.batch.into());
        set("target", "val_loss", self.target.into());

        let columns = ["tokens", "val_loss", "train_loss", "weight_norm"];
        let mut metrics = Metrics::new(columns.map(str::to_owned).to_vec());
        let values = (1..=32).map(|i| format!("activation.eigenvalue.{i}"));
        let numbers = ["activation.js_floor"].into_iter().chain(super::forecast::PREDICTORS);
        let numbers = numbers.filter(|name| name.contains('.')).map(str::to_owned);
        let mut diagnostics = Diagnostics { columns: values.chain(numbers).collect(), rows: Vec::new() };
        let mut marks = Vec::new();
        let a_step = 32 * self.batch as u64;
        for i in 0..=self.evaluations {
            let tokens = 40_960 * i;
            let mark = Mark { epoch: tokens / a_step, step: tokens / a_step };
            let loss = 6.0 * (-(tokens as f64) / self.pace).exp();
            metrics.push(mark, &[tokens as f64, loss, loss, 30.0 + (i as f64 + self.seed as f64).sin()]);
            let exponent = self.shape + 0.1 * loss;
            let mut values: Vec<f64> = (1..=32).map(|rank| f64::from(rank).powf(-exponent)).collect();
            // all numbers of a spectrum say the shape, and nothing of the pace
            values.push(1e-4);
            values.extend(vec![self.shape; diagnostics.columns.len() - 33]);
            diagnostics.rows.push((mark.epoch, values));
            if self.target > 0.0 && loss <= self.target {
                marks.push(("target", mark));
                break;
            }
        }
        let mut record = MadeRun::new("add", 0.5, self.seed).record();
        record.manifest.milestones = marks.into_iter().collect::<Milestones>();
        (record.manifest.state, record.recipe) = (RunState::Finished, recipe);
        record.metrics = metrics;
        Run::of(record, 1).with_diagnostics(diagnostics)
    }
}

fn study(runs: impl IntoIterator<Item = Made>) -> Study {
    let runs = runs.into_iter().map(Made::run).collect();
    Study { name: "made".into(), kind: kinds::find("text").unwrap(), study: None, runs }
}

fn answer(runs: impl IntoIterator<Item = Made>, id: &str) -> Claim {
    (STUDY.claims)(&study(runs)).into_iter().find(|claim| claim.id == id).unwrap()
}

/// Every stage and batch, so many seeds, each changed.
fn all(seeds: u64, change: impl Fn(&mut Made)) -> Vec<Made> {
    let mut runs = Vec::new();
    for stage in toy::STAGES {
        for batch in [32, 128, 512] {
            for seed in 0..seeds {
                let mut made = Made::new(seed, stage, batch);
                change(&mut made);
                runs.push(made);
            }
        }
    }
    runs
}

fn place(stage: &str) -> f64 {
    toy::STAGES.iter().position(|known| *known == stage).unwrap() as f64
}

#[test]
fn stages_are_told_by_their_switches() {
    for stage in ["baseline", "rope", "muon", "untied", "muon + own head", "muon + normalised embedding"] {
        let made = Made { stage, ..Made::new(0, "muon", 128) };
        assert_eq!(toy::toys(&study([made]))[0].stage, stage);
    }
}

/// 6·exp(−x/p) in both: at equal loss equal spectra, however many tokens that takes.
#[test]
fn runs_of_one_way_at_two_paces_have_no_divergence_at_matched_loss() {
    let made = Made { evaluations: 400, pace: 4e6, ..Made::new(0, "muon", 32) };
    let slow = Made { pace: 16e6, ..made };
    let (a, b) = (made.run(), slow.run());
    let pairs = matched::pairs(&a, &b);
    assert_eq!(pairs.len(), 5, "{pairs:?}");
    for pair in &pairs {
        assert!(pair.js < 1e-5, "{pair:?}");
        // four times as many steps for the same loss, as far as evaluations lie
        assert!((pair.steps.1 as f64 / 40.0 - 4.0 * pair.steps.0 as f64 / 40.0).abs() <= 2.5, "{pair:?}");
    }
    // and of other spectra they have
    let other = Made { shape: 2.0, ..made }.run();
    assert!(matched::divergence(&a, &other).unwrap() > 0.05);
    assert_eq!(matched::divergence(&a, &a), Some(0.0));
    // losses of one run lie below all of the other's
    let low = Made { pace: 1e3, ..made }.run();
    assert_eq!(matched::divergence(&Made { evaluations: 3, pace: 1e9, ..made }.run(), &low), None);
}

#[test]
fn tokens_to_a_loss_lie_between_two_evaluations_in_proportion() {
    let made = Made::new(0, "muon", 32).run();
    let at = |i: i32| 6.0 * (-f64::from(40_960 * i) / 4e5).exp();
    let middle = (at(3) + at(4)) / 2.0;
    assert!((toy::tokens_to(&made, middle).unwrap() - 3.5 * 40_960.0).abs() < 1e-6);
    assert_eq!(toy::tokens_to(&made, at(5)), Some(5.0 * 40_960.0));
    assert_eq!(toy::tokens_to(&made, 0.001), None);
}

#[test]
fn stages_in_order_are_a_yes_and_in_the_other_order_a_no() {
    let ordered = all(3, |made| made.pace = 4e5 - 3e4 * place(made.stage));
    let claim = answer(ordered.clone(), "lens-order");
    assert_eq!((claim.verdict, claim.parts[0].runs), (Verdict::Yes, 9), "{claim:?}");
    let reversed = ordered.into_iter().map(|made| Made { pace: 8e5 - made.pace, ..made });
    assert_eq!(answer(reversed, "lens-order").verdict, Verdict::No);
    // one seed of one batch is no answer
    let one = toy::STAGES.map(|stage| Made::new(0, stage, 128));
    assert_eq!(answer(one, "lens-order").verdict, Verdict::NotEnoughData);
}

#[test]
fn spectra_that_move_further_with_each_stage_are_a_yes_and_are_told_from_seeds() {
    let seeded = |made: &Made| 0.01 * made.seed as f64;
    let further = all(3, |made| made.shape = 1.0 + 0.1 * place(made.stage).powi(2) + seeded(made));
    for id in ["lens-untied-moves-most", "lens-stages-above-noise"] {
        assert_eq!(answer(further.clone(), id).verdict, Verdict::Yes, "{id}");
    }
    let less = all(3, |made| made.shape = 2.0 - 0.1 * (3.0 - place(made.stage)).powi(2) + seeded(made));
    assert_eq!(answer(less, "lens-untied-moves-most").verdict, Verdict::No);
    let noise = all(3, |made| made.shape = 1.0 + 0.2 * made.seed as f64 + 0.01 * place(made.stage));
    assert_eq!(answer(noise, "lens-stages-above-noise").verdict, Verdict::No);
}

#[test]
fn a_batch_effect_is_one_beyond_the_seeds_and_of_the_rate_where_it_goes_with_it() {
    let effect = |size: f64| {
        all(3, move |made| {
            made.shape = 1.0 + size * (made.batch as f64 / 32.0).log2() + 0.01 * made.seed as f64;
        })
    };
    for id in ["lens-batch-geometry", "lens-batch-order"] {
        assert_eq!(answer(effect(0.2), id).verdict, Verdict::Yes, "{id}");
    }
    assert_eq!(answer(effect(0.001), "lens-batch-geometry").verdict, Verdict::No);

    // the shape depends on rate/√B alone
    let mut runs = Vec::new();
    for stage in ["muon", "untied"] {
        for rule in toy::Rule::ALL {
            for batch in [32, 128, 512] {
                for seed in 0..3 {
                    let rate = rule.rate(stage, batch).unwrap();
                    let noise = rate / (batch as f64).sqrt();
                    let shape = 1.0 + 0.3 * (noise / 1e-4).log2() + 0.01 * seed as f64;
                    runs.push(Made { rate, shape, ..Made::new(seed, stage, batch as i64) });
                }
            }
        }
    }
    // a rate that two rules share is one run
    let key = |made: &Made| (made.seed, made.stage, made.batch, format!("{:.4e}", made.rate));
    runs.sort_by_key(key);
    runs.dedup_by_key(|made| key(made));
    assert_eq!(answer(runs.clone(), "lens-batch-collapse").verdict, Verdict::Yes);
    let geometry = answer(runs, "lens-batch-geometry");
    let verdicts: Vec<_> = geometry.parts.iter().map(|part| part.verdict).collect();
    assert_eq!(verdicts[1..], [Verdict::Yes, Verdict::No], "{geometry:?}");
}

#[test]
fn the_smallest_batch_is_token_optimal_where_its_pace_is() {
    let paced = |sign: f64| {
        all(5, move |made| made.pace = 4e5 * (1.0 + sign * 0.1 * (made.batch as f64 / 128.0).log2()))
    };
    assert_eq!(answer(paced(1.0), "lens-token-optimal").verdict, Verdict::Yes);
    let claim = answer(paced(-1.0), "lens-token-optimal");
    assert_eq!(claim.verdict, Verdict::No);
    // tokens to one loss are in the proportion of the paces
    let ratio = claim.parts[0].mean.unwrap();
    assert!((ratio - (1.0f64 / 1.2).ln()).abs() < 0.01, "{ratio}");
}

#[test]
fn a_change_that_moves_the_spectrum_alone_is_told_from_those_that_do_not() {
    let stages = [
        "muon",
        "muon + own head",
        "muon + zero head",
        "muon + normalised embedding",
        "muon + own head + normalised embedding",
        "untied",
    ];
    let mut runs = Vec::new();
    for stage in stages {
        for seed in 0..3 {
            let moved = stage.contains("normalised") || stage == "untied";
            let shape = if moved { 2.0 } else { 1.0 } + 0.03 * seed as f64;
            runs.push(Made { stage, shape, ..Made::new(seed, "muon", 128) });
        }
    }
    let claim = answer(runs, "lens-untie");
    let verdicts: Vec<_> = claim.parts.iter().map(|part| (part.verdict, part.runs)).collect();
    assert_eq!(verdicts, [(Verdict::No, 6), (Verdict::No, 6), (Verdict::Yes, 9)], "{claim:?}");
}

/// Twelve runs a family: the pace is that of the shape, or that of nothing that was seen.
#[test]
fn a_shape_that_says_the_pace_forecasts_and_one_that_does_not_is_no_forecast() {
    let family = |seed: u64, of: &dyn Fn(usize) -> (f64, f64)| -> Vec<Made> {
        (0..12)
            .map(|i| {
                let (pace, shape) = of(i);
                let batch = if i % 2 == 0 { 32 } else { 128 };
                let rate = 1e-4 * (1 + i) as f64;
                Made { pace, shape, rate, target: 2.0, evaluations: 40, ..Made::new(seed, "untied", batch) }
            })
            .collect()
    };
    let told = |i: usize| (3e5 + 5e4 * i as f64, 3.0 - 0.1 * i as f64);
    let claim = answer((0..5).flat_map(|seed| family(seed, &told)), "lens-early-tail");
    let verdicts: Vec<_> = claim.parts.iter().map(|part| part.verdict).collect();
    // the loss of the moment says the pace as well: nothing is gained over it, in ranks or in errors
    assert_eq!(verdicts[..3], [Verdict::Yes, Verdict::Yes, Verdict::No], "{claim:?}");
    assert_eq!(claim.parts[0].runs, 5);

    let untold = |i: usize| (3e5 + 5e4 * i as f64, 1.0 + 0.1 * ((7 * i) % 12) as f64);
    let claim = answer((0..5).flat_map(|seed| family(seed, &untold)), "lens-early-tail");
    assert_eq!(claim.parts[0].verdict, Verdict::No, "{claim:?}");
    // seven runs are no family
    let seven = (0..5).flat_map(|seed| family(seed, &told).into_iter().take(7));
    assert_eq!(answer(seven, "lens-early-tail").verdict, Verdict::NotEnoughData);
}

#[test]
fn figures_are_drawn_of_what_there_is_and_others_say_why_not() {
    let drawn = |runs: Vec<Made>| -> Vec<(&str, usize)> {
        let figures = (STUDY.figures)(&study(runs));
        figures.into_iter().map(|figure| (figure.name, figure.pages.map_or(0, |pages| pages.len()))).collect()
    };
    let quick = toy::STAGES.map(|stage| Made { shape: 1.0 + place(stage), ..Made::new(0, stage, 128) });
    assert_eq!(drawn(quick.to_vec()), [("spectra", 1), ("divergence", 1), ("slopes", 1), ("forecast", 0)]);
    let early = (0..12).map(|i| {
        let rate = 1e-4 * f64::from(1 + i);
        Made { rate, pace: 3e5 + 5e4 * f64::from(i), target: 2.0, ..Made::new(0, "untied", 128) }
    });
    assert_eq!(drawn(early.collect())[3], ("forecast", 4));
}
