//! The factored step at the study's shapes, where its time goes, and the kernels it is made of.
//!
//! `taskset -c 1 cargo bench --bench engine -- report` prints the table of docs/performance.md: medians and
//! ratios from one run, with the products' peak measured beside the step.
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)]

use criterion::{Criterion, criterion_group, criterion_main};
use groklab::{
    config::{Activation, Preset},
    engine::{
        Engine,
        cpu::{
            FactoredEngine, Stage,
            activation::activate,
            gemm::{Into, product, product_tn},
            norm,
        },
    },
    task::Equation,
};
use std::{hint::black_box, time::Instant};

const V: usize = 97;
const BATCH: usize = 512;
const ROUNDS: usize = 20;

/// A permuted table's first rows; parameters small and varied. Timing does not depend on their values.
fn inputs(parameters: usize, rows: usize) -> (Vec<f32>, Vec<Equation>) {
    let params = (0..parameters).map(|i| ((i * 2_654_435_761) % 1000) as f32 * 2e-4 - 0.1).collect();
    let equation = |i: usize| {
        let (x, y) = (i * 7919 % (V * V) / V, i * 7919 % (V * V) % V);
        Equation { x: x as u16, y: y as u16, answer: ((x + y) % V) as u16 }
    };
    (params, (0..rows).map(equation).collect())
}

/// Processor time of this thread where the system tells (Linux), so that other work on the core does not count;
/// wall-clock time elsewhere. Coarse: use it over many calls.
fn cpu_seconds(start: Instant) -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = stat.split(' ').next().and_then(|n| n.parse::<f64>().ok());
    nanoseconds.map_or_else(|| start.elapsed().as_secs_f64(), |n| n * 1e-9)
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

fn time(f: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    f();
    start.elapsed().as_secs_f64()
}

/// Shapes of the step's products: rows, inner, outputs.
const SHAPES: [(&str, [usize; 3]); 6] = [
    ("square", [768, 768, 768]),
    ("up", [192, 128, 512]),
    ("down", [192, 512, 128]),
    ("qkv", [1218, 128, 256]),
    ("o", [512, 128, 128]),
    ("head", [512, 128, 97]),
];

fn report(c: &mut Criterion) {
    // only on request: criterion passes the filter through
    if !std::env::args().any(|a| a == "report") {
        return;
    }
    let _ = c;
    for preset in [Preset::Paper, Preset::Power] {
        let model = preset.config("x+y", 0.5, 0).model;
        let mut engine = FactoredEngine::new(&model, V).unwrap();
        let n = groklab::model::ParamLayout::new(&model, V).len();
        let (params, batch) = inputs(n, BATCH);
        let mut grads = vec![0.0; n];
        let mut step = |engine: &mut FactoredEngine| {
            engine.loss_and_gradients(&params, &batch, &mut grads).unwrap();
        };
        let [m, k, p] = SHAPES[0].1;
        let (a, b, mut dst) = (vec![0.5; m * k], vec![0.25; k * p], vec![0.0; m * p]);
        (0..5).for_each(|_| step(&mut engine));
        let origin = Instant::now();
        let (mut seconds, mut peak_seconds) = (0.0, 0.0);
        for _ in 0..ROUNDS {
            let start = cpu_seconds(origin);
            (0..10).for_each(|_| step(&mut engine));
            let middle = cpu_seconds(origin);
            (0..20).for_each(|_| product(&mut dst, &a, &b, [m, k, p], Into::Overwrite));
            seconds += (middle - start) / (10 * ROUNDS) as f64;
            peak_seconds += (cpu_seconds(origin) - middle) / (20 * ROUNDS) as f64;
        }
        let peak = 2.0 * (m * k * p) as f64 / peak_seconds;
        let rate = engine.flops(BATCH) / seconds;
        println!(
            "{preset:?}: {:.2} ms a step, {:.0} GFLOP/s of {:.0} ({:.0} %), {}",
            seconds * 1e3,
            rate / 1e9,
            peak / 1e9,
            100.0 * rate / peak,
            engine.describe()
        );
        engine.times().switch_on();
        (0..100).for_each(|_| step(&mut engine));
        let total: f64 = Stage::ALL.iter().map(|&s| engine.times().seconds(s)).sum();
        for stage in Stage::ALL {
            let seconds = engine.times().seconds(stage);
            println!(
                "    {:<10} {:6.3} ms {:5.1} %",
                format!("{stage:?}"),
                seconds * 10.0,
                100.0 * seconds / total
            );
        }
        let (_, all) = inputs(n, V * V);
        let seconds =
            median((0..5).map(|_| time(&mut || drop(engine.evaluate(&params, &all, None)))).collect());
        println!("    evaluation of {} rows: {:.1} ms", V * V, seconds * 1e3);
    }
    for (name, [m, k, n]) in SHAPES {
        let (a, b, mut dst) = (vec![0.5; m * k], vec![0.25; k * n], vec![0.0; m * n]);
        let mut back = vec![0.0; k * n];
        let forward = median(
            (0..200).map(|_| time(&mut || product(&mut dst, &a, &b, [m, k, n], Into::Overwrite))).collect(),
        );
        let weight = median(
            (0..200).map(|_| time(&mut || product_tn(&mut back, &a, &dst, [k, m, n], Into::Add))).collect(),
        );
        let flops = 2.0 * (m * k * n) as f64 / 1e9;
        println!(
            "product {name:<7} {m:4}x{k:3}x{n:3}: {:5.0} GFLOP/s, with the left transposed {:5.0}",
            flops / forward,
            flops / weight
        );
    }
}

fn kernels(c: &mut Criterion) {
    let arch = pulp::Arch::new();
    let n = 192 * 512;
    let x: Vec<f32> = (0..n).map(|i| (i % 1000) as f32 * 0.01 - 5.0).collect();
    let (mut hidden, mut out) = (x.clone(), vec![0.0; n]);
    for kind in [Activation::Gelu, Activation::Relu] {
        c.bench_function(&format!("{kind:?} of 192 x 512"), |b| {
            b.iter(|| {
                hidden.copy_from_slice(&x);
                activate(arch, kind, black_box(&mut hidden), &mut out);
            });
        });
    }
    let rows = 1218;
    let (x, affine) = (&x[..rows * 64].repeat(2), vec![1.0; 256]);
    let mut y = vec![0.0; rows * 128];
    let mut stats = vec![norm::Stats::default(); rows];
    c.bench_function("LayerNorm of 1218 x 128", |b| {
        b.iter(|| norm::forward(arch, x, &affine, black_box(&mut y), &mut stats));
    });
    let mut d_affine = vec![0.0; 256];
    c.bench_function("LayerNorm backward of 1218 x 128", |b| {
        b.iter(|| norm::backward(arch, (x, &stats), &affine, x, black_box(&mut y), &mut d_affine));
    });
}

fn step(c: &mut Criterion) {
    for preset in [Preset::Paper, Preset::Power] {
        let model = preset.config("x+y", 0.5, 0).model;
        let mut engine = FactoredEngine::new(&model, V).unwrap();
        let n = groklab::model::ParamLayout::new(&model, V).len();
        let (params, batch) = inputs(n, BATCH);
        let mut grads = vec![0.0; n];
        c.bench_function(&format!("step of {preset:?}, batch 512, V = 97"), |b| {
            b.iter(|| engine.loss_and_gradients(&params, &batch, &mut grads));
        });
    }
}

criterion_group!(benches, report, kernels, step);
criterion_main!(benches);
