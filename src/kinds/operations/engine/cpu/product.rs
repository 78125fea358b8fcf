//! The matrix products of a step, by `groklab-kernels`, and what they need from one to the next.
//!
//! One thread, always: parallelism is over runs.

use crate::kinds::operations::engine::Precision;
use groklab_kernels::{
    Finish, InstructionSet, Matrix, MatrixMut, Packed, SizeError, multiply, multiply_once,
};
use pulp::Arch;
use std::borrow::Cow;

/// Multiplies; keeps its buffers.
pub(in crate::kinds::operations::engine) struct Products {
    set: InstructionSet,
    precision: Precision,
    /// The right factor of a weight gradient, where it has to be packed.
    right: Packed,
}

impl Products {
    /// Products with the kernels of `arch`.
    pub fn new(arch: Arch, precision: Precision) -> Self {
        let set =
            InstructionSet::named(super::instruction_set_name(arch)).unwrap_or_else(InstructionSet::best);
        Self { set, precision, right: Packed::new(set) }
    }

    /// An empty right factor for these products.
    pub fn packed(&self) -> Packed {
        Packed::new(self.set)
    }

    /// Packs W, stored (rows, columns), as the right factor W, or Wᵀ.
    pub fn pack(&self, to: &mut Packed, w: &[f32], columns: usize, transposed: bool) {
        self.pack_part(to, Part::rows(w, columns), transposed);
    }

    /// Packs a part of a matrix as it is, or transposed.
    pub fn pack_part(&self, to: &mut Packed, w: Part<'_>, transposed: bool) {
        let data = rounded(self.precision, w.data);
        let matrix = fitting(Part { data: &data, ..w }.matrix());
        to.pack(if transposed { matrix.transposed() } else { matrix });
    }

    /// y = finish(x · b), both row-major and without gaps.
    pub fn rows(&mut self, x: &[f32], b: &Packed, y: &mut [f32], finish: &Finish<'_>) {
        let [k, n] = b.shape();
        let rows = y.len() / n.max(1);
        let x = Part { data: x, shape: [rows, k], stride: k };
        self.rows_part(x, b, PartMut { data: y, shape: [rows, n], stride: n }, finish);
    }

    /// y = finish(x · b)
    pub fn rows_part(&mut self, x: Part<'_>, b: &Packed, y: PartMut<'_>, finish: &Finish<'_>) {
        let data = rounded(self.precision, x.data);
        let x = Part { data: &data, ..x };
        fitting(y.matrix().and_then(|y| multiply(y, x.matrix()?, b, finish)));
    }

    /// w (m, n) = aᵀ · b, or added to it, for a (k, m) and b (k, n), all row-major and without gaps.
    pub fn outer(&mut self, a: &[f32], b: &[f32], w: &mut [f32], [m, k, n]: [usize; 3], keep: bool) {
        let (a, b) = (Part { data: a, shape: [k, m], stride: m }, Part { data: b, shape: [k, n], stride: n });
        self.outer_part(a, b, PartMut { data: w, shape: [m, n], stride: n }, keep);
    }

    /// w = aᵀ · b, or added to it.
    pub fn outer_part(&mut self, a: Part<'_>, b: Part<'_>, w: PartMut<'_>, keep: bool) {
        let (a_data, b_data) = (rounded(self.precision, a.data), rounded(self.precision, b.data));
        let (a, b) = (Part { data: &a_data, ..a }, Part { data: &b_data, ..b });
        let finish = Finish { keep, ..Finish::default() };
        fitting(
            w.matrix().and_then(|w| {
                multiply_once(w, a.matrix()?.transposed(), b.matrix()?, &finish, &mut self.right)
            }),
        );
    }
}

/// Rows of a row-major matrix, or some columns of them: `data` begins at the first entry, rows are `stride` apart.
#[derive(Clone, Copy)]
pub(in crate::kinds::operations::engine) struct Part<'a> {
    pub data: &'a [f32],
    pub shape: [usize; 2],
    pub stride: usize,
}

/// A [`Part`] to write.
pub(in crate::kinds::operations::engine) struct PartMut<'a> {
    pub data: &'a mut [f32],
    pub shape: [usize; 2],
    pub stride: usize,
}

/// Numbers from the first entry of a part to its last.
fn reach([rows, columns]: [usize; 2], stride: usize) -> usize {
    rows.checked_sub(1).map_or(0, |below| below * stride + columns)
}

impl<'a> Part<'a> {
    /// The part of `data` that begins at `start`.
    pub fn of(data: &'a [f32], start: usize, shape: [usize; 2], stride: usize) -> Self {
        let data = if shape[0] == 0 { &[] } else { &data[start..][..reach(shape, stride)] };
        Self { data, shape, stride }
    }

    /// All of a matrix without gaps.
    fn rows(data: &'a [f32], columns: usize) -> Self {
        Self { data, shape: [data.len() / columns.max(1), columns], stride: columns }
    }

    fn matrix(self) -> Result<Matrix<'a>, SizeError> {
        Matrix::strided(self.data, self.shape, [self.stride, 1])
    }
}

