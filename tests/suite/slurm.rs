//! `groklab slurm` without a Slurm: its script under plain bash, with a `scontrol` that says what it is told to.
//! scripts/slurm-test.sh does it with a real one.

use super::{groklab, succeed, text};
use std::{
    fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

/// One run of `epochs` epochs.
fn experiment(epochs: u32) -> String {
    format!(
        "title = 't'\ntasks = ['add']\ntrain_fractions = [0.05]\nseeds = [0]\n[set]\n\
         'model.d_model' = 16\n'model.d_mlp' = 16\n'train.max_epochs' = {epochs}\n"
    )
}

/// A directory with a nasty name, an experiment, its script, and a `scontrol` for which the job is in `state`.
fn study(epochs: u32, state: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("o'hara's \"$HOME\" `x` \\");
    fs::create_dir(&dir).unwrap();
    fs::write(dir.join("small.toml"), experiment(epochs)).unwrap();
    let printed = succeed(&dir, &["slurm", "--nodes", "4", "--jobs-per-node", "1", "--", "small.toml"]);
    assert!(printed.contains("1 runs over 1 tasks") && printed.contains("sbatch small.sbatch"), "{printed}");
    let scontrol = root.path().join("scontrol");
    let log = root.path().join("scontrol.log");
    let told =
        format!("#!/bin/sh\necho \"$@\" >>'{}'\necho JobId=7 JobState={state} Restarts=0\n", log.display());
    fs::write(&scontrol, told).unwrap();
    fs::set_permissions(&scontrol, fs::Permissions::from_mode(0o755)).unwrap();
    (root, dir)
}

fn start(root: &Path, dir: &Path) -> Child {
    Command::new("bash")
        .arg("./small.sbatch")
        .current_dir(dir)
        .env("PATH", format!("{}:{}", root.display(), std::env::var("PATH").unwrap()))
        .envs([("SLURM_ARRAY_JOB_ID", "7"), ("SLURM_ARRAY_TASK_ID", "1")])
        .process_group(0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until the run trains, signals the script alone or every process of the job, and waits for the end.
fn interrupted(script: Child, dir: &Path, whole_job: bool) -> Output {
    let trains = || {
        let mut runs = fs::read_dir(dir.join("results/small")).into_iter().flatten().flatten();
        runs.any(|run| fs::metadata(run.path().join("metrics.csv")).is_ok_and(|m| m.len() > 0))
    };
    for _ in 0..600 {
        if trains() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(trains(), "the run did not start");
    let whom = if whole_job { format!("-{}", script.id()) } else { script.id().to_string() };
    assert!(Command::new("kill").args(["-TERM", "--", &whom]).status().unwrap().success());
    script.wait_with_output().unwrap()
}

#[test]
fn the_script_runs_the_experiment_and_writes_its_tables() {
    let (root, dir) = study(2, "RUNNING");
    let output = start(root.path(), &dir).wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let results = dir.join("results/small");
    for file in ["table.txt", "runs.csv", "rmse.csv"] {
        assert!(fs::metadata(results.join(file)).unwrap().len() > 0, "{file}");
    }
    assert_eq!(text(&fs::read(results.join("runs.csv")).unwrap()).lines().count(), 2);
    assert!(!root.path().join("scontrol.log").exists());
}

#[test]
fn a_warning_before_the_time_limit_requeues_the_task() {
    let (root, dir) = study(20_000, "RUNNING");
    let output = interrupted(start(root.path(), &dir), &dir, false);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let log = fs::read_to_string(root.path().join("scontrol.log")).unwrap();
    assert_eq!(log, "--oneliner show job 7_1\nrequeue 7_1\n");
    assert!(!dir.join("results/small/table.txt").exists());
}

/// Only bash's own tools and those that the script cannot do without.
#[test]
fn on_a_node_without_scontrol_the_task_saves_says_so_and_writes_what_is_finished() {
    let (root, dir) = study(20_000, "RUNNING");
    fs::remove_file(root.path().join("scontrol")).unwrap();
    let tools = root.path().join("tools");
    fs::create_dir(&tools).unwrap();
    for tool in ["bash", "date", "hostname", "sleep", "mv", "kill"] {
        let found = Command::new("sh").args(["-c", &format!("command -v {tool}")]).output().unwrap();
        let found = text(&found.stdout);
        if found.starts_with('/') {
            std::os::unix::fs::symlink(found.trim(), tools.join(tool)).unwrap();
        }
    }
    let two = experiment(20_000).replace("[0]\n", "[0, 1]\n");
    fs::write(dir.join("small.toml"), two).unwrap();
    let script = Command::new(tools.join("bash"))
        .arg("./small.sbatch")
        .current_dir(&dir)
        .env("PATH", &tools)
        .envs([("SLURM_ARRAY_JOB_ID", "7"), ("SLURM_ARRAY_TASK_ID", "1")])
        .process_group(0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = interrupted(script, &dir, false);
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(143), "{told}");
    assert!(told.contains("no scontrol on") && told.contains("sbatch the script again"), "{told}");
    assert!(!told.contains("command not found"), "{told}");
    // what was done is saved, and the table says how far
    let status = succeed(&dir, &["status", "results/small"]);
    assert!(status.contains("1 interrupted") && status.contains("1 planned"), "{status}");
    assert!(fs::metadata(dir.join("results/small/table.txt")).unwrap().len() > 0);
}

#[test]
fn a_cancelled_task_is_not_requeued() {
    let (root, dir) = study(20_000, "CANCELLED");
    let output = interrupted(start(root.path(), &dir), &dir, true);
    assert_eq!(output.status.code(), Some(143), "{}", text(&output.stderr));
    let log = fs::read_to_string(root.path().join("scontrol.log")).unwrap();
    assert_eq!(log, "--oneliner show job 7_1\n");
}

#[test]
fn a_failing_run_fails_the_task_which_still_writes_tables() {
    let (root, dir) = study(2, "RUNNING");
    let first = start(root.path(), &dir).wait_with_output().unwrap();
    assert!(first.status.success());
    let two = experiment(2).replace("[0]\n", "[0, 1]\n");
    fs::write(dir.join("small.toml"), two).unwrap();
    succeed(&dir, &["sweep", "--out", "names", "--", "small.toml"]);
    for run in fs::read_dir(dir.join("names/small")).unwrap().map(|e| e.unwrap().file_name()) {
        let blocked = dir.join("results/small").join(run);
        if !blocked.exists() {
            fs::write(blocked, "a file where a directory should be").unwrap();
        }
    }
    fs::remove_file(dir.join("results/small/table.txt")).unwrap();
    let second = start(root.path(), &dir).wait_with_output().unwrap();
    assert_eq!(second.status.code(), Some(1), "{}", text(&second.stderr));
    assert!(dir.join("results/small/table.txt").exists());
}

#[test]
fn devices_come_one_a_task_with_shares_and_the_options_of_a_sweep() {
    let dir = tempfile::tempdir().unwrap();
    let args =
        ["slurm", "quick", "--nodes", "8", "--jobs-per-node", "2", "--device", "cuda", "--precision", "tf32"];
    let printed = succeed(dir.path(), &[&args[..], &["--replicas", "3"]].concat());
    assert!(printed.contains("4 runs over 4 tasks, side by side on a GPU"), "{printed}");
    let script = fs::read_to_string(dir.path().join("quick.sbatch")).unwrap();
    for line in [
        "#SBATCH --gres=gpu:1",
        "#SBATCH --cpus-per-task=2",
        "options=(--jobs 2 --shard \"$SLURM_ARRAY_TASK_ID/4\" --device cuda --precision tf32 --replicas 3)",
    ] {
        assert!(script.lines().any(|l| l == line), "{line}: {script}");
    }
}

#[test]
fn mistakes_write_nothing() {
    let cases: [(&[&str], i32, &str); 7] = [
        (&["quick"], 2, "--nodes"),
        (&["quick", "--nodes", "0"], 2, "--nodes"),
        (&["quick", "--nodes", "2", "--time", "soon"], 2, "HH:MM:SS"),
        (&["quick", "--nodes", "2", "--partition", "a b"], 2, "letters, digits"),
        (&["quick", "--nodes", "2", "--device", "cuda"], 2, "--jobs-per-node"),
        (&["quick", "--nodes", "2", "--time", "1"], 3, "--warn-before"),
        (&["quick", "--nodes", "2", "--out", "a\nb"], 3, "line break"),
    ];
    for (args, code, says) in cases {
        let dir = tempfile::tempdir().unwrap();
        let output = groklab(dir.path(), &[&["slurm"], args].concat());
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {message}");
        assert!(message.contains(says), "{args:?}: {message}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "{args:?} wrote something");
    }
}
