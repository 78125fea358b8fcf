//! Runs that survive: real processes, really killed. `GROKLAB_KILLS=200` tries more instants than the usual 20.

use super::{groklab, succeed, text};
use groklab::store::{Manifest, RunState, read_manifest, verify_run};
use rand::{Rng, SeedableRng};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

const TASK: &str = "title = 'small'\nmodulus = 13\nexpression = 'x + y'\n";

/// Runs of `epochs` epochs of the small task with these seeds, each a fraction of a second.
fn experiment(dir: &Path, epochs: u32, seeds: u32) {
    fs::write(dir.join("small-task.toml"), TASK).unwrap();
    let seeds: Vec<String> = (0..seeds).map(|s| s.to_string()).collect();
    let text = format!(
        "title = 'survival'\ntasks = ['small-task.toml']\ntrain_fractions = [0.5]\nseeds = [{}]\n[set]\n\
         'model.d_model' = 16\n'model.d_mlp' = 16\n'train.max_epochs' = {epochs}\n'data.batch_size' = 8\n\
         'probe.every' = 3\n",
        seeds.join(", ")
    );
    fs::write(dir.join("small.toml"), text).unwrap();
}

fn start(dir: &Path, args: &[&str], log: &Path) -> Child {
    let log = File::options().create(true).append(true).open(log).unwrap();
    Command::new(env!("CARGO_BIN_EXE_groklab"))
        .args(args)
        .current_dir(dir)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// The files of all runs below `dir`; manifests without their times.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for run in fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()) {
        for file in fs::read_dir(&run).unwrap().map(|e| e.unwrap().path()) {
            let bytes = match file.file_name().unwrap().to_str().unwrap() {
                ".lock" => continue,
                "manifest.json" => {
                    let manifest = read_manifest(&run).unwrap().unwrap();
                    let (wall_seconds, evaluation_seconds, probe_seconds) = (0.0, 0.0, 0.0);
                    let timeless = Manifest { wall_seconds, evaluation_seconds, probe_seconds, ..manifest };
                    timeless.to_bytes().unwrap()
                }
                _ => fs::read(&file).unwrap(),
            };
            found.insert(file.strip_prefix(dir).unwrap().to_owned(), bytes);
        }
    }
    found
}

fn assert_same(found: &BTreeMap<PathBuf, Vec<u8>>, expected: &BTreeMap<PathBuf, Vec<u8>>, case: &str) {
    assert!(found.keys().eq(expected.keys()), "{case}: {:?}", found.keys());
    let different: Vec<_> = found.iter().filter(|(name, b)| expected[*name] != **b).map(|(n, _)| n).collect();
    assert!(different.is_empty(), "{case}: {different:?} differ");
}

