//! Which tasks grok, and when: runs that have not grokked are censored at their last epoch, never dropped.

use crate::{
    analysis::{
        MIN_RUNS,
        bootstrap::Sample,
        claims::{Claim, Part, Range, TimeToGrok, Verdict, judge},
        survival::{Lifetime, median, median_interval},
    },
    studies::grokking::{Group, RunSummary, paper::BUDGET},
};

/// A line for each group. A run grokked at the first evaluation that said so, up to 20 epochs late; a run that
/// failed, diverged or is still going is censored like one that ran out of epochs.
pub fn times_to_grok(groups: &[Group<'_>]) -> Vec<TimeToGrok> {
    let line = |group: &Group<'_>| {
        let lives: Vec<Lifetime> = group.runs.iter().map(lifetime).collect();
        let censored = group.runs.iter().filter(|run| run.grokked.is_none()).map(|run| run.epochs).max();
        TimeToGrok {
            task: group.task.clone(),
            train_fraction: group.train_fraction,
            variant: group.variant.clone(),
            runs: lives.len(),
            grokked: lives.iter().filter(|life| life.ended).count(),
            censored_at: censored,
            median: median(&lives),
            interval: (lives.len() >= MIN_RUNS).then(|| median_interval(&lives)),
            epochs: match lives.len() < MIN_RUNS {
                true => group.runs.iter().map(|run| run.grokked.map(|point| point.epoch)).collect(),
                false => Vec::new(),
            },
            paper_mean: group.paper.as_ref().and_then(|paper| paper.grokked_epoch_mean),
        }
    };
    groups.iter().map(line).collect()
}

fn lifetime(run: &RunSummary) -> Lifetime {
    let grokked = run.grokked.map(|point| point.epoch);
    Lifetime { time: grokked.unwrap_or(run.epochs) as f64, ended: grokked.is_some() }
}

