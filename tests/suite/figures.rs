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
    // [set] is the last table
    let inside = format!("{}\"probe.diagnostics\" = [\"matrix_lar\"]\n", super::two_runs());
    fs::write(dir.path().join("small.toml"), inside).unwrap();
    super::succeed(dir.path(), &["sweep", "small.toml"]);
    let plot = |out: &str| {
        let output = super::groklab(dir.path(), &["plot", "results/small", "--out", out]);
        let said = super::text(&output.stderr);
        assert!(output.status.success(), "{said}");
        assert!(said.contains("not drawn: small-dip: the runs of each task have one batch size"), "{said}");
        files(&dir.path().join(out))
    };
    let once = plot("a");
    let expected: Vec<String> = ["frequencies", "k95", "lar", "matrices", "rmse", "seeds", "spectra"]
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

#[test]
fn parameters_that_the_manifest_does_not_vouch_for_are_named_and_left_out() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("small.toml"), super::two_runs()).unwrap();
    super::succeed(dir.path(), &["sweep", "small.toml"]);
    let runs = fs::read_dir(dir.path().join("results/small")).unwrap().map(|entry| entry.unwrap().path());
    for run in runs.filter(|path| path.is_dir()) {
        let path = run.join("final.safetensors");
        let mut bytes = fs::read(&path).unwrap();
        // the last bit of a number: the file is as readable as before
        let at = bytes.len() - 4;
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
    }
    let output = super::groklab(dir.path(), &["plot", "results/small", "--out", "plots"]);
    let said = super::text(&output.stderr);
    assert!(output.status.success(), "{said}");
    let named =
        said.lines().filter(|line| line.starts_with("left out: ") && line.contains("final.safetensors"));
    assert_eq!(named.count(), 2, "{said}");
    assert!(said.contains("its digest is not the one in the manifest"), "{said}");
    assert!(said.contains("not drawn: small-frequencies"), "{said}");
    assert!(
        said.contains("small-matrices: no run recorded the LAR of every matrix; set probe.diagnostics"),
        "{said}"
    );
}
