//! GrokAlign (arXiv 2506.12284): a penalty on the norm of the Jacobian makes networks grok sooner, and centroids align.
//!
//! Rules of the claims, fixed before the study was run: `docs/grokalign/README.md`.

pub(super) mod transformer;

use super::{
    Study,
    arrival::{GROKKED, log_ratios},
    contrast::{Series, mean, pairs, series},
};
use crate::{
    analysis::{
        claims::{Claim, Range, Sample, judge},
        general::{self, FINAL, INITIAL, Run},
    },
    render::figure::{
        Figure,
        lines::{Axes, Panel, page},
    },
};

/// The study.
pub static STUDY: Study =
    Study { name: "grokalign", paper: "arXiv 2506.12284", claims, tables: |_| Vec::new(), figures };

/// The strength of the Jacobian term, λ.
const STRENGTH: &str = "jacobian.strength";
/// The milestones of the kind `vectors`.
const TARGET: &str = "target";
const FITTED: &str = "fitted";
/// The setting that keeps the embedding of binary operations as it began.
const FROZEN: &str = "optim.frozen";

fn claims(study: &general::Study) -> Vec<Claim> {
    let series = series(study, STRENGTH);
    vec![
        fewer_steps(&series),
        seven_fold(&series),
        shrinks_jacobian(&series),
        aligns(&series),
        robust_later(&series),
        no_gain_trainable(&series),
        gain_fixed(&series),
    ]
}

/// The runs without the term and those with it, for each λ that is not 0.
fn arms<'s, 'a>(series: &'s Series<'a>) -> impl Iterator<Item = (f64, &'s [&'a Run], &'s [&'a Run])> {
    let without = series.arm(0.0);
    series
        .arms
        .iter()
        .filter(|(value, _)| *value != 0.0)
        .map(move |(value, with)| (*value, without, &with[..]))
}

fn fewer_steps(series: &[Series]) -> Claim {
    let parts = series.iter().flat_map(|series| {
        arms(series).map(|(strength, without, with)| {
            let what = series.named(&format!("ln(epochs to the target, λ 0 / λ {strength})"));
            judge(&what, Range::Above(0.0), log_ratios(TARGET, without, with, &series.group()))
        })
    });
    Claim::new(
        "ga-fewer-steps",
        "the Jacobian term reaches the target in fewer epochs",
        "Fig. 1, Table 1",
        parts.collect(),
    )
}

fn seven_fold(series: &[Series]) -> Claim {
    // 7.56 ± 0.82
    let range = Range::Within(6.74f64.ln(), 8.38f64.ln());
    let parts = series.iter().flat_map(|series| {
        arms(series).map(move |(strength, without, with)| {
            let what = series.named(&format!("ln(epochs to the target, λ 0 / λ {strength})"));
            judge(&what, range, log_ratios(TARGET, without, with, &series.group()))
        })
    });
    Claim::new("ga-seven-fold", "… in 7.56 ± 0.82 times fewer", "Table 1", parts.collect())
}

fn shrinks_jacobian(series: &[Series]) -> Claim {
    let share = |run: &&Run, group: &str| {
        let [start, there] = [INITIAL, TARGET].map(|checkpoint| run.value(checkpoint, "jacobian_norm"));
        Some(Sample { group: group.to_owned(), value: there? / start? })
    };
    let mut parts = Vec::new();
    for series in series {
        for (strength, without, with) in arms(series) {
            let what =
                |strength: f64| series.named(&format!("‖J‖ at the target / at the start, λ {strength}"));
            let of = |runs: &[&Run]| runs.iter().filter_map(|run| share(run, &series.group())).collect();
            parts.push(judge(&what(strength), Range::Below(0.2), of(with)));
            parts.push(judge(&what(0.0), Range::Above(0.2), of(without)));
        }
    }
    let claim = "the term shrinks the Jacobian below a fifth before the target is reached, weight decay alone does not";
    Claim::new("ga-shrinks-jacobian", claim, "§3", parts)
}

/// What a column gained between fitting the training rows and the end.
fn gain(run: &Run, column: &str) -> Option<f64> {
    Some(run.value(FINAL, column)? - run.value(FITTED, column)?)
}

fn aligns(series: &[Series]) -> Claim {
    let mut parts = Vec::new();
    for series in series {
        for (strength, _, with) in arms(series) {
            for column in ["centroid_align_train", "class_align"] {
                let sample = |run: &&Run| Some(Sample { group: series.group(), value: gain(run, column)? });
                let what = series.named(&format!("{column} at the end − when fitted, λ {strength}"));
                parts.push(judge(&what, Range::Above(0.0), with.iter().filter_map(sample).collect()));
            }
        }
    }
    let claim =
        "centroids align with inputs while the network groks (as the paper defines it, and class by class)";
    Claim::new("ga-aligns", claim, "Fig. 2", parts)
}

