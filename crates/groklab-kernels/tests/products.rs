//! Products of random shapes, strides and finishes against the plain double loop in f64.
//!
//! The bound is the rounding analysis' own: a sum of k products in f32, in whatever order, is off by at most
//! (k + extra) · u · Σ|a·b| with u = 2⁻²⁴ (two roundings a term where multiply-adds are not fused).
#![allow(missing_docs, clippy::unwrap_used)]

use groklab_kernels::{
    Finish, INNER_BLOCK, InstructionSet, Matrix, MatrixMut, Packed, multiply, multiply_once,
};
use std::time::UNIX_EPOCH;

/// SplitMix64 (Steele, Lea & Flood 2014).
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }

    fn number(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn numbers(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.number()).collect()
    }

    /// Mostly small, often next to a tile's or a block's edge.
    fn size(&mut self) -> usize {
        const EDGES: [usize; 14] = [0, 1, 2, 6, 7, 13, 16, 17, 48, 49, 97, 120, 128, INNER_BLOCK];
        match self.below(4) {
            0 => EDGES[self.below(EDGES.len())],
            1 => self.below(140),
            _ => self.below(24),
        }
    }
}

/// A matrix with room around it, in one of the storage orders.
struct Stored {
    data: Vec<f32>,
    shape: [usize; 2],
    strides: [usize; 2],
}

impl Stored {
    fn new(random: &mut Random, shape: [usize; 2], orders: usize) -> Self {
        let gap = random.below(2) * random.below(4);
        let strides = match random.below(orders) {
            0 => [shape[1] + gap, 1],
            1 => [1, shape[0] + gap],
            _ => [3 * shape[1] + gap + 2, 3],
        };
        let len = shape[0] * strides[0].max(1) + shape[1] * strides[1].max(1);
        Self { data: random.numbers(len), shape, strides }
    }

    fn view(&self) -> Matrix<'_> {
        Matrix::strided(&self.data, self.shape, self.strides).unwrap()
    }

    fn at(&self, i: usize, j: usize) -> f64 {
        f64::from(self.data[i * self.strides[0] + j * self.strides[1]])
    }
}

fn check(set: InstructionSet, random: &mut Random, [m, k, n]: [usize; 3]) {
    let a = Stored::new(random, [m, k], 3);
    let b = Stored::new(random, [k, n], 3);
    let mut flip = || random.below(2) == 1;
    let (keep, has_row, has_residual, relu, has_times, has_gate) =
        (flip(), flip(), flip(), flip(), flip(), flip());
    let row = random.numbers(n);
    let [residual, times, gate] = std::array::from_fn(|_| Stored::new(random, [m, n], 1));
    let row_stride = n + random.below(3);
    // what must not be read is not a number
    let old: Vec<f32> = match keep {
        true => random.numbers(m * row_stride + 1),
        false => vec![f32::NAN; m * row_stride + 1],
    };
    let finish = Finish {
        keep,
        row: has_row.then_some(&row),
        residual: has_residual.then(|| residual.view()),
        relu,
        times: has_times.then(|| times.view()),
        gate: has_gate.then(|| gate.view()),
    };
    let mut packed = Packed::new(set);
    packed.pack(b.view());
    let mut c = old.clone();
    multiply(MatrixMut::strided(&mut c, [m, n], row_stride).unwrap(), a.view(), &packed, &finish).unwrap();
    // in place or packed, it is the same sum
    let (mut once, mut spare) = (old.clone(), Packed::new(set));
    let view = MatrixMut::strided(&mut once, [m, n], row_stride).unwrap();
    multiply_once(view, a.view(), b.view(), &finish, &mut spare).unwrap();
    assert!(
        c.iter().zip(&once).all(|(c, once)| c.to_bits() == once.to_bits()),
        "{set:?} {m}x{k}x{n} {finish:?}"
    );

    for i in 0..m {
        for j in 0..n {
            let (mut sum, mut size) = (0.0, 0.0);
            let mut add = |x: f64| {
                sum += x;
                size += x.abs();
            };
            (0..k).for_each(|l| add(a.at(i, l) * b.at(l, j)));
            if keep {
                add(f64::from(old[i * row_stride + j]));
            }
            if has_row {
                add(f64::from(row[j]));
            }
            if has_residual {
                add(residual.at(i, j));
            }
            let bound = (2 * k + 4) as f64 * 2f64.powi(-24) * size;
            let (mut least, mut most) = (sum - bound, sum + bound);
            if relu {
                (least, most) = (least.max(0.0), most.max(0.0));
            }
            if has_times {
                let t = times.at(i, j);
                let slack = 2f64.powi(-23) * (least.abs().max(most.abs()) * t.abs());
                (least, most) = ((least * t).min(most * t) - slack, (least * t).max(most * t) + slack);
            }
            if has_gate && gate.at(i, j) <= 0.0 {
                (least, most) = (0.0, 0.0);
            }
            let got = f64::from(c[i * row_stride + j]);
            assert!(
                least <= got && got <= most,
                "{set:?} {m}x{k}x{n} {finish:?}: ({i}, {j}) is {got}, not in {least}..{most}"
            );
        }
        // between the rows nothing is touched
        let gap = i * row_stride + n..(i + 1) * row_stride;
        assert!(c[gap.clone()].iter().zip(&old[gap]).all(|(c, old)| c.to_bits() == old.to_bits()));
    }
}

