//! The arrows between the rooms of `src` and of `crates/groklab-cli`, which stands upon it, go down only; this reads them off
//! the code's own `crate::` and `groklab::` paths.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Each room and the rooms it may use, in their order. A room within a room has a line of its own; what a line names it may
/// use with all that is in it.
const ARROWS: &[(&str, &[&str])] = &[
    ("excerpt", &[]),
    ("probe", &[]),
    ("program", &[]),
    ("run", &["excerpt"]),
    ("store", &["probe", "program", "run"]),
    ("sweep", &["probe", "program", "run", "store"]),
    ("kinds", &["run", "store"]),
    ("kinds/operations", &["excerpt", "probe", "run", "store", "sweep"]),
    ("kinds/operations/task", &["excerpt"]),
    ("kinds/operations/config", &["kinds/operations/task", "probe", "run"]),
    ("kinds/operations/data", &["kinds/operations/config", "kinds/operations/task"]),
    (
        "kinds/operations/model",
        &["kinds/operations/config", "kinds/operations/data", "kinds/operations/task", "run"],
    ),
    (
        "kinds/operations/optim",
        &["kinds/operations/config", "kinds/operations/data", "kinds/operations/model"],
    ),
    (
        "kinds/operations/engine",
        &[
            "kinds/operations/config",
            "kinds/operations/data",
            "kinds/operations/model",
            "kinds/operations/optim",
            "kinds/operations/task",
            "probe",
            "run",
        ],
    ),
    ("kinds/vectors", &["probe", "run"]),
    ("kinds/text", &["excerpt", "probe", "program", "run"]),
    ("experiment", &["excerpt", "kinds", "run"]),
    ("bench", &["kinds", "probe"]),
    ("analysis", &["kinds", "probe", "run", "store"]),
    ("render", &["analysis", "run", "store"]),
    ("studies", &["analysis", "probe", "render", "run", "store"]),
    ("studies/grokking", &["analysis", "kinds", "probe", "render", "run", "store"]),
    ("report", &["analysis", "render", "run", "store", "studies"]),
    (
        "cli",
        &[
            "analysis",
            "bench",
            "excerpt",
            "experiment",
            "kinds",
            "probe",
            "program",
            "render",
            "report",
            "run",
            "store",
            "studies",
            "sweep",
            "tensors",
        ],
    ),
];

/// What is only there for tests, and may use anything.
const FOR_TESTS: [&str; 2] = ["store/made.rs", "store/faults.rs"];

#[test]
fn rooms_use_only_the_rooms_below_them() {
    let mut seen = BTreeSet::new();
    let floors = ["src", "crates/groklab-cli/src"].map(|floor| crate::root().join(floor));
    let files = floors.iter().flat_map(|src| rust_files(src).into_iter().map(move |file| (src, file)));
    for (src, file) in files {
        let name = file.strip_prefix(src).unwrap().to_string_lossy().replace('\\', "/");
        if name.ends_with("tests.rs") || name.contains("/tests/") || FOR_TESTS.contains(&&*name) {
            continue;
        }
        if matches!(&*name, "lib.rs" | "main.rs") {
            continue;
        }
        let segments: Vec<&str> = name.trim_end_matches(".rs").split('/').collect();
        let room = room_of(&segments).unwrap_or_else(|| panic!("new room {name}"));
        seen.insert(room);
        let (_, allowed) = ARROWS.iter().find(|(r, _)| *r == room).unwrap();
        for path in crate_paths(&fs::read_to_string(&file).unwrap()) {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            let Some(used) = room_of(&path).or_else(|| path.first().copied()) else { continue };
            let is_within = |outer: &str| used == outer || used.starts_with(&format!("{outer}/"));
            // the shared rooms of a kind are open to the rooms in it
            let is_own = is_within(room) || room.starts_with(&format!("{used}/"));
            assert!(
                is_own || allowed.iter().any(|a| is_within(a)),
                "{name} uses {used}; it may use {allowed:?}"
            );
        }
    }
    let unused: Vec<_> = ARROWS.iter().filter(|(room, _)| !seen.contains(room)).collect();
    assert!(unused.is_empty(), "no such rooms: {unused:?}");
}

/// The innermost room of a path.
fn room_of(path: &[&str]) -> Option<&'static str> {
    let names = (1..=path.len()).rev().map(|n| path[..n].join("/"));
    names.into_iter().find_map(|name| ARROWS.iter().map(|(room, _)| *room).find(|room| *room == name))
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    let files = entries.flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|e| e == "rs")).collect()
}

/// Every path behind `crate::` or `groklab::` in the code of a file, without its tests and comments; lists are taken apart.
fn crate_paths(text: &str) -> Vec<Vec<String>> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = code.lines().filter(|l| !l.trim_start().starts_with("//"));
    let code: String = lines.collect::<Vec<_>>().join("\n");
    let mut paths = Vec::new();
    for start in ["crate::", "groklab::"] {
        for (at, _) in code.match_indices(start) {
            tree(&code[at + start.len()..], &mut Vec::new(), &mut paths);
        }
    }
    paths
}

/// Reads one item of a `use` tree; what is behind it.
fn tree<'t>(text: &'t str, before: &mut Vec<String>, paths: &mut Vec<Vec<String>>) -> &'t str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = rest.trim_start();
            match rest.chars().next() {
                Some('}') => return &rest[1..],
                Some(',') => rest = &rest[1..],
                Some(_) => {
                    let behind = tree(rest, &mut before.clone(), paths);
                    // an alias, or what is no tree
                    let end = behind.find([',', '}']).unwrap_or(behind.len());
                    rest = &behind[end..];
                }
                None => return rest,
            }
        }
    }
    let name: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let rest = &text[name.len()..];
    if !name.is_empty() {
        before.push(name);
    }
    match rest.strip_prefix("::") {
        Some(inner) if !before.is_empty() => tree(inner, before, paths),
        _ => {
            paths.push(before.clone());
            rest
        }
    }
}

/// The crate of diagnostics has two rooms, which do not know each other: its root and `tensors`.
#[test]
fn diagnostics_and_files_do_not_know_each_other() {
    let src = crate::root().join("crates/groklab-probe/src");
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
