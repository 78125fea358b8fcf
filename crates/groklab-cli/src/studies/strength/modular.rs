//! The output scale on modular addition with AdamW, which takes c out of the size of a step: own question.

use super::SCALE;
use crate::{
    analysis::{
        claims::{Claim, Range, judge},
        general::Study,
    },
    render::table::Table,
    studies::{
        arrival::{GROKKED, log_ratios, table},
        contrast::{Series, series},
    },
};

/// Whether the smaller of two output scales groks sooner: the least of the grid against 1, and 1 against the greatest.
pub(super) fn sooner(series: &[Series]) -> Claim {
    let mut parts = Vec::new();
    for series in series.iter().filter(|series| is_modular(series)) {
        let (Some((least, _)), Some((most, _))) = (series.arms.first(), series.arms.last()) else { continue };
        for (greater, smaller) in [(1.0, *least), (*most, 1.0)] {
            let what = series.named(&format!("ln(epochs to grokking, c = {greater} / c = {smaller})"));
            let ratios = log_ratios(GROKKED, series.arm(greater), series.arm(smaller), &series.group());
            if greater > smaller && !ratios.is_empty() {
                parts.push(judge(&what, Range::Above(0.0), ratios));
            }
        }
    }
    let claim = "on modular addition with AdamW the smaller output scale groks sooner";
    Claim::new("fls-modular-sooner", claim, "own", parts)
}

fn is_modular(series: &Series) -> bool {
    series.arms.iter().flat_map(|(_, runs)| runs).any(|run| run.mark(GROKKED).is_some())
}

/// When runs memorized and grokked at each output scale, and LAR there and at the end.
pub(super) fn tables(study: &Study) -> Vec<Table> {
    let series = series(study, SCALE);
    if !series.iter().any(is_modular) {
        return Vec::new();
    }
    vec![table(study, "grokking over the output scale")]
}
