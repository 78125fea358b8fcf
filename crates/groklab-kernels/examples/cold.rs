//! What products lose when their factors have left the caches, as those of a training step have: its buffers are larger
//! than what a core has of a cache that it shares.
//!
//! `taskset -c 1 cargo run --release -p groklab-kernels --example cold [INSTRUCTION SET]`. Before each product so many
//! MiB of other data are read; the first quartile of all calls counts.
#![allow(missing_docs, clippy::print_stdout)]

use groklab_kernels::{
    Finish, InstructionSet, Matrix, MatrixMut, Packed, SizeError, multiply, multiply_adds, multiply_once,
};
use std::{hint::black_box, time::Instant};

const ROWS: usize = 192;
const WIDTH: usize = 128;
const HIDDEN: usize = 512;
/// Each of them has factors of its own, as the pieces of a batch have.
const PIECES: usize = 9;
const ROUNDS: usize = 40;

/// `n` numbers that begin at a cache line, as large buffers do.
fn aligned(n: usize, room: &mut Vec<f32>) -> &mut [f32] {
    room.resize(n + 16, 0.5);
    let skip = room.as_ptr().align_offset(64);
    &mut room[skip..][..n]
}

fn quartile(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 4]
}

fn seconds(work: impl FnOnce() -> Result<(), SizeError>) -> Result<f64, SizeError> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64())
}

fn main() -> Result<(), SizeError> {
    let name = std::env::args().nth(1);
    let set = name.map_or(Some(InstructionSet::best()), |name| InstructionSet::named(&name));
    let Some(set) = set else {
        println!("this processor has {:?}", InstructionSet::all());
        return Ok(());
    };
    let mut room = [const { Vec::new() }; 6];
    let [rows, hidden, slope, weight, gradient, out] = &mut room;
    let rows = aligned(PIECES * ROWS * WIDTH, rows);
    let hidden = aligned(PIECES * ROWS * HIDDEN, hidden);
    let slope = aligned(PIECES * ROWS * HIDDEN, slope);
    let weight = aligned(WIDTH * HIDDEN, weight);
    let gradient = aligned(WIDTH * HIDDEN, gradient);
    let out = aligned(ROWS * HIDDEN, out);
    let (mut packed, mut spare) = (Packed::new(set), Packed::new(set));
    packed.pack(Matrix::new(weight, [WIDTH, HIDDEN])?);
    println!("{set:?}; shares of the multiply-add rate, {ROWS} rows, {WIDTH} x {HIDDEN}");
    println!("MiB read in between: A·B | A·B times a derivative | weight gradient");
    for mib in [0, 4, 8, 12, 16, 32] {
        let others = vec![1.0f32; mib << 18];
        let evict = || _ = black_box(others.iter().step_by(16).sum::<f32>());
        let (mut peak, mut times) = (Vec::new(), [Vec::new(), Vec::new(), Vec::new()]);
        for _ in 0..ROUNDS {
            let mut done = 0;
            let spent = seconds(|| {
                done = multiply_adds(set, 1_000_000);
                Ok(())
            })?;
            peak.push(spent / done as f64);
            for piece in 0..PIECES {
                let at = |width: usize| piece * ROWS * width..(piece + 1) * ROWS * width;
                let a = Matrix::new(&rows[at(WIDTH)], [ROWS, WIDTH])?;
                let h = Matrix::new(&hidden[at(HIDDEN)], [ROWS, HIDDEN])?;
                let derivative = Some(Matrix::new(&slope[at(HIDDEN)], [ROWS, HIDDEN])?);
                for (times, finish) in times
                    .iter_mut()
                    .zip([Finish::default(), Finish { times: derivative, ..Finish::default() }])
                {
                    evict();
                    let c = MatrixMut::new(out, [ROWS, HIDDEN])?;
                    times.push(seconds(|| multiply(c, a, &packed, &finish))?);
                }
                evict();
                let finish = Finish { keep: true, ..Finish::default() };
                let c = MatrixMut::new(gradient, [WIDTH, HIDDEN])?;
                times[2].push(seconds(|| multiply_once(c, a.transposed(), h, &finish, &mut spare))?);
            }
        }
        let peak = quartile(peak);
        let shares = times.map(|t| 100.0 * peak * (ROWS * WIDTH * HIDDEN) as f64 / quartile(t));
        println!("{mib:4}: {:5.1} % {:5.1} % {:5.1} %", shares[0], shares[1], shares[2]);
    }
    Ok(())
}
