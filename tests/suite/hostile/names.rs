//! Names of files, tasks and experiments: they become names of directories.

use super::Case;
use std::{ffi::OsString, os::unix::ffi::OsStringExt, path::PathBuf};

const TASK: &str = "title = 't'\nmodulus = 97\nexpression = 'x'\n";
const EXPERIMENT: &str = "title = 't'\ntasks = ['add']\ntrain_fractions = [0.5]\nseeds = [0]\n";

fn task(file: &str) -> Case {
    Case::new(format!("the task file {file:?}"), &["tasks", "check", file], &["cannot name a task"])
        .text(file, TASK)
}

fn trained(file: &str) -> Case {
    Case::new(format!("training {file:?}"), &["train", file], &["cannot name a task"]).text(file, TASK)
}

fn experiment(file: &str) -> Case {
    let says = "cannot name an experiment";
    Case::new(format!("the experiment {file:?}"), &["sweep", file], &[says]).text(file, EXPERIMENT)
}

pub fn cases() -> Vec<Case> {
    let long = format!("{}.toml", "n".repeat(200));
    let beyond = format!("./{}.toml", "n".repeat(100_000));
    let not_utf8 = OsString::from_vec(b"a\xff.toml".to_vec());
    let mut strange = Case::new("a name that is not UTF-8", &["tasks", "check"], &["cannot name a task"]);
    strange.args.push(not_utf8.clone());
    let strange = strange.text(PathBuf::from(not_utf8), TASK);
    vec![
        task(".toml"),
        task("..toml"),
        task("...toml"),
        task("./-x.toml"),
        task(" .toml"),
        task("a b.toml"),
        task("a\nb.toml"),
        task("a\u{1b}[31m.toml"),
        task("a\u{202e}b.toml"),
        task("größe.toml"),
        task(&long),
        strange,
        trained("x/...toml"),
        trained("x/a\nb.toml"),
        experiment("..toml"),
        experiment("...toml"),
        experiment("x/..toml"),
        experiment("x/...toml"),
        experiment(" .toml"),
        experiment("a\nb.toml"),
        experiment("a\u{1b}[31m.toml"),
        experiment("./-rf.toml"),
        experiment(".hidden.toml"),
        experiment("a b.toml"),
        experiment(&long),
        Case::new("a path beyond any", &["tasks", "check", &beyond], &["failed to read"]),
        Case::new("an experiment's path beyond any", &["sweep", &beyond], &["cannot read the experiment"]),
        Case::new("a task beyond any name", &["train", &"n".repeat(100_000)], &["there is no task `nnn"]),
        Case::new("a task called ..", &["train", ".."], &["there is no task `..`"]),
        Case::new("a task called /", &["train", "/"], &["/ is a directory"]),
        Case::new("a task that steers", &["train", "\u{1b}[2J"], &["there is no task"]),
        Case::new("no task at all", &["train", ""], &["there is no task"]),
        Case::new("hostile neighbours", &["train", "nosuch"], &["there is no task `nosuch`"])
            .text("tasks/a\u{1b}[2J\nb.toml", TASK)
            .text("tasks/-rf.toml", TASK),
    ]
}
