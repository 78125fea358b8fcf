//! The pull at LAR in the factored step: its part of the gradients of the logits, of the unembedding's inputs X and of its
//! weight W.
//!
//! LAR = 1 + log_n( ‖Z‖ / (‖X‖·‖W‖) ) with Z = X Wᵀ, so −λ·LAR adds −λZ/(‖Z‖² ln n) to dZ, λX/(‖X‖² ln n) to dX and
//! λW/(‖W‖² ln n) to dW. With G = WᵀW, Σp² = ‖G‖²/‖W‖⁴, and −μ·½ log_n Σp² adds −μ(2WG/‖G‖² − 2W/‖W‖²)/ln n to dW.
//! ν log_n ‖W‖ adds νW/(‖W‖² ln n). A matrix of zeros has no LAR, and nothing pulls at it.

use super::{FactoredEngine, block::pieces, head::head_input};
use crate::kinds::operations::config::Pull;
use groklab_kernels::Finish;

/// What a step keeps for its pull.
#[derive(Default)]
pub(super) struct Alignment {
    /// Factors of Z and of X in their own gradients; 0 without a pull.
    outputs: f32,
    inputs: f32,
    /// Z of a few rows, before the loss takes the logits' place.
    z: Vec<f32>,
    gram: Vec<f32>,
    product: Vec<f32>,
}

impl Alignment {
    /// Adds to the gradient of X.
    pub fn add_to_inputs(&self, d_x: &mut [f32], x: &[f32]) {
        if self.inputs != 0.0 {
            add(d_x, self.inputs, x);
        }
    }
}

impl FactoredEngine {
    /// The norms of Z and X over the whole batch, by a forward pass of the last block of its own: that of the step gives a few
    /// rows at a time.
    pub(super) fn begin_pull(&mut self, params: &[f32], pull: Option<Pull>) {
        (self.alignment.outputs, self.alignment.inputs) = (0.0, 0.0);
        let Some(Pull { lar, .. }) = pull.filter(|pull| pull.lar != 0.0) else { return };
        let (mut z, mut x, n) = (0.0, 0.0, self.params.d_model);
        for rows in pieces(0..self.batch.len()) {
            self.forward_last(params, rows.clone());
            z += square_sum(&self.head.logits[..rows.len() * self.params.n_symbols]);
            x += square_sum(head_input(&self.params, rows.len(), &self.blocks, &self.head));
        }
        if z > 0.0 {
            (self.alignment.outputs, self.alignment.inputs) = (-factor(lar, z, n), factor(lar, x, n));
        }
    }

    /// Takes Z of the rows at hand.
    pub(super) fn keep_logits(&mut self, rows: usize) {
        if self.alignment.outputs != 0.0 {
            self.alignment.z.clear();
            self.alignment.z.extend_from_slice(&self.head.logits[..rows * self.params.n_symbols]);
        }
    }

    /// Adds to the gradient of Z.
    pub(super) fn pull_logits(&mut self, rows: usize) {
        if self.alignment.outputs != 0.0 {
            let d_z = &mut self.head.logits[..rows * self.params.n_symbols];
            add(d_z, self.alignment.outputs, &self.alignment.z);
        }
    }

    /// Adds to the gradient of W, (V, n).
    pub(super) fn pull_weight(&mut self, pull: Option<Pull>, params: &[f32], grads: &mut [f32]) {
        let Some(pull) = pull else { return };
        let (range, n) = (self.params.unembed.weight.clone(), self.params.d_model);
        let (d_w, w) = (&mut grads[range.clone()], &params[range]);
        let (products, Alignment { outputs, gram, product, .. }) = (&mut self.products, &mut self.alignment);
        let squares = square_sum(w);
        // without Z there is no LAR
        let lar = if *outputs == 0.0 { 0.0 } else { pull.lar };
        add(d_w, factor(lar + pull.norm + 2.0 * pull.sigma_p, squares, n), w);
        if pull.sigma_p != 0.0 && squares > 0.0 {
            gram.resize(n * n, 0.0);
            product.resize(w.len(), 0.0);
            products.outer(w, w, gram, [n, w.len() / n, n], false);
            let mut packed = products.packed();
            products.pack(&mut packed, gram, n, false);
            products.rows(w, &packed, product, &Finish::default());
            add(d_w, -factor(2.0 * pull.sigma_p, square_sum(gram), n), product);
        }
    }
}

/// strength / (‖a‖² ln n); 0 for a matrix of zeros.
fn factor(strength: f64, square_sum: f64, n: usize) -> f32 {
    if square_sum > 0.0 { (strength / (square_sum * (n as f64).ln())) as f32 } else { 0.0 }
}

fn square_sum(a: &[f32]) -> f64 {
    a.iter().map(|&x| f64::from(x) * f64::from(x)).sum()
}

fn add(to: &mut [f32], by: f32, a: &[f32]) {
    to.iter_mut().zip(a).for_each(|(to, a)| *to += by * a);
}
