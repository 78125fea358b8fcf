//! The second half of arXiv 2605.28975: while a language model trains, LAR of its unembedding rises to a peak and declines;
//! when the model overfits it declines faster, and its distance from a run that cannot overfit follows the gap.
//!
//! Rules of the claims, fixed before the study was run: `docs/language-models/README.md`.

use super::{
    Study,
    contrast::{Series, pairs, series},
};
use crate::{
    analysis::{
        claims::{Claim, Range, Sample, judge, judge_difference},
        general::{self, FINAL, INITIAL, Run, median},
    },
    probe::spearman,
    render::figure::{Figure, follows},
};
use std::collections::BTreeMap;

/// The study.
pub static STUDY: Study = Study { name: "pretraining", paper: "arXiv 2605.28975 (§5)", claims, figures };

/// Tokens that a run goes through again and again; 0 of a run whose text is always new.
const TOKENS: &str = "data.tokens";
const OVERFIT: &str = "overfit";
/// The differential and the gap are looked at from this share of the training on.
const FROM: f64 = 0.1;
/// A run leads when its smoothed differential stays above this.
const STAYS: f64 = 0.015;
/// Numbers that a baseline is taken from as well: do they follow the gap as LAR does?
const RIVALS: [&str; 6] = ["train_loss", "weight_norm", "effective_rank", "k95", "activation_rms", "sigma_q"];

fn claims(study: &general::Study) -> Vec<Claim> {
    let series = series(study, TOKENS);
    vec![
        half(study),
        plateau(&series),
        overfit_lower(&series),
        tracks_gap(&series),
        rivals(&series),
        leads(&series),
        first_direction(&series),
        attention_first(&series),
        muon_peaks_higher(study),
    ]
}

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

fn half(study: &general::Study) -> Claim {
    let samples = study.runs.iter().filter_map(|run| {
        Some(Sample { group: run.setting("optim.name"), value: run.value(INITIAL, "lar")? })
    });
    let part = judge("LAR at step 0", Range::Within(0.475, 0.525), samples.collect());
    Claim::new("lm-lar-half", "LAR starts at one half", "Fig. 5", vec![part])
}

/// Step of the greatest LAR of the first quarter.
fn peak(run: &Run) -> Option<(u64, f64)> {
    let lar = column(run, "lar");
    let last = *lar.keys().last()?;
    let early = lar.into_iter().filter(|(step, _)| 4 * step <= last);
    early.max_by(|(_, a), (_, b)| a.total_cmp(b))
}

fn plateau(series: &[Series]) -> Claim {
    let mut parts = Vec::new();
    for series in series {
        // per 100 steps, over the last three eighths
        let rate = |run: &&Run| {
            let lar = column(run, "lar");
            let last = *lar.keys().last()?;
            let late: Vec<(f64, f64)> =
                lar.iter().filter(|(step, _)| 8 * **step >= 5 * last).map(|(s, v)| (*s as f64, *v)).collect();
            Some(sample(series, -100.0 * slope(&late)?))
        };
        let what = series.named("decline of LAR per 100 steps over the last three eighths, fresh text");
        let fresh = series.arm(0.0);
        parts.push(judge(&what, Range::Within(-0.005, 0.008), fresh.iter().filter_map(rate).collect()));
        let place = |run: &&Run| {
            let (step, _) = peak(run)?;
            Some(sample(series, step as f64 / run.manifest.epochs.max(1) as f64))
        };
        let what = series.named("share of the training at which LAR peaks, fresh text");
        parts.push(judge(&what, Range::Below(0.15), fresh.iter().filter_map(place).collect()));
    }
    Claim::new("lm-plateau", "without overfitting LAR peaks early and declines slowly", "Fig. 5", parts)
}

/// Least squares.
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let n = points.len() as f64;
    let (x, y) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let xx: f64 = points.iter().map(|p| (p.0 - x).powi(2)).sum();
    (points.len() > 2 && xx > 0.0).then(|| points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>() / xx)
}

/// The runs that were seen to overfit, each with its baseline.
fn flagged<'s, 'a>(series: &'s Series<'a>) -> impl Iterator<Item = (&'a Run, &'a Run, u64)> + 's {
    with_baseline(series).filter_map(|(_, fresh, run)| Some((fresh, run, run.mark(OVERFIT)?.epoch)))
}

