//! What runs do, against loops of the crate's functions and identities of the networks.

use super::*;
use groklab_vectors::{
    mlp::{Engine, Init, Loss, Mlp, Penalty, directions},
    optim::{AdamW, Optimizer, Sgd},
    probe::accuracy,
    samples::{digits, hard_digits},
    stream,
};
use rand::seq::SliceRandom;

#[test]
fn strength_digits_is_the_loop_of_the_crates_example() {
    let (notebook, _, params) =
        run("strength-digits", &["seed=3", "model.output_scale=0.0625", "train.max_epochs=6"]);
    let (train, rest) = hard_digits(0).unwrap().split(100, 3).unwrap();
    let test = rest.select(&(0..1500).collect::<Vec<_>>()).unwrap();
    let mlp = Mlp::new(&[64, 64, 64, 64, 10], false, 0.0625).unwrap();
    let mut wanted = Init::He { scale: 1.0 }.draw(&mlp, 3).unwrap();
    let (mut engine, mut sgd) = (Engine::new(&mlp), Sgd::new(0.0, 0.0, wanted.len()));
    let mut grads = vec![0.0; wanted.len()];
    for epoch in 1..=6 {
        let mut order: Vec<usize> = (0..100).collect();
        order.shuffle(&mut stream(3, "order", epoch));
        for rows in order.chunks(32) {
            let batch = train.select(rows).unwrap();
            engine
                .gradient(&wanted, batch.inputs(), batch.labels(), Loss::CrossEntropy, None, &mut grads)
                .unwrap();
            sgd.step(&mut wanted, &grads, 0.003_125 / 0.0625).unwrap();
        }
    }
    assert_eq!(params, wanted);
    let right = accuracy(&mut engine, &wanted, test.inputs(), test.labels()).unwrap();
    assert_eq!(notebook.last("val_accuracy"), right);
    // in f64 from the logits; an evaluation's exponentials are within two units in the last place of f32 (`mlp::rows`)
    engine.forward(&wanted, train.inputs()).unwrap();
    let losses = engine.logits().chunks(10).zip(train.labels()).map(|(z, &label)| {
        let sum: f64 = z.iter().map(|&z| f64::from(z).exp()).sum();
        sum.ln() - f64::from(z[label as usize])
    });
    let loss = losses.sum::<f64>() / 100.0;
    assert!((notebook.last("train_loss") / loss - 1.0).abs() < 2.4e-7, "{loss}");
}

#[test]
fn grokalign_digits_is_the_loop_of_the_crates_example() {
    let (notebook, _, params) = run("grokalign-digits", &["train.max_epochs=5", "probe.rows=20"]);
    let (train, _) = digits().unwrap().split(200, 0).unwrap();
    let mlp = Mlp::new(&[64, 64, 64, 64, 10], false, 1.0).unwrap();
    let mut wanted = Init::Uniform { scale: 8.0 }.draw(&mlp, 0).unwrap();
    let (mut engine, mut adamw) = (Engine::new(&mlp), AdamW::new(0.01, wanted.len()));
    let (mut grads, mut v) = (vec![0.0; wanted.len()], vec![0.0; 2000]);
    let penalty = Penalty { strength: 1e-3, level: None };
    let mut norms = Vec::new();
    for step in 1..=5 {
        directions(0, step, 10, &mut v);
        let term = Some((&penalty, &v[..]));
        let (x, y) = (train.inputs(), train.labels());
        let value = engine.gradient(&wanted, x, y, Loss::CrossEntropy, term, &mut grads).unwrap();
        adamw.step(&mut wanted, &grads, 1e-3).unwrap();
        norms.push(value.mean_norm.unwrap());
    }
    assert_eq!(params, wanted);
    // R before a step is what that step will see
    let seen = notebook.column("penalty");
    assert!((seen[0] / norms[0] - 1.0).abs() < 1e-6 && (seen[1] / norms[1] - 1.0).abs() < 1e-6);
    // and estimates the norm of the Jacobian
    assert!((seen[0] / notebook.column("jacobian_norm")[0] - 1.0).abs() < 0.2);
}

