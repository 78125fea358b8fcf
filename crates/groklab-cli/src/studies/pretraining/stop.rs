//! Early stopping without validation data: when is a run far enough from its baseline, or without one from its own past?
//!
//! The rule: stop when the mean of the last three differentials of a column (baseline − run of the same seed, or the greatest
//! of the run itself so far − run), in the direction in which overfitting moves it, exceeds a threshold. Direction and
//! threshold are those that the column has, in the median, at the least validation loss of the runs of seeds below
//! [`TESTED`] that overfit; the rule is tested on the others.

use super::{FROM, OVERFIT, TOKENS, column, differential, with_baseline};
use crate::{
    analysis::{
        claims::{Claim, Range, Sample, judge},
        general::{Run, Study, median},
    },
    render::table::{Align, Table},
    studies::contrast::{Series, series},
};

/// Seeds from here on test the rule; those before make it.
const TESTED: u64 = 5;
/// What a column is held against.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Against {
    /// The same step of the run on fresh text.
    Fresh,
    /// The greatest value of the run itself so far: no second run is needed.
    Own,
}

/// Columns whose rules are compared.
const COLUMNS: [(&str, Against); 5] = [
    ("lar", Against::Fresh),
    ("train_loss", Against::Fresh),
    ("weight_norm", Against::Fresh),
    ("activation_rms", Against::Fresh),
    ("lar", Against::Own),
];

/// A column's rule.
#[derive(Debug, PartialEq)]
struct Rule {
    sign: f64,
    threshold: f64,
}

/// How it went for one run.
struct Outcome {
    stopped: Option<u64>,
    is_flagged: bool,
    /// Validation loss at the stop, or at the end without one, over the least.
    excess: f64,
}

/// Mean of the last three differentials by step, from [`FROM`] of the training on.
fn signal(fresh: &Run, run: &Run, (name, against): (&str, Against)) -> Vec<(u64, f64)> {
    let from = FROM * run.manifest.epochs as f64;
    let all: Vec<(u64, f64)> = match against {
        Against::Fresh => differential(fresh, run, name).into_iter().collect(),
        Against::Own => {
            let greatest = |greatest: &mut f64, (step, value): (u64, f64)| {
                *greatest = greatest.max(value);
                Some((step, *greatest - value))
            };
            column(run, name).into_iter().scan(f64::NEG_INFINITY, greatest).collect()
        }
    };
    let means =
        all.windows(3).map(|three| (three[2].0, three.iter().map(|(_, value)| value).sum::<f64>() / 3.0));
    means.filter(|(step, _)| *step as f64 >= from).collect()
}

fn least(run: &Run) -> Option<(u64, f64)> {
    column(run, "val_loss").into_iter().min_by(|(_, a), (_, b)| a.total_cmp(b))
}

fn is_test(run: &Run) -> bool {
    run.number("seed").is_some_and(|seed| seed >= TESTED as f64)
}

/// The rule that the runs of low seeds make; none if none of them overfits.
fn calibrated(series: &Series, name: (&str, Against)) -> Option<Rule> {
    let values: Vec<f64> = with_baseline(series)
        .filter(|(_, _, run)| !is_test(run) && run.mark(OVERFIT).is_some())
        .filter_map(|(_, fresh, run)| {
            let (step, _) = least(run)?;
            signal(fresh, run, name).into_iter().find(|(at, _)| *at >= step).map(|(_, value)| value)
        })
        .collect();
    let middle = median(&values);
    middle.is_finite().then(|| Rule { sign: middle.signum(), threshold: middle.abs() })
}

impl Rule {
    fn of(&self, fresh: &Run, run: &Run, name: (&str, Against)) -> Option<Outcome> {
        let stopped = signal(fresh, run, name)
            .into_iter()
            .find(|(_, value)| self.sign * value > self.threshold)
            .map(|(step, _)| step);
        let loss = column(run, "val_loss");
        let (_, least) = least(run)?;
        let at = stopped.or_else(|| loss.keys().last().copied())?;
        Some(Outcome { stopped, is_flagged: run.mark(OVERFIT).is_some(), excess: loss.get(&at)? - least })
    }
}

/// The outcomes of one column on the test runs, each with its run.
fn outcomes<'a>(series: &Series<'a>, name: (&str, Against)) -> Vec<(&'a Run, Outcome)> {
    let Some(rule) = calibrated(series, name) else { return Vec::new() };
    let tested = with_baseline(series).filter(|(_, _, run)| is_test(run));
    tested.filter_map(|(_, fresh, run)| Some((run, rule.of(fresh, run, name)?))).collect()
}

pub(super) fn table(study: &Study) -> Table {
    let mut rows = Vec::new();
    for series in series(study, TOKENS) {
        for name in COLUMNS {
            let Some(rule) = calibrated(&series, name) else { continue };
            let outcomes = outcomes(&series, name);
            let count = |of: fn(&Outcome) -> bool| {
                outcomes.iter().filter(|(_, outcome)| of(outcome)).count().to_string()
            };
            let excess: Vec<f64> = outcomes.iter().map(|(_, outcome)| outcome.excess).collect();
            let mean = excess.iter().sum::<f64>() / excess.len() as f64;
            let direction = match (name.1, rule.sign > 0.0) {
                (Against::Own, _) => "below its own peak",
                (Against::Fresh, true) => "below the baseline's",
                (Against::Fresh, false) => "above the baseline's",
            };
            rows.push(vec![
                series.group(),
                name.0.to_owned(),
                format!("{:.4} {direction}", rule.threshold),
                outcomes.len().to_string(),
                count(|outcome| outcome.stopped.is_some()),
                count(|outcome| outcome.stopped.is_some() && !outcome.is_flagged),
                count(|outcome| outcome.stopped.is_none() && outcome.is_flagged),
                if excess.is_empty() { "–".to_owned() } else { format!("{mean:.3}") },
            ]);
        }
    }
    let heads = [
        ("runs", Align::Left),
        ("column", Align::Left),
        ("stop when it is", Align::Right),
        ("test runs", Align::Right),
        ("stopped", Align::Right),
        ("without need", Align::Right),
        ("missed", Align::Right),
        ("nats above the least", Align::Right),
    ];
    Table {
        title: format!("{}: stopping without validation data", study.name),
        columns: heads.map(|(head, align)| (head.to_owned(), align)).into(),
        rows,
        notes: vec![
            format!("The threshold is the median distance at the least validation loss of runs that overfit, of seeds below {TESTED}; the rule is tested on the other seeds."),
            "without need: the run never overfits; missed: it does, and was not stopped. Nats above the least: of the validation loss where it stops, or at the end.".into(),
        ],
    }
}

/// Does LAR's rule stop nearer to the least validation loss than the training loss's?
pub(super) fn closer(study: &Study) -> Claim {
    let mut samples = Vec::new();
    for series in series(study, TOKENS) {
        let [lar, loss] = ["lar", "train_loss"].map(|name| outcomes(&series, (name, Against::Fresh)));
        for (run, by_lar) in &lar {
            if let Some((_, by_loss)) = loss.iter().find(|(other, _)| other.id() == run.id()) {
                samples.push(Sample { group: series.group(), value: by_loss.excess - by_lar.excess });
            }
        }
    }
    let what =
        "nats above the least validation loss at the stop, training loss's rule − LAR's, seeds of 5 and more";
    let parts = if samples.is_empty() { Vec::new() } else { vec![judge(what, Range::Above(0.0), samples)] };
    let claim = "LAR stops a run nearer to its least validation loss than the training loss does, without validation data";
    Claim::new("lm-stop", claim, "own control", parts)
}
