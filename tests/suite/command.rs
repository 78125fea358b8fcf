//! The command line as a stranger meets it: help, mistakes, exit codes.

use super::refused;

#[test]
fn mistakes_have_a_code_a_reason_and_a_remedy_and_write_nothing() {
    let cases: [(&[&str], i32, &str); 19] = [
        (&["train", "add", "--epochs", "3"], 2, "--max-epochs"),
        (&["sweep", "quick", "--epochs", "3"], 2, "--max-epochs"),
        (&["train", "add", "--set", "optim.lr=1"], 3, "did you mean `optim.learning_rate`?"),
        (&["train", "add", "--seed", "3", "--set", "seed=5"], 3, "`seed` is set twice"),
        (
            &["train", "add", "--max-epochs", "3", "--set", "train.max_epochs=5"],
            3,
            "`train.max_epochs` is set twice",
        ),
        (&["config", "keys", "colour"], 3, "optim.learning_rate"),
        (&["config", "show", "papr"], 3, "paper, power"),
        (&["train", "addd"], 3, "add"),
        (&["train", "add", "--set", "model.depth=3"], 3, "known keys"),
        (&["train", "add", "--set", "optim.beta1=1.5"], 3, "0 ≤ beta1 < 1"),
        (&["train", "add", "--fraction", "1.5"], 3, "0 < train_fraction < 1"),
        (&["sweep", "nowhere.toml"], 3, "binary-ops"),
        (&["sweep", "quick", "--shard", "3/2"], 2, "1 ≤ i ≤ n"),
        (&["sweep", "quick", "--jobs", "0"], 2, "--jobs"),
        (&["sweep", "quick", "--checkpoint-every=-1"], 2, "seconds"),
        (&["status", "nowhere"], 3, "nowhere"),
        (&["verify", "nowhere"], 3, "nowhere"),
        (&["table", "nowhere"], 3, "nowhere"),
        (&["plot", "nowhere"], 3, "nowhere"),
    ];
    cases.into_iter().for_each(|(args, code, says)| refused(args, code, says));
}

/// `config` says what a run will be, what it was, and in what two runs differ.
#[test]
fn configs_are_explained_shown_and_compared() {
    let dir = tempfile::tempdir().unwrap();
    let keys = super::succeed(dir.path(), &["config", "keys", "norm", "learning"]);
    assert!(keys.contains("model.norm = \"pre\"\n  \"post\" in power\n"), "{keys}");
    assert!(keys.contains("      post: norm(x + f(x))") && keys.contains("Peak learning rate."), "{keys}");
    assert!(!keys.contains("batch_size"), "{keys}");
    let json = super::succeed(dir.path(), &["config", "keys", "--kind", "text", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["optim.name"]["choices"], serde_json::json!(["adam", "adamw", "muon"]));

    let set =
        ["--set", "model.d_model=16", "--set", "model.d_mlp=16", "--max-epochs", "1", "--fraction", "0.05"];
    super::succeed(dir.path(), &[&["train", "add"], &set[..]].concat());
    super::succeed(dir.path(), &[&["train", "add", "--set", "optim.beta2=0.9"], &set[..]].concat());
    let mut runs: Vec<String> = std::fs::read_dir(dir.path().join("results/train"))
        .unwrap()
        .map(|run| format!("results/train/{}", run.unwrap().file_name().to_str().unwrap()))
        .collect();
    runs.sort();
    let shown = super::succeed(dir.path(), &["config", "show", &runs[0]]);
    assert!(
        shown.contains("model.d_model = 16  # paper: 128") && shown.contains("train.max_epochs = 1"),
        "{shown}"
    );
    let different = super::succeed(dir.path(), &["config", "diff", &runs[0], &runs[1]]);
    let rows: Vec<&str> = different.lines().skip(3).collect();
    assert_eq!(rows.len(), 2, "{different}");
    assert!(
        rows[1].starts_with("optim.beta2") && rows[1].contains("0.98") && rows[1].contains("0.9"),
        "{different}"
    );
    let same = super::succeed(dir.path(), &["config", "diff", &runs[0], &runs[0]]);
    assert!(same.contains("no key differs"), "{same}");
    let experiment = super::succeed(dir.path(), &["config", "show", "quick"]);
    assert!(
        experiment.contains("# task: \"add\", \"x3_xy\"")
            && experiment.contains("\ntrain.max_epochs = 300\n"),
        "{experiment}"
    );
}

#[test]
fn a_dry_run_says_what_is_to_be_done_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("small.toml"), super::SMALL).unwrap();
    let dry =
        |rest: &[&str]| super::succeed(dir.path(), &[&["sweep", "small.toml", "--dry-run"], rest].concat());
    let told = dry(&[]);
    // 4 runs of 3 epochs
    assert!(told.contains("4 runs: 4 begin; 12 epochs to do at most"), "{told}");
    assert!(!dir.path().join("results").exists());
    super::succeed(dir.path(), &["sweep", "small.toml", "--shard", "1/4"]);
    let told = dry(&["--max-epochs", "5"]);
    assert!(told.contains("4 runs: 3 begin, 1 go on; 17 epochs to do at most"), "{told}");
    let told = dry(&[]);
    assert!(told.contains("4 runs: 3 begin, 1 done; 9 epochs to do at most"), "{told}");
    assert_eq!(told.lines().filter(|line| line.starts_with("done ")).count(), 1, "{told}");
    let runs =
        std::fs::read_dir(dir.path().join("results/small")).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(runs.filter(|path| path.is_dir()).count(), 1, "a run was begun");
}

