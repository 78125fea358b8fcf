//! What leaves the program: claims, JSON, exports, completions and manual pages; closed pipes and colours.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{groklab, refused, succeed, sweep_small, text};

#[test]
fn claims_are_answered_on_real_results_as_text_and_json() {
    let dir = sweep_small();
    let printed = succeed(dir.path(), &["claims", "results/small"]);
    assert!(printed.contains("not enough data") && printed.contains("time to grok"), "{printed}");
    let json: serde_json::Value =
        serde_json::from_str(&succeed(dir.path(), &["claims", "results", "--json"])).unwrap();
    assert_eq!((&json[0]["experiment"], &json[0]["runs"]), (&"small".into(), &4.into()));
    assert!(json[0]["claims"].as_array().unwrap().iter().all(|claim| claim["verdict"].is_string()));
    // two tasks of two seeds that have three epochs to grok
    let times = json[0]["time_to_grok"].as_array().unwrap();
    assert_eq!(times.len(), 2);
    assert!(
        times.iter().all(|time| time["grokked"] == 0 && time["censored_at"] == 3 && time["median"].is_null())
    );
}

#[test]
fn a_table_as_json_holds_what_its_csv_files_hold() {
    let dir = sweep_small();
    let json: serde_json::Value =
        serde_json::from_str(&succeed(dir.path(), &["table", "results/small", "--json"])).unwrap();
    let mut runs = csv::Reader::from_path(dir.path().join("results/small/runs.csv")).unwrap();
    let heads = runs.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = runs.records().map(Result::unwrap).collect();
    assert_eq!(json["runs"].as_array().unwrap().len(), rows.len());
    for (row, object) in rows.iter().zip(json["runs"].as_array().unwrap()) {
        for (head, cell) in heads.iter().zip(row) {
            let same = match &object[head] {
                serde_json::Value::Null => cell.is_empty(),
                serde_json::Value::String(value) => value == cell,
                // serde_json reads floats to their last bit or the one beside it
                value => {
                    let (json, csv) = (value.as_f64().unwrap(), cell.parse::<f64>().unwrap());
                    (json - csv).abs() <= 4e-16 * csv.abs()
                }
            };
            assert!(same, "{head}: {} in JSON, {cell:?} in CSV", object[head]);
        }
    }
}

/// Every file below `dir`.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn tensorboard_files_are_one_a_run_and_the_same_each_time() {
    let dir = sweep_small();
    for out in ["a", "b"] {
        succeed(dir.path(), &["export", "tensorboard", "results", "--out", out]);
    }
    let [a, b] = ["a", "b"].map(|out| files(&dir.path().join(out)));
    assert_eq!(a.len(), 4);
    for (a, b) in a.iter().zip(&b) {
        let run = a.parent().unwrap().file_name().unwrap();
        assert!(dir.path().join("results/small").join(run).is_dir());
        assert!(a.file_name().unwrap().to_string_lossy().contains("tfevents"));
        assert_eq!(fs::read(a).unwrap(), fs::read(b).unwrap());
    }
}

#[test]
fn pooled_tables_have_the_rows_of_every_run_as_far_as_the_budget_goes() {
    let dir = sweep_small();
    let rows = |out: &str, name: &str| -> Vec<BTreeMap<String, String>> {
        let mut reader = csv::Reader::from_path(dir.path().join(out).join("small").join(name)).unwrap();
        reader.deserialize().map(Result::unwrap).collect()
    };
    succeed(dir.path(), &["export", "tables", "results", "--out", "whole"]);
    succeed(dir.path(), &["export", "tables", "results", "--max-epochs", "1", "--out", "short"]);
    for run in rows("whole", "runs.csv") {
        let id = &run["run"];
        assert_eq!(run["state"], "finished");
        // of the run's own files: what stands in a column of its name
        let file = dir.path().join("results/small").join(id).join("metrics.csv");
        let own: Vec<BTreeMap<String, String>> =
            csv::Reader::from_path(file).unwrap().deserialize().map(Result::unwrap).collect();
        let its: Vec<_> = rows("whole", "metrics.csv").into_iter().filter(|row| row["run"] == *id).collect();
        assert!(!own.is_empty() && its.len() >= own.len());
        for (own, its) in own.iter().zip(&its) {
            let number = |row: &BTreeMap<String, String>, key: &str| row[key].parse::<f64>().unwrap();
            assert_eq!(number(own, "lar"), number(its, "lar"));
            assert_eq!((&own["epoch"], &own["step"]), (&its["epoch"], &its["step"]));
        }
    }
    let epochs = |out| rows(out, "metrics.csv").iter().map(|row| row["epoch"].parse::<u64>().unwrap()).max();
    assert!(epochs("short") <= Some(1) && epochs("whole") > epochs("short"));
    assert!(rows("whole", "spectra.csv").iter().any(|row| row["checkpoint"] == "final"));
}

