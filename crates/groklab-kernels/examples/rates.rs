//! Rates of the products that a training step consists of, as shares of the register multiply-add rate.
//!
//! `taskset -c 1 cargo run --release -p groklab-kernels --example rates [INSTRUCTION SET]`. Both are taken in turn, in
//! windows of 0.3 ms; of each the best counts, so that a busy machine changes little.
#![allow(missing_docs, clippy::print_stdout)]

use groklab_kernels::{
    Finish, InstructionSet, Matrix, MatrixMut, Packed, SizeError, multiply, multiply_adds, multiply_once,
};
use std::time::Instant;

const SHAPES: [(&str, [usize; 3]); 10] = [
    ("square", [768, 768, 768]),
    ("MLP up", [252, 128, 512]),
    ("MLP up", [96, 128, 512]),
    ("MLP down", [252, 512, 128]),
    ("MLP down", [96, 512, 128]),
    ("keys and values", [1218, 128, 256]),
    ("output", [512, 128, 128]),
    ("head", [512, 128, 97]),
    ("symbols", [97, 128, 128]),
    ("in first cache", [36, 128, 32]),
];

/// Seconds of one call in the best window.
fn window(best: &mut f64, mut work: impl FnMut()) {
    let (start, mut calls) = (Instant::now(), 0);
    while calls == 0 || start.elapsed().as_secs_f64() < 0.0003 {
        work();
        calls += 1;
    }
    *best = best.min(start.elapsed().as_secs_f64() / f64::from(calls));
}

#[allow(clippy::expect_used)] // a measurement may stop
fn product(c: &mut [f32], a: Matrix<'_>, b: &Packed, finish: &Finish<'_>) {
    let shape = [a.shape()[0], b.shape()[1]];
    let c = MatrixMut::new(c, shape).expect("sizes");
    multiply(c, a, b, finish).expect("sizes");
}

#[allow(clippy::expect_used)]
fn once(c: &mut [f32], a: Matrix<'_>, b: Matrix<'_>, finish: &Finish<'_>, spare: &mut Packed) {
    let c = MatrixMut::new(c, [a.shape()[0], b.shape()[1]]).expect("sizes");
    multiply_once(c, a, b, finish, spare).expect("sizes");
}

fn main() -> Result<(), SizeError> {
    let name = std::env::args().nth(1);
    let set = name.map_or(Some(InstructionSet::best()), |name| InstructionSet::named(&name));
    let Some(set) = set else {
        println!("this processor has {:?}", InstructionSet::all());
        return Ok(());
    };
    println!("{set:?}; shares of the multiply-add rate of the same windows, packing in Gnumbers/s");
    println!(
        "shape (m x k x n): A·B | C + A·B | Aᵀ·B | weight gradient, packing included | packing B | packing Bᵀ"
    );
    for (name, [m, k, n]) in SHAPES {
        let (a, b, dy_data) = (vec![0.5; m * k], vec![0.25; k * n], vec![0.5; m * n]);
        let dy = Matrix::new(&dy_data, [m, n])?;
        let (mut c, mut gradient) = (vec![0.0; m * n], vec![0.0; k * n]);
        let (rows, columns) = (Matrix::new(&a, [m, k])?, Matrix::new(&a, [k, m])?.transposed());
        let (by_rows, by_columns) = (Matrix::new(&b, [k, n])?, Matrix::new(&b, [n, k])?.transposed());
        let (mut right, mut dy_packed, mut spare) = (Packed::new(set), Packed::new(set), Packed::new(set));
        right.pack(by_rows);
        let (store, keep) = (Finish::default(), Finish { keep: true, ..Finish::default() });
        let mut best = [f64::MAX; 7];
        for _ in 0..200 {
            window(&mut best[0], || _ = multiply_adds(set, 1_000_000));
            window(&mut best[1], || product(&mut c, rows, &right, &store));
            window(&mut best[2], || product(&mut c, rows, &right, &keep));
            window(&mut best[3], || product(&mut c, columns, &right, &store));
            window(&mut best[4], || {
                once(&mut gradient, rows.transposed(), dy, &keep, &mut dy_packed);
            });
            window(&mut best[5], || spare.pack(by_rows));
            window(&mut best[6], || spare.pack(by_columns));
        }
        let peak = 1e6 / best[0];
        let share = |t: f64| 100.0 * (m * k * n) as f64 / t / peak;
        println!(
            "{name:16} {m:4} x {k:3} x {n:3}: {:5.1} % {:5.1} % {:5.1} % {:5.1} % {:5.2} {:5.2}   ({:.1} GFLOP/s in registers)",
            share(best[1]),
            share(best[2]),
            share(best[3]),
            share(best[4]),
            (k * n) as f64 / best[5] / 1e9,
            (k * n) as f64 / best[6] / 1e9,
            2e-9 * peak
        );
    }
    Ok(())
}
