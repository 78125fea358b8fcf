//! The order in which runs begin, and that it changes nothing.

use super::{
    fault_tests::{NEVER, Notes, contents, execution, plan_of, tiny},
    *,
};
use crate::kinds::operations::config::PlannedRun;
use std::sync::Mutex;

#[test]
fn the_order_of_the_plan_and_the_number_of_jobs_change_no_byte() {
    let plan: Vec<PlannedRun> = (0..6).map(tiny).collect();
    let all = |jobs: usize, order: &[usize]| {
        let root = tempfile::tempdir().unwrap();
        let shuffled: Vec<PlannedRun> = order.iter().map(|&i| plan[i].clone()).collect();
        let execution = Execution { jobs, ..execution(root.path(), &NEVER) };
        sweep(&plan_of(&shuffled), &execution, &Notes::default()).unwrap();
        plan.iter().map(|run| contents(&root.path().join(&run.id))).collect::<Vec<_>>()
    };
    let one = all(1, &[0, 1, 2, 3, 4, 5]);
    for (jobs, order) in [(2, [0, 1, 2, 3, 4, 5]), (8, [0, 1, 2, 3, 4, 5]), (8, [5, 2, 0, 4, 3, 1])] {
        assert!(all(jobs, &order) == one, "{jobs} jobs, {order:?}");
    }
}

#[test]
fn runs_begin_in_the_order_of_the_plan() {
    /// The runs in the order in which they were first heard of.
    #[derive(Default)]
    struct Begun(Mutex<Vec<String>>);
    impl Reporter for Begun {
        fn live(&self, run: &dyn Planned, _: &Live) {
            let mut begun = self.0.lock().unwrap();
            if !begun.iter().any(|id| id == run.id()) {
                begun.push(run.id().to_owned());
            }
        }
        fn note(&self, _: &dyn Planned, _: &str) {}
        fn settled(&self, _: &dyn Planned, _: &Settled) {}
    }
    let plan: Vec<_> = (0..12).map(tiny).collect();
    let (root, begun) = (tempfile::tempdir().unwrap(), Begun::default());
    sweep(&plan_of(&plan), &Execution { jobs: 2, ..execution(root.path(), &NEVER) }, &begun).unwrap();
    let begun = begun.0.into_inner().unwrap();
    let order: Vec<usize> =
        begun.iter().map(|id| plan.iter().position(|run| run.id == *id).unwrap()).collect();
    assert_eq!(order.len(), plan.len());
    for (n, &run) in order.iter().enumerate() {
        // the other thread may be slow to tell of its own
        let earlier = (0..run).filter(|other| !order[..n].contains(other)).count();
        assert!(earlier <= 1, "run {run} began before {earlier} others: {order:?}");
    }
}