#[test]
fn a_task_file_that_hides_a_built_in_task_is_named() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("tasks")).unwrap();
    let small = "title = 'mine'\nmodulus = 11\nexpression = 'x + y'\n";
    std::fs::write(dir.path().join("tasks/add.toml"), small).unwrap();
    // a copy of the built-in one hides nothing
    let same = "title = 'copy'\nmodulus = 97\nexpression = 'x - y'\n";
    std::fs::write(dir.path().join("tasks/sub.toml"), same).unwrap();
    let list = super::succeed(dir.path(), &["tasks", "list"]);
    let line =
        |name: &str| list.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap().to_owned();
    assert!(line("add").ends_with("mine, in place of the built-in task"), "{list}");
    assert!(line("sub").ends_with("copy"), "{list}");
    assert!(super::succeed(dir.path(), &["tasks", "show", "add"]).contains("hides       the built-in task"));
    let set = ["--set", "model.d_model=16", "--set", "model.d_mlp=16", "--max-epochs", "1"];
    for (task, is_said) in [("add", true), ("sub", false)] {
        let output = super::groklab(dir.path(), &[&["train", task], &set[..]].concat());
        let told = super::text(&output.stderr);
        assert!(output.status.success(), "{told}");
        assert_eq!(told.contains("not the built-in task of this name"), is_said, "{told}");
    }
}

/// One of each kind of task that people asked for, through training and back.
#[test]
fn tasks_of_every_kind_are_learned_and_verified() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("tasks")).unwrap();
    let tasks = [
        ("order", "modulus = 11\nexpression = 'if x <= y then 1 else 0'\ndomain = 'x != y'"),
        ("quotients", "modulus = 12\nexpression = 'x / y'\ndomain = 'units'"),
        ("product", "group = 'S3 x Z4'\nexpression = 'x * y'"),
        ("dihedral", "group = 'D7'\nexpression = 'x * y * x^-1'"),
        ("both", "modulus = 7\nexpressions = ['x + y', 'x * y']"),
    ];
    let set = [
        "--set",
        "model.d_model=8",
        "--set",
        "model.d_mlp=8",
        "--set",
        "data.batch_size=64",
        "--max-epochs",
        "2",
    ];
    for (name, keys) in tasks {
        let file = format!("title = '{name}'\n{keys}\n");
        std::fs::write(dir.path().join(format!("tasks/{name}.toml")), file).unwrap();
        super::succeed(dir.path(), &["tasks", "check", &format!("tasks/{name}.toml")]);
        assert!(super::succeed(dir.path(), &["tasks", "show", name]).contains("x\\y |"), "{name}");
        super::succeed(dir.path(), &[&["train", name], &set[..]].concat());
    }
    // a split that was written, with the share that the error asks for
    super::succeed(dir.path(), &["tasks", "split", "order", "--fraction", "0.4", "--out", "tasks/kept.csv"]);
    let file = "title = 'kept'\ntable = 'kept.csv'\nsymbols = 11\n";
    std::fs::write(dir.path().join("tasks/kept.toml"), file).unwrap();
    let refused = super::groklab(dir.path(), &[&["train", "kept"], &set[..]].concat());
    assert_eq!(refused.status.code(), Some(3));
    let told = super::text(&refused.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("marks 44") && told.contains("write train_fraction = 0.4"), "{told}");
    super::succeed(dir.path(), &[&["train", "kept", "--fraction", "0.4"], &set[..]].concat());

    // the runs are understood elsewhere, without the task files
    std::fs::remove_dir_all(dir.path().join("tasks")).unwrap();
    for run in std::fs::read_dir(dir.path().join("results/train")).unwrap().map(|run| run.unwrap().path()) {
        let again = super::succeed(dir.path(), &["verify", run.to_str().unwrap(), "--rerun"]);
        assert!(again.contains("metrics.csv: the same") && !again.contains("differs"), "{again}");
    }
    super::succeed(dir.path(), &["report", "results/train"]);
    let parity =
        ["train", "--kind", "vectors", "--preset", "strength-mixture", "--set", "data.source=parity:3"];
    let small =
        ["--set", "data.width=12", "--set", "model.width=8", "--max-epochs", "2", "--out", "results/parity"];
    super::succeed(dir.path(), &[&parity[..], &small].concat());
}

