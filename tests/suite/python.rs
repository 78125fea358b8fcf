//! The snippets of `docs/analysis-in-python.md`, taken from the document and run, where Python has what they import.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use super::{sweep_small, text};

/// The ```python blocks of the document.
fn snippets() -> Vec<String> {
    let document = crate::root().join("docs/analysis-in-python.md");
    let document = fs::read_to_string(document).unwrap();
    let blocks = document.split("```python\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

/// What the snippets shall print, from the records themselves: task, fraction → runs, mean LAR, mean |k95 − k_pred|.
fn expected(results: &Path) -> BTreeMap<(String, String), (usize, f64, f64)> {
    let results = groklab::store::read_results(results, Default::default()).unwrap();
    let mut sums: BTreeMap<_, (usize, f64, f64)> = BTreeMap::new();
    for run in results.experiments.iter().flat_map(|experiment| &experiment.runs) {
        let last = run.metrics.last().unwrap();
        let fraction = run.recipe["train_fraction"].as_float().unwrap();
        let sum = sums.entry((run.manifest.data.clone(), fraction.to_string())).or_default();
        let off = (last.get("k95") - last.get("k_pred")).abs();
        *sum = (sum.0 + 1, sum.1 + last.get("lar"), sum.2 + off);
    }
    sums.into_iter().map(|(key, (n, lar, off))| (key, (n, lar / n as f64, off / n as f64))).collect()
}

#[test]
fn the_documents_snippets_print_the_programs_own_numbers() {
    let python = std::env::var("GROKLAB_PYTHON").unwrap_or_else(|_| "python3".into());
    let snippets = snippets();
    assert_eq!(snippets.len(), 2);
    let dir = sweep_small();
    let expected = expected(&dir.path().join("results"));
    for (package, snippet) in ["polars", "pandas"].iter().zip(snippets) {
        let run = |code: &str| Command::new(&python).args(["-c", code]).current_dir(dir.path()).output();
        if !run(&format!("import {package}")).is_ok_and(|output| output.status.success()) {
            // whoever names a Python means it, as the gate does; without one the test is of what there is
            assert!(std::env::var_os("GROKLAB_PYTHON").is_none(), "{python} cannot import {package}");
            println!("skipped: {python} cannot import {package}");
            continue;
        }
        let output = run(&snippet).unwrap();
        assert!(output.status.success(), "{package}: {}", text(&output.stderr));
        let mut printed = csv::Reader::from_reader(&output.stdout[..]);
        assert_eq!(printed.headers().unwrap(), vec!["task", "train_fraction", "runs", "lar", "off"]);
        let rows: Vec<csv::StringRecord> = printed.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), expected.len(), "{package}");
        for row in rows {
            let (runs, lar, off) = expected[&(row[0].to_owned(), row[1].to_owned())];
            let number = |i: usize| row[i].parse::<f64>().unwrap();
            assert_eq!(row[2].parse(), Ok(runs), "{package}: {row:?}");
            assert!((number(3) - lar).abs() < 1e-9 && (number(4) - off).abs() < 1e-9, "{package}: {row:?}");
        }
    }
}
