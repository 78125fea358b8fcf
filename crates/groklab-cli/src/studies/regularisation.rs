//! LAR as a regulariser, an own question: does pulling at LAR move generalisation, or is LAR its symptom alone?
//!
//! Rules of the claims, fixed before the study was run: `docs/lar-regularisation/README.md`.

use super::{
    Study,
    arrival::{GROKKED, epochs, log_ratios, table},
    contrast,
};
use crate::{
    analysis::{
        claims::{Claim, Part, Range, Sample, judge},
        general::{self, FINAL, Run, median},
    },
    render::{
        figure::{
            Figure,
            lines::{Axes, Panel, page},
        },
        table::Table,
    },
};

/// The study.
pub static STUDY: Study =
    Study { name: "regularisation", paper: "an own question to arXiv 2605.28975", claims, tables, figures };

fn tables(study: &general::Study) -> Vec<Table> {
    if study.kind.name() == "text" { Vec::new() } else { vec![table(study, "grokking over the pull at LAR")] }
}

/// Runs with the same pull on the same task.
struct Arm<'a> {
    /// Task and whatever else but the pull and the decay tells it from others.
    group: String,
    lar: f64,
    sigma_p: f64,
    norm: f64,
    /// Whether the pull is there from the first epoch to the last.
    is_whole: bool,
    from: f64,
    /// Weight decay, where the study has several; 0 elsewhere.
    decay: f64,
    runs: Vec<&'a Run>,
}

impl Arm<'_> {
    fn is_baseline(&self) -> bool {
        [self.lar, self.sigma_p, self.norm, self.decay] == [0.0; 4]
    }

    /// A whole pull at LAR alone.
    fn is_lar(&self) -> bool {
        self.is_whole && self.lar != 0.0 && [self.sigma_p, self.norm, self.decay] == [0.0; 3]
    }
}

fn arms(study: &general::Study) -> Vec<Arm<'_>> {
    fn arm(setting: general::Setting<'_>) -> Option<Arm<'_>> {
        let run = *setting.runs.first()?;
        let key = |name: &str| run.number(&format!("alignment.{name}")).unwrap_or(0.0);
        let varied = |part: &&str| part.starts_with("alignment.") || part.starts_with("optim.");
        let decay = setting.label.split(' ').find_map(|part| part.strip_prefix("optim.weight_decay="));
        let parts = setting.label.split(' ').filter(|part| !varied(part));
        let group = parts.collect::<Vec<_>>().join(" ");
        Some(Arm {
            group: if group.is_empty() { "all runs".to_owned() } else { group },
            lar: key("lar_strength"),
            sigma_p: key("sigma_p_strength"),
            norm: key("norm_strength"),
            is_whole: key("from_epoch") <= 1.0 && key("to_epoch") == 0.0,
            from: key("from_epoch"),
            decay: decay.and_then(|decay| decay.parse().ok()).unwrap_or(0.0),
            runs: setting.runs,
        })
    }
    study.settings().into_iter().filter_map(arm).collect()
}

/// ln(epochs to grokking of the first / of the second) over the tasks: of two arms of one task each.
fn ratios(pairs: &[(&Arm, &Arm)]) -> Vec<Sample> {
    pairs.iter().flat_map(|(a, b)| log_ratios(GROKKED, &a.runs, &b.runs, &a.group)).collect()
}

/// Each arm that `wanted` picks, beside the baseline of its task.
fn beside_baseline<'s, 'a>(
    arms: &'s [Arm<'a>],
    wanted: impl Fn(&Arm) -> bool,
) -> Vec<(&'s Arm<'a>, &'s Arm<'a>)> {
    let base = |group: &str| arms.iter().find(|arm| arm.is_baseline() && arm.group == group);
    arms.iter().filter(|arm| wanted(arm)).filter_map(|arm| Some((base(&arm.group)?, arm))).collect()
}

/// The different values of a number, increasing.
fn values(numbers: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut all: Vec<f64> = numbers.collect();
    all.sort_by(f64::total_cmp);
    all.dedup();
    all
}

fn claims(study: &general::Study) -> Vec<Claim> {
    let arms = arms(study);
    match study.kind.name() {
        "text" => language_models(&arms),
        _ => vec![
            whole(&arms, true),
            whole(&arms, false),
            lar_itself(&arms),
            after(&arms),
            counterexample(&arms),
        ],
    }
}

/// What a pull changes: of a group, its run without one and its run with one, of the same seed.
type Change<'c> = dyn Fn(&str, &Run, &Run) -> Option<f64> + 'c;

