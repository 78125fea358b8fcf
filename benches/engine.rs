//! The passes of the factored step that are no products, at the study's shapes; the products' rates are an example of
//! `groklab-kernels`, `groklab bench` measures the whole step and its stages.
#![allow(missing_docs, clippy::unwrap_used)] // criterion's macros; and a bench may stop

use criterion::{Criterion, criterion_group, criterion_main};
use groklab::{
    kinds::operations::config::{Activation, Preset},
    kinds::operations::engine::{
        Engine,
        cpu::{FactoredEngine, activation::activate, norm},
    },
    kinds::operations::task::Equation,
};
use std::hint::black_box;

const V: usize = 97;
const BATCH: usize = 512;

/// A permuted table's first rows; parameters small and varied. Timing does not depend on their values.
fn inputs(parameters: usize, rows: usize) -> (Vec<f32>, Vec<Equation>) {
    let params = (0..parameters).map(|i| ((i * 2_654_435_761) % 1000) as f32 * 2e-4 - 0.1).collect();
    let equation = |i: usize| {
        let (x, y) = (i * 7919 % (V * V) / V, i * 7919 % (V * V) % V);
        Equation { x: x as u16, y: y as u16, answer: ((x + y) % V) as u16 }
    };
    (params, (0..rows).map(equation).collect())
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
        let n = groklab::kinds::operations::model::ParamLayout::new(&model, V).len();
        let (params, batch) = inputs(n, BATCH);
        let mut grads = vec![0.0; n];
        c.bench_function(&format!("step of {preset:?}, batch 512, V = 97"), |b| {
            b.iter(|| engine.loss_and_gradients(&params, &batch, &mut grads));
        });
    }
}

criterion_group!(benches, kernels, step);
criterion_main!(benches);