/// What the paper saw grok groks, and what it did not see grok does not, within 50,000 epochs.
///
/// Each run says 1 if it did as in the paper, else 0; a claim holds where the share exceeds one half with its
/// interval, and nine runs in ten agree. A run given up sooner is undecided: the answer must be the same whatever it
/// would have done, or there is not enough data; the numbers shown take it as not grokking.
pub(super) fn which_grok(groups: &[Group<'_>]) -> Claim {
    let studied = |grokked: bool| {
        groups
            .iter()
            .filter(move |group| {
                group.paper.as_ref().is_some_and(|paper| paper.grokked_epoch_mean.is_some() == grokked)
            })
            .flat_map(|group| group.runs.iter().map(move |run| (group.label(), run)))
    };
    let part = |what: &str, expected: bool| {
        let open = studied(expected).filter(|(_, run)| outcome(run).is_none()).count();
        let what =
            if open == 0 { what.to_owned() } else { format!("{what} ({open} undecided, taken as not)") };
        let suppose = |open: bool| -> Part {
            let agrees = |run| f64::from(u8::from(outcome(run).unwrap_or(open) == expected));
            judge(
                &what,
                Range::Above(0.5),
                studied(expected).map(|(group, run)| Sample { group, value: agrees(run) }).collect(),
            )
        };
        let [none, all] = [suppose(false), suppose(true)];
        let verdict = if none.verdict == all.verdict { none.verdict } else { Verdict::NotEnoughData };
        Part { verdict, ..none }
    };
    let parts = [
        ("share that groks, where the paper's did", true),
        ("share that does not, where the paper's did not", false),
    ];
    Claim::new(
        "which-grok",
        "the tasks and fractions that grok are the paper's",
        "Fig. 1",
        parts
            .into_iter()
            .filter(|(_, expected)| studied(*expected).count() > 0)
            .map(|(what, expected)| part(what, expected))
            .collect(),
    )
}

/// Whether the run grokked within the paper's budget; none if it was given up before, not having grokked.
fn outcome(run: &RunSummary) -> Option<bool> {
    match run.grokked {
        Some(point) => Some(point.epoch <= BUDGET),
        None => (run.epochs >= BUDGET).then_some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::study, *};
    use crate::{
        store::{RunRecord, made::MadeRun},
        studies::grokking::groups,
    };

    fn never(task: &str, seed: u64, epochs: u64) -> RunRecord {
        let mut record = MadeRun::new(task, 0.5, seed).memorized(40).record();
        record.manifest.epochs = epochs;
        record
    }

    fn grokked(task: &str, seed: u64) -> RunRecord {
        MadeRun::new(task, 0.5, seed).grokked(40, 100 + 20 * (seed % 5)).record()
    }

    fn verdicts(runs: Vec<RunRecord>) -> (Verdict, Vec<Verdict>) {
        let claim = which_grok(&groups(&study("binary-ops", runs)));
        (claim.verdict, claim.parts.iter().map(|part| part.verdict).collect())
    }

    fn five(run: impl Fn(u64) -> RunRecord) -> Vec<RunRecord> {
        (0..5).map(run).collect()
    }

    #[test]
    fn each_task_does_as_in_the_paper_or_not() {
        use Verdict::{Mixed, No, Yes};
        let whole = |task: &'static str| five(|seed| never(task, seed, BUDGET));
        let groks = |task: &'static str| five(|seed| grokked(task, seed));
        assert_eq!(verdicts([groks("add"), whole("x3_xy")].concat()), (Yes, vec![Yes, Yes]));
        assert_eq!(verdicts([whole("add"), groks("x3_xy")].concat()), (No, vec![No, No]));
        assert_eq!(verdicts([groks("add"), groks("x3_xy")].concat()), (Mixed, vec![Yes, No]));
        // of the tasks that should grok, one does not
        let (verdict, _) = verdicts([groks("add"), groks("sub"), whole("div")].concat());
        assert_eq!(verdict, Mixed);
    }

    #[test]
    fn a_run_given_up_too_soon_decides_nothing_but_cannot_hide_a_refutation() {
        let soon = five(|seed| never("x3_xy", seed, 3000));
        assert_eq!(verdicts(soon.clone()), (Verdict::NotEnoughData, vec![Verdict::NotEnoughData]));
        // all that grokked among those that might still: dropping the others would have said yes
        let some = [five(|seed| never("add", seed + 5, 3000)), five(|seed| grokked("add", seed))].concat();
        assert_eq!(verdicts(some).0, Verdict::NotEnoughData);
        // twenty that grokked against the paper: one open run changes nothing
        let mut many: Vec<_> = (0..20).map(|seed| grokked("x3_xy", seed)).collect();
        many.push(soon[0].clone());
        assert_eq!(verdicts(many).0, Verdict::No);
    }

    #[test]
    fn a_task_that_never_groks_has_a_line_without_a_median() {
        let runs = [five(|seed| grokked("add", seed)), five(|seed| never("x3_xy", seed, 300))].concat();
        let study = study("binary-ops", runs);
        let times = times_to_grok(&groups(&study));
        // 100, 120, 140, 160, 180
        assert_eq!((times[0].grokked, times[0].runs, times[0].median), (5, 5, Some(140.0)));
        assert_eq!(times[0].paper_mean, Some(132.0));
        assert_eq!((times[1].grokked, times[1].runs, times[1].median), (0, 5, None));
        assert_eq!((times[1].censored_at, times[1].interval), (Some(300), Some((None, None))));
    }

    #[test]
    fn a_run_that_failed_is_censored_where_it_failed() {
        let mut failed =
            MadeRun::new("add", 0.5, 9).memorized(40).state(crate::store::RunState::Failed).record();
        failed.manifest.epochs = 130;
        let runs = [five(|seed| grokked("add", seed)), vec![failed]].concat();
        let study = study("binary-ops", runs);
        let times = times_to_grok(&groups(&study));
        // S: 5/6 at 100, 4/6 at 120, then of 3 at risk 2/3: 4/9 at 140
        assert_eq!((times[0].runs, times[0].grokked, times[0].median), (6, 5, Some(140.0)));
    }
}
