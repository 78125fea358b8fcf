//! Does an early number of a run forecast how many tokens it will need?
//!
//! A family is the runs of one stage and seed, of different batches and learning rates: 8 or more that have a target. A
//! predictor is taken at the evaluation nearest to a fixed number of tokens, which is the same for all batch sizes. The
//! response is the tokens to the target over those of the family's best; runs that did not get there share the last rank.

use super::toy::{Toy, logged};
use crate::studies::contrast::mean;
use crate::{
    analysis::{
        claims::{Claim, Range, Sample, judge},
        general::Run,
        rank::{PERMUTATIONS, holm},
    },
    probe::spearman,
    store::RunState,
};
use rand::seq::SliceRandom;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use std::collections::BTreeMap;

/// Tokens after which predictors are taken, and by how much the evaluation may lie beside.
pub const EARLY_TOKENS: f64 = 81_920.0;
const BESIDE: f64 = 0.1;
/// Runs of a family at least.
const LEAST: usize = 8;
/// The seed of the random orders behind a p-value.
const SEED: u64 = 2605_05683;
/// The number of the claim, and the one that it has to beat.
pub const TAIL: &str = "activation.alpha_tail";
pub const RIVAL: &str = "val_loss";
/// What is compared as forecast: numbers of spectra, and the rivals behind them.
pub const PREDICTORS: [&str; 10] = [
    TAIL,
    "activation.alpha_head",
    "activation.rankme",
    "activation.top10",
    "gradient.alpha_head.blocks.1.mlp.down",
    "gradient.alpha_tail.blocks.1.mlp.down",
    "gradient.rankme.blocks.1.mlp.down",
    RIVAL,
    "train_loss",
    "weight_norm",
];

/// A run of a family.
#[derive(Clone, Debug)]
pub struct Row {
    /// Tokens to the target over those of the best; none where it was not reached.
    pub ratio: Option<f64>,
    /// A number for each of [`PREDICTORS`].
    pub early: Vec<f64>,
}

/// Runs of one stage and seed.
#[derive(Clone, Debug)]
pub struct Family {
    /// `untied, seed 0`.
    pub name: String,
    /// Its runs.
    pub rows: Vec<Row>,
}

/// A rank correlation and how often chance makes as large a one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Correlation {
    /// Spearman's.
    pub rho: f64,
    /// Two-sided, (1 + orders as extreme) / (1 + orders); after Holm over all predictors.
    pub p: f64,
}

/// Tokens to the target, where it was reached, and the early numbers.
type Seen = (Option<f64>, Vec<f64>);

/// The families of the runs that have a target and are finished; a run that ended before the early moment, or has one of the
/// numbers not defined there, is left out.
pub fn families(toys: &[Toy]) -> Vec<Family> {
    let mut found: BTreeMap<String, Vec<Seen>> = BTreeMap::new();
    for toy in toys {
        let has_target = toy.run.number("target.val_loss").is_some_and(|loss| loss > 0.0);
        if !has_target || toy.run.manifest.state != RunState::Finished {
            continue;
        }
        let Some(early) = early(toy.run) else { continue };
        let name = format!("{}, seed {}", toy.stage, toy.run.seed());
        let tokens = toy.run.value("target", "tokens");
        found.entry(name).or_default().push((tokens, early));
    }
    let family = |(name, rows): (String, Vec<Seen>)| {
        let best = rows.iter().filter_map(|(tokens, _)| *tokens).min_by(f64::total_cmp)?;
        let row = |(tokens, early): Seen| Row { ratio: tokens.map(|t| t / best), early };
        (rows.len() >= LEAST).then(|| Family { name, rows: rows.into_iter().map(row).collect() })
    };
    found.into_iter().filter_map(family).collect()
}

/// Every predictor at the evaluation nearest to [`EARLY_TOKENS`].
fn early(run: &Run) -> Option<Vec<f64>> {
    let logged = logged(run);
    let beside = |tokens: f64| (tokens / EARLY_TOKENS - 1.0).abs();
    let near = logged.iter().min_by(|a, b| beside(a.tokens).total_cmp(&beside(b.tokens)))?;
    if beside(near.tokens) > BESIDE {
        return None;
    }
    let value = |name: &&str| match name.contains('.') {
        true => run.diagnostic_at(near.step, name),
        false => run
            .curve
            .column(name)
            .into_iter()
            .flatten()
            .find(|(mark, _)| mark.step == near.step)
            .map(|(_, value)| value)
            .filter(|value| value.is_finite()),
    };
    PREDICTORS.iter().map(value).collect()
}

impl Family {
    /// The response for ranks: what was not reached is beyond all that was.
    fn response(&self) -> Vec<f64> {
        let reached = self.rows.iter().filter_map(|row| row.ratio);
        let beyond = 2.0 * reached.fold(1.0, f64::max);
        self.rows.iter().map(|row| row.ratio.unwrap_or(beyond).ln()).collect()
    }

    fn predictor(&self, i: usize) -> Vec<f64> {
        self.rows.iter().map(|row| row.early[i]).collect()
    }

    /// The correlation of every predictor with the response, p-values after Holm.
    pub fn correlations(&self) -> Vec<Correlation> {
        let response = self.response();
        let found: Vec<Correlation> =
            (0..PREDICTORS.len()).map(|i| permuted(&self.predictor(i), &response)).collect();
        let adjusted = holm(&found.iter().map(|c| c.p).collect::<Vec<_>>());
        found.into_iter().zip(adjusted).map(|(c, p)| Correlation { p, ..c }).collect()
    }
}

