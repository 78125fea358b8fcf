//! Claims that compare optimisers and recipes.

use super::{TOKENS, column, differential, flagged, peak, sample, with_baseline};
use crate::{
    analysis::{
        claims::{Claim, Part, Range, Sample, judge},
        general::{FINAL, Run, Study},
    },
    studies::contrast::{Series, matched, series},
};
use std::collections::BTreeMap;

const OPTIMIZER: &str = "optim.name";

/// p₁ and q₁ at the flag, relative to the baseline at the same step.
pub(super) fn first_vectors(series: &[Series]) -> Claim {
    let mut parts = Vec::new();
    for series in series {
        let runs = series.arms.iter().flat_map(|(_, runs)| runs);
        let is_muon = runs.clone().any(|run| run.setting(OPTIMIZER) == "muon");
        let ranges = if is_muon {
            [Range::Above(0.03), Range::Above(0.2)]
        } else {
            [Range::Below(0.05), Range::Above(0.2)]
        };
        for (name, range) in ["p1", "q1"].into_iter().zip(ranges) {
            let falls = flagged(series).filter_map(|(fresh, run, step)| {
                let fall =
                    differential(fresh, run, name).get(&step).copied()? / column(fresh, name).get(&step)?;
                Some(sample(series, fall)).filter(|sample| sample.value.is_finite())
            });
            let what = series.named(&format!("relative fall of {name} at the flag"));
            parts.push(judge(&what, range, falls.collect()));
        }
    }
    let claim = "the fall is in q₁ under Adam, in p₁ and q₁ under Muon";
    Claim::new("lm-adam-q1", claim, "Figs. 8 and 9", parts)
}

/// Share by which a number of each limited run differs from the baseline's at the end, by optimiser, size and seed.
fn rises(study: &Study, name: &str) -> BTreeMap<(String, u64, String), f64> {
    let mut found = BTreeMap::new();
    for series in series(study, TOKENS) {
        for (tokens, fresh, run) in with_baseline(&series) {
            if let (Some(base), Some(own)) = (fresh.value(FINAL, name), run.value(FINAL, name)) {
                found.insert((run.setting(OPTIMIZER), tokens as u64, run.seed()), own / base - 1.0);
            }
        }
    }
    found
}

pub(super) fn effective_rank(study: &Study) -> Claim {
    let rises = rises(study, "effective_rank");
    let muon = rises.iter().filter(|((optimizer, ..), _)| optimizer == "muon");
    let more = muon.filter_map(|((_, tokens, seed), rise)| {
        let adam = rises.get(&("adam".to_owned(), *tokens, seed.clone()))?;
        Some(Sample { group: format!("{tokens} tokens"), value: rise - adam })
    });
    let what = "rise of the effective rank over the baseline at the end, Muon − Adam, by size and seed";
    let claim = "overfitting raises the effective rank of the unembedding more under Muon";
    Claim::new("lm-effective-rank", claim, "Fig. 10", tested(what, Range::Above(0.0), more.collect()))
}

/// Mean over the matrices but the unembedding of their greatest LAR.
fn internal_peak(run: &Run) -> Option<f64> {
    let peaks: Vec<f64> =
        run.greatest("lar.").filter(|(name, _)| *name != "lar.unembed").map(|(_, value)| value).collect();
    (!peaks.is_empty()).then(|| peaks.iter().sum::<f64>() / peaks.len() as f64)
}

pub(super) fn internal(study: &Study) -> Claim {
    let lower = matched(study, OPTIMIZER, "adam", "muon").into_iter().filter_map(|(group, adam, muon)| {
        Some(Sample { group, value: internal_peak(adam)? - internal_peak(muon)? })
    });
    let what = "mean over internal matrices of their greatest LAR, Adam − Muon, by size and seed";
    let claim = "internal matrices reach a higher LAR under Adam than under Muon";
    Claim::new("lm-internal", claim, "Fig. 12", tested(what, Range::Above(0.0), lower.collect()))
}

pub(super) fn tied(study: &Study) -> Claim {
    let lower = matched(study, "model.tied", "false", "true")
        .into_iter()
        .filter_map(|(group, untied, tied)| Some(Sample { group, value: peak(untied)?.1 - peak(tied)?.1 }));
    let claim = "with tied embeddings LAR peaks lower";
    Claim::new(
        "lm-tied",
        claim,
        "appendix",
        tested("peak of LAR, untied − tied", Range::Above(0.0), lower.collect()),
    )
}

/// Two values of a key that should not move LAR's end.
pub(super) struct Change {
    id: &'static str,
    statement: &'static str,
    key: &'static str,
    from: &'static str,
    to: &'static str,
}

pub(super) static DECAY: Change = Change {
    id: "lm-decay",
    statement: "weight decay leaves LAR as it is",
    key: "optim.weight_decay",
    from: "0.0",
    to: "0.1",
};
pub(super) static SCHEDULE: Change = Change {
    id: "lm-schedule",
    statement: "a constant learning rate leaves LAR as it is",
    key: "optim.schedule",
    from: "cosine",
    to: "constant",
};

/// |LAR at the end with − without| < .02.
pub(super) fn end_unchanged(study: &Study, change: &Change) -> Claim {
    let Change { id, statement, key, from, to } = *change;
    let pairs = matched(study, key, from, to).into_iter();
    let differences = pairs.filter_map(|(group, a, b)| {
        Some(Sample { group, value: (b.value(FINAL, "lar")? - a.value(FINAL, "lar")?).abs() })
    });
    let what = format!("|LAR at the end, {to} − {from}|");
    Claim::new(id, statement, "appendix", tested(&what, Range::Below(0.02), differences.collect()))
}

/// No part where the experiment has no such runs.
fn tested(what: &str, expected: Range, samples: Vec<Sample>) -> Vec<Part> {
    if samples.is_empty() { Vec::new() } else { vec![judge(what, expected, samples)] }
}
