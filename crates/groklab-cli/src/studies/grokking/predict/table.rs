//! The tables of `groklab predict`, and `predict.csv`.

use serde::Serialize;

use super::{Count, ENOUGH, Finding, Lot, ORDERS, crossed::Crossed, early::NUMBERS};
use crate::{
    analysis::{RESAMPLES, rank::PERMUTATIONS},
    render::table::{Align, Table, decimals, thousands},
};

const NONE: &str = "–";

/// An answer for each number and moment.
pub fn answers(found: &[Finding], lots: &[Lot]) -> Table {
    let heads = [
        ("number", Align::Left),
        ("memorized +", Align::Right),
        ("answer", Align::Left),
        ("τ within groups [95 %]", Align::Right),
        ("p (Holm)", Align::Right),
        ("τ given val_loss [95 %]", Align::Right),
        ("τ across", Align::Right),
        ("groups", Align::Right),
        ("runs", Align::Right),
        ("censored", Align::Right),
    ];
    let rows = found.iter().map(|finding| {
        let with = |value: Option<f64>, ends: Option<(f64, f64)>| match value.zip(ends) {
            Some((value, (low, high))) => format!("{} [{}, {}]", number(value), number(low), number(high)),
            None => NONE.to_owned(),
        };
        let answer = match finding.adds() {
            true => format!("{}, adds", finding.answer.name()),
            false => finding.answer.name().to_owned(),
        };
        vec![
            NUMBERS[finding.number].name.to_owned(),
            finding.moment.to_string(),
            answer,
            with(finding.within, finding.interval),
            finding.p.map_or(NONE.to_owned(), |p| format!("{p:.4}")),
            with(finding.partial.map(|(tau, _)| tau), finding.partial.map(|(_, ends)| ends)),
            finding.across.map_or(NONE.to_owned(), number),
            finding.groups.to_string(),
            finding.count.runs.to_string(),
            finding.count.censored.to_string(),
        ]
    });
    let never: usize = lots.iter().map(|lot| lot.never_memorized).sum();
    let runs: usize = lots.iter().map(|lot| lot.runs.len()).sum::<usize>() + never;
    Table {
        title: format!("When will it grok? Early numbers against the grokking epoch, {runs} runs"),
        columns: columns(&heads),
        rows: rows.collect(),
        notes: vec![
            "Kendall's τ_b over the pairs of which it is known who grokked first; negative: the larger the number, the sooner.".into(),
            format!(
                "Within groups of {} runs that count or more, {} of them grokked. A run counts at a moment if it memorized and had not grokked yet.",
                ENOUGH.0, ENOUGH.1
            ),
            format!(
                "p: {} permutations within groups, two-sided, Holm over all lines. Intervals: bootstrap over runs within groups, {} resamples.",
                thousands(PERMUTATIONS),
                thousands(RESAMPLES)
            ),
            format!(
                "orders: p < {}, |τ| ≥ {}, most groups alike; adds: and τ given the validation loss is not 0; does not: interval within ±{}. docs/predict.md has the rule.",
                ORDERS.1, ORDERS.0, ORDERS.0
            ),
            format!("{never} runs were never seen to memorize, and count nowhere."),
        ],
    }
}

/// τ of each group alone, with its runs.
pub fn by_group(found: &[Finding], lots: &[Lot]) -> Table {
    let mut heads: Vec<(String, Align)> =
        vec![("number".into(), Align::Left), ("memorized +".into(), Align::Right)];
    heads.extend(lots.iter().map(|lot| (lot.name.clone(), Align::Right)));
    let cell = |(tau, Count { runs, censored }): &(Option<f64>, Count)| {
        let tau = tau.map_or(NONE.to_owned(), number);
        if *censored == 0 {
            format!("{tau} ({runs})")
        } else {
            format!("{tau} ({runs}, {censored} censored)")
        }
    };
    let rows = found.iter().map(|finding| {
        let name = [NUMBERS[finding.number].name.to_owned(), finding.moment.to_string()];
        name.into_iter().chain(finding.of_lots.iter().map(cell)).collect()
    });
    Table {
        title: "τ of each group alone (runs that count)".into(),
        columns: heads,
        rows: rows.collect(),
        notes: vec![
            "A group whose runs share splits is no group of independent runs, and has none here.".into(),
        ],
    }
}

