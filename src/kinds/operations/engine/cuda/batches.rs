//! Batches as the kernels read them: symbols, and the equations sorted by x and by y, so that sums over all equations of
//! a symbol run in a fixed order without atomics.

use super::buffers::{UPDATE_BYTES, batch_stride};
use crate::kinds::operations::{engine::ReplicaStep, task::Equation};

/// Writes one batch into its `batch_stride(capacity, n_symbols)` numbers; what is behind the batch is set to zero.
pub(super) fn pack(batch: &[Equation], capacity: usize, n_symbols: usize, out: &mut [u16]) {
    debug_assert_eq!(out.len(), batch_stride(capacity, n_symbols));
    out.fill(0);
    let (columns, starts) = out.split_at_mut(5 * capacity);
    for (i, e) in batch.iter().enumerate() {
        (columns[i], columns[capacity + i], columns[2 * capacity + i]) = (e.x, e.y, e.answer);
    }
    let (x_start, y_start) = starts.split_at_mut(n_symbols + 1);
    let (by_x, by_y) = columns[3 * capacity..].split_at_mut(capacity);
    sort(batch.iter().map(|e| e.x), x_start, by_x);
    sort(batch.iter().map(|e| e.y), y_start, by_y);
}

/// Counting sort: `order` gets the positions of `symbols` by symbol, `start[s]` where those of s begin.
fn sort(symbols: impl Iterator<Item = u16> + Clone, start: &mut [u16], order: &mut [u16]) {
    for s in symbols.clone() {
        start[usize::from(s) + 1] += 1;
    }
    for s in 1..start.len() {
        start[s] += start[s - 1];
    }
    let mut next = start.to_vec();
    for (i, s) in symbols.enumerate() {
        let at = &mut next[usize::from(s)];
        order[usize::from(*at)] = i as u16;
        *at += 1;
    }
}

/// The `Update` of rows.cuh: rows of the batch, the numbers of AdamW and the strengths of the pull at LAR.
pub(super) fn update_bytes(rows: usize, step: Option<&ReplicaStep>, out: &mut [u8]) {
    let numbers = step.map_or([0.0; 11], |ReplicaStep { update: s, pull, .. }| {
        let [lar, sigma_p, norm] = pull.map_or([0.0; 3], |p| [p.lar, p.sigma_p, p.norm].map(|s| s as f32));
        [s.keep, s.beta1, s.rest1, s.beta2, s.rest2, s.scale, s.root, s.epsilon, lar, sigma_p, norm]
    });
    let words = std::iter::once(rows as u32).chain(numbers.map(f32::to_bits));
    for (out, word) in out[..UPDATE_BYTES].chunks_exact_mut(4).zip(words) {
        out.copy_from_slice(&word.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_sorted_by_both_symbols_in_its_own_order() {
        let e = |x, y, answer| Equation { x, y, answer };
        let batch = [e(2, 0, 1), e(0, 1, 2), e(2, 1, 0)];
        let mut out = vec![9; batch_stride(4, 3)];
        pack(&batch, 4, 3, &mut out);
        let (columns, starts) = out.split_at(20);
        assert_eq!(columns[..12], [2, 0, 2, 0, 0, 1, 1, 0, 1, 2, 0, 0]);
        assert_eq!(columns[12..], [1, 0, 2, 0, 0, 1, 2, 0]);
        assert_eq!(starts, [0, 1, 1, 3, 0, 1, 3, 3]);
    }
}
