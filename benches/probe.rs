//! What a probe costs beside a step of training: W of the study, (97, 128) and (120, 128), and 4,704 pooled rows.
#![allow(missing_docs, clippy::unwrap_used)] // criterion's macros; and a bench may stop

use criterion::{Criterion, criterion_group, criterion_main};
use groklab::probe::{Moments, probe};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use std::hint::black_box;

fn gaussian(len: usize) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(len as u64);
    (0..len).map(|_| StandardNormal.sample(&mut rng)).collect()
}

fn bench(c: &mut Criterion) {
    let (n, rows) = (128, 4_704);
    let x = gaussian(rows * n);
    for m in [97, 120] {
        let (w, outputs) = (gaussian(m * n), gaussian(rows * m));
        let mut moments = Moments::new(n, m);
        moments.add(&x, &outputs).unwrap();
        c.bench_function(&format!("probe {m}x{n}"), |b| {
            b.iter(|| probe(black_box(&w), m, n, black_box(&moments)).unwrap());
        });
        c.bench_function(&format!("pool {rows} rows, {m}x{n}"), |b| {
            b.iter(|| {
                let mut moments = Moments::new(n, m);
                moments.add(black_box(&x), black_box(&outputs)).unwrap();
                moments
            });
        });
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