#[test]
fn a_run_killed_at_random_instants_ends_with_the_same_bytes() {
    let kills: u32 = std::env::var("GROKLAB_KILLS").map_or(20, |n| n.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    experiment(dir.path(), 90, 1);
    fn args(out: &str) -> [&str; 6] {
        ["sweep", "small.toml", "--checkpoint-every", "0", "--out", out]
    }
    let started = Instant::now();
    succeed(dir.path(), &args("calm"));
    let whole = started.elapsed();
    let expected = contents(&dir.path().join("calm/small"));
    let mut rng = rand::rngs::StdRng::from_os_rng();
    // kills; those of them that found a checkpoint to go on from; processes that did
    let (mut landed, mut saved, mut resumed, mut trial) = (0, 0, 0, 0);
    while landed < kills {
        trial += 1;
        assert!(trial < 20 * kills, "only {landed} of {trial} kills found the process alive");
        let out = format!("out{trial}");
        let log = dir.path().join("log");
        let results = dir.path().join(&out).join("small");
        // where the next process is to begin: a manifest that names a checkpoint, of a run that has not ended
        let can_resume = || {
            let runs = fs::read_dir(&results).into_iter().flatten().map(|entry| entry.unwrap().path());
            let manifests = runs.filter(|path| path.is_dir()).filter_map(|run| read_manifest(&run).unwrap());
            manifests.into_iter().any(|m| m.state == RunState::Running && !m.saved.is_empty())
        };
        // kill one run again and again until it gets through
        for _ in 0..50 {
            let delay = whole.mul_f64(rng.random_range(0.0..1.0));
            let mut child = start(dir.path(), &args(&out), &log);
            sleep(delay);
            let _ = child.kill();
            match child.wait().unwrap().signal() {
                Some(9) => landed += 1,
                _ => break,
            }
            saved += usize::from(can_resume());
            if landed >= kills {
                break;
            }
        }
        let must_resume = can_resume();
        let last = groklab(dir.path(), &args(&out));
        let told = text(&last.stderr);
        assert!(last.status.success(), "{told}");
        assert_eq!(told.contains("resumed at epoch"), must_resume, "trial {trial}: {told}");
        assert_same(&contents(&results), &expected, &format!("trial {trial}"));
        let told = fs::read_to_string(&log).unwrap() + &told;
        resumed += told.matches("resumed at epoch").count();
        assert!(!told.contains("damaged") && !told.contains("panicked"), "{told}");
        fs::remove_file(&log).unwrap();
    }
    // a process that is killed before it says so goes on from the same checkpoint as the next
    assert!(resumed <= saved, "{resumed} resumptions of {saved} saved states");
    assert!(
        4 * saved >= landed as usize,
        "{saved} of {landed} kills came after a checkpoint: hardly any test"
    );
    println!(
        "{landed} kills, {saved} of them after the first checkpoint, {resumed} resumptions, a run takes {whole:?}"
    );
}

#[test]
fn a_signal_saves_and_stops_and_the_same_command_goes_on() {
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let dir = tempfile::tempdir().unwrap();
        experiment(dir.path(), 100_000, 3);
        let log = dir.path().join("log");
        let mut child = start(dir.path(), &["sweep", "small.toml", "--jobs", "2"], &log);
        let results = dir.path().join("results/small");
        // until both runs are past their first rows
        let begun = Instant::now();
        let rows = || -> usize {
            let tables = fs::read_dir(&results).into_iter().flatten().flatten();
            tables
                .filter(|run| fs::metadata(run.path().join("metrics.csv")).is_ok_and(|m| m.len() > 2000))
                .count()
        };
        while rows() < 2 {
            assert!(begun.elapsed() < Duration::from_secs(60), "no rows");
            sleep(Duration::from_millis(20));
        }
        let asked = Instant::now();
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(code), "SIG{signal}");
        // the promise is two seconds; a machine that runs all other tests meanwhile may need more
        assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
        let told = fs::read_to_string(&log).unwrap();
        assert!(told.contains("stopped by a signal with 3 runs to go"), "{told}");
        let status = succeed(dir.path(), &["status", "results/small"]);
        assert!(status.contains("2 interrupted") && status.contains("1 planned"), "{status}");
        let saved: Vec<u64> = fs::read_dir(&results)
            .unwrap()
            .filter_map(|run| read_manifest(&run.unwrap().path()).ok().flatten())
            .map(|manifest| manifest.steps)
            .collect();
        assert!(saved.len() == 2 && saved.iter().all(|&steps| steps > 0), "{saved:?}");
    }
}

