//! What readers make of whole, of damaged and of foreign directories.

use super::*;
use crate::{
    kinds::operations::{config::RunConfig, model::ParamLayout},
    run::{Planned, StopReason},
    store::{
        Manifest, RunState,
        files::FINAL,
        made::{self, MadeRun},
        read_manifest, read_run, record_plan, tensors,
    },
};
use std::sync::Arc;

fn experiment() -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("study");
    for seed in [2, 1, 0] {
        made::write(&dir, &MadeRun::new("add", 0.5, seed).grokked(40, 120));
    }
    (root, dir)
}

#[test]
fn runs_come_back_as_written_and_sorted() {
    let (_root, dir) = experiment();
    let (Experiment { runs, is_planned, unplanned, .. }, damaged) = read_experiment(&dir, Limits::default());
    assert!(damaged.is_empty() && !is_planned && unplanned.is_empty());
    assert_eq!(runs.iter().map(|r| r.recipe["seed"].as_integer()).collect::<Vec<_>>(), [0, 1, 2].map(Some));
    let expected = MadeRun::new("add", 0.5, 1).grokked(40, 120);
    assert_eq!(runs[1].metrics, expected.metrics());
    let manifest = Manifest { saved: vec![], digest: String::new(), ..runs[1].manifest.clone() };
    assert_eq!(manifest, expected.manifest());
    let config = RunConfig::of_recipe(&runs[1].recipe, runs[1].manifest.budget).unwrap();
    assert_eq!(config, expected.config());
}

#[test]
fn a_run_an_experiment_and_the_directory_above_are_all_accepted() {
    let (root, dir) = experiment();
    let run = dir.join(MadeRun::new("add", 0.5, 0).id());
    for (path, count) in [(root.path(), 3), (dir.as_path(), 3), (run.as_path(), 1)] {
        let results = read_results(path, Limits::default()).unwrap();
        assert_eq!(results.experiments.len(), 1, "{}", path.display());
        assert_eq!(results.experiments[0].name, "study");
        assert_eq!(results.experiments[0].runs.len(), count);
    }
}

/// Replaces a file behind a manifest that vouches for the new one: only its content gives it away.
fn replace(dir: &Path, name: &str, bytes: &[u8]) {
    fs::write(dir.join(name), bytes).unwrap();
    made::vouch(dir, read_manifest(dir).unwrap().unwrap());
}

#[test]
fn a_damaged_run_is_named_and_the_others_are_read() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 8] = [
        ("manifest.json", |d| fs::remove_file(d.join(MANIFEST)).unwrap()),
        ("manifest.json", |d| fs::write(d.join(MANIFEST), "{\"format\": 3,").unwrap()),
        ("format 5", |d| fs::write(d.join(MANIFEST), "{\"format\": 5}").unwrap()),
        ("config.toml", |d| replace(d, CONFIG, b"task = ")),
        ("metrics.csv", |d| replace(d, METRICS, b"run,task\na,b\n")),
        ("metrics.csv", |d| replace(d, METRICS, &[0xff, 0xfe, 0x00])),
        ("no row", |d| replace(d, METRICS, b"")),
        ("goes back", |d| {
            let text = fs::read_to_string(d.join(METRICS)).unwrap();
            let last = text.lines().nth(2).unwrap();
            replace(d, METRICS, format!("{text}{last}\n").as_bytes());
        }),
    ];
    for (named, damage) in damages {
        let (_root, dir) = experiment();
        let victim = dir.join(MadeRun::new("add", 0.5, 1).id());
        damage(&victim);
        let (Experiment { runs, .. }, damaged) = read_experiment(&dir, Limits::default());
        assert_eq!(runs.len(), 2, "{named}");
        assert_eq!(damaged.len(), 1, "{named}");
        let message = damaged[0].to_string();
        assert!(message.contains(named), "{message}");
        assert!(message.contains(&*victim.file_name().unwrap().to_string_lossy()), "{message}");
    }
}

#[test]
fn final_parameters_come_back_and_a_flipped_byte_among_them_is_named() {
    let root = tempfile::tempdir().unwrap();
    let run = MadeRun::new("add", 0.5, 0);
    made::write(root.path(), &run);
    let dir = root.path().join(run.id());
    let layout = ParamLayout::new(&run.config().model, 97).tensors();
    let written: Vec<f32> = (0..layout.len()).map(|i| i as f32).collect();
    let named = tensors::named_tensors("", &layout, &written);
    let mut bytes = tensors::to_bytes(&dir.join(FINAL), &named, &Default::default()).unwrap();
    replace(&dir, FINAL, &bytes);
    assert_eq!(read_run(&dir).unwrap().final_parameters(&layout).unwrap().unwrap(), written);

    // the file still parses: another number is in the middle of a tensor
    let at = bytes.len() - 1000;
    bytes[at] ^= 1;
    fs::write(dir.join(FINAL), &bytes).unwrap();
    let error = read_run(&dir).unwrap().final_parameters(&layout).unwrap_err().to_string();
    assert!(error.contains(FINAL) && error.contains("its digest is not the one"), "{error}");
}

