//! `groklab report` from outside: what it writes, where its links lead, what it refuses.

use std::{fs, path::Path};

/// Addresses of the links of a page that lead to files.
fn links(page: &str) -> Vec<String> {
    let all = page.split("<a href=\"").skip(1).filter_map(|rest| rest.split_once('"'));
    all.map(|(address, _)| address.to_owned()).filter(|a| a.starts_with('.')).collect()
}

#[test]
fn the_report_is_one_file_whose_links_lead_to_the_runs() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("small.toml"), super::two_runs()).unwrap();
    super::succeed(dir.path(), &["sweep", "small.toml"]);
    let write = |out: &str| {
        super::succeed(dir.path(), &["report", "results/small", "--out", out]);
        fs::read_to_string(dir.path().join(out)).unwrap()
    };
    let (beside, below) = (write("report.html"), write("new/place/report.html"));
    assert_eq!(beside, write("report.html"), "the same results give the same bytes");
    for (page, place) in [(beside, "."), (below, "new/place")] {
        let links = links(&page);
        // two runs, each with config.toml, three tables and manifest.json
        assert_eq!(links.len(), 10, "{links:?}");
        for link in links {
            assert!(dir.path().join(place).join(Path::new(&link)).is_file(), "{link} from {place}");
        }
        // n = 16 directions at the first and the last epoch of both runs
        assert_eq!(page.matches("\"checkpoint\":\"initial\"").count(), 2);
        assert_eq!(page.matches("\"checkpoint\":\"final\"").count(), 2);
    }
}

#[test]
fn mistakes_are_named_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |args: &[&str]| {
        let output = super::groklab(dir.path(), args);
        assert_eq!(output.status.code(), Some(3), "{args:?}");
        super::text(&output.stderr)
    };
    assert!(refused(&["report", "nowhere"]).contains("nowhere"));
    fs::create_dir(dir.path().join("empty")).unwrap();
    assert!(refused(&["report", "empty"]).contains("no run"));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    fs::write(dir.path().join("small.toml"), super::two_runs().replace("[0, 1]", "[0]")).unwrap();
    super::succeed(dir.path(), &["sweep", "small.toml"]);
    assert!(refused(&["report", "results/small", "--out", "empty"]).contains("is a directory"));
    assert!(refused(&["report", "results/small", "--out", "small.toml/report.html"]).contains("small.toml"));
}

#[test]
fn damaged_spectra_are_named_and_the_rest_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("small.toml"), super::two_runs()).unwrap();
    super::succeed(dir.path(), &["sweep", "small.toml"]);
    let run = fs::read_dir(dir.path().join("results/small"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .find(|p| p.is_dir());
    fs::write(run.unwrap().join("spectra.csv"), "damaged").unwrap();
    let output = super::groklab(dir.path(), &["report", "results/small"]);
    assert!(output.status.success());
    assert!(super::text(&output.stderr).contains("spectra.csv"));
    let page = fs::read_to_string(dir.path().join("report.html")).unwrap();
    assert_eq!(page.matches("\"checkpoint\":\"initial\"").count(), 1);
}
