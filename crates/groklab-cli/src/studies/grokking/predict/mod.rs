//! When will a run grok? Early numbers against the grokking epoch, by Kendall's τ with censoring: within groups, given the
//! validation loss, and across groups. `docs/predict.md` has the rule, which was there before the runs.

pub mod crossed;
pub mod early;
pub mod figure;
pub mod table;

use rayon::prelude::*;

use crate::analysis::{
    rank::{Order, Pairs, holm, order_interval, permutation_p},
    survival::Lifetime,
};
use crossed::is_crossed;
use early::{MOMENTS, NUMBERS, RIVAL, Subject};

/// Runs that count, and of these those that grokked, for a group to be enough.
pub const ENOUGH: (usize, usize) = (10, 5);
/// A number orders if |τ| is this at least and its p, after Holm, below the other.
pub const ORDERS: (f64, f64) = (0.3, 0.05);
/// The share of the groups whose τ must have the sign.
pub const OF_GROUPS: f64 = 0.75;

/// Runs that differ in nothing but their seeds.
#[derive(Clone, Debug)]
pub struct Lot {
    /// As in tables.
    pub name: String,
    /// Those that memorized.
    pub runs: Vec<Subject>,
    /// Those that did not.
    pub never_memorized: usize,
}

/// What a number says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Its order is that of the grokking epochs.
    Orders,
    /// Its τ is surely small.
    DoesNot,
    /// Neither.
    Open,
    /// No group is enough.
    NotEnough,
}

impl Answer {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::DoesNot => "does not",
            Self::Open => "open",
            Self::NotEnough => "not enough data",
        }
    }
}

/// Runs that count, and those of them that did not grok.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// All.
    pub runs: usize,
    /// Censored.
    pub censored: usize,
}

/// A number at a moment against the grokking epoch.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Its place in [`NUMBERS`].
    pub number: usize,
    /// Epochs after memorization.
    pub moment: u64,
    /// By the rule.
    pub answer: Answer,
    /// Within the groups that are enough, and the runs of these.
    pub within: Option<f64>,
    /// 95 % interval of it.
    pub interval: Option<(f64, f64)>,
    /// Its p, after Holm.
    pub p: Option<f64>,
    /// Runs of the groups that are enough.
    pub count: Count,
    /// Groups that are enough.
    pub groups: usize,
    /// Given the validation loss, within groups, and its interval; none of the validation loss itself.
    pub partial: Option<(f64, (f64, f64))>,
    /// Over pairs of runs of different groups.
    pub across: Option<f64>,
    /// Of each lot alone, and its runs.
    pub of_lots: Vec<(Option<f64>, Count)>,
}

impl Finding {
    /// Whether it says more than the validation loss: it orders, and its partial τ is surely not 0.
    pub fn adds(&self) -> bool {
        self.answer == Answer::Orders && self.partial.is_some_and(|(_, (low, high))| low > 0.0 || high < 0.0)
    }
}

/// A run that counts for a number at a moment: its lot, the number, the validation loss, when it grokked.
type Seen = (usize, f64, f64, Lifetime);

/// Every number at every moment, numbers first. Lots whose runs share splits stay out.
pub fn findings(lots: &[Lot]) -> Vec<Finding> {
    let cases: Vec<(usize, usize)> = (0..NUMBERS.len())
        .flat_map(|number| (0..MOMENTS.len()).map(move |moment| (number, moment)))
        .collect();
    let mut found: Vec<Finding> =
        cases.into_par_iter().map(|(number, moment)| finding(lots, number, moment)).collect();
    let p: Vec<f64> = found.iter().map(|finding| finding.p.unwrap_or(f64::NAN)).collect();
    for (finding, p) in found.iter_mut().zip(holm(&p)) {
        finding.p = p.is_finite().then_some(p);
        finding.answer = answer(finding);
    }
    found
}