#[test]
fn scaling_the_output_at_a_rate_over_the_scale_is_scaling_the_start() {
    let common = [
        "model.width=16",
        "train.max_epochs=40",
        "probe.every=10",
        "target.quantity=none",
        "optim.learning_rate=0.3",
    ];
    for init in ["balanced", "uniform"] {
        let init = format!("model.init={init}");
        let scaled: Vec<&str> =
            common.iter().copied().chain([&init[..], "model.output_scale=0.25"]).collect();
        let small: Vec<&str> = common.iter().copied().chain([&init[..], "model.init_scale=0.5"]).collect();
        let [a, b] = [scaled, small].map(|settings| run("strength-mixture", &settings).0.column("val_loss"));
        assert!(a.len() > 4 && a[4] < 0.95 * a[0], "nothing is learned: {a:?}");
        assert!(a.iter().zip(&b).all(|(a, b)| (a / b - 1.0).abs() < 1e-5), "{a:?} {b:?}");
    }
}

#[test]
fn a_target_ends_a_run_where_it_is_first_seen_and_need_not_be_reached() {
    let at = |target: &str, settings: &[&str]| {
        let mut all = vec![
            "optim.learning_rate=0.05",
            "train.max_epochs=60",
            "target.at=0.6",
            "target.every=0",
            "probe.every=1",
        ];
        let target = format!("target.quantity={target}");
        all.push(&target);
        all.extend(settings);
        run("strength-digits", &all)
    };
    for (target, column) in [("train-accuracy", "train_accuracy"), ("val-accuracy", "val_accuracy")] {
        let (notebook, reason, _) = at(target, &["data.pixel_noise=0.0"]);
        let values = notebook.column(column);
        let (last, before) = values.split_last().unwrap();
        assert_eq!(reason, "target");
        assert!(*last >= 0.6 && before.iter().all(|&v| v < 0.6) && before.len() > 1, "{column} {values:?}");
    }
    let (notebook, reason, _) = at("train-loss", &["train.patience=3"]);
    let first = notebook.column("train_loss").iter().position(|&loss| loss <= 0.6).unwrap();
    assert_eq!((reason.as_str(), notebook.rows.len()), ("target", first + 1 + 3));
    let (notebook, reason, _) = at("val-accuracy", &["target.at=0.99", "train.max_epochs=9"]);
    assert_eq!((reason.as_str(), notebook.rows.len()), ("budget", 10));
}

/// Looks between evaluations find what an evaluation after every epoch finds, and change nothing.
#[test]
fn a_target_is_looked_at_between_evaluations() {
    let at = |settings: &[&str]| {
        let common = ["optim.learning_rate=0.05", "train.max_epochs=60", "train.patience=2"];
        let all: Vec<_> = common.iter().chain(settings).copied().collect();
        run("strength-digits", &all)
    };
    for target in [
        ["target.quantity=train-loss", "target.at=0.6"],
        ["target.quantity=train-accuracy", "target.at=0.7"],
        ["target.quantity=val-accuracy", "target.at=0.3"],
    ] {
        let every = |probe: &str, look: &str| at(&[target[0], target[1], probe, look]);
        let (dense, reason, params) = every("probe.every=1", "target.every=0");
        let (sparse, same_reason, same_params) = every("probe.every=50", "target.every=1");
        assert_eq!((reason.as_str(), &same_reason, &same_params), ("target", &reason, &params), "{target:?}");
        let (last, reached) = (dense.rows.len() - 1, dense.rows.len() - 3);
        assert!(reached > 2 && reached < 48, "{reached}");
        let epochs: Vec<_> = sparse.rows.iter().map(|(mark, _)| mark.epoch as usize).collect();
        assert_eq!(epochs, [0, 1, reached, last]);
        for (line, epoch) in sparse.lines.iter().filter(|line| line.starts_with("row")).zip(epochs) {
            let rows: Vec<_> = dense.lines.iter().filter(|line| line.starts_with("row")).collect();
            assert_eq!(line.replace("End", "Trajectory"), rows[epoch].replace("End", "Trajectory"));
        }
        // where it is looked at every fourth epoch alone
        let (coarse, ..) = every("probe.every=50", "target.every=4");
        let seen = coarse.rows[2].0.epoch as usize;
        assert!(seen.is_multiple_of(4) && seen >= reached, "{seen} {reached}");
    }
    // within a budget that ends before it, and at it, the trajectory is the same
    let (whole, ..) = at(&["target.at=0.7", "probe.every=50"]);
    let reached = whole.rows[2].0.epoch;
    for budget in [reached - 1, reached] {
        let settings = ["target.at=0.7", "probe.every=50", &format!("train.max_epochs={budget}")];
        let (short, ..) = at(&settings);
        let trajectory = |notebook: &Notebook| -> Vec<String> {
            let of = notebook.lines.iter().filter(|line| line.starts_with("row Trajectory"));
            of.take(if budget == reached { 3 } else { 2 }).cloned().collect()
        };
        assert_eq!(trajectory(&short), trajectory(&whole));
        assert_eq!(short.rows.last().unwrap().0.epoch, budget);
    }
}

