//! Budgets that grow, runs that another experiment has, recipes that are not the planned one, and what was pruned.

use super::{
    fault_tests::{NEVER, Notes, contents, execution, run_watched_as, tiny},
    *,
};
use crate::{
    kinds::operations::{config::PlannedRun, model::ParamLayout},
    run::Part,
    store::{self, Limits, RunWriter, read_results},
};

/// What a run under several budgets must have in common with one that was given the last at once: all files but those of
/// the ends before.
fn under_last_budget(dir: &std::path::Path, end: u64) -> std::collections::BTreeMap<String, Vec<u8>> {
    let mut files = contents(dir);
    files.remove("manifest.json");
    files.retain(|name, _| !name.starts_with("end-") || name.starts_with(&format!("end-{end:08}")));
    files
}

#[test]
fn a_run_given_budget_after_budget_leaves_the_bytes_of_one_given_the_last_at_once() {
    use rand::{Rng, SeedableRng};
    let with_budget = |max_epochs: u64, patience: u64| {
        let mut run = tiny(0);
        (run.config.train.max_epochs, run.config.train.patience) = (max_epochs, patience);
        run
    };
    let go = |results: &std::path::Path, run: &PlannedRun, stop_at: u64| {
        let stop: &'static AtomicBool = Box::leak(Box::default());
        run_watched_as(run, results, stop, move |step| {
            stop.fetch_or(step == stop_at, std::sync::atomic::Ordering::Relaxed);
            Ok(())
        })
    };
    for case in 0..40 {
        let mut rng = rand::rngs::StdRng::seed_from_u64(case);
        let root = tempfile::tempdir().unwrap();
        let last = with_budget(rng.random_range(2..14), 1000);
        let mut budgets: Vec<u64> =
            (0..rng.random_range(1..4)).map(|_| rng.random_range(1..=last.config.train.max_epochs)).collect();
        budgets.push(last.config.train.max_epochs);
        let views = tempfile::tempdir().unwrap();
        for &budget in &budgets {
            let run = with_budget(budget, 1000);
            // a kill or two on the way, then to the end
            for _ in 0..rng.random_range(0..3) {
                go(root.path(), &run, rng.random_range(1..20));
            }
            let settled = go(root.path(), &run, u64::MAX);
            assert!(matches!(settled, Settled::Finished(_) | Settled::Already(_)), "{case}: {settled:?}");
            // the view of this budget is that of a run that never had another
            let alone = views.path().join(budget.to_string());
            go(&alone, &run, u64::MAX);
            let limits = Limits { max_epochs: Some(budget), patience: Some(1000), ..Limits::default() };
            let see = |results: &std::path::Path| {
                let found = read_results(&results.join(&run.id), limits).unwrap();
                found.experiments[0].runs[0].clone()
            };
            let (seen, fresh) = (see(root.path()), see(&alone));
            // a budget that falls below what is there finds no evaluation of its own end, unless it is one anyway
            if seen.end.is_some_and(|end| end.is_evaluated) {
                assert_eq!(
                    format!("{:?}", seen.metrics),
                    format!("{:?}", fresh.metrics),
                    "{case}: {budgets:?}"
                );
                assert_eq!(seen.manifest.milestones, fresh.manifest.milestones, "{case}");
                assert_eq!((seen.manifest.epochs, seen.manifest.steps), (budget, 3 * budget), "{case}");
            }
        }
        let fresh = tempfile::tempdir().unwrap();
        go(fresh.path(), &last, u64::MAX);
        let end = last.config.train.max_epochs;
        let [grown, expected] =
            [root.path(), fresh.path()].map(|results| under_last_budget(&results.join(&last.id), end));
        assert!(grown.keys().eq(expected.keys()), "{case}: {budgets:?}: {:?}", grown.keys());
        let different: Vec<_> = grown.keys().filter(|name| grown[*name] != expected[*name]).collect();
        assert!(different.is_empty(), "{case}: {budgets:?}: {different:?} differ");
        assert!(store::verify_run(&root.path().join(&last.id)).is_empty());
    }
}

