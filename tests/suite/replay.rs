//! The first 20 steps of training as PyTorch computes them (recorded by tests/oracle/replay.py).

use safetensors::SafeTensors;
use serde_json::Value;

#[test]
fn twenty_steps_have_pytorchs_losses() {
    for (preset, record) in [
        ("paper", include_str!("../oracle/replay-paper.json")),
        ("power", include_str!("../oracle/replay-power.json")),
    ] {
        let record: Value = serde_json::from_str(record).unwrap();
        let expected: Vec<f64> =
            record["losses"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        assert_eq!(expected.len(), 20);
        for engine in ["plain", "auto"] {
            let dir = tempfile::tempdir().unwrap();
            let args =
                ["trace", "add", "--steps", "20", "--preset", preset, "--engine", engine, "--out", "t"];
            super::succeed(dir.path(), &args);
            let bytes = std::fs::read(dir.path().join("t")).unwrap();
            let file = SafeTensors::deserialize(&bytes).unwrap();
            let losses = file.tensor("losses").unwrap();
            let losses = losses.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
            for (step, (ours, theirs)) in losses.zip(&expected).enumerate() {
                let difference = (f64::from(ours) - theirs).abs();
                assert!(difference < 1e-4, "{preset}, {engine}, step {step}: {ours} against {theirs}");
            }
        }
    }
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
