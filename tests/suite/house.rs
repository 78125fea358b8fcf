//! The arrows between the rooms of `src` go down only; this reads them off the code's own `crate::` paths.

use std::{collections::BTreeSet, fs, path::Path};

/// Each room and the rooms it may use.
const ARROWS: [(&str, &[&str]); 14] = [
    ("task", &[]),
    ("probe", &[]),
    ("config", &["probe", "task"]),
    ("data", &["config", "task"]),
    ("model", &["config", "data", "task"]),
    ("optim", &["config", "data", "model"]),
    ("engine", &["config", "data", "model", "optim", "probe", "task"]),
    ("bench", &["config", "data", "engine", "model", "optim", "probe", "task"]),
    ("store", &["config", "model", "probe", "program", "task"]),
    ("train", &["config", "data", "engine", "model", "optim", "probe", "store", "task"]),
    ("sweep", &["config", "engine", "model", "probe", "program", "store", "task", "train"]),
    ("analysis", &["config", "probe", "store"]),
    ("render", &["analysis", "store"]),
    (
        "cli",
        &[
            "analysis", "bench", "config", "engine", "model", "probe", "render", "store", "sweep", "task",
            "tensors", "train",
        ],
    ),
];

#[test]
fn rooms_use_only_the_rooms_below_them() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(&src).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()) {
        let room = entry.file_name().unwrap().to_string_lossy().into_owned();
        let (_, allowed) =
            ARROWS.iter().find(|(r, _)| *r == room).unwrap_or_else(|| panic!("new room {room}"));
        let mut used = BTreeSet::new();
        read_arrows(&entry, &mut used);
        used.remove(&room);
        let wrong: Vec<_> = used.iter().filter(|u| !allowed.contains(&u.as_str())).collect();
        assert!(wrong.is_empty(), "{room} uses {wrong:?}; its rooms are {allowed:?}");
    }
}

/// The crate of diagnostics has two rooms, which do not know each other: its root and `tensors`.
#[test]
fn diagnostics_and_files_do_not_know_each_other() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/groklab-probe/src");
    let code = |path: &Path| -> String {
        let text = fs::read_to_string(path).unwrap();
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
    };
    let files = |folder: &Path| -> Vec<_> {
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).filter(|path| path.is_file()).collect()
    };
    for file in files(&src) {
        assert!(!code(&file).contains("tensors::"), "{} uses tensors", file.display());
    }
    for file in files(&src.join("tensors")) {
        let code = code(&file);
        assert!(!code.contains("crate::") && !code.contains("super::super"), "{}", file.display());
        assert!(!file.ends_with("mod.rs") || !code.contains("super::"), "{}", file.display());
    }
}

fn read_arrows(path: &Path, used: &mut BTreeSet<String>) {
    if path.is_dir() {
        return fs::read_dir(path).unwrap().for_each(|e| read_arrows(&e.unwrap().path(), used));
    }
    if path.extension().is_none_or(|e| e != "rs") {
        return;
    }
    let text = fs::read_to_string(path).unwrap();
    let code: String =
        text.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => top_level_names(list, used),
            None => drop(used.insert(identifier(rest))),
        }
    }
}

/// The first name of each item of a `{…}` list, nested lists left out.
fn top_level_names(list: &str, used: &mut BTreeSet<String>) {
    let (mut depth, mut fresh) = (0, true);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return,
            '}' => depth -= 1,
            ',' if depth == 0 => fresh = true,
            c if depth == 0 && fresh && c.is_alphabetic() => {
                used.insert(identifier(&list[at..]));
                fresh = false;
            }
            _ => {}
        }
    }
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}
