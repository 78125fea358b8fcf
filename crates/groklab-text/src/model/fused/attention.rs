//! Causal attention of all heads, with the norm and the rotation of q and k.

use super::{
    loss::exponentials,
    norm::{inverse_rms, unit_backward},
    numbers, stored,
    vector::{LANES, axpy, combine, dot, vectorised},
    with_numbers,
};
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use std::{ops::Range, sync::Arc};

/// softmax(q̂ k̂ᵀ/√D) v of q, k and v, (B·T, H·D), to (B·T, H·D).
pub struct Attention {
    /// H.
    pub heads: usize,
    /// T.
    pub length: usize,
    /// Cosine and sine of position t and channel pair i at t·D/2 + i; none: q and k are not turned.
    pub turns: Option<Arc<[(f32, f32)]>>,
    /// ε of the RMSNorm of each head's q and k before they turn; none: they are taken as they are.
    pub norm: Option<f64>,
}

/// Where a head of a sequence lies in a tensor, and how its copy is padded.
struct Head<'a> {
    op: &'a Attention,
    /// First number of the first position.
    start: usize,
    /// H·D.
    stride: usize,
    /// D.
    d: usize,
    /// D and T, up to whole vectors.
    padded: [usize; 2],
}

impl Head<'_> {
    #[inline(always)]
    fn row(&self, t: usize) -> Range<usize> {
        let start = self.start + t * self.stride;
        start..start + self.d
    }

    /// (T, padded D), as it is.
    #[inline(always)]
    fn rows(&self, x: &[f32], to: &mut [f32]) {
        for (t, to) in to.chunks_exact_mut(self.padded[0]).enumerate() {
            to[..self.d].copy_from_slice(&x[self.row(t)]);
        }
    }

    /// The same of q or k: normalised and turned.
    #[inline(always)]
    fn turned_rows(&self, x: &[f32], to: &mut [f32]) {
        self.rows(x, to);
        let half = self.d / 2;
        for (t, row) in to.chunks_exact_mut(self.padded[0]).enumerate() {
            let row = &mut row[..self.d];
            if let Some(epsilon) = self.op.norm {
                let inverse = inverse_rms(row, epsilon);
                row.iter_mut().for_each(|x| *x *= inverse);
            }
            if let Some(turns) = &self.op.turns {
                let (a, b) = row.split_at_mut(half);
                for ((a, b), (cos, sin)) in a.iter_mut().zip(b).zip(&turns[t * half..]) {
                    (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
                }
            }
        }
    }

    /// Takes gradients by turned rows back to those of q or k and writes them into `to`, the whole tensor.
    #[inline(always)]
    fn back(&self, x: &[f32], gradients: &mut [f32], to: &mut [f32]) {
        let half = self.d / 2;
        for (t, row) in gradients.chunks_exact_mut(self.padded[0]).enumerate() {
            let row = &mut row[..self.d];
            if let Some(turns) = &self.op.turns {
                let (a, b) = row.split_at_mut(half);
                for ((a, b), (cos, sin)) in a.iter_mut().zip(b).zip(&turns[t * half..]) {
                    (*a, *b) = (*a * cos + *b * sin, *b * cos - *a * sin);
                }
            }
            let (x, to) = (&x[self.row(t)], &mut to[self.row(t)]);
            match self.op.norm {
                Some(epsilon) => unit_backward(to, x, row, inverse_rms(x, epsilon)),
                None => to.copy_from_slice(row),
            }
        }
    }

    /// Rows (T, padded D) as columns (D, padded T).
    #[inline(always)]
    fn columns(&self, rows: &[f32], to: &mut [f32]) {
        for (t, row) in rows.chunks_exact(self.padded[0]).enumerate() {
            for (i, x) in row[..self.d].iter().enumerate() {
                to[i * self.padded[1] + t] = *x;
            }
        }
    }

    /// Copies what every row of this head needs.
    #[inline(always)]
    fn load(&self, [q, k, v]: [&[f32]; 3], room: &mut Room) {
        self.turned_rows(q, &mut room.q);
        self.turned_rows(k, &mut room.k);
        self.rows(v, &mut room.v);
        self.columns(&room.k, &mut room.k_columns);
    }

    /// Attention of position t over those up to it, normalised; 0 behind, up to whole vectors.
    #[inline(always)]
    fn weights(&self, q: &[f32], k_columns: &[f32], t: usize, weights: &mut [f32]) {
        combine(weights, &q[..self.d], k_columns, self.padded[1]);
        let scale = 1.0 / (self.d as f32).sqrt();
        let (seen, unseen) = weights.split_at_mut(t + 1);
        seen.iter_mut().for_each(|w| *w *= scale);
        let factor = 1.0 / exponentials(seen);
        seen.iter_mut().for_each(|w| *w *= factor);
        unseen.fill(0.0);
    }
}

/// Room for a head's copies.
struct Room {
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    /// Of k, (D, padded T).
    k_columns: Vec<f32>,
    weights: Vec<f32>,
}