/// Random shapes; fewer under Miri, which takes seconds for each.
#[test]
fn any_product_is_the_double_loop_s_to_the_bound_of_rounding() {
    let cases = std::env::var("KERNEL_CASES").ok().and_then(|n| n.parse().ok());
    let cases: u64 = cases.unwrap_or(if cfg!(miri) { 12 } else { 1500 });
    // a new sequence every day, printed by the failing assertion's shapes
    let day = if cfg!(miri) { 0 } else { UNIX_EPOCH.elapsed().unwrap().as_secs() / 86_400 };
    for set in InstructionSet::all() {
        let mut random = Random(day);
        for _ in 0..cases {
            let mut shape = [random.size(), random.size(), random.size()];
            if cfg!(miri) {
                shape = shape.map(|n| n.min(20));
            }
            check(set, &mut random, shape);
        }
    }
}

#[test]
fn every_height_and_width_of_a_tile() {
    for set in InstructionSet::all() {
        let mut random = Random(1);
        let widths: Vec<usize> = if cfg!(miri) { vec![1, 16, 53] } else { (1..=100).collect() };
        for m in 1..if cfg!(miri) { 17 } else { 33 } {
            for &n in &widths {
                check(set, &mut random, [m, 3, n]);
            }
        }
    }
}

/// Several inner blocks, several blocks of rows, left factors of both orders.
#[cfg(not(miri))]
#[test]
fn large_products() {
    for set in InstructionSet::all() {
        let mut random = Random(2);
        for shape in [[97, 2048, 33], [700, 257, 120], [1218, 128, 97], [13, 1000, 13], [300, 512, 50]] {
            for _ in 0..4 {
                check(set, &mut random, shape);
            }
        }
    }
}

fn product(set: InstructionSet, a: &[f32], b: &[f32], [m, k, n]: [usize; 3]) -> Vec<f32> {
    let mut packed = Packed::new(set);
    packed.pack(Matrix::new(b, [k, n]).unwrap());
    let mut c = vec![0.0; m * n];
    let (c_view, a) = (MatrixMut::new(&mut c, [m, n]).unwrap(), Matrix::new(a, [m, k]).unwrap());
    multiply(c_view, a, &packed, &Finish::default()).unwrap();
    c
}

/// A row has the same bits alone, among others and in another storage order; with FMA on every instruction set.
#[test]
fn an_entry_does_not_depend_on_the_other_rows_and_columns() {
    let [m, k, n] = if cfg!(miri) { [11, 5, 21] } else { [101, 700, 97] };
    let mut random = Random(3);
    let (a, b) = (random.numbers(m * k), random.numbers(k * n));
    let mut fused: Option<Vec<f32>> = None;
    for set in InstructionSet::all() {
        let all = product(set, &a, &b, [m, k, n]);
        for i in [0, 1, m / 2, m - 1] {
            let one = product(set, &a[i * k..][..k], &b, [1, k, n]);
            assert_eq!(one, all[i * n..][..n], "{set:?} row {i}");
        }
        for j in [0, n / 2, n - 1] {
            let column: Vec<f32> = (0..k).map(|l| b[l * n + j]).collect();
            let one = product(set, &a, &column, [m, k, 1]);
            assert!((0..m).all(|i| one[i] == all[i * n + j]), "{set:?} column {j}");
        }
        // (Aᵀ)ᵀ and (Bᵀ)ᵀ, stored the other way around
        let turned = |x: &[f32], [rows, columns]: [usize; 2]| -> Vec<f32> {
            (0..rows * columns).map(|i| x[(i % rows) * columns + i / rows]).collect()
        };
        let (at, bt) = (turned(&a, [m, k]), turned(&b, [k, n]));
        let mut packed = Packed::new(set);
        packed.pack(Matrix::new(&bt, [n, k]).unwrap().transposed());
        let mut c = vec![0.0; m * n];
        let (view, a) =
            (MatrixMut::new(&mut c, [m, n]).unwrap(), Matrix::new(&at, [k, m]).unwrap().transposed());
        multiply(view, a, &packed, &Finish::default()).unwrap();
        assert_eq!(c, all, "{set:?} transposed");
        if set.name() != "portable" {
            assert_eq!(*fused.get_or_insert_with(|| all.clone()), all, "{set:?} and another set");
        }
    }
}

