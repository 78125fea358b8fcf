//! What happens to a run when file operations fail, processes die and files rot: it ends with the same bytes, or
//! says what is wrong.

use super::*;
use crate::{
    kinds::operations::{
        config::{PlannedRun, Preset, Pull, RunConfig},
        engine::{self, Engine, EngineError, Evaluation},
        task::{Equation, Task},
        task_of,
        train::{Solo, Trainer},
    },
    probe::Moments,
    run::EngineChoice,
    store::{
        self, Op, RunState,
        faults::{self, Fault},
        read_run, verify_run,
    },
};
use candle_core::Device;
use std::{
    collections::BTreeMap,
    fs,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::Command,
    sync::{Mutex, atomic::Ordering},
};

/// Remembers what it is told.
#[derive(Default)]
pub(crate) struct Notes(Mutex<Vec<String>>);

impl Notes {
    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

impl Reporter for Notes {
    fn live(&self, _: &dyn Planned, _: &Live) {}
    fn note(&self, _: &dyn Planned, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
    fn settled(&self, _: &dyn Planned, _: &Settled) {}
}

pub(crate) fn tiny_config(seed: u64) -> RunConfig {
    let mut config = Preset::Paper.config("tiny", 0.5, seed);
    let m = &mut config.model;
    (m.n_layers, m.d_model, m.n_heads, m.d_mlp) = (1, 4, 1, 4);
    config.data.batch_size = 8;
    (config.train.max_epochs, config.probe.every) = (4, 2);
    config
}

/// A run of 4 epochs of 3 steps, evaluated at epochs 0, 1, 2 and 4.
pub(crate) fn tiny(seed: u64) -> PlannedRun {
    let text = "title = 't'\nmodulus = 7\nexpression = 'x + y'";
    let task = Task::from_str("tiny", text, Path::new("tiny.toml")).unwrap();
    PlannedRun::new(tiny_config(seed), Arc::new(task))
}

/// The same runs as a plan.
pub(crate) fn plan_of(runs: &[PlannedRun]) -> Vec<Arc<dyn Planned>> {
    runs.iter().map(|run| Arc::new(run.clone()) as Arc<dyn Planned>).collect()
}

pub(crate) static NEVER: AtomicBool = AtomicBool::new(false);

/// Saves at every epoch.
pub(crate) fn execution<'a>(results: &Path, stop: &'a AtomicBool) -> Execution<'a> {
    Execution {
        results: results.to_owned(),
        beside: None,
        jobs: 1,
        place: Place { engine: EngineChoice::Auto, device: Device::Cpu },
        together: None,
        checkpoint_every: Duration::ZERO,
        stop,
    }
}

pub(super) fn run_in(results: &Path) -> (Settled, String) {
    let notes = Notes::default();
    let settled = run_one(&tiny(0), &execution(results, &NEVER), &notes);
    (settled, notes.text())
}

/// All files of a run but the lock, the manifest without times, and nothing that a kill might have left.
pub(crate) fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        files.insert(name, fs::read(entry.path()).unwrap());
    }
    files.remove(".lock");
    let manifest = Manifest::parse(&files.remove("manifest.json").unwrap()).unwrap();
    let timeless = Manifest {
        wall_seconds: 0.0,
        evaluation_seconds: 0.0,
        probe_seconds: 0.0,
        digest: String::new(),
        ..manifest
    };
    files.insert("manifest.json".into(), timeless.to_bytes().unwrap());
    files
}

fn assert_same(dir: &Path, undisturbed: &BTreeMap<String, Vec<u8>>, case: &str) {
    let found = contents(dir);
    assert!(found.keys().eq(undisturbed.keys()), "{case}: {:?}", found.keys());
    let different: Vec<_> = found.iter().filter(|(name, b)| undisturbed[*name] != **b).collect();
    let names: Vec<_> = different.iter().map(|(name, _)| name).collect();
    assert!(different.is_empty(), "{case}: {names:?} differ");
}

/// The run as it should end, and the file operations it takes.
pub(super) fn undisturbed() -> (BTreeMap<String, Vec<u8>>, Vec<Op>) {
    let root = tempfile::tempdir().unwrap();
    faults::plan(root.path(), Fault::Error, 0);
    let (settled, _) = run_in(root.path());
    assert!(matches!(settled, Settled::Finished(_)), "{settled:?}");
    let operations = faults::clear(root.path()).into_iter().map(|(op, _)| op).collect();
    let files = contents(&root.path().join(tiny(0).id));
    assert_eq!(
        files.keys().collect::<Vec<_>>(),
        [
            "checkpoint-00000012.safetensors",
            "config.toml",
            "diagnostics.csv",
            "end-00000004-spectra.csv",
            "final.safetensors",
            "manifest.json",
            "metrics.csv",
            "spectra.csv",
            "task.toml"
        ]
    );
    (files, operations)
}