fn finding(lots: &[Lot], number: usize, moment: usize) -> Finding {
    let rival = NUMBERS.iter().position(|number| number.name == RIVAL).unwrap_or_default();
    let seen = |(i, lot): (usize, &Lot)| -> Vec<Seen> {
        let runs = lot.runs.iter().filter(|_| !is_crossed(&lot.runs));
        let of = |run: &Subject| Some((i, run.early[moment]?[number], run.early[moment]?[rival], run.life));
        runs.filter_map(of).filter(|(_, x, ..)| x.is_finite()).collect()
    };
    let by_lot: Vec<Vec<Seen>> = lots.iter().enumerate().map(seen).collect();
    let count = |runs: &[Seen]| Count {
        runs: runs.len(),
        censored: runs.iter().filter(|(.., life)| !life.ended).count(),
    };
    let is_enough = |runs: &[Seen]| {
        let Count { runs, censored } = count(runs);
        runs >= ENOUGH.0 && runs - censored >= ENOUGH.1
    };
    let enough: Vec<Seen> = by_lot.iter().filter(|runs| is_enough(runs)).flatten().copied().collect();
    let groups: Vec<usize> = enough.iter().map(|(lot, ..)| *lot).collect();
    let [x, y, z] = orders(&enough, |a, b| a == b);
    let (two, three) = (Pairs::of(&x, &y, None), Pairs::of(&x, &y, Some(&z)));
    let once = vec![1; enough.len()];
    let value = two.tau(&once);
    let is_rival = number == rival;
    let given = three.partial(&once).filter(|_| !is_rival);
    let every: Vec<Seen> = by_lot.iter().flatten().copied().collect();
    Finding {
        number,
        moment: MOMENTS[moment],
        answer: Answer::NotEnough,
        within: value,
        interval: value.map(|_| order_interval(&groups, |drawn| two.tau(drawn))),
        p: permutation_p(&x, &y, &groups),
        count: count(&enough),
        groups: by_lot.iter().filter(|runs| is_enough(runs)).count(),
        partial: given.map(|given| (given, order_interval(&groups, |drawn| three.partial(drawn)))),
        across: tau(&every, |a, b| a != b),
        of_lots: by_lot.iter().map(|runs| (tau(runs, |_, _| true), count(runs))).collect(),
    }
}

/// The orders of a set of runs: by a number, by the grokking epoch over the pairs whose lots `keep` keeps, by the validation loss.
fn orders(runs: &[Seen], keep: impl Fn(usize, usize) -> bool) -> [Order; 3] {
    let lives: Vec<Lifetime> = runs.iter().map(|(.., life)| *life).collect();
    let of = |value: fn(&Seen) -> f64| Order::of(&runs.iter().map(value).collect::<Vec<_>>());
    let y = Order::of_lives(&lives).only(|i, j| keep(runs[i].0, runs[j].0));
    [of(|(_, x, ..)| *x), y, of(|(_, _, z, _)| *z)]
}

/// τ of a number and the grokking epoch over these pairs.
fn tau(runs: &[Seen], keep: impl Fn(usize, usize) -> bool) -> Option<f64> {
    let [x, y, _] = orders(runs, keep);
    Pairs::of(&x, &y, None).tau(&vec![1; runs.len()])
}

/// The rule of `docs/predict.md`.
fn answer(finding: &Finding) -> Answer {
    let (Some(within), Some((low, high)), Some(p)) = (finding.within, finding.interval, finding.p) else {
        return Answer::NotEnough;
    };
    let enough = finding
        .of_lots
        .iter()
        .filter(|(_, count)| count.runs >= ENOUGH.0 && count.runs - count.censored >= ENOUGH.1);
    let same = enough.filter(|(tau, _)| tau.is_some_and(|tau| tau * within > 0.0)).count();
    if p < ORDERS.1 && within.abs() >= ORDERS.0 && same as f64 >= OF_GROUPS * finding.groups as f64 {
        Answer::Orders
    } else if -ORDERS.0 < low && high < ORDERS.0 {
        Answer::DoesNot
    } else {
        Answer::Open
    }
}

#[cfg(test)]
mod tests;