#[test]
fn columns_mean_what_they_say_on_a_run() {
    let (notebook, ..) =
        run("grokalign-xor", &["data.width=60", "model.width=16", "train.max_epochs=12", "probe.every=4"]);
    for name in [
        "lar",
        "penalty",
        "jacobian_norm",
        "centroid_align_val",
        "class_align",
        "neuron_angle",
        "weight_norm",
    ] {
        assert!(notebook.column(name).iter().all(|v| v.is_finite()), "{name}");
    }
    for (a, b) in notebook.column("lar").iter().zip(notebook.column("lar_spectra")) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
    // one output: J has one singular value
    assert!(notebook.column("jacobian_pc1").iter().all(|share| (share - 1.0).abs() < 1e-9));
    let (moved, weights) = (notebook.column("moved"), notebook.column("weight_norm"));
    assert!(moved[0] == 0.0 && moved[11] > 0.01 && weights[11] != weights[0]);
    let (columns, values) = notebook.diagnostics.last().unwrap();
    assert_eq!(columns[0], "lar.layer.0");
    let at = columns.iter().position(|name| name == "lar.layer.1").unwrap();
    assert_eq!(values[at], notebook.last("lar"));

    let (plain, ..) = run("strength-digits", &["train.max_epochs=1"]);
    for name in ["penalty", "jacobian_norm", "class_align", "neuron_cosine"] {
        assert!(plain.column(name).iter().all(|v| v.is_nan()), "{name}");
    }
    assert!(plain.diagnostics.is_empty());
}

#[test]
fn the_last_layers_input_of_a_wide_network_is_not_decomposed() {
    let settings = [
        "model.depth=1",
        "data.width=1025",
        "probe.diagnostics=[\"layers\"]",
        "train.max_epochs=1",
        "model.init=uniform",
    ];
    let planned = plan("strength-mixture", &settings);
    assert!(!crate::run::Planned::has_diagnostics(&planned));
    assert!(run("strength-mixture", &settings).0.column("lar").iter().all(|lar| lar.is_nan()));
}

#[test]
fn noise_and_attacks_cost_accuracy_and_labels_can_be_wrong() {
    let settings =
        ["train.max_epochs=300", "probe.every=300", "model.init_scale=1.0", "target.quantity=none"];
    let (notebook, ..) = run("grokalign-digits", &settings);
    let (columns, values) = notebook.diagnostics.last().unwrap();
    let value = |name: &str| values[columns.iter().position(|column| column == name).unwrap()];
    let clean = notebook.last("val_accuracy");
    assert!(clean > 0.85 && value("noise_1") < value("noise_0.5") && value("pgd_0.25") < value("pgd_0.1"));
    assert!(value("noise_0.5") < clean + 0.02 && value("pgd_0.1") < clean);

    let planned = plan("grokalign-digits", &["data.label_noise=0.1"]);
    let [noisy, val] = planned.sides().unwrap();
    let [clean, same] = plan("grokalign-digits", &[]).sides().unwrap();
    let wrong = noisy.labels().iter().zip(clean.labels()).filter(|(a, b)| a != b).count();
    assert_eq!((wrong, val), (20, same));
}
