//! The second half of arXiv 2605.28975: while a language model trains, LAR of its unembedding rises to a peak and declines;
//! when the model overfits it declines faster, and its distance from a run that cannot overfit follows the gap.
//!
//! Rules of the claims, fixed before the study was run: `docs/language-models/README.md`.

mod claims;
mod stop;
mod tables;
mod variants;

use super::{
    Study,
    contrast::{Series, pairs, series, slope},
};
use crate::{
    analysis::{
        claims::Sample,
        general::{self, Run, median},
    },
    probe::spearman,
    render::figure::{Figure, follows},
};
use std::collections::BTreeMap;

/// The study.
pub static STUDY: Study = Study {
    name: "pretraining",
    paper: "arXiv 2605.28975 (§5)",
    claims: claims::claims,
    tables: tables::tables,
    figures,
};

/// Tokens that a run goes through again and again; 0 of a run whose text is always new.
const TOKENS: &str = "data.tokens";
const OVERFIT: &str = "overfit";
/// The differential and the gap are looked at from this share of the training on.
const FROM: f64 = 0.1;
/// A run leads when its smoothed differential stays above this.
const STAYS: f64 = 0.015;
/// Numbers that a baseline is taken from as well: do they follow the gap as LAR does?
const RIVALS: [&str; 6] = ["train_loss", "weight_norm", "effective_rank", "k95", "activation_rms", "sigma_q"];

/// A column by step.
fn column(run: &Run, name: &str) -> BTreeMap<u64, f64> {
    let values = run.curve.column(name).into_iter().flatten();
    values.filter(|(_, value)| value.is_finite()).map(|(mark, value)| (mark.epoch, value)).collect()
}

/// Means over three neighbouring evaluations.
fn smoothed(values: &BTreeMap<u64, f64>) -> BTreeMap<u64, f64> {
    let all: Vec<(u64, f64)> = values.iter().map(|(step, value)| (*step, *value)).collect();
    let mean = |i: usize| {
        let near = &all[i.saturating_sub(1)..(i + 2).min(all.len())];
        near.iter().map(|(_, value)| value).sum::<f64>() / near.len() as f64
    };
    all.iter().enumerate().map(|(i, (step, _))| (*step, mean(i))).collect()
}

/// Baseline − run, at the steps that both were evaluated at.
fn differential(fresh: &Run, run: &Run, name: &str) -> BTreeMap<u64, f64> {
    let (base, own) = (column(fresh, name), column(run, name));
    base.into_iter().filter_map(|(step, value)| Some((step, value - own.get(&step)?))).collect()
}

/// The runs with a limited text and the run of their seed with fresh text.
fn with_baseline<'s, 'a>(series: &'s Series<'a>) -> impl Iterator<Item = (f64, &'a Run, &'a Run)> + 's {
    let limited = series.arms.iter().filter(|(tokens, _)| *tokens > 0.0);
    limited.flat_map(|(tokens, runs)| {
        pairs(series.arm(0.0), runs).into_iter().map(move |(fresh, run)| (*tokens, fresh, run))
    })
}

fn sample(series: &Series, value: f64) -> Sample {
    Sample { group: series.group(), value }
}

/// Step of the greatest LAR of the first quarter.
fn peak(run: &Run) -> Option<(u64, f64)> {
    let lar = column(run, "lar");
    let last = *lar.keys().last()?;
    let early = lar.into_iter().filter(|(step, _)| 4 * step <= last);
    early.max_by(|(_, a), (_, b)| a.total_cmp(b))
}

/// The runs that were seen to overfit, each with its baseline.
fn flagged<'s, 'a>(series: &'s Series<'a>) -> impl Iterator<Item = (&'a Run, &'a Run, u64)> + 's {
    with_baseline(series).filter_map(|(_, fresh, run)| Some((fresh, run, run.mark(OVERFIT)?.epoch)))
}

/// Rank correlation of the differential of a column with the smoothed gap, over the steps and sizes of one seed.
fn correlation(series: &Series, seed: &str, name: &str) -> Option<f64> {
    let (mut differentials, mut gaps) = (Vec::new(), Vec::new());
    for (_, fresh, run) in with_baseline(series).filter(|(_, _, run)| run.seed() == seed) {
        let gap = smoothed(&column(run, "gap"));
        let from = FROM * run.manifest.epochs as f64;
        for (step, value) in differential(fresh, run, name).into_iter().filter(|(s, _)| *s as f64 >= from) {
            if let Some(gap) = gap.get(&step) {
                differentials.push(value);
                gaps.push(*gap);
            }
        }
    }
    (gaps.len() > 4).then(|| spearman(&differentials, &gaps)).filter(|rho| rho.is_finite())
}

fn seeds(series: &Series) -> Vec<String> {
    let mut seeds: Vec<String> = with_baseline(series).map(|(_, _, run)| run.seed()).collect();
    seeds.sort();
    seeds.dedup();
    seeds
}

/// The first step from which the smoothed differential of a column stays above [`STAYS`].
fn alarm(fresh: &Run, run: &Run) -> Option<u64> {
    let differential = smoothed(&differential(fresh, run, "lar"));
    let low = differential.iter().rev().find(|(_, value)| **value <= STAYS).map(|(step, _)| *step);
    differential.keys().copied().find(|step| low.is_none_or(|low| *step > low))
}

fn figures(study: &general::Study) -> Vec<Figure> {
    let mut clouds = Vec::new();
    for series in series(study, TOKENS) {
        let mut by_size: BTreeMap<u64, Vec<(f64, f64)>> = BTreeMap::new();
        for (tokens, fresh, run) in with_baseline(&series) {
            let gap = smoothed(&column(run, "gap"));
            let from = FROM * run.manifest.epochs as f64;
            let points = differential(fresh, run, "lar").into_iter().filter(|(step, _)| *step as f64 >= from);
            let points = points.filter_map(|(step, value)| Some((*gap.get(&step)?, value)));
            by_size.entry(tokens as u64).or_default().extend(points);
        }
        let rho: Vec<f64> =
            seeds(&series).iter().filter_map(|seed| correlation(&series, seed, "lar")).collect();
        let clouds_of = by_size.into_iter().map(|(tokens, points)| (format!("{tokens} tokens"), points));
        clouds.push(follows::Panel {
            title: series.label.clone(),
            remark: if rho.is_empty() {
                String::new()
            } else {
                format!("Spearman {:.2}, median of seeds", median(&rho))
            },
            clouds: clouds_of.collect(),
        });
    }
    let axes = ("generalisation gap, nats", "LAR of fresh text − LAR");
    vec![Figure { name: "differential", pages: follows::page(&clouds, axes) }]
}