/// What the pull does to language models that read few tokens again and again.
fn language_models(arms: &[Arm]) -> Vec<Claim> {
    let least = |run: &Run| {
        run.curve.column("val_loss")?.map(|(_, loss)| loss).filter(|loss| loss.is_finite()).reduce(f64::min)
    };
    let end = |run: &Run| run.value(FINAL, "val_loss");
    let parts = |what: &str, than: &str, change: &Change| -> Vec<Part> {
        let strengths = values(arms.iter().filter(|a| a.is_lar() && a.lar > 0.0).map(|a| a.lar));
        let part = |s: &f64| {
            let pairs = beside_baseline(arms, |arm| arm.is_lar() && arm.lar == *s);
            let samples = pairs.iter().flat_map(|&(base, arm)| {
                let sample = |(base, run): (&Run, &Run)| {
                    Some(Sample { group: arm.group.clone(), value: change(&arm.group, base, run)? })
                };
                contrast::pairs(&base.runs, &arm.runs).into_iter().filter_map(sample).collect::<Vec<_>>()
            });
            judge(&format!("{what}, λ {s} − {than}, nats"), Range::Below(0.0), samples.collect())
        };
        strengths.iter().map(part).collect()
    };
    vec![
        Claim::new(
            "reg-text-overfitting",
            "a pull that raises LAR holds the overfitting of a language model back",
            "own",
            parts("validation loss at the end", "λ 0", &|_, base, run| Some(end(run)? - end(base)?)),
        ),
        Claim::new(
            "reg-text-loss",
            "and brings it to a lower validation loss on its way",
            "own",
            parts("least validation loss", "λ 0", &|_, base, run| Some(least(run)? - least(base)?)),
        ),
        Claim::new(
            "reg-text-equal-fit",
            "and not by fitting the training rows more slowly alone",
            "own",
            parts("validation loss at the end", "λ 0 at equal loss of training rows", &|_, base, run| {
                Some(end(run)? - at_equal_fit(base, run.value(FINAL, "pool_loss")?)?)
            }),
        ),
        Claim::new(
            "reg-text-decay",
            "and more than weight decay that fits the training rows as well at its end",
            "own",
            parts(
                "validation loss at the end",
                "decay at equal loss of training rows",
                &|group, base, run| {
                    let fit = run.value(FINAL, "pool_loss")?;
                    Some(end(run)? - between(&decayed(arms, group, base), fit)?)
                },
            ),
        ),
    ]
}

/// Validation loss of a run where its loss of training rows first came down to `fit`, in proportion between two evaluations.
fn at_equal_fit(run: &Run, fit: f64) -> Option<f64> {
    let [fits, losses] = ["pool_loss", "val_loss"].map(|name| run.curve.column(name));
    let rows: Vec<_> = fits?.zip(losses?).map(|((_, fit), (_, loss))| (fit, loss)).collect();
    between(&rows, fit)
}

/// Loss of training rows and validation loss at the end of a group's run without a pull and of those of its seed with weight
/// decay, the worst fit first.
fn decayed(arms: &[Arm], group: &str, base: &Run) -> Vec<(f64, f64)> {
    let ends = |arm: &Arm| {
        let run = arm.runs.iter().find(|run| run.seed() == base.seed())?;
        Some((run.value(FINAL, "pool_loss")?, run.value(FINAL, "val_loss")?))
    };
    let ladder = arms.iter().filter(|arm| arm.group == group && [arm.lar, arm.sigma_p, arm.norm] == [0.0; 3]);
    let mut points: Vec<_> = ladder.filter_map(ends).collect();
    points.sort_by(|a, b| b.0.total_cmp(&a.0));
    points
}

/// The second where the first has come down to `fit`, in proportion between two points.
fn between(points: &[(f64, f64)], fit: f64) -> Option<f64> {
    let (before, after) =
        points.windows(2).map(|pair| (pair[0], pair[1])).find(|(a, b)| a.0 > fit && b.0 <= fit)?;
    Some(before.1 + (after.1 - before.1) * (before.0 - fit) / (before.0 - after.0))
}

/// A pull at LAR beside none, strength by strength: those that raise it, or those that lower it.
fn whole(arms: &[Arm], raises: bool) -> Claim {
    let (id, claim, range) = if raises {
        ("reg-sooner", "a pull that raises LAR makes a transformer grok sooner", Range::Above(0.0))
    } else {
        ("reg-later", "a pull that lowers LAR makes it grok later", Range::Below(0.0))
    };
    let strengths =
        values(arms.iter().filter(|arm| arm.is_lar() && (arm.lar > 0.0) == raises).map(|arm| arm.lar));
    let part = |s: &f64| {
        let pairs = beside_baseline(arms, |arm| arm.is_lar() && arm.lar == *s);
        judge(&format!("ln(epochs to grokking, λ 0 / λ {s})"), range, ratios(&pairs))
    };
    Claim::new(id, claim, "own", strengths.iter().map(part).collect())
}

