//! What is known early of a run: its numbers at memorization and soon after, and how long it then took to grok.

use crate::{
    analysis::survival::Lifetime,
    store::Diagnostics,
    studies::grokking::{Evaluation, RunDigest, RunSummary, count_or_nan},
};

/// Epochs after memorization at which a run is looked at.
pub const MOMENTS: [u64; 3] = [0, 40, 80];

/// An early number of a run.
#[derive(Clone, Copy)]
pub struct Number {
    /// As in tables; of a column its name.
    pub name: &'static str,
    from: From,
}

/// Where a number comes from.
#[derive(Clone, Copy)]
enum From {
    /// The evaluation at the moment.
    Row(fn(&Evaluation) -> f64),
    /// It and the evaluation before.
    Step(fn(&Evaluation, &Evaluation) -> f64),
    /// The column of that name in the diagnostics.
    Diagnostic,
    /// When the run memorized.
    Memorized,
}

/// The number that all others are held against.
pub const RIVAL: &str = "val_loss";

/// The numbers, in the order of the tables.
pub const NUMBERS: [Number; 12] = [
    Number { name: "lar", from: From::Row(|row| row.lar) },
    Number {
        name: "lar_slope",
        from: From::Step(|before, row| (row.lar - before.lar) / (row.epoch - before.epoch) as f64),
    },
    Number { name: "k95", from: From::Row(|row| count_or_nan(row.k95)) },
    Number { name: "sigma_p", from: From::Row(|row| row.sigma_p) },
    Number { name: "sigma_q", from: From::Row(|row| row.sigma_q) },
    Number { name: "effective_rank", from: From::Row(|row| row.effective_rank) },
    Number { name: "stable_rank", from: From::Row(|row| row.stable_rank) },
    Number { name: "weight_norm", from: From::Row(|row| row.weight_norm) },
    Number { name: "restricted_loss", from: From::Diagnostic },
    Number { name: "excluded_loss", from: From::Diagnostic },
    Number { name: RIVAL, from: From::Row(|row| row.val_loss) },
    Number { name: "memorized_epoch", from: From::Memorized },
];

/// A run that memorized.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// Seed of parameters and batch order, and seed of the split.
    pub seeds: (u64, u64),
    /// The epoch at which it grokked, or up to which it had not.
    pub life: Lifetime,
    /// Of each moment the [`NUMBERS`], NaN where one is missing; none where the run was not evaluated then, or had grokked.
    pub early: [Option<[f64; NUMBERS.len()]>; MOMENTS.len()],
}

impl Subject {
    /// Of a run; none if it did not memorize.
    pub fn of(summary: &RunSummary, run: &RunDigest, diagnostics: Option<&Diagnostics>) -> Option<Self> {
        let memorized = summary.memorized?.epoch;
        let grokked = summary.grokked.map(|point| point.epoch);
        let life = Lifetime { time: grokked.unwrap_or(summary.epochs) as f64, ended: grokked.is_some() };
        let early = MOMENTS.map(|after| {
            let epoch = memorized + after;
            let at = run.curve().binary_search_by_key(&epoch, |row| row.epoch).ok()?;
            let row = &run.curve()[at];
            let before = at.checked_sub(1).map(|before| &run.curve()[before]);
            let of = |number: Number| match number.from {
                From::Row(value) => value(row),
                From::Step(value) => before.map_or(f64::NAN, |before| value(before, row)),
                From::Diagnostic => diagnostics.map_or(f64::NAN, |table| at_epoch(table, number.name, epoch)),
                From::Memorized => memorized as f64,
            };
            (life.time > epoch as f64).then(|| NUMBERS.map(of))
        });
        Some(Self { seeds: (summary.seed, summary.split_seed), life, early })
    }
}

fn at_epoch(table: &Diagnostics, column: &str, epoch: u64) -> f64 {
    let of = || {
        let column = table.columns.iter().position(|name| name == column)?;
        table.rows.iter().find(|(at, _)| *at == epoch).map(|(_, values)| values[column])
    };
    of().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::made::MadeRun;

    fn subject(made: &MadeRun, diagnostics: Option<&Diagnostics>) -> Option<Subject> {
        let experiment = crate::studies::grokking::planned("study", vec![made.record()]);
        let groups = crate::studies::grokking::groups(&experiment);
        Subject::of(&groups[0].runs[0], groups[0].records[0], diagnostics)
    }

    #[test]
    fn a_run_has_its_numbers_until_it_groks() {
        // LAR .5 + epoch / 1000
        let diagnostics = Diagnostics {
            columns: vec!["restricted_loss".into()],
            rows: vec![(40, vec![3.5]), (80, vec![2.5])],
        };
        let run = subject(&MadeRun::new("add", 0.5, 3).grokked(40, 120), Some(&diagnostics)).unwrap();
        assert_eq!((run.seeds, run.life), ((3, 3), Lifetime { time: 120.0, ended: true }));
        let early = run.early[0].unwrap();
        assert!((early[0] - 0.54).abs() < 1e-12 && (early[1] - 0.001).abs() < 1e-12, "{early:?}");
        assert_eq!((early[8], early[11]), (3.5, 40.0));
        assert!(early[9].is_nan(), "no excluded loss");
        assert!((run.early[1].unwrap()[0] - 0.58).abs() < 1e-12);
        assert_eq!(run.early[2], None, "it grokked at that epoch");
    }

    #[test]
    fn a_run_that_never_groks_is_censored_at_its_end_and_one_that_never_memorizes_is_none() {
        let run = subject(&MadeRun::new("add", 0.5, 0).memorized(160), None).unwrap();
        assert_eq!(run.life, Lifetime { time: 200.0, ended: false });
        assert!(run.early[0].is_some() && run.early[1].is_none(), "at 200 nobody looked further");
        assert_eq!(subject(&MadeRun::new("add", 0.5, 0), None), None);
    }
}
