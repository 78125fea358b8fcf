//! Where everything lies in the device's memory.
//!
//! First one block a replica, all alike and `stride` floats long, so that one stride serves every kernel and product;
//! then what the replicas share: batches, updates, losses, evaluation tables.

use crate::{
    kinds::operations::config::Norm,
    kinds::operations::engine::cpu::{Params, rows::Counts},
};

/// Rows of a chunk of a column sum.
pub(super) const CHUNK: usize = 32;
/// f64 numbers an evaluation leaves beside the Gram matrix and the column sums: loss, correct rows, rows of zero loss
/// and squared logits, of the training and of the validation rows.
pub(super) const COUNTS: usize = 8;
/// Bytes of an `Update` in kernels.cu.
pub(super) const UPDATE_BYTES: usize = 48;

/// What a group of replicas needs room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Equations of a training batch.
    pub batch: usize,
    /// Equations computed at once: of a training batch or of a piece of an evaluation.
    pub rows: usize,
    /// Steps of an epoch.
    pub steps: usize,
    /// Pieces of the training rows, and of the validation rows, in an evaluation.
    pub pieces: usize,
}

/// Byte offsets of what a layer leaves for its backward pass; shapes as in the CPU engine's blocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layer {
    pub norm1: usize,
    pub stats1: usize,
    pub q: usize,
    pub kv: usize,
    pub weights: usize,
    pub attended: usize,
    pub sum1: usize,
    pub norm2: usize,
    pub stats2: usize,
    pub slope: usize,
    pub hidden: usize,
    pub sum2: usize,
}

/// Byte offsets of replica 0's buffers; replica r's lie r·stride floats further.
#[derive(Clone, Debug)]
pub(super) struct Buffers {
    /// Floats of a replica; even, so that f64 stay aligned.
    pub stride: usize,
    pub params: usize,
    pub grads: usize,
    pub m: usize,
    pub v: usize,
    pub embedded: usize,
    pub layers: Vec<Layer>,
    pub normed: usize,
    pub stats: usize,
    pub logits: usize,
    /// Gradients of rows: two that change places, and one for a branch.
    pub rows: [usize; 2],
    pub branch: usize,
    pub d_q: usize,
    pub d_kv: usize,
    pub d_hidden: usize,
    pub d_scores: usize,
    pub partial: usize,
    pub losses: usize,
    pub flags: usize,
    pub squares: usize,
    pub wide: usize,
    /// The pull at LAR: its four factors, WᵀW (d, d) and W·WᵀW (V, d).
    pub pull: usize,
    pub weight_gram: usize,
    pub weight_product: usize,
    /// Gram matrix (d²), column sums (d), counts, all f64, one after the other.
    pub moments: usize,
}

/// Byte offsets of what the replicas share, behind their blocks.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    /// Batches of an epoch, (replicas, steps, batch_stride) u16.
    pub batches: usize,
    /// (steps, replicas) updates.
    pub updates: usize,
    /// (steps, replicas) f32.
    pub means: usize,
    /// (replicas) i32.
    pub stopped: usize,
    /// (parameters) u8.
    pub decayed: usize,
    /// Fixed position embedding, (4, d).
    pub sinusoids: usize,
    /// Evaluation tables, (training / validation, replicas, pieces, piece_stride) u16.
    pub pieces: usize,
    /// (training / validation, pieces, replicas) updates: only their rows count.
    pub piece_rows: usize,
    /// End of everything.
    pub bytes: usize,
}

/// u16 of one batch of `rows` equations: x, y, answer, two orders, two lists of beginnings.
pub(super) fn batch_stride(rows: usize, n_symbols: usize) -> usize {
    5 * rows + 2 * (n_symbols + 1)
}

/// Hands out places one after the other, each on a boundary of 256 bytes.
struct Places(usize);

impl Places {
    fn bytes(&mut self, n: usize) -> usize {
        let at = self.0;
        self.0 = (at + n).next_multiple_of(256);
        at
    }

    fn floats(&mut self, n: usize) -> usize {
        self.bytes(4 * n)
    }
}

impl Buffers {
    pub fn new(params: &Params, room: Room) -> Self {
        let (v, d, m, c) = (params.n_symbols, params.d_model, params.d_mlp, room.rows);
        let heads = params.heads.n_heads;
        let inputs = |first| Counts::new(params.sequence, [v, c], (first, false)).inputs;
        let all = inputs(false);
        let mut p = Places(0);
        let mut buffers = Self {
            params: p.floats(params.len),
            grads: p.floats(params.len),
            m: p.floats(params.len),
            v: p.floats(params.len),
            embedded: p.floats(inputs(true) * d),
            layers: Vec::new(),
            normed: p.floats(c * d),
            stats: p.floats(2 * c),
            logits: p.floats(c * v),
            rows: [p.floats(all * d), p.floats(all * d)],
            branch: p.floats(all * d),
            d_q: p.floats(all * d),
            d_kv: p.floats(all * 2 * d),
            d_hidden: p.floats(all * m),
            d_scores: p.floats(all * heads * 4),
            partial: p.floats(all.div_ceil(CHUNK) * (2 * d).max(m)),
            losses: p.floats(c),
            flags: p.floats(c),
            squares: p.floats(2 * c),
            wide: p.floats(2 * c * d),
            pull: p.floats(4),
            weight_gram: p.floats(d * d),
            weight_product: p.floats(v * d),
            moments: p.floats(2 * moments_len(d)),
            stride: 0,
        };
        for Counts { inputs: n_in, outputs: n_out, .. } in
            Counts::of_layers(params.blocks.len(), params.sequence, [v, c])
        {
            let (n_norm1, n_norm2) = match params.norm {
                Norm::Pre => (n_in, n_out),
                Norm::Post => (n_out, n_out),
                Norm::None => (0, 0),
            };
            buffers.layers.push(Layer {
                norm1: p.floats(n_norm1 * d),
                stats1: p.floats(2 * n_norm1),
                q: p.floats(n_in * d),
                kv: p.floats(n_in * 2 * d),
                weights: p.floats(n_out * heads * 4),
                attended: p.floats(n_out * d),
                sum1: p.floats(n_out * d),
                norm2: p.floats(n_norm2 * d),
                stats2: p.floats(2 * n_norm2),
                slope: p.floats(n_out * m),
                hidden: p.floats(n_out * m),
                sum2: p.floats(n_out * d),
            });
        }
        buffers.stride = p.0 / 4;
        buffers
    }
}

/// f64 of the results of an evaluation.
pub(super) fn moments_len(d: usize) -> usize {
    d * d + d + COUNTS
}

impl Shared {
    pub fn new(buffers: &Buffers, params: &Params, room: Room, replicas: usize) -> Self {
        let mut p = Places(replicas * buffers.stride * 4);
        let v = params.n_symbols;
        Self {
            batches: p.bytes(2 * replicas * room.steps * batch_stride(room.batch, v)),
            updates: p.bytes(room.steps * replicas * UPDATE_BYTES),
            means: p.floats(room.steps * replicas),
            stopped: p.floats(replicas),
            decayed: p.bytes(params.len),
            sinusoids: p.floats(params.sequence.positions() * params.d_model),
            pieces: p.bytes(2 * 2 * replicas * room.pieces * batch_stride(room.rows, v)),
            piece_rows: p.bytes(2 * room.pieces * replicas * UPDATE_BYTES),
            bytes: p.0,
        }
    }
}
