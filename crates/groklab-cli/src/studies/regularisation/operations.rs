//! What a pull at LAR does to transformers that grok.

use super::{Arm, beside_baseline, between, ladder, pulled, strengths, values};
use crate::{
    analysis::{
        claims::{Claim, Range, Sample, judge},
        general::{FINAL, Run, median},
    },
    render::figure::{Figure, follows},
    studies::arrival::{GROKKED, MEMORIZED, log_ratios},
};

/// All claims; those that need an arm of their own where there is one.
pub(super) fn claims(arms: &[Arm]) -> Vec<Claim> {
    let mut claims = vec![
        whole(arms, true),
        whole(arms, false),
        lar_itself(arms),
        after(arms),
        counterexample(arms),
        elsewhere(arms),
        rises(arms),
    ];
    if arms.iter().any(|arm| arm.is_decayed) {
        claims.push(decay(arms));
    }
    if arms.iter().any(|arm| arm.jacobian > 0.0) {
        claims.push(jacobian(arms));
    }
    claims
}

/// ln(epochs to grokking of the first / of the second) over the tasks: of two arms of one task each.
fn ratios(pairs: &[(&Arm, &Arm)]) -> Vec<Sample> {
    pairs.iter().flat_map(|(a, b)| log_ratios(GROKKED, &a.runs, &b.runs, &a.group)).collect()
}

/// Each arm that `wanted` picks, and that with pull `s` at LAR of its task.
fn beside_lar<'s, 'a>(
    arms: &'s [Arm<'a>],
    s: f64,
    wanted: impl Fn(&Arm) -> bool,
) -> Vec<(&'s Arm<'a>, &'s Arm<'a>)> {
    let lar = |group: &str| arms.iter().find(|arm| arm.is_lar() && arm.lar == s && arm.group == group);
    arms.iter().filter(|arm| wanted(arm)).filter_map(|arm| Some((arm, lar(&arm.group)?))).collect()
}

/// A pull at LAR beside none, strength by strength: those that raise it, or those that lower it.
fn whole(arms: &[Arm], raises: bool) -> Claim {
    let (id, claim, range) = if raises {
        ("reg-sooner", "a pull that raises LAR makes a transformer grok sooner", Range::Above(0.0))
    } else {
        ("reg-later", "a pull that lowers LAR makes it grok later", Range::Below(0.0))
    };
    let part =
        |s: &f64| judge(&format!("ln(epochs to grokking, λ 0 / λ {s})"), range, ratios(&pulled(arms, *s)));
    Claim::new(id, claim, "own", strengths(arms, raises).iter().map(part).collect())
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
            let pairs = beside_lar(arms, s, |arm| arm.is_whole && strength(arm) == s);
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
        samples.extend(missed(arm, median(&grokked_ends(base))));
    }
    let what = "LAR at the end of a pulled run that did not grok − median of those that did without a pull";
    let parts = vec![judge(what, Range::Below(0.0), samples)];
    let claim = "no network is brought to the LAR of one that grokked without generalising";
    Claim::new("reg-no-counterexample", claim, "own", parts)
}

/// LAR at the end of an arm's runs that grokked.
fn grokked_ends(arm: &Arm) -> Vec<f64> {
    let grokked = arm.runs.iter().filter(|run| run.mark(GROKKED).is_some());
    grokked.filter_map(|run| run.value(FINAL, "lar")).collect()
}

/// LAR at the end of an arm's runs that did not grok, less `usual`.
fn missed(arm: &Arm, usual: f64) -> Vec<Sample> {
    let of = |run: &&Run| {
        let value = run.value(FINAL, "lar")? - usual;
        Some(Sample { group: arm.group.clone(), value })
    };
    arm.runs.iter().filter(|run| run.mark(GROKKED).is_none()).filter_map(of).collect()
}

/// Runs of tasks that never grok by themselves, against the end of the other tasks' runs that did without a pull.
fn elsewhere(arms: &[Arm]) -> Claim {
    let of_others: Vec<f64> = arms.iter().filter(|arm| arm.is_baseline()).flat_map(grokked_ends).collect();
    let usual = median(&of_others);
    let part = |s: &f64| {
        let never = pulled(arms, *s).into_iter().filter(|(base, _)| grokked_ends(base).is_empty());
        let samples = never.flat_map(|(_, arm)| missed(arm, usual)).collect();
        let what = format!("LAR at the end, λ {s} − median of the other tasks' that grokked, λ 0");
        judge(&what, Range::Below(0.0), samples)
    };
    let claim = "nor is one of a task that never groks brought to the LAR of one that grokked";
    Claim::new(
        "reg-no-counterexample-elsewhere",
        claim,
        "own",
        strengths(arms, true).iter().map(part).collect(),
    )
}

