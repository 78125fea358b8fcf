//! Optimisers against recorded trajectories (`tests/oracle/optim.py`), and against themselves when resumed.
#![allow(missing_docs, clippy::unwrap_used)] // a test may

use groklab_vectors::optim::{AdamW, Optimizer, Sgd};

const START: [f32; 4] = [1.0, -2.0, 0.25, 3.0];

fn gradient(params: &[f32]) -> Vec<f32> {
    let (a, b) = ([1.0, 0.1, 3.0, 0.0], [0.5, -1.0, 0.0, 2.0]);
    params.iter().zip(a).zip(b).map(|((p, a), b)| a * p + b).collect()
}

fn made(name: &str, momentum: f64, decay: f64) -> Box<dyn Optimizer> {
    match name {
        "sgd" => Box::new(Sgd::new(momentum as f32, decay as f32, 4)),
        _ => Box::new(AdamW::new(decay, 4)),
    }
}

#[test]
fn trajectories_are_the_recorded_ones() {
    let cases: Vec<Vec<&str>> =
        include_str!("oracle/optim.csv").lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(cases.len(), 5);
    for case in cases {
        let name = case[0];
        let numbers: Vec<f64> = case[1..].iter().map(|text| text.parse().unwrap()).collect();
        let [lr, momentum, decay] = [numbers[0], numbers[1], numbers[2]];
        let mut optimizer = made(name, momentum, decay);
        let mut params = START;
        let path = numbers[3..].chunks(4);
        assert_eq!(path.len(), 50);
        for (step, wanted) in path.enumerate() {
            let grads = gradient(&params);
            optimizer.step(&mut params, &grads, lr).unwrap();
            for (p, wanted) in params.iter().zip(wanted) {
                // 50 steps of f32 rounding on numbers of size 3
                assert!((f64::from(*p) - wanted).abs() < 2e-5, "{name} step {step}: {p} {wanted}");
            }
        }
        assert_eq!(optimizer.steps(), 50);
    }
}

#[test]
fn slots_and_steps_are_the_whole_state() {
    for (name, momentum) in [("sgd", 0.0), ("sgd", 0.9), ("adamw", 0.0)] {
        let mut first = made(name, momentum, 0.1);
        let mut params = START;
        let go = |optimizer: &mut dyn Optimizer, params: &mut [f32; 4], steps| {
            for _ in 0..steps {
                let grads = gradient(params);
                optimizer.step(params, &grads, 0.01).unwrap();
            }
        };
        go(&mut *first, &mut params, 7);
        let mut second = made(name, momentum, 0.1);
        for ((to, slot), (from, stored)) in second.slots_mut().into_iter().zip(first.slots()) {
            assert_eq!(to, from);
            slot.copy_from_slice(stored);
        }
        second.set_steps(first.steps());
        let mut resumed = params;
        go(&mut *first, &mut params, 7);
        go(&mut *second, &mut resumed, 7);
        assert_eq!((params, first.slots()), (resumed, second.slots()));
        assert!(first.step(&mut params, &[0.0; 3], 0.1).is_err());
    }
}