/// Spearman and its permutation p-value.
fn permuted(x: &[f64], y: &[f64]) -> Correlation {
    let rho = spearman(x, y);
    let mut shuffled = y.to_vec();
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let mut extreme = 0;
    for _ in 0..PERMUTATIONS {
        shuffled.shuffle(&mut rng);
        // a rounding below counts as equal
        extreme += usize::from(spearman(x, &shuffled).abs() >= rho.abs() - 1e-12);
    }
    let p = if rho.is_finite() { (1 + extreme) as f64 / (1 + PERMUTATIONS) as f64 } else { f64::NAN };
    Correlation { rho, p }
}

/// Root mean square error of ln ratio in each family, forecast by the line through all other families' runs that reached
/// their targets; none where there is no such line.
fn left_out(families: &[Family], predictor: usize) -> Vec<Option<f64>> {
    let points = |family: &Family| -> Vec<(f64, f64)> {
        let reached = family.rows.iter().filter_map(|row| Some((row.early[predictor], row.ratio?.ln())));
        reached.collect()
    };
    let error = |held: usize| {
        let others = families.iter().enumerate().filter(|(i, _)| *i != held);
        let (slope, intercept) = line(&others.flat_map(|(_, family)| points(family)).collect::<Vec<_>>())?;
        let squares = points(&families[held]).into_iter().map(|(x, y)| (intercept + slope * x - y).powi(2));
        mean(squares).map(f64::sqrt)
    };
    (0..families.len()).map(error).collect()
}

/// Least squares: slope and intercept.
fn line(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let n = points.len() as f64;
    let (x, y) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let xx: f64 = points.iter().map(|p| (p.0 - x).powi(2)).sum();
    let slope = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>() / xx;
    (points.len() > 2 && xx > 0.0).then_some((slope, y - slope * x))
}

fn index(name: &str) -> usize {
    PREDICTORS.iter().position(|known| *known == name).unwrap_or(0)
}

pub fn early_tail(families: &[Family]) -> Claim {
    let sample = |value: f64| Sample { group: "families".to_owned(), value };
    let all: Vec<Vec<Correlation>> = families.iter().map(Family::correlations).collect();
    let (tail, rival) = (index(TAIL), index(RIVAL));
    let of = |value: &dyn Fn(&[Correlation]) -> f64| all.iter().map(|c| sample(value(c))).collect();
    let errors = left_out(families, rival).into_iter().zip(left_out(families, tail));
    let gains = errors.filter_map(|(rival, tail)| Some(sample(rival? - tail?)));
    let parts = vec![
        judge(
            "|Spearman| of the early tail slope and the tokens to the target",
            Range::Above(0.7),
            of(&|c| c[tail].rho.abs()),
        ),
        judge("its permutation p, Holm over ten predictors", Range::Below(0.05), of(&|c| c[tail].p)),
        judge(
            "|Spearman| with the tokens to the target, tail slope − validation loss of the same moment",
            Range::Above(0.0),
            of(&|c| c[tail].rho.abs() - c[rival].rho.abs()),
        ),
        judge(
            "error of ln(tokens ratio) in a family left out, by validation loss − by tail slope",
            Range::Above(0.0),
            gains.collect(),
        ),
    ];
    let claim = "the early tail of the spectrum forecasts the tokens to the target, and better than the validation loss does";
    Claim::new("lens-early-tail", claim, "Table 4", parts)
}

pub fn early_rivals(families: &[Family]) -> Claim {
    let all: Vec<Vec<Correlation>> = families.iter().map(Family::correlations).collect();
    let rival = index(RIVAL);
    let part = |(i, name): (usize, &&str)| {
        let better = all
            .iter()
            .map(|c| Sample { group: "families".to_owned(), value: c[i].rho.abs() - c[rival].rho.abs() });
        judge(&format!("|Spearman|, {name} − val_loss"), Range::Above(0.0), better.collect())
    };
    let parts = PREDICTORS.iter().enumerate().filter(|(i, _)| *i != rival).map(part).collect();
    Claim::new(
        "lens-early-rivals",
        "numbers of early spectra forecast better than the validation loss",
        "own control",
        parts,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of eight in order, 2 of 8! orders are as extreme; of four 2 of 24.
    #[test]
    fn a_permutation_p_is_the_share_of_orders_as_extreme() {
        let eight: Vec<f64> = (0..8).map(f64::from).collect();
        let found = permuted(&eight, &eight.iter().map(|v| -v.exp()).collect::<Vec<_>>());
        assert!(found.rho == -1.0 && found.p < 6e-4, "{found:?}");
        let four = [1.0, 2.0, 3.0, 4.0];
        let share = 2.0 / 24.0f64;
        let error = (share * (1.0 - share) / PERMUTATIONS as f64).sqrt();
        assert!((permuted(&four, &four).p - share).abs() < 5.0 * error);
        assert!(permuted(&four, &[1.0; 4]).p.is_nan());
    }

    #[test]
    fn a_family_left_out_is_forecast_by_the_line_of_the_others() {
        // y = 2x − 1 in all; the last family lies 0.3 above it
        let family = |shift: f64| {
            let row =
                |x: f64| Row { ratio: Some((2.0 * x - 1.0 + shift).exp()), early: vec![x; PREDICTORS.len()] };
            let mut rows: Vec<Row> = (1..9).map(|i| row(f64::from(i))).collect();
            rows.push(Row { ratio: None, early: vec![100.0; PREDICTORS.len()] });
            Family { name: String::new(), rows }
        };
        let errors = left_out(&[family(0.0), family(0.0), family(0.3)], 0);
        assert!((errors[2].unwrap() - 0.3).abs() < 1e-12, "{errors:?}");
        // half of the others is shifted for the first
        assert!((errors[0].unwrap() - 0.15).abs() < 1e-12);
        assert_eq!(left_out(&[family(0.0)], 0), [None]);
    }
}