/// Not a test of its own: the process that `a_run_killed_at_any_file_operation…` kills.
#[test]
#[ignore = "started by another test"]
fn killed_child() {
    let Ok(dir) = std::env::var("GROKLAB_TEST_DIR") else { return };
    let at = std::env::var("GROKLAB_TEST_AT").unwrap().parse().unwrap();
    faults::plan(Path::new(&dir), Fault::Kill, at);
    let (settled, _) = run_in(Path::new(&dir));
    assert!(matches!(settled, Settled::Finished(_)), "{settled:?}");
}

#[test]
fn a_run_killed_at_any_file_operation_and_resumed_gives_the_same_bytes() {
    let (expected, operations) = undisturbed();
    let operations = operations.len();
    let mut resumed = 0;
    for at in 1..=operations {
        let root = tempfile::tempdir().unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "sweep::fault_tests::killed_child", "--ignored"])
            .env("GROKLAB_TEST_DIR", root.path())
            .env("GROKLAB_TEST_AT", at.to_string())
            .output()
            .unwrap();
        assert_eq!(child.status.signal(), Some(9), "operation {at}: {child:?}");
        let dir = root.path().join(tiny(0).id);
        if dir.join("manifest.json").exists() {
            assert!(verify_run(&dir).is_empty() || !dir.join("config.toml").exists(), "operation {at}");
        }
        let (settled, notes) = run_in(root.path());
        assert!(matches!(settled, Settled::Finished(_) | Settled::Already(_)), "operation {at}: {settled:?}");
        assert!(!notes.contains("damaged"), "operation {at}: {notes}");
        resumed += usize::from(notes.contains("resumed at epoch"));
        assert_same(&dir, &expected, &format!("killed at operation {at} of {operations}"));
        assert!(verify_run(&dir).is_empty());
    }
    assert!(resumed > operations / 2, "only {resumed} of {operations} were resumed");
}

#[test]
fn any_file_operation_may_fail_and_the_run_can_go_on_later() {
    let (expected, operations) = undisturbed();
    for fault in [Fault::Error, Fault::Short, Fault::Full] {
        // a full disk hurts those who need space
        let last = match fault {
            Fault::Full => 1 + operations.iter().rposition(Op::allocates).unwrap(),
            _ => operations.len(),
        };
        for at in 1..=last {
            let case = format!("{fault:?} at operation {at} of {}", operations.len());
            let root = tempfile::tempdir().unwrap();
            faults::plan(root.path(), fault, at as u64);
            let (settled, _) = run_in(root.path());
            faults::clear(root.path());
            match settled {
                Settled::Failed(reason) => {
                    assert!(reason.contains("injected"), "{case}: {reason}");
                    assert!(reason.contains(root.path().to_str().unwrap()), "{case}: {reason}");
                    assert!(!reason.contains("internal error"), "{case}: {reason}");
                }
                Settled::Finished(_) => panic!("{case}: nobody noticed"),
                other => panic!("{case}: {other:?}"),
            }
            let (settled, notes) = run_in(root.path());
            // the very last operations may fail after the manifest has said that the run is finished
            assert!(matches!(settled, Settled::Finished(_) | Settled::Already(_)), "{case}: {settled:?}");
            assert!(!notes.contains("damaged"), "{case}: {notes}");
            assert_same(&root.path().join(tiny(0).id), &expected, &case);
        }
    }
}

/// Computes as another does, and does something at a certain step.
struct Watched<F> {
    inner: Box<dyn Engine>,
    steps: u64,
    at_step: F,
}

impl<F: Fn(u64) -> Result<(), EngineError> + Send> Engine for Watched<F> {
    fn pulled(
        &mut self,
        params: &[f32],
        batch: &[Equation],
        pull: Option<Pull>,
        grads: &mut [f32],
    ) -> Result<f32, EngineError> {
        self.steps += 1;
        (self.at_step)(self.steps)?;
        self.inner.pulled(params, batch, pull, grads)
    }

    fn evaluate(
        &mut self,
        params: &[f32],
        rows: &[Equation],
        moments: Option<&mut Moments>,
    ) -> Result<Evaluation, EngineError> {
        self.inner.evaluate(params, rows, moments)
    }
}