fn overfit_lower(series: &[Series]) -> Claim {
    let part = |series: &Series| {
        let lower = flagged(series).filter_map(|(fresh, run, _)| {
            Some(sample(series, fresh.value(FINAL, "lar")? - run.value(FINAL, "lar")?))
        });
        judge(&series.named("LAR at the end, fresh − overfit"), Range::Above(0.02), lower.collect())
    };
    Claim::new(
        "lm-overfit-lower",
        "runs that overfit end at a lower LAR",
        "Fig. 5",
        series.iter().map(part).collect(),
    )
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

fn tracks_gap(series: &[Series]) -> Claim {
    let part = |series: &Series| {
        let seeds = seeds(series);
        let rho = seeds.iter().filter_map(|seed| Some(sample(series, correlation(series, seed, "lar")?)));
        let what = series.named("Spearman of (LAR fresh − LAR) and the gap, over steps and sizes");
        judge(&what, Range::Above(0.8), rho.collect())
    };
    let claim = "the distance of LAR from a run that cannot overfit follows the generalisation gap";
    Claim::new("lm-tracks-gap", claim, "Fig. 6", series.iter().map(part).collect())
}

fn rivals(series: &[Series]) -> Claim {
    let mut parts = Vec::new();
    for series in series {
        for rival in RIVALS {
            let better = |seed: &String| {
                let [lar, other] = ["lar", rival].map(|name| correlation(series, seed, name).map(f64::abs));
                Some(sample(series, lar? - other?))
            };
            let what = series.named(&format!("|Spearman| with the gap, LAR − {rival}"));
            let seeds = seeds(series);
            parts.push(judge(&what, Range::Above(0.0), seeds.iter().filter_map(better).collect()));
        }
    }
    let claim = "LAR follows the gap better than other numbers do against the same baseline";
    Claim::new("lm-rivals", claim, "own control", parts)
}

/// The first step from which the smoothed differential of a column stays above [`STAYS`].
fn alarm(fresh: &Run, run: &Run) -> Option<u64> {
    let differential = smoothed(&differential(fresh, run, "lar"));
    let low = differential.iter().rev().find(|(_, value)| **value <= STAYS).map(|(step, _)| *step);
    differential.keys().copied().find(|step| low.is_none_or(|low| *step > low))
}

fn leads(series: &[Series]) -> Claim {
    let part = |series: &Series| {
        let lead = flagged(series).filter_map(|(fresh, run, _)| {
            let loss = column(run, "val_loss");
            let (least, _) = loss.into_iter().min_by(|(_, a), (_, b)| a.total_cmp(b))?;
            Some(sample(series, least as f64 - alarm(fresh, run)? as f64))
        });
        let what =
            series.named("step of the least validation loss − step from which the differential stays > .015");
        judge(&what, Range::Above(0.0), lead.collect())
    };
    let claim = "LAR leaves its baseline before the validation loss turns";
    Claim::new("lm-leads", claim, "Table 2", series.iter().map(part).collect())
}

fn first_direction(series: &[Series]) -> Claim {
    let mut parts = Vec::new();
    for series in series {
        // at the flag, relative to the baseline
        let fall = |name: &str, fresh: &Run, run: &Run, step: u64| {
            Some(differential(fresh, run, name).get(&step).copied()?).filter(|value| value.is_finite())
        };
        let l1 = flagged(series).filter_map(|(fresh, run, step)| {
            Some(sample(series, fall("l1", fresh, run, step)? / fall("lar", fresh, run, step)?))
        });
        parts.push(judge(
            &series.named("fall of L₁ / fall of LAR at the flag"),
            Range::Above(0.8),
            l1.collect(),
        ));
        let delta = flagged(series).filter_map(|(fresh, run, step)| {
            let [delta, lar] = ["delta_1", "lar"].map(|name| fall(name, fresh, run, step));
            Some(sample(series, (delta? / lar?).abs()))
        });
        let what = series.named("|change of Δ₁| / fall of LAR at the flag");
        parts.push(judge(&what, Range::Below(0.25), delta.collect()));
    }
    Claim::new("lm-l1", "the fall is that of the first singular direction", "Fig. 7", parts)
}

fn attention_first(series: &[Series]) -> Claim {
    const ATTENTION: &str = "lar.blocks.0.attn.o";
    let part = |series: &Series| {
        let larger = flagged(series).filter_map(|(fresh, run, _)| {
            let fall = |name: &str| Some(fresh.diagnostic(FINAL, name)? - run.diagnostic(FINAL, name)?);
            let own = fresh.value(FINAL, "lar")? - run.value(FINAL, "lar")?;
            Some(sample(series, fall(ATTENTION)? - own))
        });
        let what =
            series.named("fall at the end, LAR of the first attention output − LAR of the unembedding");
        judge(&what, Range::Above(0.0), larger.collect())
    };
    let claim =
        "the attention output of the first block shows overfitting more strongly than the unembedding";
    Claim::new("lm-attention-first", claim, "own", series.iter().map(part).collect())
}

fn muon_peaks_higher(study: &general::Study) -> Claim {
    let of = |name: &str| -> Vec<Sample> {
        let runs = study.runs.iter().filter(|run| run.setting("optim.name") == name);
        let fresh = runs.filter(|run| run.number(TOKENS) == Some(0.0));
        fresh.filter_map(|run| Some(Sample { group: "fresh".into(), value: peak(run)?.1 })).collect()
    };
    let (muon, adam) = (of("muon"), of("adam"));
    let what = "peak of LAR on fresh text, Muon − Adam";
    let part = || judge_difference(what, Range::Above(0.0), &muon, &adam);
    let parts = if muon.is_empty() || adam.is_empty() { Vec::new() } else { vec![part()] };
    Claim::new("lm-muon-peak", "LAR peaks higher under Muon than under Adam", "Fig. 8", parts)
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