/// Within each run that memorized and grokked.
fn rises(arms: &[Arm]) -> Claim {
    let mut parts: Vec<(String, Vec<Sample>)> = Vec::new();
    for arm in arms.iter().filter(|arm| arm.is_whole && !arm.is_decayed && arm.jacobian == 0.0) {
        let pull = match [arm.lar, arm.sigma_p, arm.norm] {
            [lar, 0.0, 0.0] => format!("λ {lar}"),
            [0.0, sigma_p, 0.0] => format!("pull {sigma_p} at the spectrum of W"),
            [0.0, 0.0, norm] => format!("pull {norm} at the norm of W"),
            _ => continue,
        };
        let of = |run: &&Run| {
            let value = run.value(GROKKED, "lar")? - run.value(MEMORIZED, "lar")?;
            Some(Sample { group: arm.group.clone(), value })
        };
        let samples: Vec<_> = arm.runs.iter().filter_map(of).collect();
        match parts.iter_mut().find(|(name, _)| *name == pull) {
            Some((_, all)) => all.extend(samples),
            None => parts.push((pull, samples)),
        }
    }
    let part = |(pull, samples): (String, Vec<Sample>)| {
        judge(&format!("LAR grokked − LAR memorized, {pull}"), Range::Above(0.0), samples)
    };
    let parts = parts.into_iter().filter(|(_, samples)| !samples.is_empty()).map(part).collect();
    Claim::new("reg-rises", "from memorization to grokking LAR rises, whatever pulls", "own", parts)
}

/// Against weight decay whose run of the same seed grokked with the same weight norm.
fn decay(arms: &[Arm]) -> Claim {
    let point =
        |run: &Run| Some((run.value(GROKKED, "weight_norm")?, (run.mark(GROKKED)?.epoch.max(1) as f64).ln()));
    let part = |s: &f64| {
        let with = arms.iter().filter(|arm| arm.is_lar() && arm.lar == *s);
        let samples = with.flat_map(|arm| {
            let of = |run: &&Run| {
                let (norm, epochs) = point(run)?;
                let value = between(&ladder(arms, &arm.group, &run.seed(), point), norm)? - epochs;
                Some(Sample { group: arm.group.clone(), value })
            };
            arm.runs.iter().filter_map(of).collect::<Vec<_>>()
        });
        let what = format!("ln(epochs to grokking, weight decay at equal weight norm / λ {s})");
        judge(&what, Range::Above(0.0), samples.collect())
    };
    let claim = "and sooner than weight decay that groks with the same weight norm";
    Claim::new("reg-decay", claim, "own", strengths(arms, true).iter().map(part).collect())
}

/// Against GrokAlign's Jacobian term in place of the pull.
fn jacobian(arms: &[Arm]) -> Claim {
    let terms = values(arms.iter().map(|arm| arm.jacobian).filter(|strength| *strength > 0.0));
    let mut parts = Vec::new();
    for term in terms {
        for s in strengths(arms, true) {
            let pairs = beside_lar(arms, s, |arm| arm.jacobian == term && !arm.has_pull());
            let what = format!("ln(epochs to grokking, Jacobian term {term} / λ {s})");
            parts.push(judge(&what, Range::Above(0.0), ratios(&pairs)));
        }
    }
    Claim::new("reg-jacobian", "and sooner than with a small Jacobian", "own", parts)
}

/// Every run at its end: does validation accuracy go with LAR, whatever pulls?
pub(super) fn ends(arms: &[Arm]) -> Figure {
    let mut panels: Vec<follows::Panel> = Vec::new();
    // those without a pull last, on top
    let (without, with): (Vec<_>, Vec<_>) = arms.iter().partition(|arm| arm.is_baseline());
    for arm in with.into_iter().chain(without) {
        let at = |run: &&Run| Some((run.value(FINAL, "lar")?, run.value(FINAL, "val_accuracy")?));
        let cloud = (kind_of(arm).to_owned(), arm.runs.iter().filter_map(at).collect());
        match panels.iter_mut().find(|panel| panel.title == arm.group) {
            Some(panel) => panel.clouds.push(cloud),
            None => panels.push(follows::Panel {
                title: arm.group.clone(),
                remark: "each run at its end".to_owned(),
                clouds: vec![cloud],
            }),
        }
    }
    Figure { name: "ends", pages: follows::page(&panels, ("LAR", "validation accuracy")) }
}

/// What pulls at an arm's runs.
fn kind_of(arm: &Arm) -> &'static str {
    match [arm.lar, arm.sigma_p, arm.norm] {
        _ if arm.jacobian != 0.0 => "Jacobian term",
        _ if arm.is_decayed => "other weight decay",
        [0.0, 0.0, 0.0] => "no pull",
        [lar, ..] if lar < 0.0 => "LAR down",
        [lar, ..] if lar > 0.0 => "LAR up",
        [_, sigma_p, _] if sigma_p != 0.0 => "spectrum of W",
        _ => "norm of W",
    }
}