fn robust_later(series: &[Series]) -> Claim {
    let mut parts = Vec::new();
    for series in series {
        for (strength, _, with) in arms(series) {
            for prefix in ["noise_", "pgd_"] {
                let what =
                    series.named(&format!("accuracy under {prefix}* at the end − when fitted, λ {strength}"));
                // a run counts once: the mean over the strengths of the disturbance
                let sample = |run: &&Run| {
                    let gains = run.gains(prefix, FITTED);
                    let mean = gains.iter().sum::<f64>() / gains.len() as f64;
                    (!gains.is_empty()).then(|| Sample { group: series.group(), value: mean })
                };
                parts.push(judge(&what, Range::Above(0.0), with.iter().filter_map(sample).collect()));
            }
        }
    }
    let claim = "robustness to noise and to attacks comes late";
    Claim::new("ga-robust-later", claim, "Fig. 3", parts)
}

/// Whether the runs are transformers whose embedding is frozen, or is not; of networks without embeddings neither.
fn is_frozen(series: &Series) -> Option<bool> {
    let run = series.arms.iter().find_map(|(_, runs)| runs.first())?;
    match run.setting(FROZEN).as_str() {
        "embedding" => Some(true),
        "none" => Some(false),
        _ => None,
    }
}

/// The series of transformers whose embedding is frozen, or is not.
fn transformers<'s, 'a>(series: &'s [Series<'a>], frozen: bool) -> impl Iterator<Item = &'s Series<'a>> {
    series.iter().filter(move |series| is_frozen(series) == Some(frozen))
}

fn no_gain_trainable(series: &[Series]) -> Claim {
    let mut parts = Vec::new();
    for series in transformers(series, false) {
        for (strength, without, with) in arms(series) {
            let what =
                series.named(&format!("ln(epochs to grokking, λ 0 / λ {strength}), embedding trained"));
            parts.push(judge(&what, Range::Below(0.0), log_ratios(GROKKED, without, with, &series.group())));
            let change = |(base, run): (&Run, &Run)| {
                let [base, run] = [base, run].map(|run| run.diagnostic(FINAL, "gini_unembed"));
                Some(Sample { group: series.group(), value: run? - base? })
            };
            let what = series.named(&format!("Gini of W at the end, λ {strength} − λ 0, embedding trained"));
            let changes = pairs(without, with).into_iter().filter_map(change).collect();
            parts.push(judge(&what, Range::Below(0.0), changes));
        }
    }
    let claim = "with a trained embedding the term makes a transformer grok no sooner, and its frequencies less sparse";
    Claim::new("ga-no-gain-trainable", claim, "§5", parts)
}

fn gain_fixed(series: &[Series]) -> Claim {
    let parts = transformers(series, true).flat_map(|series| {
        arms(series).map(|(strength, without, with)| {
            let what = series.named(&format!("ln(epochs to grokking, λ 0 / λ {strength}), embedding frozen"));
            judge(&what, Range::Above(0.0), log_ratios(GROKKED, without, with, &series.group()))
        })
    });
    let claim = "with a frozen embedding the term makes a transformer grok sooner";
    Claim::new("ga-gain-fixed", claim, "§5", parts.collect())
}

/// Disturbances of the inputs: prefix of the diagnostics, which the strength follows, and name.
const DISTURBANCES: [(&str, &str); 2] = [("noise_", "Gaussian noise"), ("pgd_", "PGD")];

fn figures(study: &general::Study) -> Vec<Figure> {
    let all = series(study, STRENGTH);
    let mut panels = Vec::new();
    for series in &all {
        for (prefix, disturbance) in DISTURBANCES {
            let arms = series.arms.iter().flat_map(|(strength, runs)| {
                let curve = |checkpoint, name| {
                    (format!("λ {strength}, {name}"), robustness(runs, checkpoint, prefix))
                };
                [curve(FITTED, "when fitted"), curve(FINAL, "at the end")]
            });
            let curves = arms.filter(|(_, points)| points.len() > 1).collect();
            panels.push(Panel { title: series.named(disturbance), remark: "mean over seeds".into(), curves });
        }
    }
    panels.retain(|panel| !panel.curves.is_empty());
    let axes = Axes { x: "strength of the disturbance", y: "accuracy", is_log: (false, false) };
    let noise = Figure { name: "noise", pages: page(&panels, axes) };
    [noise].into_iter().chain(transformer::figure(&all)).collect()
}

/// Accuracy on held-out rows over the strength of a disturbance at a checkpoint, mean over the runs that got there.
pub(super) fn robustness(runs: &[&Run], checkpoint: &str, prefix: &str) -> Vec<(f64, f64)> {
    let mean = |of: &dyn Fn(&Run) -> Option<f64>| mean(runs.iter().filter_map(|run| of(run)));
    let names = runs.first().into_iter().flat_map(|run| run.diagnostic_names(prefix));
    let disturbed = names.filter_map(|name| {
        let strength: f64 = name.strip_prefix(prefix)?.parse().ok()?;
        Some((strength, mean(&|run| run.diagnostic(checkpoint, name))?))
    });
    let calm = mean(&|run| run.value(checkpoint, "val_accuracy")).map(|accuracy| (0.0, accuracy));
    calm.into_iter().chain(disturbed).collect()
}
