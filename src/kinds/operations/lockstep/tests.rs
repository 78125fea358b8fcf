//! Runs side by side against the same runs alone: the directories must have the same bytes, whatever happens.

use super::*;
use crate::{
    kinds::operations::{
        config::{Decay, Frozen, LastBatch, RunConfig},
        engine::{Evaluated, ReplicaEpoch, ReplicaState, cpu::replicas::CpuReplicas},
        task::Task,
    },
    run::StopReason,
    store::{self, Manifest, RunState, faults, verify_run},
    sweep::{
        Settled,
        fault_tests::{NEVER, Notes, contents, execution, plan_of, run_watched, tiny_config},
        sweep,
    },
};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

/// A run on a table modulo 7 of 49 rows: 3 steps an epoch of half of them.
fn run(expression: &str, fraction: f64, seed: u64, change: impl FnOnce(&mut RunConfig)) -> PlannedRun {
    let text = format!("title = 't'\nmodulus = 7\nexpression = '{expression}'");
    let task = Task::from_str("tiny", &text, Path::new("tiny.toml")).unwrap();
    let mut config = RunConfig { train_fraction: fraction, ..tiny_config(seed) };
    change(&mut config);
    PlannedRun::new(config, Arc::new(task))
}

/// Two tasks, two fractions, different ends and cadences; one stops by patience, one diverges, one has another
/// optimiser, and there are three shapes.
fn mixed_plan() -> Vec<PlannedRun> {
    vec![
        run("x + y", 0.5, 0, |_| ()),
        run("x + y", 0.25, 1, |c| c.train.max_epochs = 9),
        run("x - y", 0.5, 0, |c| (c.probe.every, c.probe.dense_until) = (3, 4)),
        run("x - y", 0.25, 1, |c| c.probe.every = 100),
        // learnt at once
        run("x - x", 0.5, 2, |c| {
            (c.train.max_epochs, c.train.patience, c.optim.learning_rate) = (500, 7, 0.03);
        }),
        run("x + y", 0.5, 3, |c| (c.optim.learning_rate, c.optim.warmup_steps) = (1e30, 4)),
        run("x + y", 0.5, 4, |c| c.model.d_model = 8),
        run("x - y", 0.5, 4, |c| (c.model.d_model, c.train.max_epochs) = (8, 6)),
        run("x + y", 0.5, 5, |c| c.optim.decay = Decay::Matrices),
        run("x + y", 0.5, 6, |c| c.optim.name = OptimizerName::Sgd),
        run("x + y", 0.5, 7, |c| c.probe.diagnostics = Vec::new()),
        // what the device has not
        run("x + y", 0.5, 8, |c| c.jacobian.strength = 0.1),
        run("x + y", 0.5, 9, |c| c.optim.frozen = Frozen::Embedding),
        run("x + y", 0.5, 10, |c| c.model.output_scale = 0.5),
    ]
}

/// What a run leaves, but for the name of who computed it.
fn left(results: &Path, plan: &[PlannedRun]) -> Vec<BTreeMap<String, Vec<u8>>> {
    let of_run = |run: &PlannedRun| {
        let dir = results.join(&run.id);
        let mut files = contents(&dir);
        let manifest = Manifest::parse(&files.remove("manifest.json").unwrap()).unwrap();
        let nameless = Manifest { provenance: Vec::new(), digest: String::new(), ..manifest };
        files.insert("manifest.json".to_owned(), nameless.to_bytes().unwrap());
        assert!(verify_run(&dir).is_empty());
        files
    };
    plan.iter().map(of_run).collect()
}

fn assert_same(results: &Path, plan: &[PlannedRun], expected: &[BTreeMap<String, Vec<u8>>], case: &str) {
    for ((run, found), expected) in plan.iter().zip(left(results, plan)).zip(expected) {
        assert!(found.keys().eq(expected.keys()), "{case}: {}: {:?}", run.id, found.keys());
        let different: Vec<_> = found.keys().filter(|&name| found[name] != expected[name]).collect();
        assert!(different.is_empty(), "{case}: {}: {different:?} differ", run.id);
    }
}

