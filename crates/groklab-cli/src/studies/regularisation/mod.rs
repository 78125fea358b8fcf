//! LAR as a regulariser, an own question: does pulling at LAR move generalisation, or is LAR its symptom alone?
//!
//! Rules of the claims, fixed before the study was run: `docs/lar-regularisation/README.md`.

mod operations;
mod text;

use super::{
    Study,
    arrival::{GROKKED, epochs, table},
};
use crate::{
    analysis::{
        claims::Claim,
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
    /// Task and whatever else but the pull, the decay and the Jacobian term tells it from others.
    group: String,
    lar: f64,
    sigma_p: f64,
    norm: f64,
    /// Whether the pull is there from the first epoch to the last.
    is_whole: bool,
    from: f64,
    /// Strength of GrokAlign's Jacobian term.
    jacobian: f64,
    /// Whether its weight decay is another than the runs with a pull have.
    is_decayed: bool,
    runs: Vec<&'a Run>,
}

impl Arm<'_> {
    fn has_pull(&self) -> bool {
        [self.lar, self.sigma_p, self.norm] != [0.0; 3]
    }

    fn is_baseline(&self) -> bool {
        !self.has_pull() && !self.is_decayed && self.jacobian == 0.0
    }

    /// A whole pull at LAR alone.
    fn is_lar(&self) -> bool {
        self.is_whole
            && self.lar != 0.0
            && [self.sigma_p, self.norm, self.jacobian] == [0.0; 3]
            && !self.is_decayed
    }
}

fn arms(study: &general::Study) -> Vec<Arm<'_>> {
    /// And its weight decay, where the study has several.
    fn arm(setting: general::Setting<'_>) -> Option<(Arm<'_>, f64)> {
        let run = *setting.runs.first()?;
        let key = |name: &str| run.number(&format!("alignment.{name}")).unwrap_or(0.0);
        let varied =
            |part: &&str| ["alignment.", "optim.", "jacobian."].iter().any(|keys| part.starts_with(keys));
        let decay = setting.label.split(' ').find_map(|part| part.strip_prefix("optim.weight_decay="));
        let parts = setting.label.split(' ').filter(|part| !varied(part));
        let group = parts.collect::<Vec<_>>().join(" ");
        let arm = Arm {
            group: if group.is_empty() { "all runs".to_owned() } else { group },
            lar: key("lar_strength"),
            sigma_p: key("sigma_p_strength"),
            norm: key("norm_strength"),
            is_whole: key("from_epoch") <= 1.0 && key("to_epoch") == 0.0,
            from: key("from_epoch"),
            jacobian: run.number("jacobian.strength").unwrap_or(0.0),
            is_decayed: false,
            runs: setting.runs,
        };
        Some((arm, decay.and_then(|decay| decay.parse().ok()).unwrap_or(0.0)))
    }
    let arms: Vec<_> = study.settings().into_iter().filter_map(arm).collect();
    let usual = arms.iter().find(|(arm, _)| arm.has_pull()).map_or(0.0, |(_, decay)| *decay);
    arms.into_iter().map(|(arm, decay)| Arm { is_decayed: decay != usual, ..arm }).collect()
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

/// Strengths of the whole pulls at LAR alone: of those that raise it, or of those that lower it.
fn strengths(arms: &[Arm], raise: bool) -> Vec<f64> {
    values(arms.iter().filter(|arm| arm.is_lar() && (arm.lar > 0.0) == raise).map(|arm| arm.lar))
}

/// The arms with such a pull of that strength, each beside the baseline of its task.
fn pulled<'s, 'a>(arms: &'s [Arm<'a>], strength: f64) -> Vec<(&'s Arm<'a>, &'s Arm<'a>)> {
    beside_baseline(arms, |arm| arm.is_lar() && arm.lar == strength)
}

fn claims(study: &general::Study) -> Vec<Claim> {
    let arms = arms(study);
    match study.kind.name() {
        "text" => text::claims(&arms),
        _ => operations::claims(&arms),
    }
}

/// Two numbers of a group's runs of one seed without a pull, whatever their weight decay: the greatest of the first numbers first.
fn ladder(
    arms: &[Arm],
    group: &str,
    seed: &str,
    point: impl Fn(&Run) -> Option<(f64, f64)>,
) -> Vec<(f64, f64)> {
    let without = |arm: &&Arm| arm.group == group && !arm.has_pull() && arm.jacobian == 0.0;
    let of = |arm: &Arm| point(arm.runs.iter().find(|run| run.seed() == seed)?);
    let mut points: Vec<_> = arms.iter().filter(without).filter_map(of).collect();
    points.sort_by(|a, b| b.0.total_cmp(&a.0));
    points
}

/// The second number where the first has come down to `at`, in proportion between two points.
fn between(points: &[(f64, f64)], at: f64) -> Option<f64> {
    let (before, after) =
        points.windows(2).map(|pair| (pair[0], pair[1])).find(|(a, b)| a.0 > at && b.0 <= at)?;
    Some(before.1 + (after.1 - before.1) * (before.0 - at) / (before.0 - after.0))
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
    let mut figures = vec![Figure { name: "pull", pages: page(&panels, axes) }];
    if study.kind.name() != "text" {
        figures.push(operations::ends(&arms));
    }
    figures
}