#[test]
fn nan_and_infinity_reach_their_rows_and_no_others() {
    for set in InstructionSet::all() {
        let (k, n) = (3, 19);
        let mut a = vec![1.0; 5 * k];
        (a[k], a[3 * k + 1]) = (f32::NAN, f32::INFINITY);
        let mut c = vec![0.0; 5 * n];
        let mut packed = Packed::new(set);
        packed.pack(Matrix::new(&[1.0; 57], [k, n]).unwrap());
        let gate = vec![1.0; 5 * n];
        let gate = Matrix::new(&gate, [5, n]).unwrap();
        let finish = Finish { relu: true, gate: Some(gate), ..Finish::default() };
        let (view, a) = (MatrixMut::new(&mut c, [5, n]).unwrap(), Matrix::new(&a, [5, k]).unwrap());
        multiply(view, a, &packed, &finish).unwrap();
        for (i, row) in c.chunks_exact(n).enumerate() {
            assert!(row.iter().all(|&x| match i {
                1 => x.is_nan(),
                3 => x == f32::INFINITY,
                _ => x == 3.0,
            }));
        }
    }
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let data = [0.0; 12];
    assert!(Matrix::new(&data, [3, 5]).is_err());
    assert!(Matrix::new(&data, [usize::MAX, 2]).is_err());
    assert!(Matrix::strided(&data, [3, 4], [4, 1]).is_ok());
    assert!(Matrix::strided(&data, [3, 4], [5, 1]).is_err());
    assert!(Matrix::strided(&data, [usize::MAX, 2], [usize::MAX, 1]).is_err());
    assert!(Matrix::strided(&[], [0, 9], [9, 1]).is_ok());
    let mut out = [0.0; 12];
    assert!(MatrixMut::strided(&mut out, [2, 4], 3).is_err());
    assert!(MatrixMut::strided(&mut out, [3, 4], 5).is_err());

    let mut packed = Packed::new(InstructionSet::best());
    packed.pack(Matrix::new(&data, [3, 4]).unwrap());
    let run = |a: [usize; 2], c: [usize; 2], finish: Finish<'_>| {
        let (a_data, mut c_data) = (vec![0.0; a[0] * a[1]], vec![0.0; c[0] * c[1]]);
        let (c, a) = (MatrixMut::new(&mut c_data, c).unwrap(), Matrix::new(&a_data, a).unwrap());
        multiply(c, a, &packed, &finish).map_err(|e| e.to_string())
    };
    assert!(run([2, 3], [2, 4], Finish::default()).is_ok());
    assert!(run([2, 4], [2, 4], Finish::default()).unwrap_err().contains("is no product"));
    assert!(run([2, 3], [3, 4], Finish::default()).unwrap_err().contains("is no product"));
    let row = [0.0; 3];
    assert!(
        run([2, 3], [2, 4], Finish { row: Some(&row), ..Finish::default() }).unwrap_err().contains("`row`")
    );
    let wide = Matrix::new(&data[..8], [4, 2]).unwrap().transposed();
    let finish = Finish { times: Some(wide), ..Finish::default() };
    assert!(run([2, 3], [2, 4], finish).unwrap_err().contains("`times`"));
}

#[test]
fn the_best_set_comes_first_and_portable_is_always_there() {
    let sets = InstructionSet::all();
    assert_eq!(sets[0], InstructionSet::best());
    assert_eq!(sets.last().unwrap().name(), "portable");
    assert_eq!(InstructionSet::named("portable"), sets.last().copied());
    assert_eq!(InstructionSet::named("MMX"), None);
    assert!(groklab_kernels::multiply_adds(sets[0], 1000) >= 1000);
}
