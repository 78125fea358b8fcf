//! The documents: their links lead somewhere, and the files that they show can be used.

use groklab::{experiment::Experiment, kinds::operations::task::Task};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Every Markdown file of the repository.
fn documents() -> Vec<PathBuf> {
    let root = super::root();
    let mut found: Vec<PathBuf> =
        ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(|name| root.join(name)).into();
    let mut folders = vec![root.join("docs"), root.join("crates"), root.join("tests")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match path.extension() {
                _ if path.is_dir() => folders.push(path),
                Some(end) if end == "md" => found.push(path),
                _ => {}
            }
        }
    }
    found
}

/// A heading as the address of a place: GitHub's rule.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_lead_somewhere() {
    let mut count = 0;
    for file in documents() {
        let text = fs::read_to_string(&file).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            if link.contains("://") || link.contains(['\n', ' ']) || link.is_empty() {
                continue;
            }
            count += 1;
            let (path, place) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { file.clone() } else { file.parent().unwrap().join(path) };
            assert!(target.exists(), "{}: {link} leads nowhere", file.display());
            if !place.is_empty() && target.extension().is_some_and(|end| end == "md") {
                let there = fs::read_to_string(&target).unwrap();
                let mut headings = there.lines().filter_map(|line| line.strip_prefix('#'));
                let is_there = headings.any(|heading| anchor(heading.trim_start_matches('#')) == place);
                assert!(is_there, "{}: {link}: no such heading", file.display());
            }
        }
    }
    assert!(count > 80, "{count} links");
}

/// Every document of `docs/` can be found from its index.
#[test]
fn the_index_names_every_document() {
    let docs = super::root().join("docs");
    let index = fs::read_to_string(docs.join("README.md")).unwrap();
    for path in fs::read_dir(&docs).unwrap().map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_str().unwrap();
        if name != "README.md" {
            assert!(index.contains(&format!("]({name})")), "docs/README.md does not name {name}");
        }
    }
}

#[test]
fn tasks_and_experiments_that_are_shown_can_be_used() {
    let mut shown = 0;
    for file in documents() {
        let text = fs::read_to_string(&file).unwrap();
        for block in text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
            let name = format!("{}:\n{block}", file.display());
            if block.contains("seeds = ") {
                let experiment = Experiment::from_str("shown", block, Path::new("shown.toml"));
                let plan = experiment.and_then(|experiment| experiment.plan(&[]));
                assert!(!plan.unwrap_or_else(|error| panic!("{error}: {name}")).is_empty());
            } else if block.contains("title = ") {
                Task::from_str("shown", block, Path::new("shown.toml"))
                    .unwrap_or_else(|e| panic!("{e}: {name}"));
            } else {
                continue;
            }
            shown += 1;
        }
    }
    assert!(shown >= 2, "{shown}");
}
