//! The claims of the paper, and the controls that it lacks.

use super::{
    RIVALS, TOKENS, alarm, column, correlation, differential, flagged, peak, sample, seeds, slope, stop,
    variants,
};
use crate::{
    analysis::{
        claims::{Claim, Range, Sample, judge, judge_difference},
        general::{self, FINAL, INITIAL, Run},
    },
    studies::contrast::{Series, series},
};

/// Every claim, in the order of the paper.
pub(super) fn claims(study: &general::Study) -> Vec<Claim> {
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
        variants::first_vectors(&series),
        variants::effective_rank(study),
        variants::internal(study),
        variants::tied(study),
        variants::end_unchanged(study, &variants::DECAY),
        variants::end_unchanged(study, &variants::SCHEDULE),
        stop::closer(study),
    ]
}

fn half(study: &general::Study) -> Claim {
    let samples = study.runs.iter().filter_map(|run| {
        Some(Sample { group: run.setting("optim.name"), value: run.value(INITIAL, "lar")? })
    });
    let part = judge("LAR at step 0", Range::Within(0.475, 0.525), samples.collect());
    Claim::new("lm-lar-half", "LAR starts at one half", "Fig. 5", vec![part])
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
