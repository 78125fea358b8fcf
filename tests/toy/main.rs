//! The proof that a kind of run needs nothing but itself: [`kind`] is added to the list, and has planning, resume to the
//! byte, sweeps, status, verify, tables, figures, TensorBoard, a report and Slurm. This file is the program, with the kind
//! in it, and the test that runs it.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod kind;

use std::{
    fs,
    path::Path,
    process::{Command, ExitCode, Output},
};

const EXPERIMENT: &str =
    "title = 'toys'\nkind = 'toy'\nseeds = [0, 1, 2]\n[set]\nmomentum = 0.25\n[grid]\nrate = [0.05, 0.2]\n";

fn main() -> ExitCode {
    if std::env::var_os("GROKLAB_TOY").is_some() {
        groklab::kinds::add(&[&kind::Toy]);
        return groklab_cli::cli::main();
    }
    // what a filter of `cargo test` names is elsewhere
    let filters: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    if filters.is_empty() || filters.iter().any(|filter| "toy".contains(filter.as_str())) {
        a_kind_needs_nothing_but_itself();
        println!("test toy::a_kind_needs_nothing_but_itself ... ok");
    }
    ExitCode::SUCCESS
}

fn groklab(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(arguments).current_dir(dir).env("GROKLAB_TOY", "1").output().unwrap()
}

/// What it prints on standard output; it must succeed.
fn succeed(dir: &Path, arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = groklab(dir, arguments);
    assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

fn a_kind_needs_nothing_but_itself() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path();
    fs::write(dir.join("toys.toml"), EXPERIMENT).unwrap();
    assert!(succeed(dir, &["kinds"]).contains("linear regression"));
    assert!(succeed(dir, &["kinds", "toy"]).contains("momentum"));

    // planned, run, counted; less of it is a shorter view of the same runs, and more goes on from there
    succeed(dir, &["sweep", "toys.toml", "--max-epochs", "3"]);
    succeed(dir, &["sweep", "toys.toml"]);
    let status = succeed(dir, &["status", "results/toys"]);
    assert!(status.contains("6 runs: 6 done") && status.contains("learnt at"), "{status}");
    assert!(succeed(dir, &["verify", "results/toys"]).contains("6 of 6 runs are whole"));

    // the bytes of runs that were never stopped, from another plan of the same runs
    succeed(dir, &["sweep", "toys.toml", "--out", "again", "--jobs", "1"]);
    let run = fs::read_dir(dir.join("again/toys")).unwrap().map(|e| e.unwrap().file_name());
    let run = run.map(|name| name.into_string().unwrap()).find(|name| name.starts_with("toy-w4-s1")).unwrap();
    for file in ["metrics.csv", "config.toml", "final.safetensors"] {
        let [one, two] =
            ["results", "again"].map(|out| fs::read(dir.join(out).join("toys").join(&run).join(file)));
        assert!(one.unwrap() == two.unwrap(), "{file}");
    }
    let again = succeed(dir, &["verify", "results/toys", "--rerun", &run]);
    assert!(again.contains("metrics.csv: the same"), "{again}");

    // tables, files and figures
    let table = succeed(dir, &["table", "results/toys"]);
    for part in ["rate=0.05", "rate=0.2", "learnt", "3/3 @", "error"] {
        assert!(table.contains(part), "{part}: {table}");
    }
    let runs = fs::read_to_string(dir.join("results/toys/runs.csv")).unwrap();
    assert!(runs.lines().count() == 7 && runs.contains("final_error"), "{runs}");
    succeed(dir, &["plot", "results/toys"]);
    assert!(fs::read_to_string(dir.join("plots/toys-curves.svg")).unwrap().contains("train_loss"));
    succeed(dir, &["report", "results/toys"]);
    let report = fs::read_to_string(dir.join("report.html")).unwrap();
    assert!(report.contains("linear regression") && report.contains(&run) && report.contains("<svg"));
    succeed(dir, &["export", "tensorboard", "results/toys", "--out", "events"]);
    let events = dir.join("events/toys").join(&run).join("events.out.tfevents.0.groklab");
    assert!(String::from_utf8_lossy(&fs::read(events).unwrap()).contains("train_loss"));
    succeed(dir, &["slurm", "toys.toml", "--nodes", "2"]);
    assert!(fs::read_to_string(dir.join("toys.sbatch")).unwrap().contains("--array=1-2"));

    // a mistake is named where it stands, and nothing is written
    fs::write(dir.join("wrong.toml"), EXPERIMENT.replace("0.2", "2.0")).unwrap();
    let wrong = groklab(dir, &["sweep", "wrong.toml"]);
    let told = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(
        wrong.status.code() == Some(3) && told.contains("0 < rate ≤ 1") && told.contains("wrong.toml"),
        "{told}"
    );
    assert!(!dir.join("results/wrong").exists());
}
