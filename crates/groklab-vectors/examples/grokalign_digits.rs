//! Epochs to 0.85 validation accuracy on 200 digits, without the Jacobian term and with λ = 1e-3 (GrokAlign).
//!
//! `cargo run --release -p groklab-vectors --example grokalign_digits [SEEDS [BUDGET]]`; 5 seeds and 100,000 epochs if
//! not said. 64-64-64-64-10, no biases, U(±1/√fan_in) × 8, cross-entropy, AdamW 1e-3 with decay 0.01, full batch, seen
//! every 500 epochs. A run that does not get there counts with its budget and is marked >.
#![allow(missing_docs, clippy::print_stdout)]

use groklab_vectors::{
    mlp::{Engine, Init, Loss, Mlp, Penalty, directions},
    optim::{AdamW, Optimizer},
    probe::{accuracy, jacobian_stats},
    samples::digits,
};
use std::{error::Error, time::Instant};

const EVERY: u64 = 500;

fn main() -> Result<(), Box<dyn Error>> {
    let number = |i: usize, other: u64| std::env::args().nth(i).map_or(Ok(other), |text| text.parse());
    let (seeds, budget) = (number(1, 5)?, number(2, 100_000)?);
    let mut medians = Vec::new();
    for strength in [1e-3, 0.0] {
        let mut epochs = Vec::new();
        for seed in 0..seeds {
            epochs.push(run(seed, strength, budget)?);
        }
        epochs.sort_unstable();
        if let Some(&median) = epochs.get(epochs.len() / 2) {
            println!("lambda {strength}: median {median} of {epochs:?}");
            medians.push(median as f64);
        }
    }
    if let [with, without] = medians[..] {
        println!("ratio of medians {:.2}", without / with);
    }
    Ok(())
}

fn run(seed: u64, strength: f64, budget: u64) -> Result<u64, Box<dyn Error>> {
    let (train, rest) = digits()?.split(200, seed)?;
    let mlp = Mlp::new(&[64, 64, 64, 64, 10], false, 1.0)?;
    let mut params = Init::Uniform { scale: 8.0 }.draw(&mlp, seed)?;
    let (mut engine, mut optimizer) = (Engine::new(&mlp), AdamW::new(0.01, params.len()));
    let (mut grads, mut v) = (vec![0.0; params.len()], vec![0.0; train.rows() * 10]);
    let penalty = Penalty { strength, level: None };
    let start = Instant::now();
    for epoch in 1..=budget {
        let mut term = None;
        if strength > 0.0 {
            directions(seed, epoch, 10, &mut v);
            term = Some((&penalty, &v[..]));
        }
        engine.gradient(&params, train.inputs(), train.labels(), Loss::CrossEntropy, term, &mut grads)?;
        optimizer.step(&mut params, &grads, 1e-3)?;
        if epoch % EVERY == 0 || epoch == budget {
            let reached = accuracy(&mut engine, &params, rest.inputs(), rest.labels())?;
            if reached > 0.85 || epoch == budget {
                let fitted = accuracy(&mut engine, &params, train.inputs(), train.labels())?;
                let norm = jacobian_stats(&mut engine, &params, &train.inputs()[..64 * 64])?.norm;
                let milliseconds = start.elapsed().as_secs_f64() * 1e3 / epoch as f64;
                let mark = if reached > 0.85 { ' ' } else { '>' };
                println!(
                    "lambda {strength} seed {seed}: epoch {mark}{epoch}, train {fitted:.3}, validation {reached:.3}, \
                     |J| {norm:.1}, {milliseconds:.3} ms an epoch"
                );
                return Ok(epoch);
            }
        }
    }
    Ok(budget)
}