#[test]
fn parquet_is_written_or_its_absence_explained() {
    let dir = sweep_small();
    let output = groklab(dir.path(), &["export", "parquet", "results", "--out", "files"]);
    if cfg!(feature = "parquet") {
        assert!(output.status.success(), "{}", text(&output.stderr));
        let bytes = fs::read(dir.path().join("files/small-spectra.parquet")).unwrap();
        assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"));
    } else {
        assert_eq!(output.status.code(), Some(3));
        assert!(text(&output.stderr).contains("--features parquet"), "{}", text(&output.stderr));
    }
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let dir = tempfile::tempdir().unwrap();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = succeed(dir.path(), &["completions", shell]);
        assert!(script.contains("claims") && script.contains("checkpoint-every"), "{shell}");
    }
    succeed(dir.path(), &["man", "--out", "man"]);
    let page = |name: &str| fs::read_to_string(dir.path().join("man").join(name)).unwrap();
    assert!(page("groklab.1").contains("Exit codes"));
    assert!(page("groklab-claims.1").contains("json"));
    assert!(page("groklab-tasks-list.1").contains("NAME"));
}

#[test]
fn mistakes_write_nothing() {
    let cases: [(&[&str], i32, &str); 5] = [
        (&["claims", "nowhere"], 3, "nowhere"),
        (&["export", "tensorboard", "nowhere", "--out", "logs"], 3, "nowhere"),
        (&["table", "nowhere", "--json", "--format", "csv"], 2, "--format"),
        (&["completions", "tcsh"], 2, "tcsh"),
        (&["man"], 2, "--out"),
    ];
    cases.into_iter().for_each(|(args, code, says)| refused(args, code, says));
}

#[test]
fn a_reader_that_has_gone_away_is_no_failure() {
    let dir = sweep_small();
    let commands: [&[&str]; 10] = [
        &["table", "results/small"],
        &["table", "results/small", "--json"],
        &["claims", "results/small"],
        &["claims", "results/small", "--json"],
        &["status", "results/small"],
        &["verify", "results/small"],
        &["tasks", "list"],
        &["completions", "bash"],
        &["sweep", "small.toml"],
        &["--help"],
    ];
    for args in commands {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_groklab"));
        let output =
            command.args(args).current_dir(dir.path()).stdout(writer).stderr(Stdio::piped()).output();
        let output = output.unwrap();
        let message = text(&output.stderr);
        assert!(output.status.success(), "{args:?}: {}, {message}", output.status);
        assert!(!message.contains("panicked"), "{args:?}: {message}");
    }
}

#[test]
fn the_papers_tables_are_those_of_the_shipped_tasks() {
    let digests = groklab::kinds::operations::task::builtin_names()[..12]
        .iter()
        .map(|name| groklab::kinds::operations::task::Task::find(name).unwrap().digest());
    assert!(digests.eq(groklab_cli::studies::grokking::paper::DIGESTS));
}

#[test]
fn settings_stand_apart_unless_they_are_asked_to_be_pooled() {
    let dir = tempfile::tempdir().unwrap();
    let grid = format!("{}[grid]\n\"data.batch_size\" = [64, 512]\n", super::two_runs());
    fs::write(dir.path().join("small.toml"), grid).unwrap();
    succeed(dir.path(), &["sweep", "small.toml"]);
    let json = |args: &[&str]| -> serde_json::Value {
        serde_json::from_str(&succeed(dir.path(), &[args, &["results/small", "--json"]].concat())).unwrap()
    };
    let settings = |rows: &serde_json::Value| -> Vec<(String, u64)> {
        let row = |row: &serde_json::Value| {
            (row["setting"].as_str().unwrap().into(), row["runs"].as_u64().unwrap())
        };
        rows.as_array().unwrap().iter().map(row).collect()
    };
    let apart = settings(&json(&["table"])["rmse"]);
    assert_eq!(
        (apart[3].clone(), apart[7].clone()),
        (("data.batch_size=64".into(), 2), ("data.batch_size=512".into(), 2))
    );
    assert_eq!(settings(&json(&["table", "--pool"])["rmse"])[3], (String::new(), 4));
    let table = succeed(dir.path(), &["table", "results/small", "--pool"]);
    assert!(table.contains("Pooled, as asked, over 2 settings"), "{table}");
    assert!(!table.contains('±'), "four runs have no interval: {table}");
    let claims = settings(&json(&["claims"]));
    let expected =
        [("all values of data.batch_size", 4), ("data.batch_size=64", 2), ("data.batch_size=512", 2)];
    assert_eq!(claims, expected.map(|(setting, runs)| (setting.to_owned(), runs)));
}

