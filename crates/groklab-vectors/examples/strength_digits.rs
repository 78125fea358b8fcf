//! Test accuracy over the output scale c on hard digits, stopped at 99 % train accuracy (feature-learning strength).
//!
//! `cargo run --release -p groklab-vectors --example strength_digits [SEEDS]`; 10 if not said. 64-64-64-64-10, no biases,
//! He, cross-entropy, SGD with rate 0.003125/c, batches of 32 reshuffled, 100 training rows, 1,500 others to test, at
//! most 4,000 epochs.
#![allow(missing_docs, clippy::print_stdout)]

use groklab_vectors::{
    mlp::{Engine, Init, Loss, Mlp},
    optim::{Optimizer, Sgd},
    probe::accuracy,
    samples::{Samples, hard_digits},
    stream,
};
use rand::seq::SliceRandom;
use std::{error::Error, time::Instant};

const RATE: f64 = 0.003_125;

fn main() -> Result<(), Box<dyn Error>> {
    let seeds: u64 = std::env::args().nth(1).map_or(Ok(10), |text| text.parse())?;
    let all = hard_digits(0)?;
    println!("log2 c, test accuracy in %, standard error, reached the target, median steps, seconds");
    for octave in -12..=4 {
        let start = Instant::now();
        let runs: Vec<Run> =
            (0..seeds).map(|seed| run(&all, seed, 2f32.powi(octave))).collect::<Result<_, _>>()?;
        let n = runs.len() as f64;
        let mean = runs.iter().map(|r| r.test).sum::<f64>() / n;
        let error = (runs.iter().map(|r| (r.test - mean).powi(2)).sum::<f64>() / (n - 1.0) / n).sqrt();
        let mut steps: Vec<u64> = runs.iter().map(|r| r.steps).collect();
        steps.sort_unstable();
        let (reached, seconds) = (runs.iter().filter(|r| r.reached).count(), start.elapsed().as_secs_f64());
        let median = steps.get(steps.len() / 2).copied().unwrap_or(0);
        println!("{octave}, {mean:.1}, {error:.1}, {reached}/{}, {median}, {seconds:.1}", runs.len());
    }
    Ok(())
}

struct Run {
    /// In %.
    test: f64,
    reached: bool,
    steps: u64,
}

fn run(all: &Samples, seed: u64, c: f32) -> Result<Run, Box<dyn Error>> {
    let (train, rest) = all.split(100, seed)?;
    let test = rest.select(&(0..1500).collect::<Vec<_>>())?;
    let mlp = Mlp::new(&[64, 64, 64, 64, 10], false, c)?;
    let mut params = Init::He { scale: 1.0 }.draw(&mlp, seed)?;
    let (mut engine, mut optimizer) = (Engine::new(&mlp), Sgd::new(0.0, 0.0, params.len()));
    let mut grads = vec![0.0; params.len()];
    let mut reached = false;
    for epoch in 1..=4000 {
        let mut order: Vec<usize> = (0..train.rows()).collect();
        order.shuffle(&mut stream(seed, "order", epoch));
        for rows in order.chunks(32) {
            let batch = train.select(rows)?;
            engine.gradient(&params, batch.inputs(), batch.labels(), Loss::CrossEntropy, None, &mut grads)?;
            optimizer.step(&mut params, &grads, RATE / f64::from(c))?;
        }
        reached = accuracy(&mut engine, &params, train.inputs(), train.labels())? >= 0.99;
        if reached {
            break;
        }
    }
    let test = 100.0 * accuracy(&mut engine, &params, test.inputs(), test.labels())?;
    Ok(Run { test, reached, steps: optimizer.steps() })
}