#[test]
fn a_milestone_without_its_evaluation_is_damage() {
    let root = tempfile::tempdir().unwrap();
    let run = MadeRun::new("add", 0.5, 0).grokked(40, 130);
    made::write(root.path(), &run);
    let error = read_run(&root.path().join(run.id())).unwrap_err();
    assert!(error.to_string().contains("grokked at epoch 130"), "{error}");
}

#[test]
fn an_unfinished_run_is_read_as_far_as_its_manifest_vouches_and_a_finished_one_whole() {
    let root = tempfile::tempdir().unwrap();
    for (state, readable) in [(RunState::Running, true), (RunState::Finished, false)] {
        let run = MadeRun::new("add", 0.5, 0).state(state).stopped(StopReason::BUDGET);
        made::write(root.path(), &run);
        let dir = root.path().join(run.id());
        let text = fs::read_to_string(dir.join(METRICS)).unwrap();
        fs::write(dir.join(METRICS), format!("{text}{}", &text[..30])).unwrap();
        match read_run(&dir) {
            Ok(read) => assert!(readable && read.metrics == run.metrics()),
            Err(_) => assert!(!readable),
        }
        fs::write(dir.join(METRICS), &text[..text.len() - 1]).unwrap();
        assert!(read_run(&dir).unwrap_err().to_string().contains("cut"));
    }
}

#[test]
fn missing_and_empty_directories_are_told_apart() {
    let root = tempfile::tempdir().unwrap();
    assert!(matches!(
        read_results(&root.path().join("none"), Limits::default()),
        Err(ReadError::NoDirectory { .. })
    ));
    assert!(matches!(read_results(root.path(), Limits::default()), Err(ReadError::NoRuns { .. })));
    fs::create_dir_all(root.path().join("study/run")).unwrap();
    fs::write(root.path().join("study/run/metrics.csv"), "").unwrap();
    assert!(matches!(read_results(root.path(), Limits::default()), Err(ReadError::NothingReadable { .. })));
}

/// A made-up run with the id that a plan gives it.
fn planned(seed: u64, max_epochs: u64) -> Arc<dyn Planned> {
    MadeRun::new("add", 0.5, seed)
        .grokked(40, 120)
        .planned()
        .with_budget(Budget { max_epochs, patience: 1000 })
}

#[test]
fn the_runs_of_the_plan_count_as_far_as_its_budget_goes_whatever_lies_beside_them() {
    let (_root, dir) = experiment();
    record_plan(&dir, &[planned(0, 150), planned(1, 200), planned(7, 150)], None).unwrap();
    let (found, damaged) = read_experiment(&dir, Limits::default());
    assert!(damaged.is_empty() && found.is_planned);
    assert_eq!(found.unplanned, [MadeRun::new("add", 0.5, 2).id()]);
    let last = |run: &RunRecord| run.metrics.last().map(|row| row.mark.epoch);
    // 150 is no evaluation, and the run went past it: the one before it counts, and says so
    let [short, whole] = &found.runs[..] else { panic!("{} runs", found.runs.len()) };
    assert_eq!((last(short), short.manifest.epochs, short.manifest.steps), (Some(140), 150, 1500));
    assert_eq!(
        (short.manifest.state, short.manifest.stopped.clone()),
        (RunState::Finished, Some(StopReason::BUDGET))
    );
    assert_eq!(short.end.map(|end| (end.epoch, end.is_evaluated)), Some((150, false)));
    assert_eq!((last(whole), whole.end.map(|end| end.is_evaluated)), (Some(200), Some(true)));
    // a milestone behind the end has not been seen
    let (early, _) =
        read_experiment(&dir, Limits { max_epochs: Some(100), patience: None, ..Limits::default() });
    let marks = &early.runs[0].manifest.milestones;
    assert_eq!((marks.get("memorized").map(|m| m.epoch), marks.get("grokked")), (Some(40), None));
    // patience ends it where the budget would not
    let (patient, _) =
        read_experiment(&dir, Limits { max_epochs: None, patience: Some(20), ..Limits::default() });
    assert_eq!(patient.runs[1].manifest.epochs, 140);
    assert_eq!(patient.runs[1].manifest.stopped, Some(StopReason::milestone("grokked")));
    // finished here under 200 epochs, and not under more
    let (long, _) =
        read_experiment(&dir, Limits { max_epochs: Some(900), patience: None, ..Limits::default() });
    assert_eq!((long.runs[0].manifest.state, long.runs[0].end), (RunState::Running, None));
}