pub(crate) fn run_watched(
    results: &Path,
    stop: &AtomicBool,
    at_step: impl Fn(u64) -> Result<(), EngineError> + Copy + Send + 'static,
) -> Settled {
    run_watched_as(&tiny(0), results, stop, at_step)
}

pub(crate) fn run_watched_as(
    run: &PlannedRun,
    results: &Path,
    stop: &AtomicBool,
    at_step: impl Fn(u64) -> Result<(), EngineError> + Copy + Send + 'static,
) -> Settled {
    run_with(run, &execution(results, stop), &Notes::default(), &|| {
        let (inner, name) = engine::build(
            EngineChoice::Auto,
            run.config.precision,
            &run.config.model,
            run.task.n_symbols,
            &Device::Cpu,
        )?;
        let engine = Box::new(Watched { inner, steps: 0, at_step });
        Ok((Box::new(Solo::new(Trainer::new(run)?, engine)), name))
    })
}

#[test]
fn a_run_stopped_after_any_step_and_resumed_gives_the_same_bytes() {
    let (expected, _) = undisturbed();
    for after in 1..=12 {
        let root = tempfile::tempdir().unwrap();
        let stop: &'static AtomicBool = Box::leak(Box::default());
        let settled = run_watched(root.path(), stop, move |step| {
            stop.store(step == after, Ordering::Relaxed);
            Ok(())
        });
        match after {
            12 => assert!(matches!(settled, Settled::Finished(_))), // there was nothing left to stop
            _ => {
                assert!(matches!(settled, Settled::Stopped), "{after}: {settled:?}");
                let manifest = store::read_manifest(&root.path().join(tiny(0).id)).unwrap().unwrap();
                assert_eq!(manifest.steps, after, "stopped within a step");
            }
        }
        let (settled, _) = run_in(root.path());
        assert!(matches!(settled, Settled::Finished(_) | Settled::Already(_)), "{settled:?}");
        assert_same(&root.path().join(tiny(0).id), &expected, &format!("stopped after step {after}"));
    }
}

#[test]
fn a_failing_device_fails_the_run_which_goes_on_from_its_checkpoint() {
    let (expected, _) = undisturbed();
    let root = tempfile::tempdir().unwrap();
    let settled = run_watched(root.path(), &NEVER, |step| match step {
        8 => Err(candle_core::Error::Msg("the device fell off the bus".into()).into()),
        _ => Ok(()),
    });
    assert!(matches!(&settled, Settled::Failed(reason) if reason.contains("fell off the bus")));
    let dir = root.path().join(tiny(0).id);
    let manifest = store::read_manifest(&dir).unwrap().unwrap();
    assert_eq!((manifest.state, manifest.epochs), (RunState::Failed, 2));
    assert!(manifest.failure.unwrap().contains("fell off the bus"));
    let (settled, notes) = run_in(root.path());
    assert!(matches!(settled, Settled::Finished(_)) && notes.contains("resumed at epoch 3"), "{notes}");
    assert_same(&dir, &expected, "after the device's failure");
}

#[test]
fn a_panic_in_one_run_leaves_the_others_alone() {
    let root = tempfile::tempdir().unwrap();
    let plan: Vec<PlannedRun> = (0..4).map(tiny).collect();
    faults::plan(&root.path().join(&plan[1].id), Fault::Panic, 30);
    let mut execution = execution(root.path(), &NEVER);
    execution.jobs = 2;
    let settled = sweep(&plan_of(&plan), &execution, &Notes::default()).unwrap();
    faults::clear(&root.path().join(&plan[1].id));
    for (i, settled) in settled.iter().enumerate() {
        match settled {
            Settled::Failed(reason) => assert!(i == 1 && reason.contains("injected panic"), "{reason}"),
            settled => assert!(i != 1 && matches!(settled, Settled::Finished(_)), "{i}: {settled:?}"),
        }
    }
    let settled = sweep(&plan_of(&plan), &execution, &Notes::default()).unwrap();
    assert!(matches!(settled[1], Settled::Finished(_)));
    assert!(matches!(settled[0], Settled::Already(_)));
}

/// A run stopped in the middle of its third epoch: two checkpoints, rows for epochs 0, 1 and 2.
pub(super) fn interrupted() -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let stop: &'static AtomicBool = Box::leak(Box::default());
    let settled = run_watched(root.path(), stop, |step| {
        stop.store(step == 8, Ordering::Relaxed);
        Ok(())
    });
    assert!(matches!(settled, Settled::Stopped));
    let dir = root.path().join(tiny(0).id);
    (root, dir)
}

