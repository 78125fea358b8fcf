//! What the paper shows: spectra at matched loss, divergences beside their floors, slopes over training, forecasts.

use super::{
    forecast::{EARLY_TOKENS, Family, PREDICTORS, families},
    matched::{nearest, pairs, seed_floor},
    toy::{BATCHES, Rule, STAGES, Toy, at, logged, same_seed, spectrum, toys},
};
use crate::studies::contrast::mean;
use crate::{
    analysis::general::{Study, median},
    render::figure::{Figure, Scene, Undrawn, dots, follows, lines},
};

/// Predictors that the forecast shows, of [`PREDICTORS`].
const SHOWN: [usize; 4] = [0, 2, 5, 7];
/// Divergences of equal spectra are the rounding of their entropies: drawn as this, far below any floor.
const EQUAL: f64 = 1e-6;
/// Numbers of a spectrum that are shown over the loss.
const SHAPE: [&str; 4] = ["rankme", "top10", "alpha_head", "alpha_tail"];

pub fn figures(study: &Study) -> Vec<Figure> {
    let toys = toys(study);
    let number = "Jensen–Shannon divergence at matched loss, nats (10⁻⁶: that or less)";
    let floors = ["two seeds, mean", "two sample sets, mean"];
    let divergence = dots::page(&divergences(&toys), number, "a matched pair", floors);
    let divergence = divergence.map_err(|_| Undrawn::NoMatch);
    vec![
        Figure { name: "spectra", pages: spectra(&toys).map_err(|_| Undrawn::NoMatch) },
        Figure { name: "divergence", pages: divergence },
        Figure { name: "slopes", pages: slopes(&toys) },
        Figure { name: "forecast", pages: forecast(&families(&toys)) },
    ]
}

type Pages = Result<Vec<Scene>, Undrawn>;

/// Runs of the first seed that are compared: neighbouring stages at each batch, batches of each stage.
fn compared<'t, 'a>(toys: &'t [Toy<'a>]) -> Vec<(String, Vec<(String, &'t Toy<'a>)>)> {
    let first = |stage: &str, batch| at(toys, stage, batch, Rule::Authors).first().copied();
    let mut found = Vec::new();
    for stage in STAGES {
        let runs = BATCHES.iter().filter_map(|&batch| Some((format!("B {batch}"), first(stage, batch)?)));
        found.push((stage.to_owned(), runs.collect::<Vec<_>>()));
    }
    // where there is one batch alone, the stages themselves
    if found.iter().all(|(_, runs)| runs.len() < 2) {
        found.clear();
        for pair in STAGES.windows(2) {
            for batch in BATCHES {
                let runs = pair.iter().filter_map(|stage| Some(((*stage).to_owned(), first(stage, batch)?)));
                found.push((format!("{} and {}, B {batch}", pair[0], pair[1]), runs.collect()));
            }
        }
    }
    found.retain(|(_, runs)| runs.len() > 1);
    found
}

/// λ/Σλ by rank where the loss of each is nearest to the median of what was logged where the losses of all overlap.
fn spectra(toys: &[Toy]) -> Pages {
    let mut panels = Vec::new();
    for (title, runs) in compared(toys) {
        let rows: Vec<_> = runs.iter().map(|(_, toy)| logged(toy.run)).collect();
        let extreme = |of: fn(f64, f64) -> f64, start: f64| {
            rows.iter().map(|rows| rows.iter().map(|row| row.loss).fold(start, of)).collect::<Vec<_>>()
        };
        let low = extreme(f64::min, f64::INFINITY).into_iter().fold(f64::NEG_INFINITY, f64::max);
        let high = extreme(f64::max, f64::NEG_INFINITY).into_iter().fold(f64::INFINITY, f64::min);
        if low > high {
            continue;
        }
        let shared = rows.iter().flatten().map(|row| row.loss).filter(|loss| (low..=high).contains(loss));
        let level = median(&shared.collect::<Vec<_>>());
        let curve = |(i, (name, toy)): (usize, &(String, &Toy))| {
            let values = spectrum(toy.run, nearest(&rows[i], level)?.step);
            let total: f64 = values.iter().sum();
            let points = values.iter().enumerate().map(|(i, value)| ((i + 1) as f64, value / total));
            Some((name.clone(), points.collect()))
        };
        let curves = runs.iter().enumerate().filter_map(curve).collect();
        panels.push(lines::Panel { title, remark: format!("validation loss {level:.2}"), curves });
    }
    lines::page(&panels, lines::Axes { x: "rank", y: "λ / Σλ", is_log: (true, true) })
}

