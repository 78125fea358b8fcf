//! What a pull at LAR does to language models that read few tokens again and again.

use super::{Arm, between, ladder, pulled, strengths};
use crate::{
    analysis::{
        claims::{Claim, Part, Range, Sample, judge},
        general::{FINAL, Run},
    },
    studies::contrast,
};

/// What a pull changes: of a group, its run without one and its run with one, of the same seed.
type Change<'c> = dyn Fn(&str, &Run, &Run) -> Option<f64> + 'c;

/// All claims.
pub(super) fn claims(arms: &[Arm]) -> Vec<Claim> {
    let least = |run: &Run| {
        run.curve.column("val_loss")?.map(|(_, loss)| loss).filter(|loss| loss.is_finite()).reduce(f64::min)
    };
    let end = |run: &Run| run.value(FINAL, "val_loss");
    let parts = |what: &str, than: &str, change: &Change| -> Vec<Part> {
        let part = |s: &f64| {
            let samples = pulled(arms, *s).into_iter().flat_map(|(base, arm)| {
                let sample = |(base, run): (&Run, &Run)| {
                    Some(Sample { group: arm.group.clone(), value: change(&arm.group, base, run)? })
                };
                contrast::pairs(&base.runs, &arm.runs).into_iter().filter_map(sample).collect::<Vec<_>>()
            });
            judge(&format!("{what}, λ {s} − {than}, nats"), Range::Below(0.0), samples.collect())
        };
        strengths(arms, true).iter().map(part).collect()
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
                    let decays = ladder(arms, group, &base.seed(), |run| {
                        Some((run.value(FINAL, "pool_loss")?, end(run)?))
                    });
                    Some(end(run)? - between(&decays, fit)?)
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
