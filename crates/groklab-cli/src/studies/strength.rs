//! Over-Alignment vs Over-Fitting (arXiv 2602.00827): how the output scale c of a network rules generalisation when training
//! stops at a target.
//!
//! Rules of the claims, fixed before the study was run: `docs/strength/README.md`.

mod modular;

use super::{
    Study,
    arrival::GROKKED,
    contrast::{Series, series, slope},
};
use crate::{
    analysis::{
        claims::{Claim, Range, Sample, judge, judge_difference},
        general::{self, FINAL, Run},
    },
    render::figure::{
        Figure,
        axes::raised,
        heat::{self, Cell, Map},
        scale::{Arm, Line, page},
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// The study.
pub static STUDY: Study =
    Study { name: "strength", paper: "arXiv 2602.00827", claims, tables: modular::tables, figures };

/// The output scale, c.
const SCALE: &str = "model.output_scale";
const TARGET: &str = "target";
const ALIGNED: &str = "aligned";
/// Settings that are mapped against the scale, with the figure's name and the axis's.
const MAPS: [(&str, &str, &str); 4] = [
    ("optim.learning_rate", "map-rate", "learning rate η"),
    ("data.train_rows", "map-rows", "training rows"),
    ("model.width", "map-width", "width"),
    ("model.depth", "map-depth", "depth"),
];
/// How far to either side of the best scale a drop is looked for.
const FAR: f64 = 16.0;

fn claims(study: &general::Study) -> Vec<Claim> {
    let series = series(study, SCALE);
    vec![
        interior(&series),
        over_fitting(&series),
        target_missed(&series),
        n_squared(study, &series),
        angle(&series),
        modular::sooner(&series),
    ]
}

/// Accuracy on held-out rows at the end, whether or not the target was reached: a mean over those that did would be biased.
fn test(run: &Run) -> Option<f64> {
    run.value(FINAL, "val_accuracy")
}

/// Whether a run got where it was to go: to its target, or to grokking.
fn has_arrived(run: &Run) -> bool {
    [TARGET, GROKKED].iter().any(|mark| run.mark(mark).is_some())
}

fn is_even(run: &Run) -> bool {
    run.number("seed").is_some_and(|seed| seed % 2.0 == 0.0)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The best scale by the even seeds, of those that have a scale 16 times smaller and one 16 times larger beside them.
fn best(series: &Series) -> Option<f64> {
    let has = |value: f64| series.arms.iter().any(|(v, _)| *v == value);
    let inner = series.arms.iter().filter(|(c, _)| has(c / FAR) && has(c * FAR));
    let scored = inner.filter_map(|(c, runs)| {
        let values: Vec<f64> = runs.iter().filter(|run| is_even(run)).filter_map(|run| test(run)).collect();
        (!values.is_empty()).then(|| (*c, mean(&values)))
    });
    scored.max_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(c, _)| c)
}

/// test(c*) − test(other), seed by seed, of the odd seeds.
fn drops(series: &Series, best: f64, other: f64) -> Vec<Sample> {
    let odd = |c: f64| series.arm(c).iter().filter(|run| !is_even(run));
    let there = |seed: String| odd(other).find(|run| run.seed() == seed).and_then(|run| test(run));
    let drop = |run: &&Run| Some(Sample { group: series.group(), value: test(run)? - there(run.seed())? });
    odd(best).filter_map(drop).collect()
}

fn interior(series: &[Series]) -> Claim {
    let mut parts = Vec::new();
    for series in series {
        let Some(c) = best(series) else { continue };
        for (other, side) in [(c / FAR, "c*/16"), (c * FAR, "16 c*")] {
            let what = series.named(&format!("test accuracy at c* = 2^{} − at {side}", c.log2()));
            parts.push(judge(&what, Range::Above(0.0), drops(series, c, other)));
        }
    }
    Claim::new(
        "fls-interior",
        "test accuracy has its best output scale in the middle (chosen on even seeds, tested on odd ones)",
        "Fig. 1",
        parts,
    )
}

fn over_fitting(series: &[Series]) -> Claim {
    let part = |series: &Series| {
        let c = best(series)?;
        let what = series.named(&format!("test accuracy at c* = 2^{} − at 16 c*", c.log2()));
        Some(judge(&what, Range::Above(0.02), drops(series, c, FAR * c)))
    };
    let claim = "weak feature learning over-fits: more than two points are lost at 16 times the best scale";
    Claim::new("fls-over-fitting", claim, "§4", series.iter().filter_map(part).collect())
}

fn target_missed(series: &[Series]) -> Claim {
    let reached = |series: &Series, c: f64| -> Vec<Sample> {
        let sample = |run: &&Run| Sample {
            group: series.group(),
            value: f64::from(u8::from(run.mark(TARGET).is_some())),
        };
        series.arm(c).iter().map(sample).collect()
    };
    let part = |series: &Series| {
        let c = best(series)?;
        let (here, far) = (reached(series, c), reached(series, c / 8.0));
        let what = series.named(&format!("share that reached the target at c* = 2^{} − at c*/8", c.log2()));
        (!far.is_empty()).then(|| judge_difference(&what, Range::Above(0.0), &here, &far))
    };
    Claim::new(
        "fls-target-missed",
        "strong feature learning does not reach the target at all (own question: is the strong side a step-size effect?)",
        "own",
        series.iter().filter_map(part).collect(),
    )
}

/// log₂ of the best scale of one seed: the top of the parabola through the best scale of the grid and its neighbours, or the
/// best itself where it is the first or the last, or the neighbours are as good.
fn best_of_seed(series: &Series, seed: &str) -> Option<f64> {
    let of = |runs: &[&Run]| runs.iter().find(|run| run.seed() == seed).and_then(|run| test(run));
    let points: Vec<(f64, f64)> =
        series.arms.iter().filter_map(|(c, runs)| Some((c.log2(), of(runs)?))).collect();
    let best = (0..points.len()).reduce(|a, b| if points[b].1 > points[a].1 { b } else { a })?;
    if best == 0 || best + 1 == points.len() {
        return Some(points[best].0);
    }
    let [(x0, y0), (x1, y1), (x2, y2)] = [points[best - 1], points[best], points[best + 1]];
    let (left, right) = ((y1 - y0) / (x1 - x0), (y2 - y1) / (x2 - x1));
    let curvature = (right - left) / (x2 - x0);
    Some(if curvature < 0.0 { (x0 + x1) / 2.0 - left / (2.0 * curvature) } else { x1 })
}

/// Exponent of the best scale in the number of training rows, seed by seed.
fn n_squared(study: &general::Study, series: &[Series]) -> Claim {
    const ROWS: &str = "data.train_rows=";
    let mut found: BTreeMap<(String, String), Vec<(f64, f64)>> = BTreeMap::new();
    for series in series {
        let (rows, rest): (Vec<&str>, Vec<&str>) =
            series.label.split_whitespace().partition(|part| part.starts_with(ROWS));
        let Some(n) = rows.first().and_then(|part| part[ROWS.len()..].parse::<f64>().ok()) else { continue };
        let seeds: BTreeSet<String> = study.runs.iter().map(Run::seed).collect();
        for seed in seeds {
            if let Some(best) = best_of_seed(series, &seed) {
                found.entry((rest.join(" "), seed)).or_default().push((n.log2(), best));
            }
        }
    }
    let samples: Vec<Sample> = found
        .into_iter()
        .filter_map(|((group, _), points)| Some(Sample { group, value: slope(&points)? }))
        .collect();
    let what = "slope of ln c* on ln n, seed by seed";
    let parts =
        if samples.is_empty() { Vec::new() } else { vec![judge(what, Range::Within(-2.5, -1.5), samples)] };
    Claim::new(
        "fls-n-squared",
        "the best output scale falls with the square of the training rows",
        "§5",
        parts,
    )
}

/// Exponent of the angle in c, seed by seed, over all scales at which a run aligned.
fn angle(series: &[Series]) -> Claim {
    let mut parts = Vec::new();
    for series in series {
        let point = |c: f64, run: &Run| {
            let angle = run.value(ALIGNED, "neuron_angle").filter(|angle| *angle > 0.0)?;
            Some((c.ln(), angle.ln()))
        };
        let mut points: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
        for (c, runs) in &series.arms {
            for run in runs {
                points.entry(run.seed()).or_default().extend(point(*c, run));
            }
        }
        let sample = |points: &Vec<(f64, f64)>| Some(Sample { group: series.group(), value: slope(points)? });
        let samples: Vec<Sample> = points.values().filter_map(sample).collect();
        if !samples.is_empty() {
            let what = series.named("slope of ln(angle of neurons when aligned) on ln c, seed by seed");
            parts.push(judge(&what, Range::Within(0.2, 0.45), samples));
        }
    }
    Claim::new(
        "fls-angle",
        "the angle at which neurons align grows with a power of c near ¼",
        "theory",
        parts,
    )
}

fn figures(study: &general::Study) -> Vec<Figure> {
    let lines: Vec<Line> = series(study, SCALE)
        .into_iter()
        .map(|series| Line {
            name: series.label.clone(),
            arms: series
                .arms
                .iter()
                .map(|(c, runs)| Arm {
                    at: *c,
                    values: runs.iter().filter_map(|run| test(run)).collect(),
                    reached: runs.iter().filter(|run| has_arrived(run)).count(),
                    runs: runs.len(),
                })
                .collect(),
        })
        .collect();
    let accuracy = Figure { name: "accuracy", pages: page(&lines, "output scale c", "test accuracy") };
    let title = "test accuracy in percent, mean over seeds";
    let maps = MAPS.iter().filter_map(|(key, name, axis)| {
        let maps = maps(study, key);
        let pages = heat::page(&maps, ("output scale c", axis), title, 100.0);
        (!maps.is_empty()).then_some(Figure { name, pages })
    });
    [accuracy].into_iter().chain(maps).collect()
}

/// A map over the scale and `key` for each combination of the other settings; none where `key` does not vary.
fn maps(study: &general::Study, key: &str) -> Vec<Map> {
    // the runs of each pair of values, by what else their settings are
    let mut found: BTreeMap<String, Vec<(f64, f64, &Run)>> = BTreeMap::new();
    for setting in study.settings() {
        let is_ours = |part: &&str| [SCALE, key].iter().any(|ours| part.starts_with(&format!("{ours}=")));
        let (ours, rest): (Vec<&str>, Vec<&str>) = setting.label.split_whitespace().partition(is_ours);
        if ours.len() < 2 {
            continue;
        }
        let runs = setting.runs.iter().filter_map(|run| Some((run.number(SCALE)?, run.number(key)?, *run)));
        found.entry(rest.join(" ")).or_default().extend(runs);
    }
    let sorted = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.dedup();
        values
    };
    let map = |(title, runs): (String, Vec<(f64, f64, &Run)>)| {
        let columns = sorted(runs.iter().map(|(c, ..)| *c).collect());
        let rows = sorted(runs.iter().map(|(_, value, _)| *value).collect());
        let cell = |c: f64, value: f64| {
            let here: Vec<&Run> =
                runs.iter().filter(|(a, b, _)| (*a, *b) == (c, value)).map(|(.., run)| *run).collect();
            let tests: Vec<f64> = here.iter().filter_map(|run| test(run)).collect();
            let is_partial = here.iter().any(|run| !has_arrived(run));
            (!tests.is_empty()).then(|| Cell { mean: mean(&tests), is_partial })
        };
        Map {
            title,
            cells: rows.iter().map(|value| columns.iter().map(|c| cell(*c, *value)).collect()).collect(),
            columns: columns.iter().map(|c| power_of_two(*c)).collect(),
            rows: rows.iter().map(|value| value.to_string()).collect(),
        }
    };
    found.into_iter().map(map).collect()
}

/// 2⁻⁴ where it is one.
fn power_of_two(value: f64) -> String {
    let octave = value.log2();
    if octave.fract() == 0.0 { format!("2{}", raised(octave as i32)) } else { value.to_string() }
}