impl Attention {
    /// Calls `f` with each head of each sequence and room for it.
    #[inline(always)]
    fn each_head(&self, tokens: usize, stride: usize, mut f: impl FnMut(&Head, &mut Room)) {
        let (d, t) = (stride / self.heads, self.length);
        let padded = [d.next_multiple_of(LANES), t.next_multiple_of(LANES)];
        let rows = || vec![0.0f32; t * padded[0]];
        let k_columns = vec![0.0f32; d * padded[1]];
        let mut room = Room { q: rows(), k: rows(), v: rows(), k_columns, weights: vec![0.0; padded[1]] };
        for sequence in 0..tokens / t {
            for head in 0..self.heads {
                let start = sequence * t * stride + head * d;
                f(&Head { op: self, start, stride, d, padded }, &mut room);
            }
        }
    }

    #[inline(always)]
    fn forward(&self, [q, k, v]: [&[f32]; 3], stride: usize, y: &mut [f32]) {
        let mut sum = vec![0.0f32; (stride / self.heads).next_multiple_of(LANES)];
        self.each_head(
            q.len() / stride,
            stride,
            #[inline(always)]
            |head, room| {
                head.load([q, k, v], room);
                for (t, q) in room.q.chunks_exact(head.padded[0]).enumerate() {
                    let weights = &mut room.weights[..(t + 1).next_multiple_of(LANES)];
                    head.weights(q, &room.k_columns, t, weights);
                    combine(&mut sum, &weights[..=t], &room.v, head.padded[0]);
                    y[head.row(t)].copy_from_slice(&sum[..head.d]);
                }
            },
        );
    }

    #[inline(always)]
    fn backward(&self, [q, k, v, dy]: [&[f32]; 4], stride: usize, [dq, dk, dv]: [&mut [f32]; 3]) {
        let d = stride / self.heads;
        let padded = [d.next_multiple_of(LANES), self.length.next_multiple_of(LANES)];
        let rows = || vec![0.0f32; self.length * padded[0]];
        let (mut dy_rows, mut dq_rows, mut dk_rows, mut dv_rows) = (rows(), rows(), rows(), rows());
        let (mut v_columns, mut dweights) = (vec![0.0f32; d * padded[1]], vec![0.0f32; padded[1]]);
        let scale = 1.0 / (d as f32).sqrt();
        self.each_head(
            q.len() / stride,
            stride,
            #[inline(always)]
            |head, room| {
                head.load([q, k, v], room);
                head.rows(dy, &mut dy_rows);
                head.columns(&room.v, &mut v_columns);
                dk_rows.fill(0.0);
                dv_rows.fill(0.0);
                for t in 0..self.length {
                    let at = t * head.padded[0]..(t + 1) * head.padded[0];
                    let (q, dy) = (&room.q[at.clone()], &dy_rows[at.clone()]);
                    let whole = (t + 1).next_multiple_of(LANES);
                    let weights = &mut room.weights[..whole];
                    head.weights(q, &room.k_columns, t, weights);
                    let dweights = &mut dweights[..whole];
                    combine(dweights, &dy[..head.d], &v_columns, head.padded[1]);
                    // what lies behind has weight 0
                    let mean = dot(weights, dweights);
                    for (s, dv) in dv_rows.chunks_exact_mut(head.padded[0]).take(t + 1).enumerate() {
                        axpy(dv, weights[s], dy);
                    }
                    for (dw, w) in dweights.iter_mut().zip(&*weights) {
                        *dw = scale * w * (*dw - mean);
                    }
                    for (s, dk) in dk_rows.chunks_exact_mut(head.padded[0]).take(t + 1).enumerate() {
                        axpy(dk, dweights[s], q);
                    }
                    combine(&mut dq_rows[at], &dweights[..=t], &room.k, head.padded[0]);
                }
                head.back(q, &mut dq_rows, dq);
                head.back(k, &mut dk_rows, dk);
                for (t, row) in dv_rows.chunks_exact(head.padded[0]).enumerate() {
                    dv[head.row(t)].copy_from_slice(&row[..head.d]);
                }
            },
        );
    }
}

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (tokens, stride) = q_layout.shape().dims2()?;
        let inputs = [numbers(q, q_layout)?, numbers(k, k_layout)?, numbers(v, v_layout)?];
        let mut y = vec![0.0f32; tokens * stride];
        vectorised(
            #[inline(always)]
            || self.forward(inputs, stride, &mut y),
        );
        Ok(stored(y, (tokens, stride)))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (tokens, stride) = q.dims2()?;
        let [mut dq, mut dk, mut dv] = [(); 3].map(|()| vec![0.0f32; tokens * stride]);
        with_numbers([q, k, v, dy], |inputs| {
            vectorised(
                #[inline(always)]
                || self.backward(inputs, stride, [&mut dq, &mut dk, &mut dv]),
            );
            Ok(())
        })?;
        let tensor = |values| Tensor::from_vec(values, (tokens, stride), q.device()).map(Some);
        Ok((tensor(dq)?, tensor(dk)?, tensor(dv)?))
    }
}