fn checkpoints(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    found.retain(|p| p.file_name().unwrap().to_str().unwrap().starts_with("checkpoint-"));
    found.sort();
    found
}

#[test]
fn a_damaged_checkpoint_is_named_and_the_one_before_is_used() {
    let (expected, _) = undisturbed();
    for damaged in [vec![1], vec![0, 1]] {
        let (root, dir) = interrupted();
        let found = checkpoints(&dir);
        assert_eq!(found.len(), 2);
        for &i in &damaged {
            let mut bytes = fs::read(&found[i]).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(&found[i], bytes).unwrap();
        }
        assert_eq!(verify_run(&dir).len(), damaged.len());
        let (settled, notes) = run_in(root.path());
        assert!(matches!(settled, Settled::Finished(_)));
        let name = found[1].file_name().unwrap().to_str().unwrap();
        assert!(notes.contains(name) && notes.contains("digest"), "{notes}");
        let outcome = if damaged.len() == 1 { "resumed at epoch" } else { "no whole checkpoint" };
        assert!(notes.contains(outcome), "{notes}");
        assert_same(&dir, &expected, &notes);
    }
}

/// Each file of the run with a bit flipped, at places spread over the whole file: 1,000, or all where it has fewer.
fn flip_bits(dir: &Path, mut check: impl FnMut(&str, &str)) {
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if name == ".lock" {
            continue; // holds nothing
        }
        let whole = fs::read(entry.path()).unwrap();
        let bits = whole.len() * 8;
        for k in 0..bits.min(1000) {
            let bit = if bits <= 1000 { k } else { k * (bits - 1) / 999 };
            let mut damaged = whole.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            fs::write(entry.path(), &damaged).unwrap();
            check(&name, &format!("{name}, bit {bit}"));
        }
        fs::write(entry.path(), &whole).unwrap();
    }
}

#[test]
fn no_flipped_bit_is_read_as_good() {
    let (_root, dir) = interrupted();
    let mut kinds = std::collections::BTreeSet::new();
    flip_bits(&dir, |name, case| {
        let damage = verify_run(&dir);
        assert!(!damage.is_empty(), "{case}");
        let told: String = damage.iter().map(|e| e.to_string()).collect();
        assert!(told.contains(name), "{case}: {told}");
        kinds.insert(name.to_owned());
    });
    assert_eq!(kinds.len(), 8, "{kinds:?}");

    let root = tempfile::tempdir().unwrap();
    run_in(root.path());
    let dir = root.path().join(tiny(0).id);
    flip_bits(&dir, |name, case| {
        assert!(!verify_run(&dir).is_empty(), "{case}");
        // readers of tables notice as well, not only `verify`
        match name {
            "spectra.csv" | "end-00000004-spectra.csv" => {
                assert!(read_run(&dir).unwrap().spectra().is_err(), "{case}")
            }
            "diagnostics.csv" => assert!(read_run(&dir).unwrap().diagnostics().is_err(), "{case}"),
            "task.toml" => assert!(task_of(&read_run(&dir).unwrap()).is_err(), "{case}"),
            "final.safetensors" | "checkpoint-00000012.safetensors" => {}
            _ => assert!(read_run(&dir).is_err(), "{case}"),
        }
    });
}

#[test]
fn no_truncated_table_is_read_as_good() {
    let (root, dir) = interrupted();
    for name in ["metrics.csv", "spectra.csv", "diagnostics.csv"] {
        let whole = fs::read(dir.join(name)).unwrap();
        for length in whole.len().saturating_sub(600)..whole.len() {
            fs::write(dir.join(name), &whole[..length]).unwrap();
            assert!(!verify_run(&dir).is_empty(), "{name} cut at {length}");
        }
        fs::write(dir.join(name), &whole).unwrap();
    }
    assert!(verify_run(&dir).is_empty());
    // rows that the manifest does not know yet are cut, torn or not
    let (expected, _) = undisturbed();
    for extra in ["x", "tiny,half a row", "\n\n"] {
        let (root, dir) = interrupted();
        let metrics = dir.join("metrics.csv");
        let mut longer = fs::read(&metrics).unwrap();
        longer.extend_from_slice(extra.as_bytes());
        fs::write(&metrics, longer).unwrap();
        assert!(read_run(&dir).is_ok());
        run_in(root.path());
        assert_same(&dir, &expected, extra);
    }
    drop(root);
}