#[test]
fn a_run_of_another_experiment_is_taken_over_and_goes_on() {
    let root = tempfile::tempdir().unwrap();
    let run = tiny(0);
    let mut longer = run.clone();
    longer.config.train.max_epochs = 9;
    let here = |name: &str, beside: bool| Execution {
        beside: beside.then(|| root.path().to_owned()),
        ..execution(&root.path().join(name), &NEVER)
    };
    assert!(matches!(run_one(&run, &here("one", false), &Notes::default()), Settled::Finished(_)));
    let before = contents(&root.path().join("one").join(&run.id));

    let notes = Notes::default();
    let settled = run_one(&longer, &here("two", true), &notes);
    assert!(matches!(settled, Settled::Finished(_)), "{settled:?}");
    assert!(notes.text().contains("epochs up to 4 taken over from"), "{}", notes.text());
    assert!(notes.text().contains("resumed at epoch 5"), "{}", notes.text());
    assert!(contents(&root.path().join("one").join(&run.id)) == before, "the other directory was changed");

    run_one(&longer, &here("three", false), &Notes::default());
    let [two, three] =
        ["two", "three"].map(|name| under_last_budget(&root.path().join(name).join(&run.id), 9));
    assert!(two == three);
    // the short one is there already, and damage is not taken over
    assert!(matches!(run_one(&run, &here("four", true), &Notes::default()), Settled::Already(_)));
    for name in ["one", "two", "three", "four"] {
        std::fs::write(root.path().join(name).join(&run.id).join("metrics.csv"), "run\n").unwrap();
    }
    assert!(matches!(run_one(&run, &here("five", true), &Notes::default()), Settled::Finished(_)));
}

#[test]
fn a_directory_with_another_recipe_under_the_same_id_is_refused_by_name() {
    let root = tempfile::tempdir().unwrap();
    let run = tiny(0);
    run_one(&run, &execution(root.path(), &NEVER), &Notes::default());
    let mut other = run.clone();
    other.config.optim.weight_decay = 0.25;
    match run_one(&other, &execution(root.path(), &NEVER), &Notes::default()) {
        Settled::Failed(reason) => {
            assert!(reason.contains("optim.weight_decay: 1.0, not 0.25"), "{reason}");
            assert!(reason.contains(&run.id), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_pruned_run_verifies_says_so_and_starts_again_when_it_is_to_go_on() {
    let root = tempfile::tempdir().unwrap();
    let run = tiny(0);
    run_one(&run, &execution(root.path(), &NEVER), &Notes::default());
    let dir = root.path().join(&run.id);
    let rows = store::read_run(&dir).unwrap().metrics;
    let removed = store::prune(&dir, store::Pruning::States).unwrap();
    assert!(matches!(removed, store::Pruned::Removed { files: 1, bytes } if bytes > 1000), "{removed:?}");
    let removed = store::prune(&dir, store::Pruning::AllButTables).unwrap();
    assert!(matches!(removed, store::Pruned::Removed { files: 1, .. }), "{removed:?}");
    assert!(store::verify_run(&dir).is_empty());
    let manifest = store::read_manifest(&dir).unwrap().unwrap();
    assert_eq!(manifest.pruned, ["checkpoint-00000012.safetensors", "final.safetensors"]);
    assert_eq!(store::read_run(&dir).unwrap().metrics, rows);
    assert!(matches!(run_one(&run, &execution(root.path(), &NEVER), &Notes::default()), Settled::Already(_)));
    let mut longer = run;
    longer.config.train.max_epochs = 6;
    let notes = Notes::default();
    run_one(&longer, &execution(root.path(), &NEVER), &notes);
    assert!(notes.text().contains("restarted: its state was pruned"), "{}", notes.text());
    assert!(store::verify_run(&dir).is_empty());
}

#[test]
fn a_process_that_dies_soon_after_it_took_a_finished_run_further_damages_nothing() {
    let root = tempfile::tempdir().unwrap();
    let run = tiny(0);
    run_one(&run, &execution(root.path(), &NEVER), &Notes::default());
    let dir = root.path().join(&run.id);
    let rows = store::read_run(&dir).unwrap().metrics;
    let mut longer = run.clone();
    longer.config.train.max_epochs = 9;
    let layout = ParamLayout::new(&run.config.model, run.task.n_symbols).tensors();
    let manifest = store::read_manifest(&dir).unwrap().unwrap();
    let resumed =
        RunWriter::resume(&dir, &longer, manifest, &layout, &mut |e| panic!("{e}")).unwrap().unwrap();
    let mut writer = resumed.writer;
    // a row, and no save after it
    let row = rows.at(0).unwrap();
    writer.metrics(Part::Trajectory, row.mark, row.values).unwrap();
    drop(writer);
    assert!(store::verify_run(&dir).is_empty(), "{:?}", store::verify_run(&dir));
    let limits =
        Limits { max_epochs: Some(run.config.train.max_epochs), patience: None, ..Limits::default() };
    let seen = read_results(&dir, limits).unwrap().experiments.remove(0).runs.remove(0);
    assert!(seen.is_finished() && seen.metrics == rows);
    assert!(matches!(run_one(&run, &execution(root.path(), &NEVER), &Notes::default()), Settled::Already(_)));
    assert!(matches!(
        run_one(&longer, &execution(root.path(), &NEVER), &Notes::default()),
        Settled::Finished(_)
    ));
    assert!(store::verify_run(&dir).is_empty());
}
