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
        // two runs, each with config.toml, task.toml, three tables, their continuations at the end and manifest.json
        assert_eq!(links.len(), 18, "{links:?}");
        for link in links {
            assert!(dir.path().join(place).join(Path::new(&link)).is_file(), "{link} from {place}");
        }
        // n = 16 directions at the first and the last epoch of both runs
        assert_eq!(page.matches("\"checkpoint\":\"initial\"").count(), 2);
        assert_eq!(page.matches("\"checkpoint\":\"final\"").count(), 2);
    }
    // and a model of somebody else's beside them
    let model = super::root().join("tests/oracle/probe_trials/base.safetensors");
    let args = ["report", "results/small", "--out", "both.html", "--probed", model.to_str().unwrap()];
    super::succeed(dir.path(), &args);
    let both = fs::read_to_string(dir.path().join("both.html")).unwrap();
    assert_eq!(links(&both).len(), 18);
    assert_eq!(both.matches("<details id=").count(), 1);
    assert!(both.contains("<summary>lm_head.weight <small>[13, 8] F32</small></summary>"));
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

/// The value that begins at the first `"name":` of the page's data.
fn value(page: &str, name: &str) -> serde_json::Value {
    let (_, rest) = page.split_once(&format!("\"{name}\":")).unwrap();
    serde_json::Deserializer::from_str(rest).into_iter().next().unwrap().unwrap()
}

#[test]
fn figures_that_need_more_are_shown_or_named_with_the_words_of_plot() {
    let dir = tempfile::tempdir().unwrap();
    let page = |study: String| {
        fs::write(dir.path().join("small.toml"), study).unwrap();
        super::succeed(dir.path(), &["sweep", "small.toml"]);
        super::succeed(dir.path(), &["report", "results/small"]);
        fs::read_to_string(dir.path().join("report.html")).unwrap()
    };
    let plain = page(super::two_runs());
    let said = super::text(&super::groklab(dir.path(), &["plot", "results/small"]).stderr);
    for name in ["dip", "matrices"] {
        let reason = value(&plain, name)["undrawn"].as_str().unwrap().to_owned();
        assert!(said.contains(&format!("not drawn: small-{name}: {reason}\n")), "{reason}: {said}");
    }
    // n = 16 directions of a head of 97 residues
    let panels = value(&plain, "frequencies")["drawn"]["panels"].clone();
    assert_eq!(panels.as_array().unwrap().len(), 2, "97 is prime");
    assert_eq!(panels[0]["runs"].as_array().unwrap().len(), 2);

    fs::remove_dir_all(dir.path().join("results")).unwrap();
    let more = "\"probe.dense_until\" = 60\n\"probe.diagnostics\" = [\"matrix_lar\"]\n[grid]\n\"data.batch_size\" = [64, 512]\n";
    let study = super::two_runs().replace("max_epochs\" = 3", "max_epochs\" = 60");
    let more = page(format!("{study}{more}"));
    let dips = value(&more, "dip")["drawn"].clone();
    let rows: Vec<_> = dips[0]["sizes"].as_array().unwrap().iter().map(|size| size["rows"].clone()).collect();
    assert_eq!(rows, [64, 512]);
    assert_eq!(dips[0]["sizes"][0]["runs"].as_array().unwrap().len(), 2);
    let groups = value(&more, "matrices")["drawn"].clone();
    assert_eq!(groups.as_array().unwrap().len(), 2);
    // embedding and unembedding, two blocks of six matrices
    let curves =
        groups[0]["panels"].as_array().unwrap().iter().map(|panel| panel["curves"].as_array().unwrap());
    assert_eq!(curves.map(Vec::len).collect::<Vec<_>>(), [2, 6, 6]);
}
