//! The study's fingerprint: norm placement, activation and initialisation show in the first epochs of LAR.
//! Expected values: the paper's five-seed means (docs/paper/reference.csv) and its figure's first epochs.

/// Two columns of `metrics.csv`.
#[derive(Debug, serde::Deserialize)]
struct Row {
    lar: f64,
    lar_spectra: f64,
}

#[test]
fn the_first_five_epochs_of_x_plus_y_show_the_papers_dip() {
    let dir = tempfile::tempdir().unwrap();
    let set = ["--set", "train.max_epochs=5", "--set", "probe.dense_until=5", "--out", "out"];
    super::succeed(dir.path(), &[&["train", "add", "--seed", "1"], &set[..]].concat());
    let run = std::fs::read_dir(dir.path().join("out")).unwrap().next().unwrap().unwrap().path();
    let lar: Vec<f64> = csv::Reader::from_path(run.join("metrics.csv"))
        .unwrap()
        .deserialize()
        .map(|row| {
            let row: Row = row.unwrap();
            assert!((row.lar - row.lar_spectra).abs() < 1e-6, "norms and spectra disagree: {row:?}");
            row.lar
        })
        .collect();
    assert_eq!(lar.len(), 6);
    assert!((lar[0] - 0.50).abs() < 0.03, "{lar:?}");
    assert!((lar[1] - 0.37).abs() < 0.03, "{lar:?}");
    let lowest = lar.iter().copied().fold(f64::INFINITY, f64::min);
    assert!((0.24..0.30).contains(&lowest), "{lar:?}");
}
