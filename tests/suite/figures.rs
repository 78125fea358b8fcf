//! `groklab plot`: every figure is drawn or named with its reason, and the same results give the same bytes.

use std::{collections::BTreeMap, fs, path::Path};

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect()
}

#[test]
fn a_figure_is_drawn_or_named_and_results_alone_decide_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("small.toml"), super::two_runs()).unwrap();
    super::succeed(dir.path(), &["sweep", "small.toml"]);
    let plot = |out: &str| {
        let output = super::groklab(dir.path(), &["plot", "results/small", "--out", out]);
        let said = super::text(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("not drawn: small-dip: the runs of each task have one batch size"), "{said}");
        files(&dir.path().join(out))
    };
    let once = plot("a");
    let expected: Vec<String> = ["frequencies", "k95", "lar", "rmse", "seeds", "spectra"]
        .iter()
        .flat_map(|figure| ["png", "svg"].map(|extension| format!("small-{figure}.{extension}")))
        .collect();
    assert!(once.keys().eq(&expected), "{:?}", once.keys());
    assert!(once.iter().all(|(name, bytes)| match name.ends_with("svg") {
        true => bytes.starts_with(b"<svg") && bytes.ends_with(b"</svg>\n"),
        false => bytes.starts_with(b"\x89PNG"),
    }));
    let again = plot("b");
    assert!(once == again);
}