#[test]
fn without_a_plan_every_recipe_stands_alone() {
    let dir = tempfile::tempdir().unwrap();
    for task in ["add", "sub"] {
        let small = ["--set", "model.d_model=16", "--set", "model.d_mlp=16", "--set", "train.max_epochs=2"];
        succeed(dir.path(), &[&["train", task, "--fraction", "0.05", "--out", "mine"], &small[..]].concat());
    }
    let json: serde_json::Value =
        serde_json::from_str(&succeed(dir.path(), &["table", "mine", "--json"])).unwrap();
    let rows = json["rmse"].as_array().unwrap();
    assert_eq!(rows.len(), 8);
    assert_eq!((&rows[0]["setting"], &rows[4]["setting"]), (&"add-f0.05".into(), &"sub-f0.05".into()));
    assert!(rows.iter().all(|row| row["runs"].as_u64().unwrap() <= 1), "{rows:?}");
}

#[test]
fn a_hyphen_is_standard_output_and_what_is_no_file_is_written_through() {
    let dir = sweep_small();
    let page = succeed(dir.path(), &["report", "results/small", "--out", "-"]);
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    succeed(dir.path(), &["report", "results/small", "--out", "report.html"]);
    let same = |other: &str| assert!(other == page, "another page");
    same(&fs::read_to_string(dir.path().join("report.html")).unwrap());
    assert_eq!(
        succeed(dir.path(), &["tasks", "export", "add", "--out", "-"]),
        succeed(dir.path(), &["tasks", "export", "add"])
    );
    assert!(!dir.path().join("-").exists());
    #[cfg(unix)]
    {
        use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
        same(&succeed(dir.path(), &["report", "results/small", "--out", "/dev/stdout"]));
        succeed(dir.path(), &["report", "results/small", "--out", "/dev/null"]);
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
        fs::write(dir.path().join("target.html"), "before").unwrap();
        symlink("target.html", dir.path().join("link.html")).unwrap();
        succeed(dir.path(), &["report", "results/small", "--out", "link.html"]);
        assert!(fs::symlink_metadata(dir.path().join("link.html")).unwrap().is_symlink());
        same(&fs::read_to_string(dir.path().join("target.html")).unwrap());
        // as the umask says
        let command = "umask 027 && exec \"$0\" report results/small --out masked.html";
        let shell = Command::new("sh")
            .args(["-c", command, env!("CARGO_BIN_EXE_groklab")])
            .current_dir(dir.path())
            .output();
        assert!(shell.unwrap().status.success());
        let mode = fs::metadata(dir.path().join("masked.html")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
    }
}

/// Groklab as somebody who may not write in `dir`; root may everywhere, so it goes as nobody.
#[cfg(target_os = "linux")]
fn as_a_guest(dir: &Path, args: &[&str]) -> std::process::Output {
    use std::os::unix::{fs::PermissionsExt, process::CommandExt};
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
    // the build directory may lie where nobody looks
    let program = dir.join("groklab");
    // not by this process: a file it had open for writing could not be run
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_groklab")).arg(&program).status();
    assert!(copied.unwrap().success());
    let mut command = Command::new(program);
    command.args(args).current_dir(dir);
    // SAFETY: it only asks who this is
    if unsafe { libc::geteuid() } == 0 {
        command.uid(65534).gid(65534);
    } else {
        fs::set_permissions(dir.join("results/small"), fs::Permissions::from_mode(0o555)).unwrap();
    }
    command.output().unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn a_table_of_somebody_elses_results_is_printed_and_says_what_it_could_not_write() {
    let dir = sweep_small();
    let printed = succeed(dir.path(), &["table", "results/small"]);
    for name in ["runs.csv", "rmse.csv"] {
        fs::remove_file(dir.path().join("results/small").join(name)).unwrap();
    }
    let output = as_a_guest(dir.path(), &["table", "results/small"]);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(text(&output.stdout), printed);
    for name in ["runs.csv", "rmse.csv"] {
        assert!(said.contains(&format!("results/small/{name}: Permission denied")), "{said}");
        assert!(!dir.path().join("results/small").join(name).exists());
    }
}

/// What groklab writes to a terminal of 80 columns, standard output and error together.
#[cfg(target_os = "linux")]
fn on_a_terminal(dir: &Path, args: &[&str], no_color: bool) -> String {
    use std::{
        fs::File,
        io::Read,
        os::fd::{FromRawFd, OwnedFd},
    };
    let (mut ours, mut theirs) = (0, 0);
    let size = libc::winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    let null = std::ptr::null_mut();
    // SAFETY: the pointers are valid for the call; name and settings may be null
    let opened = unsafe { libc::openpty(&mut ours, &mut theirs, null, std::ptr::null_mut(), &size) };
    assert_eq!(opened, 0, "no pseudo-terminal: {}", std::io::Error::last_os_error());
    // SAFETY: openpty has just opened both, and nobody else owns them
    let (mut ours, theirs) = unsafe { (File::from_raw_fd(ours), OwnedFd::from_raw_fd(theirs)) };
    let mut command = Command::new(env!("CARGO_BIN_EXE_groklab"));
    command.args(args).current_dir(dir).env("TERM", "xterm-256color").stdin(Stdio::null());
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "FORCE_COLOR", "NO_GRAPHICS"] {
        command.env_remove(variable);
    }
    if no_color {
        command.env("NO_COLOR", "1");
    }
    command.stdout(theirs.try_clone().unwrap()).stderr(theirs);
    let mut child = command.spawn().unwrap();
    // the last end of theirs in this process, without which the reading below would never stop
    drop(command);
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(n @ 1..) = ours.read(&mut buffer) {
        seen.extend_from_slice(&buffer[..n]);
    }
    child.wait().unwrap();
    text(&seen)
}

/// Whether there is an escape sequence that sets colours or weights: `ESC [ … m`.
#[cfg(target_os = "linux")]
fn has_colours(text: &str) -> bool {
    text.split("\x1b[")
        .skip(1)
        .any(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m'))
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_gets_colours_unless_no_color_is_set() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("small.toml"), super::SMALL).unwrap();
    // an error report, a usage error, help, and progress bars with a log
    let commands: [&[&str]; 4] =
        [&["table", "nowhere"], &["table", "--jsn"], &["--help"], &["-v", "sweep", "small.toml"]];
    for args in commands {
        let _ = fs::remove_dir_all(dir.path().join("results"));
        let coloured = on_a_terminal(dir.path(), args, false);
        assert!(has_colours(&coloured), "{args:?}: {coloured:?}");
        let _ = fs::remove_dir_all(dir.path().join("results"));
        let plain = on_a_terminal(dir.path(), args, true);
        assert!(!plain.is_empty() && !has_colours(&plain), "{args:?}: {plain:?}");
    }
}

#[test]
fn a_log_that_is_no_terminal_has_no_escape_sequences() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("small.toml"), super::SMALL).unwrap();
    let output = groklab(dir.path(), &["-v", "sweep", "small.toml"]);
    let log = text(&output.stderr);
    assert!(log.contains("INFO") && !log.contains('\x1b'), "{log:?}");
}