fn divergences(toys: &[Toy]) -> Vec<dots::Row> {
    let mut rows = Vec::new();
    let mut add = |label: String, a: &[&Toy], b: &[&Toy]| {
        let all: Vec<_> = same_seed(a, b).iter().flat_map(|(a, b)| pairs(a.run, b.run)).collect();
        if all.is_empty() {
            return;
        }
        let seeds = mean([seed_floor(a), seed_floor(b)].into_iter().flatten());
        let samples = mean(all.iter().map(|pair| pair.sampling).filter(|floor| floor.is_finite()));
        let values = all.iter().map(|pair| pair.js.max(EQUAL)).collect();
        rows.push(dots::Row { label, values, floors: [seeds, samples] });
    };
    for batch in BATCHES {
        for pair in STAGES.windows(2) {
            let [a, b] = [pair[0], pair[1]].map(|stage| at(toys, stage, batch, Rule::Authors));
            add(format!("{} – {}, B {batch}", pair[0], pair[1]), &a, &b);
        }
    }
    for rule in Rule::ALL {
        for stage in STAGES {
            for (small, large) in [(32, 128), (128, 512), (32, 512)] {
                let [a, b] = [small, large].map(|batch| at(toys, stage, batch, rule));
                add(format!("{stage}, B {small} – {large}, {}", rule.name()), &a, &b);
            }
        }
    }
    rows
}

/// The numbers of spectra against the loss, a curve a run.
fn slopes(toys: &[Toy]) -> Pages {
    let name = |toy: &Toy| match toys.iter().all(|other| other.batch == toy.batch) {
        true => toy.stage.clone(),
        false => format!("{}, B {}", toy.stage, toy.batch),
    };
    let rank = |toy: &Toy| STAGES.iter().position(|stage| *stage == toy.stage).unwrap_or(STAGES.len());
    let mut ordered: Vec<&Toy> = toys.iter().collect();
    ordered.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| (&a.stage, a.batch).cmp(&(&b.stage, b.batch))));
    let panel = |number: &&str| {
        let column = format!("activation.{number}");
        let curve = |toy: &&Toy| {
            let rows = logged(toy.run);
            let point =
                |row: &super::toy::Logged| Some((row.loss, toy.run.diagnostic_at(row.step, &column)?));
            (name(toy), rows.iter().filter_map(point).collect::<Vec<_>>())
        };
        lines::Panel {
            title: (*number).to_owned(),
            remark: String::new(),
            curves: ordered.iter().map(curve).collect(),
        }
    };
    let panels: Vec<_> = SHAPE.iter().map(panel).collect();
    lines::page(&panels, lines::Axes { x: "validation loss, nats", y: "", is_log: (true, false) })
}

/// A page a predictor: scales differ.
fn forecast(families: &[Family]) -> Pages {
    let mut pages = Vec::new();
    if families.is_empty() {
        return Err(Undrawn::NoFamily);
    }
    for i in SHOWN {
        let clouds = families.iter().map(|family| {
            let points = family.rows.iter().filter_map(|row| Some((row.early[i], row.ratio?.ln())));
            (family.name.clone(), points.collect())
        });
        let rho: Vec<f64> = families.iter().map(|family| family.correlations()[i].rho).collect();
        let missed =
            families.iter().flat_map(|family| &family.rows).filter(|row| row.ratio.is_none()).count();
        let remark = mean(rho).map_or_else(String::new, |rho| {
            format!("Spearman {rho:.2}, mean of families; {missed} runs not there")
        });
        let panel = follows::Panel { title: String::new(), remark, clouds: clouds.collect() };
        let x = format!("{} after {EARLY_TOKENS} tokens", PREDICTORS[i]);
        pages.extend(follows::page(&[panel], (&x, "ln(tokens to the target / those of the best)"))?);
    }
    Ok(pages)
}