impl<'a> PartMut<'a> {
    /// The part of `data` that begins at `start`.
    pub fn of(data: &'a mut [f32], start: usize, shape: [usize; 2], stride: usize) -> Self {
        let data = if shape[0] == 0 { &mut [][..] } else { &mut data[start..][..reach(shape, stride)] };
        Self { data, shape, stride }
    }

    fn matrix(self) -> Result<MatrixMut<'a>, SizeError> {
        MatrixMut::strided(self.data, self.shape, self.stride)
    }
}

/// A factor as `precision` takes it.
fn rounded(precision: Precision, factor: &[f32]) -> Cow<'_, [f32]> {
    match precision {
        Precision::F32 => Cow::Borrowed(factor),
        Precision::Tf32 => factor.iter().map(|&x| to_tf32(x)).collect(),
    }
}

/// Sizes are this module's callers' own: one that does not fit is a fault of the program.
fn fitting<T>(result: Result<T, SizeError>) -> T {
    match result {
        Ok(value) => value,
        Err(e) => panic!("sizes of a product: {e}"),
    }
}

/// The nearest number with 10 bits of fraction, ties away from zero: what `cvt.rna.tf32` makes of an f32.
fn to_tf32(x: f32) -> f32 {
    if !x.is_finite() {
        return x;
    }
    f32::from_bits((x.to_bits() + 0x1000) & !0x1fff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::operations::engine::cpu::{instruction_set_name, instruction_sets};

    #[test]
    fn tf32_keeps_ten_bits_and_rounds_ties_away() {
        let ulp = 2f32.powi(-10);
        let cases = [
            (1.0, 1.0),
            (1.0 + 0.49 * ulp, 1.0),
            (1.0 + 0.5 * ulp, 1.0 + ulp),
            (-1.0 - 0.5 * ulp, -1.0 - ulp),
            (1.0 + 1.49 * ulp, 1.0 + ulp),
            (1.0 + 1.5 * ulp, 1.0 + 2.0 * ulp),
            (3.0 * 2f32.powi(100) * (1.0 + ulp / 8.0), 3.0 * 2f32.powi(100)),
            (0.0, 0.0),
            (f32::INFINITY, f32::INFINITY),
        ];
        for (x, rounded) in cases {
            assert_eq!(to_tf32(x), rounded, "{x}");
        }
        assert!(to_tf32(f32::NAN).is_nan());
        // products of rounded factors, summed in f32
        let (a, b, mut c) = ([1.0 + 0.5 * ulp, 3.0], [1.0, 1.0 + 0.25 * ulp], [0.0]);
        let mut products = Products::new(Arch::new(), Precision::Tf32);
        products.outer(&a, &b, &mut c, [1, 2, 1], false);
        assert_eq!(c, [1.0 + ulp + 3.0]);
        let mut packed = products.packed();
        products.pack(&mut packed, &b, 2, true);
        products.rows(&a, &packed, &mut c, &Finish::default());
        assert_eq!(c, [1.0 + ulp + 3.0]);
    }

    #[test]
    fn every_instruction_set_of_our_own_loops_has_its_kernels() {
        for arch in instruction_sets() {
            assert_eq!(Products::new(arch, Precision::F32).set.name(), instruction_set_name(arch));
        }
    }

    /// Small integers: products are exact in f32, so the comparison is too.
    #[test]
    fn both_products_equal_the_triple_loop_exactly() {
        let numbers = |n: usize, seed: u32| -> Vec<f32> {
            (0..n as u32).map(|i| ((i * 37 + seed * 11) % 19) as f32 - 9.0).collect()
        };
        let mut products = Products::new(Arch::new(), Precision::F32);
        for [m, k, n] in [[1, 1, 1], [3, 5, 7], [17, 2, 33], [64, 70, 6], [5, 0, 4]] {
            let (a, b, c) = (numbers(m * k, 1), numbers(k * n, 2), numbers(m * n, 3));
            let turned = |x: &[f32], rows: usize, columns: usize| -> Vec<f32> {
                (0..rows * columns).map(|i| x[(i % rows) * columns + i / rows]).collect()
            };
            for keep in [false, true] {
                let mut expected = if keep { c.clone() } else { vec![0.0; m * n] };
                for i in 0..m {
                    for j in 0..n {
                        expected[i * n + j] += (0..k).map(|l| a[i * k + l] * b[l * n + j]).sum::<f32>();
                    }
                }
                let mut got = c.clone();
                products.outer(&turned(&a, m, k), &b, &mut got, [m, k, n], keep);
                assert_eq!(got, expected, "{m} {k} {n} {keep}");
                if k > 0 {
                    let mut packed = products.packed();
                    products.pack(&mut packed, &turned(&b, k, n), k, true);
                    let mut got = c.clone();
                    products.rows(&a, &packed, &mut got, &Finish { keep, ..Finish::default() });
                    assert_eq!(got, expected, "{m} {k} {n} {keep}");
                }
            }
        }
    }
}
