//! Every optimiser against ten steps of NumPy in f64 (`tests/oracle/optim.py`), and state that is saved and taken up.

use super::*;
use crate::{Layout, Role};
use serde_json::Value;

fn layout() -> Layout {
    let shapes = [
        (Role::Embedding, vec![5, 4]),
        (Role::Matrix, vec![4, 6]),
        (Role::Matrix, vec![6, 4]),
        (Role::Gain, vec![4]),
        (Role::Unembedding, vec![5, 4]),
    ];
    Layout::new(shapes.into_iter().enumerate().map(|(i, (role, shape))| (format!("p{i}"), role, shape)))
}

fn oracle() -> Value {
    serde_json::from_str(include_str!("../../tests/oracle/optim.json")).unwrap()
}

fn list(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&v| v as f32).collect()
}

fn optimizers() -> Vec<(&'static str, Box<dyn Optimizer>, f64)> {
    let adamw =
        AdamConfig { beta1: 0.9, beta2: 0.98, epsilon: 1e-6, weight_decay: 0.1, decay: Decay::Matrices };
    let decayed = MuonConfig { weight_decay: 0.1, ..MuonConfig::LAR };
    let original = MuonConfig { scaling: Scaling::Original, matrix_rate: 50.0, ..MuonConfig::LAR };
    // Of Muon f32 rounds what Newton–Schulz then enlarges up to 485 times: 6e-8 · 485 a step of lr·s ≤ .5 or .01.
    vec![
        ("adam", Box::new(Adam::new(AdamConfig::LAR, &layout())), 2e-6),
        ("adamw", Box::new(Adam::new(adamw, &layout())), 2e-6),
        ("muon-match-adam", Box::new(Muon::new(decayed, &layout()).unwrap()), 1e-5),
        ("muon-original", Box::new(Muon::new(original, &layout()).unwrap()), 1e-4),
    ]
}

fn rate(step: usize) -> f64 {
    0.01 * (step + 1) as f64 / 10.0
}

#[test]
fn ten_steps_agree_with_numpy() {
    let oracle = oracle();
    for (name, mut optimizer, tolerance) in optimizers() {
        let mut params = narrow(&list(&oracle["start"]));
        assert_eq!(params.len(), layout().len());
        for step in 0..10 {
            let grads = narrow(&list(&oracle["grads"][step]));
            optimizer.step(&mut params, &grads, rate(step)).unwrap();
            let expected = list(&oracle[name][step]);
            let worst =
                params.iter().zip(&expected).map(|(a, b)| (f64::from(*a) - b).abs()).fold(0.0, f64::max);
            assert!(worst < tolerance, "{name}, step {step}: {worst}");
        }
        assert_eq!(optimizer.steps(), 10);
    }
}

#[test]
fn state_that_is_saved_and_taken_up_goes_on_with_the_same_bits() {
    let oracle = oracle();
    for ((name, mut whole, _), (_, mut second, _)) in optimizers().into_iter().zip(optimizers()) {
        let mut params = narrow(&list(&oracle["start"]));
        let grads = |step: usize| narrow(&list(&oracle["grads"][step]));
        (0..4).for_each(|step| whole.step(&mut params, &grads(step), rate(step)).unwrap());
        let mut resumed = params.clone();
        second.set_steps(whole.steps());
        for ((to_name, to), (from_name, from)) in second.slots_mut().into_iter().zip(whole.slots()) {
            assert_eq!(to_name, from_name);
            to.copy_from_slice(from);
        }
        for step in 4..10 {
            whole.step(&mut params, &grads(step), rate(step)).unwrap();
            second.step(&mut resumed, &grads(step), rate(step)).unwrap();
        }
        assert_eq!(params, resumed, "{name}");
    }
}

#[test]
fn slots_hold_one_momentum_a_matrix_and_two_moments_of_the_rest() {
    let muon = Muon::new(MuonConfig::LAR, &layout()).unwrap();
    let lengths: Vec<_> = muon.slots().into_iter().map(|(name, slot)| (name, slot.len())).collect();
    assert_eq!(lengths, [("m", 44), ("v", 44), ("momentum", 48)]);
}

#[test]
fn a_buffer_of_another_model_is_refused_and_nothing_changes() {
    for (name, mut optimizer, _) in optimizers() {
        let mut params = vec![1.0; layout().len()];
        let error = optimizer.step(&mut params, &[1.0; 3], 0.1).unwrap_err();
        assert_eq!(error, OptimError::Length { what: "gradients", found: 3, expected: 92 }, "{name}");
        assert!(params.iter().all(|&p| p == 1.0) && optimizer.steps() == 0);
    }
    let odd = Layout::new([("conv".to_string(), Role::Matrix, vec![2, 2, 2])]);
    assert!(
        Muon::new(MuonConfig::LAR, &odd).unwrap_err().to_string().starts_with("conv has shape [2, 2, 2]")
    );
}

/// A known trap: the update has RMS .2 at either orientation, and the original scaling tells outputs from inputs.
#[test]
fn scalings_are_those_of_their_names() {
    assert!((Scaling::MatchAdam.factor([64, 256]) - 3.2).abs() < 1e-12);
    assert!((Scaling::MatchAdam.factor([256, 64]) - 3.2).abs() < 1e-12);
    assert_eq!((Scaling::Original.factor([256, 64]), Scaling::Original.factor([64, 256])), (2.0, 1.0));
}