/// Split or start, of the lots that are a crossing; none without one.
pub fn crossings(lots: &[Lot]) -> Option<Table> {
    let found: Vec<(&Lot, Crossed)> =
        lots.iter().filter_map(|lot| Some((lot, Crossed::of(&lot.runs)?))).collect();
    let heads = [
        ("group", Align::Left),
        ("splits × starts", Align::Right),
        ("did not grok", Align::Right),
        ("between splits (p)", Align::Right),
        ("between starts (p)", Align::Right),
        ("rest", Align::Right),
    ];
    let percent = |share: f64| format!("{:.0} %", 100.0 * share);
    let row = |(lot, crossed): &(&Lot, Crossed)| {
        let [split, start, rest] = match crossed.shares {
            Some((split, start)) => [
                format!("{} ({:.4})", percent(split.share), split.p),
                format!("{} ({:.4})", percent(start.share), start.p),
                percent(1.0 - split.share - start.share),
            ],
            None => [NONE, NONE, NONE].map(str::to_owned),
        };
        let seeds = format!("{} × {}", crossed.seeds.0, crossed.seeds.1);
        vec![lot.name.clone(), seeds, crossed.censored.to_string(), split, start, rest]
    };
    (!found.is_empty()).then(|| Table {
        title: "Split or start? Shares of the sum of squares of ln(grokking epoch)".into(),
        columns: columns(&heads),
        rows: found.iter().map(row).collect(),
        notes: vec![format!(
            "p: {} permutations among the cells that have the other seed in common.",
            thousands(PERMUTATIONS)
        )],
    })
}

fn columns(heads: &[(&str, Align)]) -> Vec<(String, Align)> {
    heads.iter().map(|(head, align)| ((*head).to_owned(), *align)).collect()
}

fn number(value: f64) -> String {
    decimals(value, 2).replace('-', "−")
}

/// A line of `predict.csv`: a group, or with an empty name what is said of all together.
#[derive(Serialize)]
struct Line<'a> {
    number: &'a str,
    moment: u64,
    group: &'a str,
    answer: &'a str,
    adds: Option<bool>,
    tau: Option<f64>,
    tau_low: Option<f64>,
    tau_high: Option<f64>,
    p_holm: Option<f64>,
    tau_given_val_loss: Option<f64>,
    tau_given_val_loss_low: Option<f64>,
    tau_given_val_loss_high: Option<f64>,
    tau_across: Option<f64>,
    groups: usize,
    runs: usize,
    censored: usize,
}

/// The bytes of `predict.csv`.
pub fn predict_csv(found: &[Finding], lots: &[Lot]) -> Result<Vec<u8>, csv::Error> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for finding in found {
        let number = NUMBERS[finding.number].name;
        writer.serialize(Line {
            number,
            moment: finding.moment,
            group: "",
            answer: finding.answer.name(),
            adds: Some(finding.adds()),
            tau: finding.within,
            tau_low: finding.interval.map(|(low, _)| low),
            tau_high: finding.interval.map(|(_, high)| high),
            p_holm: finding.p,
            tau_given_val_loss: finding.partial.map(|(tau, _)| tau),
            tau_given_val_loss_low: finding.partial.map(|(_, (low, _))| low),
            tau_given_val_loss_high: finding.partial.map(|(_, (_, high))| high),
            tau_across: finding.across,
            groups: finding.groups,
            runs: finding.count.runs,
            censored: finding.count.censored,
        })?;
        for (lot, (tau, count)) in lots.iter().zip(&finding.of_lots) {
            writer.serialize(Line {
                number,
                moment: finding.moment,
                group: &lot.name,
                answer: "",
                adds: None,
                tau: *tau,
                tau_low: None,
                tau_high: None,
                p_holm: None,
                tau_given_val_loss: None,
                tau_given_val_loss_low: None,
                tau_given_val_loss_high: None,
                tau_across: None,
                groups: 1,
                runs: count.runs,
                censored: count.censored,
            })?;
        }
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}