#[test]
fn a_second_signal_stops_at_once() {
    let dir = tempfile::tempdir().unwrap();
    // one step of this takes far longer than the test
    let args =
        ["train", "add", "--engine", "plain", "--set", "model.d_model=2048", "--set", "model.n_heads=1"];
    let mut child = start(dir.path(), &args, &dir.path().join("log"));
    let pid = child.id().to_string();
    let lock_held = || {
        let runs = fs::read_dir(dir.path().join("results/train")).into_iter().flatten().flatten();
        runs.filter(|run| run.path().join(".lock").exists()).count() == 1
    };
    let begun = Instant::now();
    while !lock_held() {
        assert!(begun.elapsed() < Duration::from_secs(60));
        sleep(Duration::from_millis(10));
    }
    for _ in 0..2 {
        assert!(Command::new("kill").args(["-s", "INT", &pid]).status().unwrap().success());
        sleep(Duration::from_millis(300));
    }
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn eight_processes_with_random_kills_do_each_of_64_runs_once() {
    let dir = tempfile::tempdir().unwrap();
    experiment(dir.path(), 3, 64);
    succeed(dir.path(), &["sweep", "small.toml", "--out", "calm"]);
    let expected = contents(&dir.path().join("calm/small"));
    let log = |k: usize| dir.path().join(format!("log{k}"));
    let begin = |k: usize| start(dir.path(), &["sweep", "small.toml", "--jobs", "1"], &log(k));
    let mut rng = rand::rngs::StdRng::from_os_rng();
    let mut processes: Vec<Child> = (0..8).map(begin).collect();
    let mut kills = 0;
    for _ in 0..24 {
        sleep(Duration::from_millis(rng.random_range(10..60)));
        let k = rng.random_range(0..8);
        let _ = processes[k].kill();
        kills += u32::from(processes[k].wait().unwrap().signal() == Some(9));
        processes[k] = begin(k);
    }
    for process in &mut processes {
        assert!(process.wait().unwrap().success());
    }
    assert!(kills > 0, "every process was too quick");
    assert_same(&contents(&dir.path().join("results/small")), &expected, "64 runs");
    // a process tells of a run that it has brought to its end; one that is killed may have had one that it could not tell of
    let told: String = (0..8).map(|k| fs::read_to_string(log(k)).unwrap()).collect();
    let ended: Vec<&str> =
        told.lines().filter(|l| l.contains("ended at epoch") && !l.contains("before")).collect();
    for run in fs::read_dir(dir.path().join("results/small")).unwrap().map(Result::unwrap) {
        let id = run.file_name().into_string().unwrap();
        let times = ended.iter().filter(|line| line.contains(&id)).count();
        assert!(times <= 1, "{id} was done {times} times");
    }
    // no line is of a run that there is not: the sum counts runs
    assert!(ended.len() <= 64, "{} told", ended.len());
    let untold = 64 - ended.len() as u32;
    assert!(untold <= kills, "{untold} runs without a word, {kills} killed");
    println!("64 runs: {} told, {untold} by the {kills} processes that were killed", ended.len());
}

#[test]
fn status_and_verify_tell_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    experiment(dir.path(), 3, 3);
    succeed(dir.path(), &["sweep", "small.toml", "--shard", "1/3"]);
    let status = || succeed(dir.path(), &["status", "results/small"]);
    assert!(status().contains("3 runs: 2 planned, 1 done"), "{}", status());
    succeed(dir.path(), &["sweep", "small.toml"]);
    let json: serde_json::Value =
        serde_json::from_str(&succeed(dir.path(), &["status", "results/small", "--json"])).unwrap();
    assert_eq!((&json["counts"]["done"], json["runs"].as_array().unwrap().len()), (&3.into(), 3));
    assert!(succeed(dir.path(), &["verify", "results"]).contains("3 of 3 runs are whole"));

    let id = json["runs"][1]["run"].as_str().unwrap();
    let same = succeed(dir.path(), &["verify", "results/small", "--rerun", id]);
    assert_eq!(same.matches("the same").count(), 8, "{same}");

    // a damaged parameter file is found by `verify`, and by nobody who does not read it
    let parameters = dir.path().join("results/small").join(id).join("final.safetensors");
    let mut bytes = fs::read(&parameters).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&parameters, bytes).unwrap();
    let output = groklab(dir.path(), &["verify", "results/small"]);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("final.safetensors") && told.contains("verify"), "{told}");
    assert!(text(&output.stdout).contains("2 of 3 runs are whole"));
    let output = groklab(dir.path(), &["verify", "results/small", "--rerun", id]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("final.safetensors: differs from byte"));
    assert_eq!(verify_run(parameters.parent().unwrap()).len(), 1);
}

#[test]
fn a_run_directory_of_a_newer_format_is_refused_and_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    experiment(dir.path(), 3, 2);
    succeed(dir.path(), &["sweep", "small.toml"]);
    let run = fs::read_dir(dir.path().join("results/small")).unwrap().map(|e| e.unwrap().path());
    let run = run.filter(|p| p.is_dir()).min().unwrap();
    let future = r#"{"format": 5, "whatever": "comes"}"#;
    fs::write(run.join("manifest.json"), future).unwrap();
    let before = fs::read(run.join("metrics.csv")).unwrap();
    let output = groklab(dir.path(), &["sweep", "small.toml"]);
    assert_eq!(output.status.code(), Some(1));
    let told = text(&output.stderr);
    assert!(told.contains("format 5") && told.contains("manifest.json"), "{told}");
    assert!(text(&output.stdout).contains("1 of 2 runs finished"));
    assert_eq!(fs::read_to_string(run.join("manifest.json")).unwrap(), future);
    assert_eq!(fs::read(run.join("metrics.csv")).unwrap(), before);
}
