//! What the probe costs: the paper calls it cheap enough to run all the time.

use super::values;
use crate::{
    analysis::claims::{Claim, Range, judge},
    studies::grokking::{Group, RunDigest},
};

/// The share of its time that a run may give to the probe, this project's own limit (docs/diagnostics.md).
const MOST: f64 = 0.03;

/// Seconds of the probe over all seconds of the run, below 3 %. A run on a device does not count: it goes side by side with others
/// and its clock is that of all of them.
pub(super) fn overhead(groups: &[Group<'_>]) -> Claim {
    let share = |run: &RunDigest| {
        let manifest = run.manifest();
        let alone = manifest
            .provenance
            .iter()
            .all(|part| part.engine.contains(&part.processor) || part.engine.contains("cpu"));
        (alone && manifest.wall_seconds > 0.0).then(|| manifest.probe_seconds / manifest.wall_seconds)
    };
    Claim::new(
        "probe-overhead",
        "the probe costs next to nothing beside training",
        "own limit",
        vec![judge(
            "seconds of the probe / of the run, on a CPU",
            Range::Below(MOST),
            values(groups, |_, run| share(run)),
        )],
    )
}

#[cfg(test)]
mod tests {
    use super::{super::tests::study, *};
    use crate::{analysis::claims::Verdict, store::made::MadeRun, studies::grokking::groups};

    fn answer(probe_seconds: f64, engine: &str) -> (Verdict, usize) {
        let run = |seed| {
            let mut run = MadeRun::new("add", 0.5, seed).record();
            (run.manifest.wall_seconds, run.manifest.probe_seconds) = (100.0, probe_seconds);
            run.manifest.provenance[0].engine = engine.into();
            run
        };
        let claim = overhead(&groups(&study("study", (0..5).map(run).collect())));
        (claim.verdict, claim.parts[0].runs)
    }

    #[test]
    fn the_share_is_of_a_run_that_had_the_clock_for_itself() {
        assert_eq!(answer(1.0, "factored (made-up)"), (Verdict::Yes, 5));
        assert_eq!(answer(4.0, "factored (made-up)"), (Verdict::No, 5));
        assert_eq!(answer(1.0, "factored (a device, f32)"), (Verdict::NotEnoughData, 0));
    }
}