/// Against controls of the same strength on what LAR is made of.
fn lar_itself(arms: &[Arm]) -> Claim {
    type Control = (&'static str, fn(&Arm) -> f64);
    let controls: [Control; 2] = [
        ("norm of W", |arm| if arm.lar == 0.0 && arm.sigma_p == 0.0 { arm.norm } else { 0.0 }),
        ("spectrum of W", |arm| if arm.lar == 0.0 && arm.norm == 0.0 { arm.sigma_p } else { 0.0 }),
    ];
    let mut parts = Vec::new();
    for (name, strength) in controls {
        let strengths = arms.iter().filter(|arm| arm.is_whole).map(strength).filter(|s| *s > 0.0);
        for s in values(strengths) {
            let lar =
                |group: &str| arms.iter().find(|arm| arm.is_lar() && arm.lar == s && arm.group == group);
            let pairs: Vec<_> = arms
                .iter()
                .filter(|arm| arm.is_whole && strength(arm) == s)
                .filter_map(|arm| Some((arm, lar(&arm.group)?)))
                .collect();
            let what = format!("ln(epochs to grokking, pull {s} at the {name} / at LAR)");
            parts.push(judge(&what, Range::Above(0.0), ratios(&pairs)));
        }
    }
    let claim = "it is LAR that does it: the same pull at the norm or at the spectrum of W alone does less";
    Claim::new("reg-lar-itself", claim, "own", parts)
}

fn after(arms: &[Arm]) -> Claim {
    let late = |arm: &Arm| !arm.is_whole && arm.lar > 0.0 && arm.from > 1.0;
    let part = |s: &f64| {
        let pairs = beside_baseline(arms, |arm| late(arm) && arm.lar == *s);
        let from = pairs.first().map_or(0.0, |(_, arm)| arm.from);
        let what = format!("ln(epochs to grokking, λ 0 / λ {s} from epoch {from})");
        judge(&what, Range::Above(0.0), ratios(&pairs))
    };
    let strengths = values(arms.iter().filter(|arm| late(arm)).map(|arm| arm.lar));
    let claim = "switched on after memorization it does so too";
    Claim::new("reg-after", claim, "own", strengths.iter().map(part).collect())
}

/// Runs with the pull that never grokked, against the end of the task's runs that did without it.
fn counterexample(arms: &[Arm]) -> Claim {
    let mut samples = Vec::new();
    for (base, arm) in beside_baseline(arms, |arm| arm.lar > 0.0) {
        let grokked = base.runs.iter().filter(|run| run.mark(GROKKED).is_some());
        let ends: Vec<f64> = grokked.filter_map(|run| run.value(FINAL, "lar")).collect();
        let missed = arm.runs.iter().filter(|run| run.mark(GROKKED).is_none());
        let of = |run: &&Run| {
            let value = run.value(FINAL, "lar")? - median(&ends);
            Some(Sample { group: arm.group.clone(), value })
        };
        samples.extend(missed.filter_map(of));
    }
    let what = "LAR at the end of a pulled run that did not grok − median of those that did without a pull";
    let parts = vec![judge(what, Range::Below(0.0), samples)];
    let claim = "no network is brought to the LAR of one that grokked without generalising";
    Claim::new("reg-no-counterexample", claim, "own", parts)
}

/// Over the strength of the pull: how long grokking took, and LAR at the end.
fn figures(study: &general::Study) -> Vec<Figure> {
    let arms = arms(study);
    let over = |of: &dyn Fn(&Run) -> Option<f64>| {
        let mut curves: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
        for arm in arms.iter().filter(|arm| arm.is_lar() || arm.is_baseline()) {
            let numbers: Vec<f64> = arm.runs.iter().filter_map(|run| of(run)).collect();
            if numbers.is_empty() {
                continue;
            }
            let point = (arm.lar, median(&numbers));
            match curves.iter_mut().find(|(name, _)| *name == arm.group) {
                Some((_, points)) => points.push(point),
                None => curves.push((arm.group.clone(), vec![point])),
            }
        }
        curves.iter_mut().for_each(|(_, points)| points.sort_by(|a, b| a.0.total_cmp(&b.0)));
        curves
    };
    let panel =
        |title: &str, remark: &str, curves| Panel { title: title.into(), remark: remark.into(), curves };
    let first = match study.kind.name() {
        "text" => {
            panel("validation loss at the end, nats", "median", over(&|run| run.value(FINAL, "val_loss")))
        }
        _ => panel(
            "epochs to grokking",
            "median; in vain: the budget",
            over(&|run| epochs(run, GROKKED).map(|(epochs, _)| epochs)),
        ),
    };
    let panels = [first, panel("LAR at the end", "median", over(&|run| run.value(FINAL, "lar")))];
    let axes = Axes { x: "λ", y: "", is_log: (false, false) };
    vec![Figure { name: "pull", pages: page(&panels, axes) }]
}