#[test]
fn a_run_is_trained_again_whatever_the_level_it_is_named_at() {
    let dir = super::sweep_small();
    let runs = std::fs::read_dir(dir.path().join("results/small")).unwrap().map(|run| run.unwrap().path());
    let run = runs.filter(|run| run.is_dir()).min().unwrap();
    let id = run.file_name().unwrap().to_str().unwrap();
    for args in [
        vec!["verify", "results", "--rerun", id],
        vec!["verify", "results/small", "--rerun", id],
        vec!["verify", run.to_str().unwrap(), "--rerun", id],
        vec!["verify", run.to_str().unwrap(), "--rerun"],
        vec!["verify", "results", "--rerun", run.to_str().unwrap()],
    ] {
        let told = super::succeed(dir.path(), &args);
        assert!(told.contains("metrics.csv: the same"), "{args:?}: {told}");
    }
    let refused = |args: &[&str]| {
        let output = super::groklab(dir.path(), args);
        assert_eq!(output.status.code(), Some(3), "{args:?}");
        super::text(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let near = refused(&["verify", "results", "--rerun", &id[..id.len() - 1]]);
    assert!(near.contains("none of the 4 runs") && near.contains("did you mean"), "{near}");
    assert!(refused(&["verify", "results", "--rerun"]).contains("is no run: it holds 4"));
    std::fs::rename(dir.path().join("small.toml"), dir.path().join("other.toml")).unwrap();
    super::succeed(dir.path(), &["sweep", "other.toml"]);
    let twice = refused(&["verify", "results", "--rerun", id]);
    assert!(twice.contains("2 runs below results are called") && twice.contains("results/other"), "{twice}");
}

#[cfg(not(feature = "cuda"))]
#[test]
fn a_device_that_is_not_there_is_missed_before_anything_is_written() {
    refused(&["sweep", "quick", "--device", "cuda"], 3, "no CUDA device");
    refused(&["quick", "--device", "cuda"], 3, "no CUDA device");
}

#[test]
fn a_diverging_run_is_recorded_as_such() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["--set", "model.d_model=16", "--set", "model.d_mlp=16", "--set", "optim.learning_rate=1e30"];
    let rest =
        ["--set", "train.max_epochs=40", "--fraction", "0.1", "--set", "model.norm=none", "--out", "out"];
    super::succeed(dir.path(), &[&["train", "add"], &args[..], &rest[..]].concat());
    let run = std::fs::read_dir(dir.path().join("out")).unwrap().next().unwrap().unwrap().path();
    let manifest = std::fs::read_to_string(run.join("manifest.json")).unwrap();
    let manifest: groklab::store::Manifest = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest.stopped, Some(groklab::run::StopReason::milestone("diverged")));
    assert!(manifest.milestones.diverged().is_some());
}
