//! The first 20 steps of training as PyTorch computes them (recorded by tests/oracle/replay.py).

use safetensors::SafeTensors;
use serde_json::Value;

#[test]
fn twenty_steps_have_pytorchs_losses() {
    let without = ["--set", "model.sequence=without-operator"];
    for (preset, set, record) in [
        ("paper", &[][..], include_str!("../oracle/replay-paper.json")),
        ("power", &[], include_str!("../oracle/replay-power.json")),
        ("paper", &without, include_str!("../oracle/replay-sequence.json")),
    ] {
        let record: Value = serde_json::from_str(record).unwrap();
        let expected: Vec<f64> =
            record["losses"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        assert_eq!(expected.len(), 20);
        for engine in ["plain", "auto"] {
            let dir = tempfile::tempdir().unwrap();
            let args =
                ["trace", "add", "--steps", "20", "--preset", preset, "--engine", engine, "--out", "t"];
            super::succeed(dir.path(), &[&args[..], set].concat());
            let bytes = std::fs::read(dir.path().join("t")).unwrap();
            let file = SafeTensors::deserialize(&bytes).unwrap();
            let losses = file.tensor("losses").unwrap();
            let losses = losses.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
            for (step, (ours, theirs)) in losses.zip(&expected).enumerate() {
                let difference = (f64::from(ours) - theirs).abs();
                assert!(
                    difference < 1e-4,
                    "{preset} {set:?}, {engine}, step {step}: {ours} against {theirs}"
                );
            }
        }
    }
}

/// Gradients below 1e-9, so that every step is lr·m̂/(√v̂ + ε) with ε = 1e-8 far above √v̂: how far the shifts of the
/// norms go, which begin at 0, is PyTorch's to a thousandth. Without ε, with its root or with 1,000·ε it is at least ten times
/// another.
#[test]
fn epsilon_is_where_pytorch_has_it() {
    let record: Value = serde_json::from_str(include_str!("../oracle/replay-epsilon.json")).unwrap();
    assert!(record["largest_gradient"].as_f64().unwrap() < 1e-9);
    for engine in ["plain", "auto"] {
        let dir = tempfile::tempdir().unwrap();
        let set = ["--set", "model.output_scale=1e-8", "--set", "optim.weight_decay=0"];
        let trace = ["trace", "add", "--steps", "20", "--engine", engine, "--out", "t"];
        super::succeed(dir.path(), &[&trace[..], &set].concat());
        let bytes = std::fs::read(dir.path().join("t")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let mut compared = 0;
        for (name, moved) in record["moved"].as_object().unwrap() {
            let theirs: Vec<f64> = moved.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
            let largest = theirs.iter().fold(0f64, |a, b| a.max(b.abs()));
            if !name.contains("norm") || !name.ends_with("bias") {
                continue;
            }
            assert!(largest > 1e-8, "{name} did not move");
            let read = |kind: &str| -> Vec<f64> {
                let tensor = file.tensor(&format!("{kind}.{name}")).unwrap();
                let floats = tensor.data().chunks_exact(4).take(theirs.len());
                floats.map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap()))).collect()
            };
            for ((to, from), theirs) in read("final").iter().zip(read("initial")).zip(&theirs) {
                let ours = to - from;
                assert!((ours - theirs).abs() < 1e-3 * largest, "{engine}, {name}: {ours} against {theirs}");
            }
            compared += 1;
        }
        assert_eq!(compared, 5);
    }
}

#[test]
fn metrics_of_every_step_are_at_the_end_of_an_epoch_those_of_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let keys =
        ["model.d_model=16", "model.d_mlp=16", "data.batch_size=1500", "train.max_epochs=2", "probe.every=1"];
    let set: Vec<&str> = keys.iter().flat_map(|key| ["--set", key]).collect();
    let trace = ["trace", "add", "--steps", "9", "--metrics", "steps.csv", "--out", "t"];
    super::succeed(dir.path(), &[&trace[..], &set].concat());
    super::succeed(dir.path(), &[&["train", "add", "--out", "runs"], &set[..]].concat());
    let run = std::fs::read_dir(dir.path().join("runs")).unwrap().next().unwrap().unwrap().path();
    let rows = |path: std::path::PathBuf| -> Vec<String> {
        std::fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
    };
    let (steps, ends) = (rows(dir.path().join("steps.csv")), rows(run.join("metrics.csv")));
    // a header, then before the first step and after each; four steps an epoch
    assert_eq!((steps.len(), ends.len()), (1 + 10, 1 + 3));
    assert_eq!(
        [&steps[0], &steps[1], &steps[1 + 4], &steps[1 + 8]],
        [&ends[0], &ends[1], &ends[2], &ends[3]]
    );
}

#[test]
fn a_trace_starts_from_another_traces_parameters() {
    let dir = tempfile::tempdir().unwrap();
    let small = ["--set", "model.d_model=16", "--set", "model.d_mlp=16"];
    let trace = |rest: &[&str]| super::succeed(dir.path(), &[&["trace", "add"], &small[..], rest].concat());
    let initial = |name: &str, prefix: &str| {
        let bytes = std::fs::read(dir.path().join(name)).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        file.tensor(&format!("{prefix}blocks.1.mlp.up.weight")).unwrap().data().to_vec()
    };
    trace(&["--steps", "1", "--seed", "1", "--out", "a"]);
    trace(&["--steps", "1", "--seed", "2", "--out", "b"]);
    trace(&["--steps", "1", "--seed", "2", "--from", "a", "--out", "c"]);
    assert_ne!(initial("a", "initial."), initial("b", "initial."));
    assert_eq!(initial("a", "initial."), initial("c", "initial."));

    let wrong = super::groklab(dir.path(), &["trace", "add", "--from", "a", "--out", "d"]);
    assert_eq!(wrong.status.code(), Some(3));
    assert!(super::text(&wrong.stderr).contains("the model needs F32"));
    assert!(!dir.path().join("d").exists());
}