/// What the runs leave when each goes alone.
fn alone(plan: &[PlannedRun]) -> Vec<BTreeMap<String, Vec<u8>>> {
    let root = tempfile::tempdir().unwrap();
    let settled = sweep(&plan_of(plan), &execution(root.path(), &NEVER), &Notes::default()).unwrap();
    assert!(settled.iter().all(|s| matches!(s, Settled::Finished(_))), "{settled:?}");
    left(root.path(), plan)
}

fn side_by_side(
    results: &Path,
    plan: &[PlannedRun],
    jobs: usize,
    stop: &AtomicBool,
    open: &Open,
) -> (Vec<Settled>, String) {
    let notes = Notes::default();
    let lockstep = Lockstep { open };
    let execution = Execution { jobs, together: Some(&lockstep), ..execution(results, stop) };
    let settled = sweep(&plan_of(plan), &execution, &notes).unwrap();
    (settled, notes.text())
}

/// What is called, and on which slots.
type Watch = Arc<dyn Fn(&'static str, &[usize]) -> Result<(), EngineError> + Send + Sync>;

/// Replicas whose calls are watched.
struct Watched(CpuReplicas, Watch);

impl Replicas for Watched {
    fn slots(&self) -> usize {
        self.0.slots()
    }
    fn describe(&self) -> String {
        self.0.describe()
    }
    fn load(&mut self, slot: usize, state: &ReplicaState<'_>) -> Result<(), EngineError> {
        self.1("load", &[slot])?;
        self.0.load(slot, state)
    }
    fn start_epoch(&mut self, epochs: &[ReplicaEpoch]) -> Result<(), EngineError> {
        self.1("start_epoch", &epochs.iter().map(|epoch| epoch.slot).collect::<Vec<_>>())?;
        self.0.start_epoch(epochs)
    }
    fn finish_epoch(&mut self) -> Result<Vec<Vec<f32>>, EngineError> {
        self.1("finish_epoch", &[])?;
        self.0.finish_epoch()
    }
    fn evaluate(&mut self, slots: &[usize]) -> Result<Vec<Evaluated>, EngineError> {
        self.1("evaluate", slots)?;
        self.0.evaluate(slots)
    }
    fn read_params(&mut self, slot: usize, params: &mut [f32]) -> Result<(), EngineError> {
        self.1("read_params", &[slot])?;
        self.0.read_params(slot, params)
    }
    fn read_moments(&mut self, slot: usize, m: &mut [f32], v: &mut [f32]) -> Result<(), EngineError> {
        self.1("read_moments", &[slot])?;
        self.0.read_moments(slot, m, v)
    }
}

fn watched(
    slots: usize,
    watch: impl Fn(&'static str, &[usize]) -> Result<(), EngineError> + Send + Sync + 'static,
) -> impl Fn(&Shape, usize) -> Result<Box<dyn Replicas>, EngineError> + Sync {
    let watch: Watch = Arc::new(watch);
    move |shape, _| Ok(Box::new(Watched(CpuReplicas::new(shape, slots, false)?, watch.clone())))
}

fn lost(what: &str) -> EngineError {
    EngineError::Shape(format!("the device lost its {what}"))
}

#[test]
fn a_mixed_plan_leaves_the_bytes_that_its_runs_leave_alone() {
    let plan = mixed_plan();
    let expected = alone(&plan);
    let manifest = |i: usize| Manifest::parse(&expected[i]["manifest.json"]).unwrap();
    assert_eq!(manifest(4).stopped, Some(StopReason::milestone("grokked")));
    assert!(manifest(4).epochs < 400, "{}", manifest(4).epochs);
    assert_eq!(manifest(5).stopped, Some(StopReason::milestone("diverged")));
    for (slots, jobs, is_eager) in [(1, 1, true), (3, 2, false), (3, 3, true), (20, 2, false)] {
        let root = tempfile::tempdir().unwrap();
        let waiting = Mutex::new(Vec::new());
        let open = |shape: &Shape, n: usize| -> Result<Box<dyn Replicas>, EngineError> {
            waiting.lock().unwrap().push(n);
            Ok(Box::new(CpuReplicas::new(shape, slots, is_eager)?))
        };
        let case = format!("{slots} slots, {jobs} jobs, eager: {is_eager}");
        let (settled, notes) = side_by_side(root.path(), &plan, jobs, &NEVER, &open);
        assert!(settled.iter().all(|s| matches!(s, Settled::Finished(_))), "{case}: {settled:?}");
        assert_same(root.path(), &plan, &expected, &case);
        // the most work first; a device is opened for what it can do only
        assert_eq!(*waiting.lock().unwrap(), [7, 2, 1], "{case}");
        assert!(notes.contains("computed on the CPU (4 such runs)"), "{notes}");
        let engine = |i: usize| {
            store::read_manifest(&root.path().join(&plan[i].id)).unwrap().unwrap().engine().to_owned()
        };
        assert_eq!(engine(0), "replicas (cpu)");
        assert!([9, 12, 13].iter().all(|&i| engine(i).starts_with("factored")));
        assert_eq!(engine(11), "plain (candle, cpu)");

        // all are over: nothing to open
        let nothing = |_: &Shape, _: usize| -> Result<Box<dyn Replicas>, EngineError> { Err(lost("way")) };
        let (settled, _) = side_by_side(root.path(), &plan, jobs, &NEVER, &nothing);
        assert!(settled.iter().all(|s| matches!(s, Settled::Already(_))), "{case}: {settled:?}");
    }
}

/// Side by side in one round: epochs of 1 to 6 steps, last batches of 1, 4, 6 and 8 rows or left out, and a single row.
#[test]
fn unequal_batches_side_by_side_leave_the_bytes_that_each_leaves_alone() {
    use LastBatch::{Drop, Keep};
    // floor(49 · fraction) rows in batches of 8
    let cases = [
        (0.04, Keep, 1),
        (0.17, Keep, 1),
        (0.2, Keep, 2),
        (0.2, Drop, 1),
        (0.36, Keep, 3),
        (0.45, Keep, 3),
        (0.45, Drop, 2),
        (0.9, Keep, 6),
        (0.1, Drop, 1),
    ];
    let runs = cases
        .iter()
        .zip(0..)
        .map(|(&(fraction, last, _), seed)| run("x + y", fraction, seed, |c| c.data.last_batch = last));
    let plan: Vec<PlannedRun> = runs.collect();
    let steps = cases.map(|(_, _, steps)| steps);
    let expected = alone(&plan);
    for (i, steps) in steps.into_iter().enumerate() {
        let manifest = Manifest::parse(&expected[i]["manifest.json"]).unwrap();
        assert_eq!((manifest.epochs, manifest.steps), (4, 4 * steps), "run {i}");
    }
    for (slots, jobs, is_eager) in [(9, 2, false), (9, 1, true), (4, 2, true), (2, 1, false)] {
        let root = tempfile::tempdir().unwrap();
        let waiting = Mutex::new(Vec::new());
        let open = |shape: &Shape, n: usize| -> Result<Box<dyn Replicas>, EngineError> {
            waiting.lock().unwrap().push(n);
            Ok(Box::new(CpuReplicas::new(shape, slots, is_eager)?))
        };
        let case = format!("{slots} slots, {jobs} jobs, eager: {is_eager}");
        let (settled, _) = side_by_side(root.path(), &plan, jobs, &NEVER, &open);
        assert!(settled.iter().all(|s| matches!(s, Settled::Finished(_))), "{case}: {settled:?}");
        assert_eq!(*waiting.lock().unwrap(), [9], "{case}: they are of one shape");
        assert_same(root.path(), &plan, &expected, &case);
    }
}

#[test]
fn runs_stopped_at_any_round_are_resumed_on_either_path() {
    let plan = mixed_plan()[..4].to_vec();
    let expected = alone(&plan);
    for rounds in 1..9 {
        let root = tempfile::tempdir().unwrap();
        let stop: &'static AtomicBool = Box::leak(Box::default());
        let seen = AtomicUsize::new(0);
        let open = watched(3, move |call, _| {
            let is_last = call == "start_epoch" && seen.fetch_add(1, Ordering::Relaxed) + 1 == rounds;
            stop.fetch_or(is_last, Ordering::Relaxed);
            Ok(())
        });
        let (settled, _) = side_by_side(root.path(), &plan, 2, stop, &open);
        let stopped = settled.iter().filter(|s| matches!(s, Settled::Stopped)).count();
        assert!(stopped > 0, "{rounds}: {settled:?}");
        let (settled, notes) = if rounds % 2 == 0 {
            side_by_side(root.path(), &plan, 2, &NEVER, &watched(2, |_, _| Ok(())))
        } else {
            let notes = Notes::default();
            (sweep(&plan_of(&plan), &execution(root.path(), &NEVER), &notes).unwrap(), notes.text())
        };
        let is_done = |s: &Settled| matches!(s, Settled::Finished(_) | Settled::Already(_));
        assert!(settled.iter().all(is_done), "{rounds}: {settled:?}");
        assert!(notes.contains("resumed at epoch"), "{rounds}: {notes}");
        assert_eq!(notes.contains("another program"), rounds % 2 == 1, "{rounds}: {notes}");
        assert_same(root.path(), &plan, &expected, &format!("stopped in round {rounds}"));
    }
}

#[test]
fn a_run_stopped_within_an_epoch_goes_on_with_its_next_step() {
    let plan = [run("x + y", 0.5, 0, |_| ())];
    let expected = alone(&plan);
    for after in 1..12 {
        let root = tempfile::tempdir().unwrap();
        let stop: &'static AtomicBool = Box::leak(Box::default());
        run_watched(root.path(), stop, move |step| {
            stop.store(step == after, Ordering::Relaxed);
            Ok(())
        });
        let (settled, _) = side_by_side(root.path(), &plan, 1, &NEVER, &watched(1, |_, _| Ok(())));
        assert!(matches!(settled[0], Settled::Finished(_)), "{settled:?}");
        assert_same(root.path(), &plan, &expected, &format!("stopped after step {after}"));
    }
}

#[test]
fn a_failing_device_fails_the_runs_on_it_and_others_get_a_new_one() {
    // four runs of one shape, two slots
    let plan: Vec<_> = (0..4).map(|seed| run("x + y", 0.5, seed, |_| ())).collect();
    let expected = alone(&plan);
    // the n-th call of each kind fails, and how many runs with it
    let cases = [
        ("load", 2, 1),
        ("start_epoch", 2, 2),
        ("finish_epoch", 3, 2),
        ("evaluate", 1, 2),
        ("evaluate", 3, 2),
        ("read_params", 3, 1),
        ("read_moments", 2, 1),
    ];
    for (name, nth, failing) in cases {
        for panics in [false, true] {
            let case = format!("{name} number {nth}, panic: {panics}");
            let root = tempfile::tempdir().unwrap();
            let seen = AtomicUsize::new(0);
            let open = watched(2, move |call, _| {
                if call != name || seen.fetch_add(1, Ordering::Relaxed) + 1 != nth {
                    return Ok(());
                }
                assert!(!panics, "the device lost its head");
                Err(lost("head"))
            });
            let (settled, _) = side_by_side(root.path(), &plan, 2, &NEVER, &open);
            let mut failed = 0;
            for (run, settled) in plan.iter().zip(&settled) {
                let manifest = store::read_manifest(&root.path().join(&run.id)).unwrap().unwrap();
                match settled {
                    Settled::Failed(reason) => {
                        failed += 1;
                        assert!(reason.contains("lost its head"), "{case}: {reason}");
                        assert_eq!(manifest.state, RunState::Failed);
                        assert_eq!(manifest.failure.as_ref(), Some(reason));
                    }
                    settled => assert!(matches!(settled, Settled::Finished(_)), "{case}: {settled:?}"),
                }
            }
            assert_eq!(failed, failing, "{case}");
            let (settled, _) = side_by_side(root.path(), &plan, 2, &NEVER, &watched(2, |_, _| Ok(())));
            let finished = settled.iter().filter(|s| matches!(s, Settled::Finished(_))).count();
            assert_eq!(finished, failing, "{case}: {settled:?}");
            assert_same(root.path(), &plan, &expected, &case);
        }
    }
}

#[test]
fn a_device_that_cannot_be_opened_fails_the_runs_of_its_shape_alone() {
    let plan = mixed_plan();
    let expected = alone(&plan);
    let root = tempfile::tempdir().unwrap();
    let open = |shape: &Shape, n: usize| -> Result<Box<dyn Replicas>, EngineError> {
        match shape.model.d_model {
            8 => Err(EngineError::Shape(format!("out of memory for {n} runs: 0 would fit"))),
            _ => Ok(Box::new(CpuReplicas::new(shape, 4, false)?)),
        }
    };
    let (settled, _) = side_by_side(root.path(), &plan, 2, &NEVER, &open);
    for (run, settled) in plan.iter().zip(&settled) {
        match settled {
            Settled::Failed(reason) => {
                assert!(run.config.model.d_model == 8 && reason.contains("0 would fit"), "{reason}");
            }
            settled => assert!(matches!(settled, Settled::Finished(_)), "{}: {settled:?}", run.id),
        }
    }
    assert_eq!(settled.iter().filter(|s| matches!(s, Settled::Failed(_))).count(), 2);
    let (settled, _) = side_by_side(root.path(), &plan, 2, &NEVER, &watched(2, |_, _| Ok(())));
    assert_eq!(settled.iter().filter(|s| matches!(s, Settled::Finished(_))).count(), 2);
    assert_same(root.path(), &plan, &expected, "opened at last");
}

#[test]
fn a_device_that_always_fails_is_given_up() {
    let plan: Vec<_> = (0..9).map(|seed| run("x + y", 0.5, seed, |_| ())).collect();
    let root = tempfile::tempdir().unwrap();
    let opened = AtomicUsize::new(0);
    let broken = watched(2, |call, _| if call == "finish_epoch" { Err(lost("nerve")) } else { Ok(()) });
    let open = |shape: &Shape, n: usize| {
        opened.fetch_add(1, Ordering::Relaxed);
        broken(shape, n)
    };
    let (settled, _) = side_by_side(root.path(), &plan, 2, &NEVER, &open);
    assert_eq!(opened.load(Ordering::Relaxed), OPENED_AT_MOST);
    assert!(
        settled.iter().all(|s| matches!(s, Settled::Failed(reason) if reason.contains("lost its nerve")))
    );
}

#[test]
fn a_run_whose_files_fail_fails_alone_and_one_held_elsewhere_is_left() {
    let plan: Vec<_> = (0..5).map(|seed| run("x + y", 0.5, seed, |_| ())).collect();
    let expected = alone(&plan);
    let open = watched(2, |_, _| Ok(()));
    for at in [12, 25, 40] {
        let root = tempfile::tempdir().unwrap();
        let broken = root.path().join(&plan[1].id);
        faults::plan(&broken, faults::Fault::Panic, at);
        let held = store::lock(&root.path().join(&plan[2].id)).unwrap();
        let (settled, _) = side_by_side(root.path(), &plan, 2, &NEVER, &open);
        faults::clear(&broken);
        for (i, settled) in settled.iter().enumerate() {
            match i {
                1 => assert!(matches!(settled, Settled::Failed(r) if r.contains("injected")), "{settled:?}"),
                2 => assert!(matches!(settled, Settled::Elsewhere), "{settled:?}"),
                _ => assert!(matches!(settled, Settled::Finished(_)), "{settled:?}"),
            }
        }
        drop(held);
        let (settled, _) = side_by_side(root.path(), &plan, 2, &NEVER, &open);
        assert!(matches!((&settled[1], &settled[2]), (Settled::Finished(_), Settled::Finished(_))));
        assert_same(root.path(), &plan, &expected, &format!("fault at operation {at}"));
    }
}

#[test]
fn evaluations_of_runs_that_began_at_different_times_fall_together() {
    let ends_at =
        |epochs: u64, seed| run("x + y", 0.5, seed, |c| (c.train.max_epochs, c.probe.every) = (epochs, 5));
    let plan = [ends_at(7, 0), ends_at(40, 1), ends_at(40, 2)];
    let root = tempfile::tempdir().unwrap();
    let calls: Arc<Mutex<Vec<usize>>> = Arc::default();
    let seen = calls.clone();
    let open = watched(2, move |call, slots| {
        if call == "evaluate" {
            seen.lock().unwrap().push(slots.len());
        }
        Ok(())
    });
    let (settled, _) = side_by_side(root.path(), &plan, 1, &NEVER, &open);
    assert!(settled.iter().all(|s| matches!(s, Settled::Finished(_))), "{settled:?}");
    // rounds 0, 1, 5; 7, the first run's last; 10, where the third begins; 11, its epoch 1; 15 … 40; then it alone
    assert_eq!(*calls.lock().unwrap(), [2, 2, 2, 1, 2, 1, 2, 2, 2, 2, 2, 2, 1, 1]);
}

#[test]
fn runs_that_go_on_alone_move_up_to_the_first_slots() {
    // the ends of the fractions' runs, which have 3, 3, 2 and 1 steps an epoch
    let ends = [(0.5, 6), (0.5, 12), (0.25, 3), (0.1, 20)];
    let plan: Vec<_> = ends
        .iter()
        .zip(0..)
        .map(|(&(fraction, epochs), seed)| {
            run("x + y", fraction, seed, |c| {
                (c.train.max_epochs, c.probe.every, c.data.batch_size) = (epochs, 4, 9);
            })
        })
        .collect();
    let expected = alone(&plan);
    let rounds: Arc<Mutex<Vec<Vec<usize>>>> = Arc::default();
    let moved: Arc<AtomicUsize> = Arc::default();
    let (seen, loads) = (rounds.clone(), moved.clone());
    let open = watched(4, move |call, slots| {
        match call {
            "start_epoch" => seen.lock().unwrap().push(slots.to_vec()),
            "load" => drop(loads.fetch_add(1, Ordering::Relaxed)),
            _ => (),
        }
        Ok(())
    });
    let root = tempfile::tempdir().unwrap();
    let (settled, _) = side_by_side(root.path(), &plan, 2, &NEVER, &open);
    assert!(settled.iter().all(|s| matches!(s, Settled::Finished(_))), "{settled:?}");
    assert_same(root.path(), &plan, &expected, "moved");
    let rounds = rounds.lock().unwrap();
    // the round in which a run's end is written has started already
    let slots = |epochs: std::ops::Range<usize>| &rounds[epochs];
    assert!(slots(0..3).iter().all(|s| *s == [0, 1, 2, 3]), "{rounds:?}");
    assert_eq!(rounds[3], [0, 1, 3]);
    assert!(slots(4..6).iter().all(|s| *s == [0, 1, 2]), "{rounds:?}");
    assert_eq!(rounds[6], [1, 2]);
    assert!(slots(7..12).iter().all(|s| *s == [0, 1]), "{rounds:?}");
    assert!(slots(13..20).iter().all(|s| *s == [0]), "{rounds:?}");
    assert_eq!(rounds.len(), 20);
    assert_eq!(moved.load(Ordering::Relaxed), 4 + 1 + 2 + 1);
}
