//! Diagnostics of runs that another version of this program began.

use super::{
    Settled,
    fault_tests::{contents, interrupted, run_in, undisturbed},
};
use crate::store::{self, read_run, verify_run};
use std::fs;

#[test]
fn a_run_begun_without_diagnostics_is_resumed_and_has_them_from_there_on() {
    let (expected, _) = undisturbed();
    let (root, dir) = interrupted();
    let mut manifest = store::read_manifest(&dir).unwrap().unwrap();
    for point in &mut manifest.saved {
        point.files.remove("diagnostics.csv").unwrap();
    }
    fs::remove_file(dir.join("diagnostics.csv")).unwrap();
    fs::write(dir.join("manifest.json"), manifest.to_bytes().unwrap()).unwrap();
    assert!(verify_run(&dir).is_empty());
    assert_eq!(read_run(&dir).unwrap().diagnostics().unwrap(), None);

    let (settled, notes) = run_in(root.path());
    assert!(matches!(settled, Settled::Finished(_)) && notes.contains("resumed at epoch 3"), "{notes}");
    assert!(verify_run(&dir).is_empty());
    let found = read_run(&dir).unwrap().diagnostics().unwrap().unwrap();
    assert_eq!(found.rows.iter().map(|(epoch, _)| *epoch).collect::<Vec<_>>(), [4]);

    let (whole, other_dir) = interrupted();
    run_in(whole.path());
    let whole = read_run(&other_dir).unwrap();
    let table = whole.diagnostics().unwrap().unwrap();
    let epochs: Vec<u64> = table.column("rankme").iter().map(|(epoch, _)| *epoch).collect();
    assert_eq!(epochs, whole.metrics.iter().map(|row| row.mark.epoch).collect::<Vec<_>>());
    assert_eq!(table.columns, found.columns);
    // as text, in which NaN is NaN
    assert_eq!(format!("{:?}", table.rows.last()), format!("{:?}", found.rows.last()));
    assert!(table.column("no_such_column").is_empty());
    for name in ["metrics.csv", "spectra.csv", "final.safetensors"] {
        assert!(contents(&dir)[name] == expected[name], "{name}");
    }
}

#[test]
fn a_run_begun_with_other_diagnostics_is_not_resumed_under_their_header() {
    let (root, dir) = interrupted();
    let mut manifest = store::read_manifest(&dir).unwrap().unwrap();
    let path = dir.join("diagnostics.csv");
    let text = fs::read_to_string(&path).unwrap();
    // as a program without the last column would have written it
    let narrower = |text: &str| -> String {
        text.lines().map(|line| line.rsplit_once(',').unwrap().0.to_owned() + "\n").collect()
    };
    for point in &mut manifest.saved {
        let extent = point.files.get_mut("diagnostics.csv").unwrap();
        *extent = store::Extent::of(narrower(&text[..extent.bytes as usize]).as_bytes());
    }
    fs::write(&path, narrower(&text)).unwrap();
    fs::write(dir.join("manifest.json"), manifest.to_bytes().unwrap()).unwrap();
    assert!(verify_run(&dir).is_empty());
    let (settled, _) = run_in(root.path());
    let Settled::Failed(reason) = settled else { panic!("{settled:?}") };
    assert!(reason.contains("diagnostics.csv") && reason.contains("another version"), "{reason}");
    let rows = fs::read_to_string(&path).unwrap();
    assert!(
        rows.lines().all(|line| line.split(',').count() == rows.lines().next().unwrap().split(',').count())
    );
}