#[test]
fn a_study_on_binary_operations_is_asked_its_own_claims() {
    let dir = tempfile::tempdir().unwrap();
    let small =
        super::two_runs().replace("\"model.d_mlp\" = 16", "\"model.d_mlp\" = 16\n\"model.n_layers\" = 1");
    let grid = "[grid]\n\"jacobian.strength\" = [0.0, 0.1]\n\"optim.frozen\" = [\"none\", \"embedding\"]\n";
    fs::write(dir.path().join("small.toml"), format!("study = \"grokalign\"\n{small}{grid}")).unwrap();
    succeed(dir.path(), &["sweep", "small.toml"]);
    let claims = succeed(dir.path(), &["claims", "results/small"]);
    assert!(claims.contains("arXiv 2506.12284 on 8 runs"), "{claims}");
    // what a recipe leaves unsaid is a setting like the others
    let table = succeed(dir.path(), &["table", "results/small"]);
    for setting in ["jacobian.strength=0.0 optim.frozen=none", "jacobian.strength=0.1 optim.frozen=embedding"]
    {
        assert!(table.contains(setting), "{table}");
    }
    let output = groklab(
        dir.path(),
        &[
            "train",
            "add",
            "--engine",
            "factored",
            "--set",
            "jacobian.strength=0.1",
            "--set",
            "train.max_epochs=1",
        ],
    );
    assert!(!output.status.success());
    let message = text(&output.stderr);
    assert!(message.contains("--engine plain"), "{message}");
}
