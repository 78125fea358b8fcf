//! Going on is computing on: a run that is cut after every step records the same bits.

use super::*;
use crate::run::{Pass, Snapshot};

/// A small network of each optimiser, batch and source.
const RUNS: [(&str, &[&str]); 6] = [
    (
        "grokalign-digits",
        &[
            "data.train_rows=20",
            "model.width=8",
            "model.biases=true",
            "train.max_epochs=7",
            "probe.every=3",
            "probe.rows=30",
        ],
    ),
    (
        "grokalign-digits",
        &[
            "data.train_rows=23",
            "data.batch_size=7",
            "model.width=8",
            "data.label_noise=0.2",
            "train.max_epochs=4",
            "probe.every=2",
            "probe.rows=30",
            "jacobian.level=3.0",
        ],
    ),
    (
        "strength-digits",
        &[
            "data.train_rows=23",
            "data.batch_size=7",
            "model.width=8",
            "optim.momentum=0.9",
            "optim.weight_decay=0.01",
            "train.max_epochs=5",
            "probe.every=2",
        ],
    ),
    (
        "strength-digits",
        &[
            "data.train_rows=23",
            "data.batch_size=7",
            "model.width=8",
            "data.shuffle=false",
            "train.max_epochs=5",
            "target.quantity=train-loss",
            "target.at=2.3",
            "train.patience=2",
        ],
    ),
    (
        "strength-mixture",
        &[
            "data.source=sub",
            "train.max_epochs=9",
            "probe.every=4",
            "optim.learning_rate=0.3",
            "target.quantity=none",
        ],
    ),
    (
        "grokalign-xor",
        &["data.width=40", "model.width=8", "train.max_epochs=6", "probe.every=5", "probe.dense_until=2"],
    ),
];

#[test]
fn a_run_that_is_cut_after_every_step_records_the_same_bits() {
    for (preset, settings) in RUNS {
        let planned = plan(preset, settings);
        let (whole, reason, params) = super::run(preset, settings);
        assert!(whole.rows.len() > 2, "{preset} {settings:?}");

        let mut pieces = Notebook::default();
        let mut saved: Option<Snapshot> = None;
        let mut lives = 0;
        let end = loop {
            let mut trainer = Trainer::new(&planned).unwrap();
            if let Some(snapshot) = saved.take() {
                trainer.restore(snapshot).unwrap();
            }
            pieces.left = Some(Cell::new(1));
            lives += 1;
            if let Some(reason) = train(&mut trainer, &mut pieces).unwrap() {
                assert_eq!(trainer.params, params, "{preset} {settings:?}");
                break reason;
            }
            saved = trainer.snapshot();
        };
        assert_eq!(pieces.lines, whole.lines, "{preset} {settings:?}");
        assert_eq!(end.name(), reason);
        let steps = whole.rows.last().unwrap().0.step;
        assert!(lives >= steps, "{lives} lives for {steps} steps");
    }
}

#[test]
fn a_snapshot_of_another_run_is_refused() {
    let (planned, other) = (plan(RUNS[0].0, RUNS[0].1), plan(RUNS[2].0, RUNS[2].1));
    let mut trainer = Trainer::new(&planned).unwrap();
    train(&mut trainer, &mut Notebook { left: Some(Cell::new(3)), ..Notebook::default() }).unwrap();
    let good = trainer.snapshot().unwrap();
    assert_eq!((good.counters.step, good.counters.next_epoch, good.slots.len()), (3, 4, 2));
    assert!(Trainer::new(&other).unwrap().restore(good.clone()).is_err());
    let broken: [fn(&mut Snapshot); 5] = [
        |s| s.counters.step = 5,
        |s| s.counters.next_epoch = 0,
        |s| s.params.truncate(1),
        |s| s.slots[0].0 = "w".into(),
        |s| drop(s.slots.pop()),
    ];
    for breaks in broken {
        let mut snapshot = good.clone();
        breaks(&mut snapshot);
        assert!(trainer.restore(snapshot).is_err());
    }
    trainer.restore(good).unwrap();
}

#[test]
fn a_loss_that_is_not_finite_ends_a_run_and_is_recorded() {
    let settings = ["data.train_rows=20", "optim.learning_rate=1e30", "train.max_epochs=50", "model.width=8"];
    let (notebook, reason, _) = super::run("strength-digits", &settings);
    assert_eq!(reason, "diverged");
    assert!(notebook.rows.len() < 50 && notebook.last("lar").is_nan(), "{:?}", notebook.column("lar"));
    let planned = plan("strength-digits", &settings);
    let mut trainer = Trainer::new(&planned).unwrap();
    // no parameter is changed by a step whose loss is not finite
    trainer.params.fill(f32::NAN);
    trainer.course.next_epoch = 1;
    assert_eq!(crate::run::Learner::round(&mut trainer, &|| true).unwrap(), Pass::NotFinite);
    assert_eq!(trainer.course.step, 0);
}
